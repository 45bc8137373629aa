//! What is reached by HTTP: each kind, and servers that misbehave.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fwb::Cancel;
use fwb_notify::{Event, Failure, Message, Settings, Targets};

use crate::certificates::Certificates;
use crate::child::Killed;
use crate::http_server::{Answer, HttpServer};
use crate::{PATIENCE, facts, log, wait_for};

/// What is in every URL here, and must be in nothing that is told.
const SECRET: &str = "hushhush";

fn send(url: &str, event: Event, within: Duration) -> Vec<Failure> {
    log::keep();
    let targets = Targets::parse(url).unwrap();
    let message = Message::of(event, &facts());
    let failures = targets.send(&message, within, &Cancel::default());
    let told = format!("{failures:?} {targets:?} {}", log::said());
    assert!(!told.contains(SECRET), "{told}");
    failures
}

fn fails(url: &str, within: Duration) -> String {
    let failures = send(url, Event::Failed, within);
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures[0].to_string()
}

#[test]
fn a_ping_is_sent_for_each_run() {
    for (event, path) in
        [(Event::Started, "/start"), (Event::Succeeded, ""), (Event::Failed, "/fail"), (Event::Test, "/log")]
    {
        let server = HttpServer::ok();
        assert_eq!(send(&format!("ping+http://127.0.0.1:{}/{SECRET}", server.port), event, PATIENCE), []);
        let got = server.only();
        assert_eq!(got.first, format!("POST /{SECRET}{path} HTTP/1.1"));
        assert_eq!(got.json()["reason"], "Duplicate entry '…' for key 'email'");
        assert!(got.field("User-Agent").starts_with("fwb/"), "{got:?}");
    }
}

#[test]
fn a_check_that_the_service_does_not_know_is_a_failure() {
    let server = HttpServer::new(vec![Answer::Status(200, "", "OK (not found)".into())]);
    let told = fails(&format!("ping+http://127.0.0.1:{}/{SECRET}", server.port), PATIENCE);
    assert_eq!(told, "ping at 127.0.0.1: it answered 200 OK: not found");
}

#[test]
fn a_webhook_gets_json_and_no_values() {
    let server = HttpServer::ok();
    let url = format!("webhook+http://bob:{SECRET}@localhost:{}/{SECRET}?key={SECRET}", server.port);
    assert_eq!(send(&url, Event::Failed, PATIENCE), []);
    let got = server.only();
    assert_eq!(got.path(), format!("/{SECRET}?key={SECRET}"));
    assert_eq!(got.field("Content-Type"), "application/json");
    assert_eq!(got.field("Authorization"), "Basic Ym9iOmh1c2hodXNo");
    let json = got.json();
    assert_eq!(json["schema"], "fwb-notice/1");
    assert_eq!(json["event"], "failed");
    assert_eq!(json["title"], "Backup of 상점 failed (db1.example.org)");
    assert_eq!(json["labels"]["database"], "상점");
    assert!(json["text"].as_str().unwrap().contains("There is no proved backup."), "{json}");
    assert!(!got.body.contains("bob@example.org"), "{json}");
}

#[test]
fn a_topic_of_ntfy_gets_text_and_a_title_that_a_header_takes() {
    let server = HttpServer::ok();
    let url = format!("ntfy+http://:{SECRET}@127.0.0.1:{}/topic", server.port);
    assert_eq!(send(&url, Event::Failed, PATIENCE), []);
    let got = server.only();
    assert_eq!(got.path(), "/topic");
    assert_eq!(got.field("Authorization"), format!("Bearer {SECRET}"));
    assert!(got.field("Title").starts_with("=?UTF-8?B?"), "{got:?}");
    assert_eq!(got.field("Priority"), "high");
    assert!(got.body.starts_with("The backup of 상점 failed at "), "{got:?}");
}

