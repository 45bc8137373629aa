//! Why a target was not told. The words come from libraries and from servers, and may hold what nobody is to read: the
//! target's URL, a password, what an answer repeats of the request. All of it is taken out.

use std::fmt;

use crate::event::Kind;

/// The longest reason, in letters.
const LONGEST: usize = 400;
/// Shorter secrets than this are not taken out: they would take the words apart.
const SHORTEST_SECRET: usize = 4;
/// What stands in the place of a secret.
const HIDDEN: &str = "…";

/// A target that was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of target it is.
    pub kind: Kind,
    /// Its host, without a port.
    pub host: String,
    /// Why, on one line and without secrets.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.kind, self.host, self.reason)
    }
}

/// What must not be read in any message about a target.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Adds one.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.chars().count() >= SHORTEST_SECRET && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_owned());
            // The longest first: one may hold another.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// A text on one line, that is not too long, without URLs and without secrets.
    pub(crate) fn without(&self, text: &str) -> String {
        let mut text = self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN));
        text = text.replace(|letter: char| letter.is_control(), " ");
        let words: Vec<&str> = text.split_whitespace().map(without_url).collect();
        let line = words.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

fn without_url(word: &str) -> &str {
    if word.contains("://") { HIDDEN } else { word }
}

/// An error and what is behind it, on one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !text.contains(words.trim()) {
            text = format!("{text}: {words}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_no_secrets() {
        let mut secrets = Secrets::default();
        for secret in ["T0/B0/hush", "hush", "abc", "pass word"] {
            secrets.add(secret);
        }
        for (text, told) in [
            ("error for url (https://u:p@h/x)", "error for url …"),
            ("/services/T0/B0/hush was\nnot found\u{1b}[1m", "/services/… was not found [1m"),
            ("abc hush pass word", "abc … …"),
            (&"a ".repeat(1000), &format!("{}…", "a ".repeat(200))),
        ] {
            assert_eq!(secrets.without(text), told);
        }
        assert!(!format!("{secrets:?}").contains("hush"));
    }
}
