//! One client program that loads SQL, and where in the dump it is.

use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use super::admission::PUT_ASIDE;
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{ClientProgram, Input, Running, version_numbers};

/// What holds in every session that loads, whether the dump's header says so or not, beside what every session of ours
/// begins with (`server/session.rs`). One connection may wait hours for what others do. A table that the server once took
/// without `innodb_strict_mode` must be taken again (errors 1118 and 140); on MySQL, few accounts may set that. At another
/// level of isolation, a server whose log holds statements takes no row (error 1665).
///
/// The fourth line is a command for the client, which need not look for characters in what it hands on: that saves a
/// quarter of its work. No byte of a character beyond ASCII means anything to it, so it splits the SQL at the same places.
/// Names that it connects with are told in utf8mb4 before.
const PRELUDE: &str = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', SESSION foreign_key_checks=0, \
                       SESSION unique_checks=0, SESSION sql_notes=0, SESSION wait_timeout=31536000;\n\
                       /*M!100000 SET SESSION innodb_strict_mode=0 */;\n\
                       SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n\
                       \\C binary\n\
                       SET NAMES utf8mb4;\n";

/// A running client program.
pub(super) struct LoadSession {
    input: BufWriter<Input>,
    running: Running,
    /// Lines written so far.
    lines: u64,
    /// From which line on what is loaded.
    marks: Vec<(u64, String)>,
    quoting: Quoting,
    lock: String,
}

/// How a statement is kept one statement on its way to the server, which splits what it is sent at semicolons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// `EXECUTE IMMEDIATE 0x…`: the server takes it for exactly one statement, and the client has nothing to read in
    /// it (MariaDB 10.6, where every statement can be prepared).
    Immediate,
    /// As it stands, under a delimiter that it does not contain.
    Delimiter,
}

impl Quoting {
    /// The best that a server of this version can do.
    pub(super) fn of(version: &str) -> Self {
        let prepares_all = version_numbers(version).is_some_and(|number| number >= (10, 6));
        if version.contains("MariaDB") && prepares_all { Self::Immediate } else { Self::Delimiter }
    }
}

impl LoadSession {
    /// Starts the client program. Its connection holds a lock of the server's (`GET_LOCK`) until it has ended, which may
    /// be later than the program does: the server finishes the statement that it is at.
    pub(super) fn start(program: &ClientProgram, quoting: Quoting, cancel: &Cancel) -> Result<Self> {
        let (input, running) = program.writer(cancel)?;
        let input = BufWriter::with_capacity(256 << 10, input);
        let mut session = Self { input, running, lines: 0, marks: Vec::new(), quoting, lock: lock_name() };
        // A failure to write shows when the session ends.
        session.put(format!("{PRELUDE}DO GET_LOCK('{}', 0);\n", session.lock).as_bytes()).ok();
        Ok(session)
    }

