//! Standard error: everything that is said to people and to logs goes through one [`Console`], which knows the
//! tool's name and the format, makes text harmless and never writes into a progress bar.

#![allow(clippy::disallowed_methods, reason = "this module is how the tools write to stderr")]

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use log::Level;
use serde::Serialize;

use crate::options::LogFormat;
use crate::paint::{Paint, Tone};
use crate::printable::printable;
use crate::terminal::stderr_paint;

/// Standard error, shared between threads.
#[derive(Debug, Clone)]
pub(crate) struct Console(Arc<State>);

#[derive(Debug)]
struct State {
    tool: String,
    format: LogFormat,
    paint: Paint,
    bar: Mutex<Option<ProgressBar>>,
}

impl Console {
    pub(crate) fn new(tool: &str, format: LogFormat) -> Self {
        Self(Arc::new(State { tool: tool.into(), format, paint: stderr_paint(), bar: Mutex::new(None) }))
    }

    pub(crate) fn tool(&self) -> &str {
        &self.0.tool
    }

    pub(crate) fn format(&self) -> LogFormat {
        self.0.format
    }

    /// The colours of its lines.
    pub(crate) fn paint(&self) -> Paint {
        self.0.paint
    }

    /// The same console, as another tool speaks on it.
    pub(crate) fn of(&self, tool: &str) -> Self {
        let bar = Mutex::new(self.0.bar.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Self(Arc::new(State { tool: tool.into(), format: self.0.format, paint: self.0.paint, bar }))
    }

    /// One log line.
    pub(crate) fn say(&self, level: Level, message: &str, fields: &Fields<'_>) {
        self.report(level, message, None, fields);
    }

    /// What failed and what to do about it: two lines as text, one as JSON.
    pub(crate) fn error(&self, message: &str, hint: Option<&str>, fields: &Fields<'_>) {
        self.report(Level::Error, message, hint, fields);
    }

    pub(crate) fn report(&self, level: Level, message: &str, hint: Option<&str>, fields: &Fields<'_>) {
        self.write(&match self.0.format {
            LogFormat::Text => text(&self.0.tool, level, message, hint, self.0.paint),
            LogFormat::Json => json(&self.0.tool, level, message, hint, fields),
        });
    }

    /// Text of our own, as it is.
    pub(crate) fn write(&self, text: &str) {
        // Standard error is where failures are told; one of its own has nowhere to go.
        self.beside_bar(|| io::stderr().write_all(text.as_bytes()).unwrap_or_default());
    }

    /// Writes something to the terminal while the bar is out of the way.
    pub(crate) fn beside_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.0.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// From now on, writes around `bar`.
    pub(crate) fn show(&self, bar: Option<ProgressBar>) {
        *self.0.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}

/// What a line says to machines.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Fields<'a> {
    /// The code: docs/ERRORS.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
    /// The code of the error behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'a str>,
    /// The number of the server's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u16>,
    /// Its SQLSTATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sqlstate: Option<&'a str>,
    /// The server of a fleet whose run says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Those of an error.
    pub(crate) fn of(error: &'a fwb::Error) -> Self {
        let server = error.server_error();
        Self {
            code: Some(error.code().code),
            cause: error.cause().map(|cause| cause.code().code),
            number: server.map(|server| server.number),
            sqlstate: server.map(|server| server.sqlstate.as_str()),
            server: None,
        }
    }
}

/// A log line as JSON.
#[derive(Serialize)]
struct Line<'a> {
    /// RFC 3339, local time with its offset.
    at: String,
    level: &'static str,
    tool: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(flatten)]
    fields: &'a Fields<'a>,
}

pub(crate) fn text(tool: &str, level: Level, message: &str, hint: Option<&str>, paint: Paint) -> String {
    let word = match level {
        Level::Error => paint.of(Tone::Bad, word(level)),
        Level::Warn => paint.of(Tone::Warn, word(level)),
        _ => word(level).to_owned(),
    };
    let mut text = format!("{tool}: {word}: {}\n", printable(message));
    if let Some(hint) = hint {
        text.push_str(&paint.of(Tone::Dim, &format!("hint: {}", printable(hint))));
        text.push('\n');
    }
    text
}

fn json(tool: &str, level: Level, message: &str, hint: Option<&str>, fields: &Fields<'_>) -> String {
    let at = fwb::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, false);
    let line = crate::json::line(&Line { at, level: level_name(level), tool, message, hint, fields })
        .unwrap_or_default();
    String::from_utf8(line).unwrap_or_default()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Warn => "warning",
        other => level_name(other),
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Whether standard error is a terminal that can redraw a line.
pub(crate) fn can_redraw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Standard error as a terminal, whatever it is: for a bar that was asked for.
#[derive(Debug)]
pub(crate) struct AssumedTerminal;

impl indicatif::TermLike for AssumedTerminal {
    fn width(&self) -> u16 {
        std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{text}")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        write!(io::stderr(), "{text}")
    }

    fn clear_line(&self) -> io::Result<()> {
        write!(io::stderr(), "\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Moves the cursor by `n` in a direction (ECMA-48, CUU to CUB).
fn move_cursor(n: usize, direction: char) -> io::Result<()> {
    match n {
        0 => Ok(()),
        _ => write!(io::stderr(), "\x1b[{n}{direction}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_error_is_two_lines_whatever_it_quotes() {
        let shown =
            text("fwb-dump", Level::Error, "cannot read a\nb\x1b[2J", Some("look\nthere"), Paint::NONE);
        assert_eq!(shown, "fwb-dump: error: cannot read a\\nb\\u{1b}[2J\nhint: look\\nthere\n");
    }

    #[test]
    fn warnings_carry_the_tools_name() {
        assert_eq!(text("fwb-ls", Level::Warn, "old", None, Paint::NONE), "fwb-ls: warning: old\n");
    }

    #[test]
    fn colours_mark_the_word_and_dim_the_hint() {
        let shown = text("fwb-ls", Level::Error, "no", Some("look"), Paint::COLOURS);
        assert_eq!(shown, "fwb-ls: \x1b[1;31merror\x1b[0m: no\n\x1b[2mhint: look\x1b[0m\n");
    }

    #[test]
    fn a_json_line_has_the_documented_fields() {
        let line: Value =
            serde_json::from_str(&json("fwb-ls", Level::Warn, "a\nb", None, &Fields::default())).unwrap();
        assert_eq!(line["level"], "warn");
        assert_eq!(line["tool"], "fwb-ls");
        assert_eq!(line["message"], "a\nb");
        assert!(line.get("hint").is_none() && line.get("code").is_none());
        assert!(chrono::DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).is_ok());
        let server = fwb::Error::Server {
            doing: "looking".into(),
            error: fwb::ServerError {
                number: 1045,
                sqlstate: "28000".into(),
                message: "no".into(),
                statement: None,
            },
        };
        let error = fwb::Error::Untouched { cause: Box::new(server), database: "d".into() };
        let fields = Fields::of(&error);
        let line: Value =
            serde_json::from_str(&json("fwb-ls", Level::Error, "a", Some("do b"), &fields)).unwrap();
        assert_eq!(line["hint"], "do b");
        assert_eq!((line["code"].as_str(), line["cause"].as_str()), (Some("FWB-1506"), Some("FWB-1101")));
        assert_eq!((line["number"].as_u64(), line["sqlstate"].as_str()), (Some(1045), Some("28000")));
    }
}
