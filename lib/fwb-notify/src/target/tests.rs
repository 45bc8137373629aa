//! Tests of [`super`].

use super::*;

fn of(text: &str) -> Target {
    Target::parse(text, false).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
}

fn at(text: &str) -> String {
    match of(text).way {
        Way::Http(http) => http.url.to_string(),
        Way::Mail(mail) => format!("{}:{} {:?}", mail.server, mail.port, mail.tls),
    }
}

#[test]
fn each_kind_is_read() {
    for (text, name, place) in [
        ("ping+https://hc.example.org/uuid", "ping at hc.example.org", "https://hc.example.org/uuid"),
        (
            "PING+HTTP://hc.example.org:8000/p/?create=1#x",
            "ping at hc.example.org",
            "http://hc.example.org:8000/p/?create=1",
        ),
        ("webhook+https://h/x", "webhook at h", "https://h/x"),
        ("ntfy+https://u:p@ntfy.sh/topic", "ntfy at ntfy.sh", "https://ntfy.sh/topic"),
        (
            "slack+https://hooks.slack.com/services/T/B/x",
            "slack at hooks.slack.com",
            "https://hooks.slack.com/services/T/B/x",
        ),
        ("alertmanager+http://am:9093", "alertmanager at am", "http://am:9093/api/v2/alerts"),
        ("alertmanager+http://am:9093/p/", "alertmanager at am", "http://am:9093/p/api/v2/alerts"),
        ("alertmanager+http://am/api/v2/alerts", "alertmanager at am", "http://am/api/v2/alerts"),
        (
            "smtp://mx.example.org?from=a@b.c&to=d@e.f",
            "mail at mx.example.org",
            "mx.example.org:587 Required",
        ),
        ("smtp://mx:25?tls=none&from=a@b.c&to=d@e.f", "mail at mx", "mx:25 None"),
        ("smtp://localhost?from=a@b.c&to=d@e.f", "mail at localhost", "localhost:25 None"),
        ("smtp://u:p@127.0.0.1:2525?from=a@b.c&to=d@e.f", "mail at 127.0.0.1", "127.0.0.1:2525 None"),
        ("smtp://[::1]:2525/?from=a@b.c&to=d@e.f&tls=starttls", "mail at [::1]", "::1:2525 Required"),
        ("smtps://u:p@mx?from=a@b.c&to=d@e.f", "mail at mx", "mx:465 Wrapped"),
    ] {
        assert_eq!(of(text).to_string(), name, "{text}");
        assert_eq!(at(text), place, "{text}");
    }
}

#[test]
fn credentials_are_taken_out_of_the_url() {
    let credentials = |text: &str| match of(text).way {
        Way::Http(http) => match http.credentials {
            Some(Credentials::Basic { user, password }) => format!("{user} {password}"),
            Some(Credentials::Token(token)) => token,
            None => String::new(),
        },
        Way::Mail(mail) => {
            mail.login.map_or_else(String::new, |(user, password)| format!("{user} {password}"))
        }
    };
    assert_eq!(credentials("ntfy+https://bob%40x:p%2Fw@h/t"), "bob@x p/w");
    assert_eq!(credentials("ntfy+https://:tk_1@h/t"), "tk_1");
    assert_eq!(credentials("ntfy+http://u:p@127.0.0.1/t"), "u p");
    assert_eq!(credentials("webhook+https://h/t"), "");
    assert_eq!(credentials("smtp://bob%40x.org:p%25w@h?from=a@b.c&to=d@e.f"), "bob@x.org p%w");
}

#[test]
fn addresses_are_read_as_they_are_written() {
    let text = "smtp://h?from=Backups%20of%20shop%20%3Cbob+tag@x.org%3E&to=a@b.c&to=d@e.f";
    let Way::Mail(mail) = of(text).way else { panic!("mail") };
    assert_eq!(mail.from.to_string(), "Backups of shop <bob+tag@x.org>");
    assert_eq!(mail.to.len(), 2);
}

#[test]
fn what_is_no_target_is_refused_without_being_repeated() {
    for text in [
        "hushhush",
        "hushhush://hushhush",
        "https://hushhush.example.org/hushhush",
        "pings+https://hushhush",
        "ping+ftp://hushhush",
        "ping+https://",
        "ping+https://ho st/hushhush",
        "ping+https://u:hush/hush@h:x/",
        "ntfy+https://hushhush",
        "ntfy+http://u:hushhush@example.org/t",
        "webhook+http://:hushhush@10.0.0.1/",
        "webhook+https://u:%ffhushhush@h/",
        "smtp://hushhush",
        "smtp://h?from=hushhush&to=a@b.c",
        "smtp://h?from=a@b.c",
        "smtp://h?from=a@b.c&to=a@b.c%0d%0aBcc:hushhush",
        "smtp://u:hushhush@h?from=a@b.c&to=d@e.f&tls=none",
        "smtp://h?from=a@b.c&to=d@e.f&tls=hushhush",
        "smtp://h?from=a@b.c&to=d@e.f&hushhush=1",
        "smtp://h/hushhush?from=a@b.c&to=d@e.f",
        "smtps://h?from=a@b.c&to=d@e.f&tls=none",
        "smtp://?from=a@b.c&to=d@e.f",
    ] {
        let problem = Target::parse(text, false).expect_err(text);
        let told = format!("{} {}", problem.what, problem.hint);
        assert!(!told.contains("hush"), "{text}: {told}");
    }
    assert!(Target::parse("ntfy+http://u:p@ntfy.svc/t", true).is_ok());
}

#[test]
fn no_form_of_a_target_tells_its_secrets() {
    let text = "slack+https://bobby:hushhush@hooks.example.org/services/T0000/B0000/xyzxyz?key=lmnlmn";
    let target = of(text);
    assert_eq!(format!("{target:?}"), "slack at hooks.example.org");
    let reason = target.secrets.without(&format!(
        "cannot POST {text} or https://hooks.example.org/services/T0000/B0000/xyzxyz?key=lmnlmn: xyzxyz lmnlmn hushhush bobby"
    ));
    assert_eq!(reason, "cannot POST … or …: … … … …");
}
