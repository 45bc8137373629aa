//! What object stores say, as errors of the domain.

use std::fmt::Write as _;

use fwb::{Error, Refusal};
use object_store::Error as Said;

/// The longest text of a store that is told, in characters.
const LONGEST: usize = 700;

/// The domain's error for what a store said about an object.
pub(crate) fn refused(action: &'static str, object: String, said: &Said) -> Error {
    let problem = told(said);
    // A URL may have any word in it.
    let without_urls: Vec<&str> = problem.split(' ').filter(|word| !word.contains("://")).collect();
    let without_urls = without_urls.join(" ");
    let says = |words: &[&str]| words.iter().any(|words| without_urls.contains(words));
    // Where nothing else is said, S3's clients ask the machine that they run on for credentials.
    let asks_the_machine = problem.contains("://169.254.169.254/");
    let refusal = match said {
        _ if names_no_bucket(&problem) => Refusal::NoBucket,
        _ if problem.contains("RequestTimeTooSkewed") => Refusal::Clock,
        Said::PermissionDenied { .. } | Said::Unauthenticated { .. } => Refusal::Denied,
        Said::Precondition { .. } | Said::AlreadyExists { .. } => Refusal::Changed,
        _ if says(&["invalid peer certificate"]) => Refusal::Certificate,
        _ if asks_the_machine => Refusal::NoCredentials,
        // Listings have no kinds of their own.
        _ if says(&["403 Forbidden", "401 Unauthorized"]) => Refusal::Denied,
        _ if says(&["status code: 400 Bad Request"]) => Refusal::Invalid,
        _ => Refusal::Failure,
    };
    let problem = match refusal {
        Refusal::NoCredentials => "no credentials are named, and this machine has none".into(),
        _ => problem,
    };
    Error::ObjectStore { action, object, problem, refusal }
}

/// Whether it is the bucket that is not there.
pub(crate) fn is_no_bucket(said: &Said) -> bool {
    names_no_bucket(&told(said))
}

fn names_no_bucket(text: &str) -> bool {
    ["NoSuchBucket:", "ContainerNotFound:", "<Code>NoSuchBucket<", "<Code>ContainerNotFound<"]
        .iter()
        .any(|words| text.contains(words))
}

/// An error and what is behind it, on one line. Queries of URLs are cut off: they may hold a token.
pub(crate) fn told(said: &Said) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(said);
    while let Some(error) = next {
        let words = error.to_string();
        if !text.contains(words.trim()) {
            let joint = if text.is_empty() { "" } else { ": " };
            let _a_string_takes_it = write!(text, "{joint}{words}");
        }
        next = error.source();
    }
    on_a_line(&text)
}

/// A text on one line that is not too long, without XML, and without the queries of URLs.
pub(crate) fn on_a_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().map(without_query).collect();
    let line = without_xml(&words.join(" "));
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What an answer in XML says, in the place of the XML: `CODE: MESSAGE`.
fn without_xml(line: &str) -> String {
    let Some((before, xml)) = line.split_once("<?xml").or_else(|| line.split_once("<Error>")) else {
        return line.into();
    };
    let inside = |tag: &str| {
        let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside.trim())
    };
    match (inside("Code"), inside("Message")) {
        (Some(code), Some(message)) => format!("{before}{code}: {message}"),
        (Some(code), None) => format!("{before}{code}"),
        _ => line.into(),
    }
}

fn without_query(word: &str) -> &str {
    if word.contains("://") { word.split('?').next().unwrap_or(word) } else { word }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_a_store_says_is_one_line_without_a_token() {
        let source = "Error performing PUT https://x.blob/c/n?sv=1&sig=SECRET in 1s:\n  500".into();
        let said = Said::Generic { store: "Azure", source };
        let error = refused("write", "az://c/n".into(), &said);
        let text = error.to_string();
        assert!(!text.contains("SECRET") && !text.contains('\n') && text.contains("500"), "{text}");
    }

    #[test]
    fn xml_is_told_in_words() {
        let answer = "403 Forbidden: <?xml version=\"1.0\"?> <Error><Code>AccessDenied</Code><Message>no</Message><Id>1</Id></Error>";
        assert_eq!(without_xml(answer), "403 Forbidden: AccessDenied: no");
        assert_eq!(without_xml("a <?xml b"), "a <?xml b");
    }

    #[test]
    fn refusals_are_told_apart() {
        let said = |text: &str| Said::NotFound { path: "n".into(), source: text.to_owned().into() };
        assert!(is_no_bucket(&said("<Code>NoSuchBucket</Code>")));
        assert!(!is_no_bucket(&said("<Code>NoSuchKey</Code>")));
    }
}
