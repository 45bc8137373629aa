//! One JSON object a line, as records on stdout and log lines on stderr are written. Characters that a terminal
//! acts on are written as `\u` escapes: the same JSON, but safe to look at.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::printable::{acts, is_inert};

/// `value` as one line of JSON, with the line feed.
pub(crate) fn line<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(1 << 10);
    value.serialize(&mut Serializer::with_formatter(&mut line, Inert))?;
    line.push(b'\n');
    Ok(line)
}

/// The compact form of `serde_json`, which escapes C0 already, with the rest of what [`acts`] escaped too.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_inert(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut escaped = String::with_capacity(fragment.len() + 16);
        for character in fragment.chars() {
            if acts(character) {
                write!(escaped, "\\u{:04x}", u32::from(character)).map_err(io::Error::other)?;
            } else {
                escaped.push(character);
            }
        }
        writer.write_all(escaped.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_inert_and_says_the_same() {
        let text = "a\n\"b\x1b\u{9b}\u{202e}ü";
        let line = line(&text).unwrap();
        assert_eq!(line, b"\"a\\n\\\"b\\u001b\\u009b\\u202e\xc3\xbc\"\n");
        assert_eq!(serde_json::from_slice::<String>(&line).unwrap(), text);
    }
}
