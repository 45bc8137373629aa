//! The service: it serves the report to those who ask it by its name, and holds out against the rest.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use super::metrics;
use super::year::{Year, morning};
use crate::environment::Clock;
use crate::support::{Tool, until};

/// A service that ends with its test.
struct Service {
    child: Child,
    address: String,
    _out: BufReader<ChildStdout>,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn of(year: &Year, clock: &Clock, options: &[&str]) -> Self {
        let tool = Tool::alone("fwb-report").arg("--store").arg(year.store.path());
        let mut child = clock.tool(tool.args(["--listen", "127.0.0.1:0"]).args(options)).spawn();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line}"));
        Self { child, address: address.trim_end_matches('/').to_owned(), _out: out }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// What it answers to bytes: everything until it closes.
    fn answer(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // It may close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.answer(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).1
}

#[track_caller]
fn is(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
}

fn served() -> (Year, Clock) {
    let mut year = Year::new();
    for of in 0..10 {
        year.pass(of);
    }
    (year, Clock::at(morning(9).timestamp()))
}

#[test]
fn it_serves_page_metrics_and_json_in_their_headers() {
    let (year, clock) = served();
    let service = Service::of(&year, &clock, &["--host-name", "report.backup.svc"]);
    let page = service.get("/");
    is(&page, 200);
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
    ] {
        assert!(page.split("\r\n\r\n").next().unwrap().contains(header), "{header}: {page}");
    }
    assert!(!page.contains("unsafe-inline") && page.contains("All is well: "), "{page}");
    let metrics = service.get("/metrics");
    is(&metrics, 200);
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    let metrics = metrics::holds(body(&metrics));
    assert_eq!((metrics["fwb_report_up"], metrics["fwb_report_errors_total"]), (1.0, 0.0));
    let json: serde_json::Value = serde_json::from_str(body(&service.get("/report.json"))).unwrap();
    assert_eq!((&json["schema"], &json["ok"]), (&"fwb-report/1".into(), &true.into()));
    assert_eq!(body(&service.get("/healthz")), "ok\n");
    is(&service.get("/../etc/passwd"), 404);
    is(&service.get("/metrics?x=%3Cscript%3E"), 200);
    let named = service.answer(b"HEAD / HTTP/1.1\r\nHost: report.backup.svc:80\r\n\r\n");
    is(&named, 200);
    assert_eq!(body(&named), "", "HEAD has no body");
}

#[test]
fn it_answers_nobody_who_asks_by_another_name_or_for_more() {
    let (year, clock) = served();
    let service = Service::of(&year, &clock, &[]);
    let get = |host: &str| service.answer(format!("GET / HTTP/1.1\r\n{host}\r\n").as_bytes());
    for host in [
        "Host: evil.example\r\n",
        "Host: localhost.evil.example:9394\r\n",
        "Host: report.backup.svc\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host:\r\n",
    ] {
        let answer = get(host);
        assert!(
            answer.starts_with("HTTP/1.1 421 ") || answer.starts_with("HTTP/1.1 400 "),
            "{host}: {answer}"
        );
        assert!(!answer.contains("shop"), "{host}: {answer}");
    }
    is(&get(&format!("Host: {}\r\n", service.address)), 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
        let target = if method == "CONNECT" { "localhost:80" } else { "/" };
        let answer = service.answer(
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("shop"), "{method}: {answer}");
    }
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = service.answer(large.as_bytes());
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
    let many = (0..200).map(|at| format!("X-{at}: 1\r\n")).collect::<Vec<_>>().concat();
    is(&service.answer(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()), 431);
    is(&service.answer(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"), 400);
    is(&service.get("/healthz"), 200);
}

/// As many slow clients as there are places are cut off, and others are served then.
#[test]
fn slow_clients_are_cut_off() {
    let (year, clock) = served();
    let service = Service::of(&year, &clock, &[]);
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
            stream
        })
        .collect();
    is(&service.get("/healthz"), 200);
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
}

/// A store that cannot be read any more is told, and what it held is served still.
#[test]
fn the_last_good_answer_is_served_while_the_store_is_away() {
    let (mut year, clock) = served();
    let service = Service::of(&year, &clock, &[]);
    is(&service.get("/"), 200);
    let path = year.store.path().to_owned();
    let away = path.with_extension("away");
    fs::rename(&path, &away).unwrap();
    // It is looked at every half a minute.
    let metrics = until("a look that failed", || {
        let metrics = metrics::holds(body(&service.get("/metrics")));
        (metrics["fwb_report_up"] == 0.0).then_some(metrics)
    });
    assert!(metrics["fwb_report_errors_total"] >= 1.0 && metrics["fwb_troubles"] == 0.0);
    let page = service.get("/");
    is(&page, 200);
    assert!(page.contains("The stores cannot be read now") && page.contains("shop"), "{page}");
    fs::rename(&away, &path).unwrap();
    year.pass(10);
}

#[test]
fn a_signal_ends_it_at_once() {
    let (year, clock) = served();
    let mut service = Service::of(&year, &clock, &[]);
    let _waiting = service.connect();
    is(&service.get("/metrics"), 200);
    let begun = Instant::now();
    Tool::program("kill").arg(service.child.id().to_string()).run().ok();
    assert_eq!(service.child.wait().unwrap().code(), Some(143));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let (year, clock) = served();
    let service = Service::of(&year, &clock, &[]);
    let again = Tool::alone("fwb-report")
        .arg("--store")
        .arg(year.store.path())
        .args(["--listen", &service.address])
        .run();
    again.fails(1, &["listen for requests"]);
    Tool::alone("fwb-report").args(["--listen", "nonsense"]).run().fails(2, &["nonsense"]);
}
