//! What children say on stderr: drained beside their work, and the reason where they fail.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

use crate::error::Error;

/// How much of a child's error output is kept, in bytes.
const STDERR_KEPT: usize = 16 << 10;
/// The longest line of a child's error output that is looked at, in bytes.
const LINE_KEPT: usize = STDERR_KEPT / 2;

/// Reads to the end and keeps the first part and the last of the lines that `keep` wants: a client echoes the statement
/// that failed, which may be megabytes in many lines, before it says why.
pub(crate) fn drain(stream: impl Read, mut keep: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = BufReader::new(stream);
    let mut first = Vec::new();
    let mut last: VecDeque<Vec<u8>> = VecDeque::new();
    let mut last_size = 0;
    while let Ok(Some(mut line)) = next_line(&mut stream) {
        if line.len() > LINE_KEPT || !keep(&line) {
            continue;
        }
        if last.is_empty() && first.len() + line.len() <= LINE_KEPT {
            first.append(&mut line);
            continue;
        }
        last_size += line.len();
        last.push_back(line);
        while last_size > LINE_KEPT {
            last_size -= last.pop_front().map_or(last_size, |line| line.len());
        }
    }
    first.extend(last.into_iter().flatten());
    first
}

/// A line with its end; of one that is too long, somewhat more than that.
pub(crate) fn next_line(stream: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let chunk = match stream.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            if line.is_empty() {
                return Ok(None);
            }
            line.push(b'\n');
            return Ok(Some(line));
        }
        let end = memchr::memchr(b'\n', chunk).map(|end| end + 1);
        let used = end.unwrap_or(chunk.len());
        if line.len() <= LINE_KEPT {
            line.extend_from_slice(&chunk[..used]);
        }
        stream.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// A child's own words about its failure: its error lines only, because a client echoes the statement that
/// failed, and rows do not belong in logs.
pub(crate) fn own_words(program: &str, stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| is_error_line(program, line)).take(3).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// Why a program failed: its own words, or how it ended where it gave none.
pub(crate) fn failure(program: &str, doing: &str, end: (Option<i32>, Option<i32>), stderr: &[u8]) -> Error {
    let silent_end = || match end {
        (Some(code), _) => format!("it exited with {code} and gave no reason"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended in an unknown way".into(),
    };
    Error::Failed {
        program: program.into(),
        doing: doing.into(),
        reason: own_words(program, stderr).unwrap_or_else(silent_end),
    }
}

fn is_error_line(program: &str, line: &str) -> bool {
    let names = [program, "mysqldump", "mariadb-dump"];
    let after_name = names.iter().find_map(|name| line.strip_prefix(name));
    let says_error = |text: &str| ERRORS.iter().any(|word| text.starts_with(word));
    says_error(line) || after_name.is_some_and(|rest| rest.starts_with(':') && !rest.contains("[Warning]"))
}

/// How error lines begin; the last two are those of a kubectl that does not reach its cluster.
const ERRORS: [&str; 5] =
    ["ERROR", "Error", "error", "The connection to the server", "Unable to connect to the server"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_behind_a_long_echo_is_kept() {
        let rows = "(1,'x'),\n".repeat(200_000);
        let said = format!("warning\n--------------\nINSERT {rows}\n--------------\n\nERROR 1114 (HY000)\n");
        let kept = String::from_utf8(drain(said.as_bytes(), |_| true)).unwrap();
        assert!(kept.starts_with("warning\n") && kept.ends_with("ERROR 1114 (HY000)\n"), "{kept}");
        assert!(kept.len() <= STDERR_KEPT);
        assert_eq!(drain(&b"one\ntwo"[..], |_| true), b"one\ntwo\n");
        assert_eq!(drain(&b"one\ntwo\n\nthree"[..], |line| line != b"two\n"), b"one\n\nthree\n");
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let flood = io::repeat(b'x').take(64 << 20).chain(&b"\nERROR 1114 (HY000)\n"[..]);
        let mut longest = 0;
        let kept = drain(flood, |line| {
            longest = longest.max(line.len());
            true
        });
        assert_eq!(kept, b"ERROR 1114 (HY000)\n");
        assert!(longest <= STDERR_KEPT);
    }
}