    /// Sets what must hold whatever the dump's header says: every statement is its own transaction, and no duplicate
    /// key goes unnoticed. Rows may break a `CHECK` that was added after them: they were there and come back. History is taken where rows bring it along.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.put(
            b"SET SESSION autocommit=1, SESSION unique_checks=1, SESSION foreign_key_checks=0;\n\
              /*M!100201 SET SESSION check_constraint_checks=0 */;\n\
              /*M!101100 SET SESSION system_versioning_insert_history=1, \
              @old_system_versioning_insert_history=0 */;\n",
        )?;
        // A part of the dump may put back what another part has put aside.
        let known = |aside: &str| !aside.starts_with("@OLD_") && !aside.starts_with("@old_system");
        let aside = PUT_ASIDE.iter().filter(|(aside, _)| known(aside));
        let aside: Vec<String> = aside.map(|(aside, of)| format!("{aside}=@@{of}")).collect();
        self.put(format!("SET {};\n", aside.join(", ")).as_bytes())
    }

    /// From here on, this is loaded; for messages.
    pub(super) fn mark(&mut self, title: impl FnOnce() -> String) {
        self.marks.push((self.lines + 1, title()));
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.input.write_all(bytes)
    }

    /// Hands on whole `INSERT` statements, or parts of one, as they stand.
    ///
    /// # Errors
    /// The client program has ended; [`LoadSession::finish`] says why.
    pub(super) fn rows(&mut self, raw: &[u8]) -> io::Result<()> {
        self.put(raw)
    }

    /// Hands on one statement, which has no delimiter yet.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(super) fn statement(&mut self, text: &[u8]) -> io::Result<()> {
        if self.quoting == Quoting::Immediate {
            return self.put(format!("EXECUTE IMMEDIATE 0x{};\n", hex::encode(text)).as_bytes());
        }
        self.delimited(text)
    }

    /// Hands on one statement of our own, which may be a compound one: servers take those only as they stand.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(super) fn compound(&mut self, text: &str) -> io::Result<()> {
        self.delimited(text.as_bytes())
    }

    /// Hands on what has waited in the buffer.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }

    fn delimited(&mut self, text: &[u8]) -> io::Result<()> {
        if memchr::memchr(b';', text).is_none() {
            self.put(text)?;
            return self.put(b"\n;\n");
        }
        let delimiter = (0..=text.len())
            .map(|number| format!(";fwb{number};"))
            .find(|delimiter| memchr::memmem::find(text, delimiter.as_bytes()).is_none())
            .unwrap_or_default();
        self.put(format!("DELIMITER {delimiter}\n").as_bytes())?;
        self.put(text)?;
        self.put(format!("\n{delimiter}\nDELIMITER ;\n").as_bytes())
    }

    /// Ends the input and waits for the client program.
    ///
    /// # Errors
    /// A statement failed: the error names what was loaded and holds the server's words.
    pub(super) fn finish(self) -> Result<()> {
        self.finish_watched(|_| {})
    }

    /// As [`LoadSession::finish`]; `watch` is called once the input has ended, and may wait until the client program has.
    ///
    /// # Errors
    /// As [`LoadSession::finish`].
    pub(super) fn finish_watched(self, watch: impl FnOnce(&Running)) -> Result<()> {
        let Self { input, running, marks, .. } = self;
        let written = input.into_inner().map_err(io::IntoInnerError::into_error).and_then(Input::finish);
        watch(&running);
        let ended = running.wait()?;
        let place = line_of(&ended.stderr()).and_then(|line| marks.iter().rfind(|(from, _)| *from <= line));
        let doing = place.map_or_else(|| "loading the dump".into(), |(_, title)| format!("loading {title}"));
        ended.success(&doing)?;
        written.map_err(|source| Error::Stream { action: "write to the client program", source })
    }

    /// Whether the client program has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        !self.running.is_running()
    }

    /// The lock that the connection holds while it lasts.
    pub(super) fn lock(&self) -> String {
        self.lock.clone()
    }

    /// Ends the client program at once, without executing what it has not read to its end.
    pub(super) fn abandon(self) {
        self.running.kill();
    }
}

/// A name that no other connection uses.
pub(super) fn lock_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    format!("fwb-restore-{}-{now}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The line in `ERROR 1062 (23000) at line 12: …`.
fn line_of(stderr: &str) -> Option<u64> {
    let line = stderr.lines().find(|line| line.starts_with("ERROR"))?;
    let (_, after) = line.split_once("at line ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_prepare_everything_are_sent_prepared_statements() {
        assert_eq!(Quoting::of("10.11.6-MariaDB"), Quoting::Immediate);
        assert_eq!(Quoting::of("11.4.2-MariaDB-log"), Quoting::Immediate);
        assert_eq!(Quoting::of("10.5.29-MariaDB"), Quoting::Delimiter);
        assert_eq!(Quoting::of("8.0.36"), Quoting::Delimiter);
    }

    #[test]
    fn the_line_of_an_error_is_found() {
        let stderr = "--------------\nINSERT …\nERROR 1062 (23000) at line 412: Duplicate entry '7' for key 'PRIMARY'\n";
        assert_eq!(line_of(stderr), Some(412));
        assert_eq!(line_of("ERROR 2002 (HY000): Can't connect"), None);
    }
}
