//! Asking the person at the terminal, whatever the standard streams are: the question goes to /dev/tty, and the
//! answer comes from there.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use fwb::{Cancel, Error, Result};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::printable::printable;

/// How long a signal may go unnoticed while nobody answers.
const PATIENCE: Duration = Duration::from_millis(50);
/// The longest answer that is looked at, in bytes; a longer one is no yes.
const LONGEST: usize = 256;
/// The operating system's answer of a terminal that is gone (read(2), EIO).
const GONE: i32 = 5;

/// Shows `text` and asks; only `y` or `yes` is a yes. The end of the input, or a terminal that is gone, is a no.
///
/// # Errors
/// A usage error where there is no terminal: nobody can say yes, and `flag` is how a script says it. A signal arrived,
/// which ends the wait at once.
pub(crate) fn confirm(text: &str, question: &str, flag: &str, cancel: &Cancel) -> Result<bool> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| Error::Usage {
        message: format!("there is no terminal to ask for a confirmation on, and {flag} was not given"),
        hint: Some(format!("give {flag} if you mean it, or look first with --dry-run")),
    })?;
    let failed = |source| Error::Stream { action: "ask on the terminal", source };
    for line in text.lines() {
        writeln!(&terminal, "{}", printable(line)).map_err(failed)?;
    }
    write!(&terminal, "{} [y/N] ", printable(question)).map_err(failed)?;
    let answer = wait_for(terminal.try_clone().map_err(failed)?, cancel);
    if !answer.as_ref().is_ok_and(|answer| answer.ends_with(b"\n")) {
        // What comes next begins a line of its own. A terminal that is gone shows nothing.
        writeln!(&terminal).unwrap_or_default();
    }
    let answer = String::from_utf8_lossy(&answer?).trim().to_ascii_lowercase();
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

/// Asks for a word that nobody is to see; none where there is no terminal, nothing is typed, or a signal arrives.
pub(crate) fn secret(question: &str, cancel: &Cancel) -> Option<String> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    let before = tcgetattr(&terminal).ok()?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    // What was typed before the question is no answer to it.
    tcsetattr(&terminal, OptionalActions::Flush, &silent).ok()?;
    write!(&terminal, "{}", printable(question)).unwrap_or_default();
    let answer = terminal.try_clone().map(|terminal| wait_for(terminal, cancel));
    // A terminal that is gone shows nothing.
    tcsetattr(&terminal, OptionalActions::Now, &before).unwrap_or_default();
    writeln!(&terminal).unwrap_or_default();
    let answer = String::from_utf8(answer.ok()?.ok()?).ok()?;
    let word = answer.trim_end_matches(['\n', '\r']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// A line, read by a thread of its own: a signal does not end a read.
fn wait_for(terminal: impl Read + Send + 'static, cancel: &Cancel) -> Result<Vec<u8>> {
    let failed = |source| Error::Stream { action: "ask on the terminal", source };
    let (sender, line) = sync_channel(1);
    let read = move || {
        // Whoever asked may have left meanwhile.
        sender.send(read_line(terminal)).unwrap_or_default();
    };
    std::thread::Builder::new().name("answer".into()).spawn(read).map_err(failed)?;
    loop {
        cancel.check()?;
        match line.recv_timeout(PATIENCE) {
            Ok(line) => return line.map_err(failed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
        }
    }
}

/// Reads to the end of a line and no further: what is typed after it is for the next program.
fn read_line(mut terminal: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST && !line.ends_with(b"\n") {
        match terminal.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(GONE) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use fwb::ErrorClass;

    use super::*;

    #[test]
    fn a_line_is_read_and_no_more() {
        for (input, expected) in [("y\nrm -rf\n", "y\n"), ("yes", "yes"), ("", ""), ("\n", "\n")] {
            let line = wait_for(io::Cursor::new(input), &Cancel::default()).unwrap();
            assert_eq!(line, expected.as_bytes(), "{input:?}");
        }
        let endless = wait_for(io::repeat(b'y'), &Cancel::default()).unwrap();
        assert_eq!(endless.len(), LONGEST);
    }

    #[test]
    fn a_signal_ends_the_wait_for_an_answer() {
        let (reader, _writer) = io::pipe().unwrap();
        let cancel = Cancel::default();
        cancel.raise(2);
        assert_eq!(wait_for(reader, &cancel).unwrap_err().class(), ErrorClass::Interrupted(2));
    }
}