#[test]
fn a_channel_of_slack_gets_text() {
    let server = HttpServer::ok();
    let url = format!("slack+http://127.0.0.1:{}/services/{SECRET}", server.port);
    assert_eq!(send(&url, Event::Failed, PATIENCE), []);
    assert!(server.only().json()["text"].as_str().unwrap().starts_with("Backup of 상점 failed"));
}

#[test]
fn a_success_is_told_to_pings_alone() {
    let (pinged, other) = (HttpServer::ok(), HttpServer::ok());
    let urls = format!("ping+http://127.0.0.1:{}/x webhook+http://127.0.0.1:{}/x", pinged.port, other.port);
    assert_eq!(send(&urls, Event::Succeeded, PATIENCE), []);
    pinged.only();
    assert!(other.got().is_empty());
}

#[test]
fn a_server_that_never_answers_holds_nobody_up() {
    let (stuck, well) = (HttpServer::new(vec![Answer::Never]), HttpServer::ok());
    // Takes connections into its queue, and never looks at them.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let urls = format!(
        "webhook+http://127.0.0.1:{}/{SECRET} webhook+http://localhost:{}/{SECRET} ping+http://127.0.0.1:{}/x",
        stuck.port,
        deaf.local_addr().unwrap().port(),
        well.port
    );
    let since = Instant::now();
    let failures = send(&urls, Event::Failed, Duration::from_secs(2));
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let reason = "it gave no answer within 2 s";
    assert_eq!(told, [format!("webhook at 127.0.0.1: {reason}"), format!("webhook at localhost: {reason}")]);
    well.only();
    drop(deaf);
}

#[test]
fn an_answer_without_an_end_is_not_read_to_its_end() {
    let server = HttpServer::new(vec![Answer::Endless]);
    let told = fails(&format!("webhook+http://127.0.0.1:{}/{SECRET}", server.port), PATIENCE);
    assert!(told.starts_with("webhook at 127.0.0.1: it answered 500 Internal Server Error: xxx"), "{told}");
    assert!(told.len() < 400, "{told}");
}

#[test]
fn what_fails_by_accident_is_tried_once_more() {
    let no = || Answer::Status(503, "", format!("the URL /{SECRET} is\nbusy"));
    for (answers, tries, told) in [
        (vec![no(), Answer::status(200)], 2, ""),
        (vec![Answer::Break, Answer::status(200)], 2, ""),
        (vec![Answer::Status(429, "Retry-After: 2\r\n", String::new()), Answer::status(200)], 2, ""),
        (
            vec![Answer::Status(429, "Retry-After: 3600\r\n", String::new())],
            1,
            "it answered 429 Too Many Requests",
        ),
        (vec![no()], 2, "it answered 503 Service Unavailable: the URL /… is"),
        (
            vec![Answer::status(500), no()],
            2,
            "it answered 503 Service Unavailable: the URL /… is; the first try: it answered 500 Internal Server Error",
        ),
        (vec![Answer::Status(400, "", "no".into())], 1, "it answered 400 Bad Request: no"),
        (vec![Answer::Status(404, "", "<!doctype html>".into())], 1, "it answered 404 Not Found"),
    ] {
        let server = HttpServer::new(answers.clone());
        let failures =
            send(&format!("webhook+http://127.0.0.1:{}/{SECRET}", server.port), Event::Failed, PATIENCE);
        let reasons: Vec<&str> = failures.iter().map(|failure| failure.reason.as_str()).collect();
        assert_eq!(reasons.join("\n"), told, "{answers:?}");
        assert_eq!(server.got().len(), tries, "{answers:?}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = HttpServer::ok();
    let location = format!("Location: http://localhost:{}/{SECRET}\r\n", other.port);
    for status in [301, 302, 307, 308] {
        let server = HttpServer::new(vec![Answer::Status(status, location.clone().leak(), String::new())]);
        let told = fails(&format!("webhook+http://127.0.0.1:{}/{SECRET}", server.port), PATIENCE);
        assert!(told.contains("it redirects to localhost, and redirects are not followed"), "{told}");
    }
    assert!(other.got().is_empty());
}

#[test]
fn nobody_listens() {
    let told = fails(&format!("webhook+http://bob:{SECRET}@127.0.0.77:1/{SECRET}"), PATIENCE);
    assert!(told.contains("Connection refused"), "{told}");
}

#[test]
fn a_run_goes_on_while_a_start_is_told() {
    let server = HttpServer::new(vec![Answer::Never]);
    let targets = Targets::parse(&format!("ping+http://127.0.0.1:{}/x", server.port)).unwrap();
    let cancel = Cancel::default();
    let sending = targets.begin(Message::started(&facts()), PATIENCE, cancel.clone());
    wait_for("the request", || server.got().pop());
    cancel.raise(15);
    assert_eq!(sending.finish()[0].to_string(), "ping at 127.0.0.1: a signal ended it");
    assert_eq!(targets.begin(Message::test(&facts()), Duration::ZERO, Cancel::default()).finish().len(), 1);
}

#[test]
fn a_signal_ends_it() {
    let server = HttpServer::new(vec![Answer::Never]);
    let targets = Targets::parse(&format!("webhook+http://127.0.0.1:{}/x", server.port)).unwrap();
    let cancel = Cancel::default();
    let raised = cancel.clone();
    let since = Instant::now();
    let failures = std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("the request", || server.got().pop());
            raised.raise(15);
        });
        targets.send(&Message::failed(&facts()), Duration::from_secs(3000), &cancel)
    });
    assert!(since.elapsed() < PATIENCE);
    assert_eq!(failures[0].reason, "a signal ended it");
}

