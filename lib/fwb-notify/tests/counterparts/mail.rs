//! Mail, to a real mail server.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fwb::Cancel;
use fwb_notify::{Failure, Message, Settings, Targets};
use serde_json::Value;

use crate::certificates::Certificates;
use crate::child::Killed;
use crate::{PATIENCE, facts, log, tool};

/// The password, as a URL has it.
const PASSWORD: &str = "hush%2Fhush";

struct MailServer {
    _process: Killed,
    port: u16,
    lines: Receiver<String>,
}

impl MailServer {
    fn new(mode: &str, certificates: Option<&Certificates>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/mail_server.py");
        let mut command = Command::new(tool("python/bin/python"));
        command.arg(script).arg(mode).stdout(Stdio::piped());
        if let Some(files) = certificates {
            command.args([&files.certificate, &files.key]);
        }
        let mut process = Killed::spawn(&mut command);
        let said = BufReader::new(process.0.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let port = lines.recv_timeout(PATIENCE).expect("aiosmtpd, which scripts/bootstrap.sh test brings");
        Self { _process: process, port: port.parse().unwrap(), lines }
    }

    /// The next mail. The server tells it before it takes it.
    fn mail(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap()
    }

    fn has_none(&self) -> bool {
        self.lines.try_recv().is_err()
    }
}

fn send(url: &str, ca: Option<&Certificates>) -> Vec<Failure> {
    log::keep();
    let settings = Settings { ca: ca.map(|files| files.ca.clone()), ..Settings::default() };
    let targets = Targets::read(Some(url), None, &settings).unwrap();
    let failures = targets.send(&Message::failed(&facts()), PATIENCE, &Cancel::default());
    let told = format!("{failures:?} {targets:?} {}", log::said());
    assert!(!told.contains("hush") && !told.contains("aHVzaC9odXNo"), "{told}");
    failures
}

const PEOPLE: &str = "from=Backups%20%3Cbackups+fwb@example.org%3E&to=ops@example.org&to=dba@example.org";

#[test]
fn mail_has_the_text_and_the_record() {
    let certificates = Certificates::new();
    let server = MailServer::new("starttls", Some(&certificates));
    let url = format!("smtp://bob:{PASSWORD}@127.0.0.1:{}?tls=starttls&{PEOPLE}", server.port);
    assert_eq!(send(&url, Some(&certificates)), []);
    let mail = server.mail();
    assert_eq!(mail["from"], "backups+fwb@example.org");
    assert_eq!(mail["to"], serde_json::json!(["ops@example.org", "dba@example.org"]));
    assert_eq!((&mail["tls"], &mail["login"]), (&true.into(), &true.into()));

    // As a mail program reads it.
    let read = "import email, email.policy, json, sys\n\
        mail = email.message_from_string(sys.argv[1], policy=email.policy.default)\n\
        parts = [(part.get_content_type(), part.get_filename(), part.get_content()) for part in mail.iter_parts()]\n\
        parts = [(kind, name, text.decode() if isinstance(text, bytes) else text) for kind, name, text in parts]\n\
        print(json.dumps({'head': dict(mail.items()), 'parts': parts}))";
    let mut python = Command::new(tool("python/bin/python"));
    let done = python.args(["-c", read]).arg(mail["content"].as_str().unwrap()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(read["head"]["Subject"], "[fwb] Backup of 상점 failed (db1.example.org)");
    assert_eq!(read["head"]["To"], "ops@example.org, dba@example.org");
    assert_eq!(read["head"]["Auto-Submitted"], "auto-generated");
    assert!(read["head"]["Message-ID"].as_str().unwrap().ends_with(".fwb@example.org>"), "{read}");
    let text = read["parts"][0][2].as_str().unwrap().replace("\r\n", "\n");
    assert!(text.starts_with("The backup of 상점 failed at "), "{text}");
    assert!(
        text.contains("Last words of the log:\n  fwb-dump: Duplicate entry '…' for key 'email'"),
        "{text}"
    );
    assert_eq!(
        (&read["parts"][1][0], &read["parts"][1][1]),
        (&"application/json".into(), &"record.json".into())
    );
    let record: Value = serde_json::from_str(read["parts"][1][2].as_str().unwrap()).unwrap();
    assert_eq!(record["reason"], "Duplicate entry '…' for key 'email'");
}

#[test]
fn mail_goes_over_tls_from_the_beginning() {
    let certificates = Certificates::new();
    let server = MailServer::new("wrapped", Some(&certificates));
    let url = format!("smtps://bob:{PASSWORD}@localhost:{}?{PEOPLE}", server.port);
    assert_eq!(send(&url, Some(&certificates)), []);
    assert_eq!(server.mail()["tls"], true);
}

#[test]
fn a_relay_on_this_host_needs_neither_tls_nor_a_password() {
    let server = MailServer::new("plain", None);
    assert_eq!(send(&format!("smtp://127.0.0.1:{}?{PEOPLE}", server.port), None), []);
    assert_eq!(server.mail()["tls"], false);
}

#[test]
fn what_a_mail_server_refuses_is_told() {
    let certificates = Certificates::new();
    let server = MailServer::new("starttls", Some(&certificates));
    let plain = MailServer::new("plain", None);
    let port = server.port;
    let trusted = Some(&certificates);
    for (url, ca, told) in [
        (
            format!("smtp://bob:hush%2Fhushhush@127.0.0.1:{port}?tls=starttls&{PEOPLE}"),
            trusted,
            "mail at 127.0.0.1: permanent error (535): 5.7.8 Authentication credentials invalid",
        ),
        (
            format!("smtp://bob:{PASSWORD}@127.0.0.1:{port}?tls=starttls&{PEOPLE}"),
            None,
            "mail at 127.0.0.1: ",
        ),
        // STARTTLS is not offered: neither the password nor the mail is sent.
        (
            format!("smtp://bob:{PASSWORD}@127.0.0.1:{}?tls=starttls&{PEOPLE}", plain.port),
            trusted,
            "mail at 127.0.0.1: ",
        ),
        (
            format!("smtp://bob:{PASSWORD}@127.0.0.1:{port}?tls=starttls&from=a@b.c&to=nobody@example.org"),
            trusted,
            "mail at 127.0.0.1: permanent error (550): no mailbox nobody@example.org",
        ),
    ] {
        let failures = send(&url, ca);
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].to_string().starts_with(told), "{failures:?}");
        if told.ends_with(": ") {
            let reason = &failures[0].reason;
            assert!(reason.contains("FWB_NOTIFY_CA") || reason.contains("STARTTLS"), "{reason}");
        }
    }
    assert!(server.has_none() && plain.has_none());
}

#[test]
fn an_address_that_is_refused_keeps_nobody_else_from_being_told() {
    let server = MailServer::new("plain", None);
    let people = "from=a@b.c&to=ops@example.org&to=nobody@example.org&to=dba@example.org";
    let failures = send(&format!("smtp://127.0.0.1:{}?{people}", server.port), None);
    assert_eq!(
        failures[0].reason,
        "permanent error (550): no mailbox nobody@example.org; 2 of 3 addresses got it"
    );
    let mut told = [server.mail()["to"].to_string(), server.mail()["to"].to_string()];
    told.sort_unstable();
    assert_eq!(told, [r#"["dba@example.org"]"#, r#"["ops@example.org"]"#]);
    assert!(server.has_none());
}

#[test]
fn a_mail_server_that_never_greets_holds_nobody_up() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://127.0.0.1:{}?{PEOPLE}", deaf.local_addr().unwrap().port());
    let since = Instant::now();
    let failures = Targets::parse(&url).unwrap().send(
        &Message::failed(&facts()),
        Duration::from_secs(1),
        &Cancel::default(),
    );
    assert!(since.elapsed() < Duration::from_secs(20));
    assert!(failures[0].reason.starts_with("it gave no answer within 1 s"), "{failures:?}");
}
