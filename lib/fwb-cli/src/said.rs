//! What a tool that was started has said on standard error: read, to know why it failed, and said again in our own form.

use fwb::Error;
use log::Level;
use serde::Deserialize;

use crate::console::{Console, Fields, text};
use crate::options::LogFormat;
use crate::printable::printable;

/// A line that a tool has said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Said {
    /// How much it matters; none: it is not a message of a tool, but a program's own words.
    #[serde(default, deserialize_with = "level")]
    pub level: Option<Level>,
    /// The tool.
    #[serde(default)]
    pub tool: Option<String>,
    /// The server of a fleet whose run says it.
    #[serde(default)]
    pub server: Option<String>,
    /// What it said.
    pub message: String,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
    /// The code: docs/ERRORS.md.
    #[serde(default)]
    pub code: Option<String>,
    /// The code of the error behind.
    #[serde(default)]
    pub cause: Option<String>,
    /// The number of the server's error.
    #[serde(default)]
    pub number: Option<u16>,
}

impl Said {
    /// Reads a line: JSON, as the tools write it where they are asked to; `TOOL: error: MESSAGE` and `hint: HINT`, as
    /// they do otherwise; or a program's own words. None of an empty line.
    pub fn read(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.trim().is_empty() {
            return None;
        }
        if let Ok(said) = serde_json::from_str(line) {
            return Some(said);
        }
        let uncoloured = without_colours(line);
        // A program's own words stay as they are.
        let message = if uncoloured.starts_with("hint: ") { uncoloured.clone() } else { line.into() };
        let plain = Self {
            level: None,
            tool: None,
            server: None,
            message,
            hint: None,
            code: None,
            cause: None,
            number: None,
        };
        let mut words = uncoloured.splitn(3, ": ");
        let (tool, word, message) = (words.next()?, words.next(), words.next());
        let level = match word {
            Some("error") => Level::Error,
            Some("warning") => Level::Warn,
            _ => return Some(plain),
        };
        let (tool, message) = (Some(tool.to_owned()), message.unwrap_or_default().to_owned());
        Some(Self { level: Some(level), tool, message, ..plain })
    }

    /// What a tool would say that has failed so.
    pub fn of_error(error: &Error) -> Self {
        Self {
            level: Some(Level::Error),
            tool: None,
            server: None,
            message: error.to_string(),
            hint: error.hint(),
            code: Some(error.code().code.into()),
            cause: None,
            number: None,
        }
    }

    /// The hint that a line of text is.
    pub fn as_hint(&self) -> Option<&str> {
        self.message.strip_prefix("hint: ").filter(|_| self.level.is_none())
    }
}

/// A line without what sets colours (ECMA-48, SGR), as a tool writes them where `CLICOLOR_FORCE` asks for them.
fn without_colours(line: &str) -> String {
    let mut pieces = line.split("\x1b[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';');
        match rest.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            // Something else, which is shown as what it is.
            None => plain += &format!("\x1b[{piece}"),
        }
    }
    plain
}

/// Says again what a program has said.
pub(crate) fn pass_on(console: &Console, program: &str, said: &Said) {
    let server = said.server.as_deref();
    let Some(level) = said.level else {
        let message = printable(&said.message).into_owned();
        let message = server.map_or(message.clone(), |server| format!("{server}: {message}"));
        return match console.format() {
            LogFormat::Text => console.write(&(message + "\n")),
            LogFormat::Json => console.of(program).say(Level::Info, &message, &Fields::default()),
        };
    };
    let tool = said.tool.as_deref().unwrap_or(program);
    match console.format() {
        LogFormat::Text => {
            let tool = server.map_or(tool.to_owned(), |server| format!("{server}: {tool}"));
            console.write(&text(&tool, level, &said.message, said.hint.as_deref(), console.paint()));
        }
        LogFormat::Json => {
            let fields = Fields {
                code: said.code.as_deref(),
                cause: said.cause.as_deref(),
                number: said.number,
                server,
                ..Fields::default()
            };
            console.of(tool).report(level, &said.message, said.hint.as_deref(), &fields);
        }
    }
}

fn level<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Level>, D::Error> {
    Ok(String::deserialize(deserializer)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_message_are_read() {
        let json = br#"{"at":"x","level":"error","tool":"fwb-dump","message":"no","hint":"do","code":"FWB-1102","number":2002}"#;
        let said = Said::read(json).unwrap();
        assert_eq!(
            (said.level, said.code.as_deref(), said.number),
            (Some(Level::Error), Some("FWB-1102"), Some(2002))
        );
        let said = Said::read(b"fwb-prune: warning: it: is so\n").unwrap();
        assert_eq!((said.level, said.message.as_str()), (Some(Level::Warn), "it: is so"));
        assert_eq!(Said::read(b"hint: do something\n").unwrap().as_hint(), Some("do something"));
    }

    #[test]
    fn a_programs_own_words_are_words() {
        for line in ["lost my way", "{\"name\": broken", "a: b: c", "\u{1b}[31m"] {
            let said = Said::read(line.as_bytes()).unwrap();
            assert_eq!((said.level, said.message.as_str()), (None, line));
        }
        assert_eq!(Said::read(b" \n"), None);
    }

    #[test]
    fn colours_hide_no_message() {
        let said = Said::read(b"fwb-dump: \x1b[1;31merror\x1b[0m: cannot \x1b[2Jconnect\n").unwrap();
        assert_eq!((said.level, &*said.message), (Some(Level::Error), "cannot \x1b[2Jconnect"));
        let hint = Said::read(b"\x1b[2mhint: look\x1b[0m").unwrap();
        assert_eq!(hint.as_hint(), Some("look"));
    }
}