#[test]
fn a_certificate_must_be_of_an_authority_that_is_trusted() {
    let certificates = Certificates::new();
    let server = HttpServer::ok();
    // TLS in front of the server, at an address where no other test takes ports.
    let port = TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap().port();
    let _tls = Killed::spawn(
        Command::new("socat")
            .arg(format!(
                "OPENSSL-LISTEN:{port},bind=127.0.0.77,reuseaddr,fork,verify=0,cert={},key={}",
                certificates.certificate.display(),
                certificates.key.display()
            ))
            .arg(format!("TCP:127.0.0.1:{}", server.port))
            .stderr(Stdio::null()),
    );
    wait_for("TLS", || std::net::TcpStream::connect(("127.0.0.77", port)).ok());
    let url = format!("webhook+https://127.0.0.77:{port}/{SECRET}");
    let told = fails(&url, PATIENCE);
    assert!(told.contains("invalid peer certificate") && told.contains("FWB_NOTIFY_CA"), "{told}");
    assert!(server.got().is_empty());

    let settings = Settings { ca: Some(certificates.ca.clone()), ..Settings::default() };
    let targets = Targets::read(Some(&url), None, &settings).unwrap();
    assert_eq!(targets.send(&Message::failed(&facts()), PATIENCE, &Cancel::default()), []);
    assert_eq!(server.only().path(), format!("/{SECRET}"));
}

/// Names of variables for the test below, which runs itself anew with a proxy in its environment.
const URL: &str = "FWB_TEST_URL";

#[test]
fn a_proxy_of_the_environment_is_used_but_for_this_host() {
    if let Ok(url) = std::env::var(URL) {
        assert_eq!(send(&url, Event::Failed, PATIENCE), []);
        return;
    }
    let (proxy, here) = (HttpServer::ok(), HttpServer::ok());
    let again = |url: &str| {
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "http::a_proxy_of_the_environment_is_used_but_for_this_host"])
            .env(URL, url)
            .env("http_proxy", format!("http://127.0.0.1:{}", proxy.port))
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    };
    again(&format!("webhook+http://127.0.0.1:{}/x", here.port));
    here.only();
    assert!(proxy.got().is_empty());
    again("webhook+http://hooks.invalid/x");
    assert_eq!(proxy.only().path(), "http://hooks.invalid/x");
}
