//! A message in the form of each kind that is reached by HTTP: pure functions from a message to a request.

use base64::Engine as _;
use reqwest::Url;
use serde_json::{Value, json};

use crate::alerts::alerts;
use crate::event::{Event, Kind};
use crate::message::Message;
use crate::target::{Http, append};
use crate::text::{cut, cut_bytes};

/// The longest body of a ping, in bytes: what healthchecks.io keeps of one.
const LONGEST_PING: usize = 100_000;
/// The longest message of ntfy, in bytes: it makes a file of one beyond 4096.
const LONGEST_NTFY: usize = 4000;
/// The longest message of Slack, in letters: it cuts one beyond 4000 into several.
const LONGEST_SLACK: usize = 3500;
/// The longest text in an encoded word, in bytes: with what is around it, a word has at most 75 letters (RFC 2047).
const LONGEST_WORD: usize = 42;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is posted.
pub(crate) struct Request {
    pub(crate) url: Url,
    pub(crate) content_type: &'static str,
    /// Further header fields: ASCII alone, and no control characters.
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// A message as `kind` takes it.
pub(crate) fn request(kind: Kind, at: &Http, message: &Message) -> Request {
    let mut url = at.url.clone();
    let mut fields = Vec::new();
    let (content_type, body) = match kind {
        Kind::Ping => {
            if let Some(end) = ping(message.event) {
                append(&mut url, end);
            }
            let record = if message.record.is_null() { String::new() } else { message.record.to_string() };
            (JSON, cut_bytes(&record, LONGEST_PING).as_bytes().to_vec())
        }
        Kind::Ntfy => {
            let (priority, tags) = urgency(message.event);
            fields.push(("Title", encoded(&message.title)));
            fields.push(("Priority", priority.to_owned()));
            fields.push(("Tags", tags.to_owned()));
            let text = cut_bytes(&message.text, LONGEST_NTFY);
            let end = if text.len() < message.text.len() { "…" } else { "" };
            (TEXT, format!("{text}{end}").into_bytes())
        }
        Kind::Slack => (JSON, slack(message).to_string().into_bytes()),
        Kind::Alertmanager => (JSON, alerts(message).to_string().into_bytes()),
        Kind::Webhook | Kind::Mail => (JSON, webhook(message).to_string().into_bytes()),
    };
    Request { url, content_type, fields, body }
}

/// What is appended to a ping's URL (<https://healthchecks.io/docs/http_api/>). A test is a line in its log: it neither
/// starts a check nor ends one.
fn ping(event: Event) -> Option<&'static str> {
    match event {
        Event::Started => Some("start"),
        Event::Failed => Some("fail"),
        Event::Test => Some("log"),
        Event::Succeeded | Event::Recovered | Event::Trouble => None,
    }
}

/// ntfy's priority and tags (<https://docs.ntfy.sh/publish/>).
fn urgency(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::Failed => ("high", "rotating_light"),
        Event::Trouble => ("default", "warning"),
        Event::Started | Event::Succeeded | Event::Recovered => ("default", "white_check_mark"),
        Event::Test => ("low", "test_tube"),
    }
}

fn slack(message: &Message) -> Value {
    let text = cut(&format!("{}\n{}", message.title, message.text), LONGEST_SLACK);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // Names of tables have underscores, and logs have asterisks: they are no markup.
    json!({"text": escaped, "mrkdwn": false})
}

fn webhook(message: &Message) -> Value {
    json!({
        "schema": "fwb-notice/1",
        "event": message.event,
        "title": message.title,
        "text": message.text,
        "at": message.at.to_rfc3339(),
        "labels": message.labels,
        "troubles": message.troubles,
        "over": message.over,
        "record": message.record,
    })
}

/// A title for a header field, whose letters are ASCII: as it is, or as encoded words (RFC 2047), which ntfy decodes.
fn encoded(title: &str) -> String {
    let is_plain = title.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
    if is_plain && !title.contains("=?") {
        return title.to_owned();
    }
    let mut words = Vec::new();
    let mut rest = title;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(cut_bytes(rest, LONGEST_WORD).len());
        words.push(format!("=?UTF-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Facts, Labels};
    use crate::target::{Target, Way};

    fn message(event: Event) -> Message {
        let labels =
            Labels { what: "backup".into(), database: Some("상점<&>".into()), ..Labels::default() };
        let log = vec!["long ".repeat(100); 20];
        Message::of(
            event,
            &Facts { labels, log, record: json!({"x": "y".repeat(200_000)}), ..Facts::default() },
        )
    }

    fn sent(url: &str, event: Event) -> (String, Request) {
        let target = Target::parse(url, false).unwrap_or_else(|problem| panic!("{problem:?}"));
        let Way::Http(at) = &target.way else { panic!("HTTP") };
        let request = request(target.kind, at, &message(event));
        (request.url.to_string(), request)
    }

    #[test]
    fn a_ping_says_by_its_url_what_happened() {
        for (event, url) in [
            (Event::Started, "https://h/uuid/start?create=1"),
            (Event::Succeeded, "https://h/uuid?create=1"),
            (Event::Recovered, "https://h/uuid?create=1"),
            (Event::Trouble, "https://h/uuid?create=1"),
            (Event::Failed, "https://h/uuid/fail?create=1"),
            (Event::Test, "https://h/uuid/log?create=1"),
        ] {
            let (sent, request) = sent("ping+https://h/uuid?create=1", event);
            assert_eq!(sent, url);
            assert_eq!(request.body.len(), LONGEST_PING);
        }
        assert_eq!(sent("ping+https://h/uuid/", Event::Failed).0, "https://h/uuid/fail");
    }

    #[test]
    fn a_title_of_ntfy_is_ascii() {
        let (_, request) = sent("ntfy+https://h/t", Event::Failed);
        assert_eq!(request.fields[0].1, "=?UTF-8?B?QmFja3VwIG9mIOyDgeygkDwmPiBmYWlsZWQ=?=");
        assert_eq!(encoded("plain title (x)"), "plain title (x)");
        let long = encoded(&"상".repeat(60));
        assert!(long.split(' ').all(|word| word.len() <= 75 && word.is_ascii()), "{long}");
        assert!(encoded("=?UTF-8?Q?x?=").starts_with("=?UTF-8?B?PT9V"));
        assert!(request.body.len() <= 4096 && request.body.ends_with("…".as_bytes()));
    }

    #[test]
    fn slack_gets_no_markup_and_no_mentions() {
        let (_, request) = sent("slack+https://h/t", Event::Failed);
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let text = body["text"].as_str().expect("a text");
        assert!(text.starts_with("Backup of 상점&lt;&amp;&gt; failed\nThe backup"), "{text}");
        assert_eq!(body["mrkdwn"], false);
    }

    #[test]
    fn a_webhook_gets_everything() {
        let (_, request) = sent("webhook+https://h/t", Event::Failed);
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(body["event"], "failed");
        assert_eq!(body["labels"], json!({"what": "backup", "database": "상점<&>"}));
        assert_eq!(body["record"]["x"].as_str().map(str::len), Some(200_000));
    }
}
