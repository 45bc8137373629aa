//! One connection that loads SQL, and where in the dump it is. Statements of the dump's are sent one by one, as they
//! stand; the server takes each for exactly one.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::batch::{Batch, Inserts, Sent, Way};
use super::inserts::TableForm;
use crate::admission::PUT_ASIDE;
use crate::error::{Error, Result};
use crate::notice;
use crate::progress::Cancel;
use crate::server::{Connection, Loaded, Role, ServerClient, SessionError};
use crate::words::count;

/// What holds in every session that loads, whether the dump's header says so or not, beside what every session of ours
/// begins with (`server/settings.rs`). A table that the server once took
/// without `innodb_strict_mode` must be taken again (errors 1118 and 140); on MySQL, few accounts may set that. At another
/// level of isolation, a server whose log holds statements takes no row (error 1665).
const PRELUDE: [&str; 3] = [
    "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', SESSION foreign_key_checks=0, SESSION unique_checks=0, \
     SESSION sql_notes=0",
    "/*M!100000 SET SESSION innodb_strict_mode=0 */",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// What must hold whatever the dump's header says: every statement is its own transaction, and no duplicate key goes
/// unnoticed. `CHECK` constraints are off, because old rows may violate one that was added later. The history of a
/// system-versioned table is loaded where its rows contain it.
const SETTLED: [&str; 3] = [
    "SET SESSION autocommit=1, SESSION unique_checks=1, SESSION foreign_key_checks=0",
    "/*M!100201 SET SESSION check_constraint_checks=0 */",
    "/*M!101100 SET SESSION system_versioning_insert_history=1, @old_system_versioning_insert_history=0 */",
];

/// What of a statement is held before its first part is sent, in bytes. It may be no more than what stands between two
/// statements.
const HELD: usize = 1 << 20;

/// What a connection is sent: statements, the first and the last of which may be parts.
pub(super) struct Rows {
    /// As they stand.
    pub(super) raw: Vec<u8>,
    /// Where in `raw` statements end, and where what follows their delimiters begins.
    pub(super) ends: Vec<(usize, usize)>,
    /// Where it stands in the dump, for messages.
    pub(super) place: String,
    /// What their table looks like, where it takes them as they are.
    pub(super) form: Option<Arc<TableForm>>,
}

/// A connection that loads, and what is to be told of it.
pub(crate) struct LoadSession {
    connection: Connection,
    lock: String,
    /// From which statement on what is loaded, in the order in which they are sent.
    marks: Vec<(u64, String)>,
    /// How many statements were sent.
    sent: u64,
    /// From which statement on there are rows.
    rows_from: Option<u64>,
    /// The beginning of a statement whose end has not come.
    part: Vec<u8>,
    /// Whether some of it was sent.
    is_begun: bool,
    /// Rows that wait for more of their table.
    batch: Batch,
    /// Rows that were sent, and of which the server has not said yet that it has taken them.
    loading: Option<Sent>,
    /// The memory of the batch before, for the next one.
    spare: Inserts,
    /// Whether rows of the present table were taken otherwise than they are.
    is_bent: bool,
    /// Why the connection is of no use any more.
    failed: Option<Error>,
}

impl LoadSession {
    /// Connects. The connection holds a lock of the server's (`GET_LOCK`) until it has ended, which may be later than we
    /// do: the server finishes the statement that it is at.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn start(server: &ServerClient, database: Option<&str>, cancel: &Cancel) -> Result<Self> {
        let connection = server.connect(Role::Load, database, "connecting", cancel)?;
        let mut session = Self {
            connection,
            lock: lock_name(),
            marks: Vec::new(),
            sent: 0,
            rows_from: None,
            part: Vec::new(),
            is_begun: false,
            batch: Batch::default(),
            loading: None,
            spare: Inserts::default(),
            is_bent: false,
            failed: None,
        };
        // A failure shows when the session ends.
        session.begin().ok();
        Ok(session)
    }

    fn begin(&mut self) -> io::Result<()> {
        PRELUDE.iter().try_for_each(|setting| self.statement(setting.as_bytes()))?;
        let lock = format!("DO GET_LOCK('{}', 0)", self.lock);
        self.statement(lock.as_bytes())
    }

    /// Sets what must hold whatever the dump's header says.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(super) fn settle(&mut self) -> io::Result<()> {
        SETTLED.iter().try_for_each(|setting| self.statement(setting.as_bytes()))?;
        // A part of the dump may put back what another part has put aside.
        let known = |aside: &str| !aside.starts_with("@OLD_") && !aside.starts_with("@old_system");
        let aside = PUT_ASIDE.iter().filter(|(aside, _)| known(aside));
        let aside: Vec<String> = aside.map(|(aside, of)| format!("{aside}=@@{of}")).collect();
        self.statement(format!("SET {}", aside.join(", ")).as_bytes())
    }

    /// From here on, this is loaded; for messages.
    pub(crate) fn mark(&mut self, title: impl FnOnce() -> String) {
        let title = title();
        match self.marks.last_mut() {
            Some((from, last)) if *from == self.sent => *last = title,
            _ => self.marks.push((self.sent, title)),
        }
    }

    /// From here on a signal does not end the connection.
    pub(crate) fn outlast_signals(&mut self) {
        self.connection.outlast_signals();
    }

    /// Remembers why something failed.
    fn noted(&mut self, done: Result<(), SessionError>) -> io::Result<()> {
        let Err(error) = done else { return Ok(()) };
        let of = match &error {
            SessionError::Server(error) => error.statement,
            _ => None,
        };
        let place = match of {
            Some(statement) => self.marks.iter().rfind(|(from, _)| *from <= statement),
            None => self.marks.last(),
        };
        let doing = place.map_or_else(|| "loading the dump".into(), |(_, title)| format!("loading {title}"));
        self.failed = Some(self.connection.explained(error, &doing));
        Err(failed())
    }

    fn usable(&self) -> io::Result<()> {
        if self.failed.is_some() { Err(failed()) } else { Ok(()) }
    }

    /// Executes one statement, which has no delimiter, and waits for it.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(crate) fn statement(&mut self, text: &[u8]) -> io::Result<()> {
        self.send(text)?;
        let done = self.connection.session().settle();
        self.noted(done)
    }

    /// Sends one statement, and does not wait for it: [`LoadSession::finish`] does.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(crate) fn send(&mut self, text: &[u8]) -> io::Result<()> {
        self.usable()?;
        self.end_batch()?;
        self.sent += 1;
        let done = self.connection.session().send(text, true);
        self.noted(done)
    }

    /// Hands on `INSERT` statements, or parts of one, as they stand, and does not wait for the server.
    ///
    /// # Errors
    /// A statement has failed, or the connection has ended; [`LoadSession::finish`] says why.
    pub(super) fn rows(&mut self, rows: &Rows) -> io::Result<()> {
        self.usable()?;
        self.rows_from.get_or_insert(self.sent);
        let mut from = 0;
        for (end, next) in &rows.ends {
            let (statement, is_whole) = (&rows.raw[from..*end], self.part.is_empty() && !self.is_begun);
            from = *next;
            if let Some(form) = rows.form.as_ref().filter(|_| is_whole && !self.is_bent)
                && self.add_to_batch(form, statement, &rows.place)?
            {
                continue;
            }
            self.send_batch()?;
            self.part.extend_from_slice(statement);
            self.send_part(true)?;
        }
        self.part.extend_from_slice(&rows.raw[from..]);
        if self.part.len() > HELD { self.send_part(false) } else { Ok(()) }
    }

    /// Adds a statement to the rows that wait; false where it stays an INSERT.
    fn add_to_batch(&mut self, form: &TableForm, statement: &[u8], place: &str) -> io::Result<bool> {
        // What stands between two statements is none of them.
        let statement = statement.trim_ascii_start();
        let mut is_added = self.batch.add(form, statement, place);
        if !is_added && self.batch.count > 0 {
            // It may be of another table, have other columns, or be too much for one statement.
            self.send_batch()?;
            is_added = !self.is_bent && self.batch.add(form, statement, place);
        }
        if is_added && self.batch.is_full() {
            self.send_batch()?;
        }
        Ok(is_added)
    }

    /// Has the server load the rows that wait, in a transaction that ends when it has said what became of them.
    fn send_batch(&mut self) -> io::Result<()> {
        if self.batch.count == 0 {
            return Ok(());
        }
        self.end_batch()?;
        if self.is_bent {
            let batch = self.batch.taken(std::mem::take(&mut self.spare));
            return self.insert(batch);
        }
        // What comes after them may have a mark already.
        let next = self.marks.last().map(|(_, place)| place.clone());
        let place = self.batch.place.clone();
        self.mark(|| place);
        self.send(b"START TRANSACTION")?;
        self.sent += 1;
        let (session, batch) = (self.connection.session(), &self.batch);
        let begun = match batch.way {
            Way::LoadData => session.load(&batch.statement, &batch.rows),
            Way::Bulk { .. } => session.bulk(&batch.statement, &batch.kinds, &batch.rows),
        };
        let batch = self.batch.taken(std::mem::take(&mut self.spare));
        self.mark(|| next.unwrap_or_default());
        match begun {
            Ok(()) => self.loading = Some(batch),
            Err(SessionError::Server(error)) if error.statement == Some(self.sent - 1) => {
                return self.insert_instead(batch, &error.to_string());
            }
            Err(error) => return self.noted(Err(error)),
        }
        Ok(())
    }

    /// Waits for the rows that the server is at. LOAD DATA LOCAL leaves out rows whose key is taken, and bends values that do not fit,
    /// and tells no more of it than a number of warnings: then nothing of it stays, and the statements say what is wrong.
    fn end_batch(&mut self) -> io::Result<()> {
        let Some(batch) = self.loading.take() else { return Ok(()) };
        match self.connection.session().loaded() {
            Ok(Loaded { rows, warnings: 0 }) if rows == batch.rows => {
                self.spare = batch.inserts.emptied();
                self.send(b"COMMIT")
            }
            Ok(Loaded { rows, warnings }) => {
                let why = format!("of {} rows it took {rows}, with {warnings} warnings", batch.rows);
                self.insert_instead(batch, &why)
            }
            Err(SessionError::Server(error)) if error.statement == Some(self.sent - 1) => {
                self.insert_instead(batch, &error.to_string())
            }
            Err(error) => self.noted(Err(error)),
        }
    }

    fn insert_instead(&mut self, batch: Sent, why: &str) -> io::Result<()> {
        log::debug!("the server does not take rows as they are, and gets them by INSERT: {why}");
        self.is_bent = true;
        self.send(b"ROLLBACK")?;
        self.insert(batch)
    }

    fn insert(&mut self, batch: Sent) -> io::Result<()> {
        let next = self.marks.last().map(|(_, place)| place.clone());
        self.mark(|| batch.place.clone());
        let done = batch.inserts.iter().try_for_each(|insert| self.send(insert));
        self.mark(|| next.unwrap_or_default());
        self.spare = batch.inserts.emptied();
        done
    }

    fn send_part(&mut self, last: bool) -> io::Result<()> {
        self.end_batch()?;
        self.sent += u64::from(last);
        self.is_begun = !last;
        let done = self.connection.session().send(&self.part, last);
        self.part.clear();
        self.noted(done)
    }

    /// Ends a run of rows: the next ones belong to another table. What is left are blanks between statements.
    ///
    /// # Errors
    /// As [`LoadSession::rows`].
    pub(super) fn end_rows(&mut self) -> io::Result<()> {
        self.part.clear();
        if !self.is_begun {
            self.usable()?;
            self.send_batch()?;
            self.is_bent = false;
            return Ok(());
        }
        self.noted(Err(SessionError::Lost(io::Error::other("a statement has no end"))))
    }

    /// Takes a lock of the server's (`GET_LOCK`) that another connection may have, for which it waits so long, in whole seconds.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub(crate) fn take_lock(&mut self, name: &str, patience: Duration) -> Result<bool> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let sql = format!("SELECT GET_LOCK('{name}', {})", patience.as_secs());
        let rows = self.connection.rows(&sql, "waiting for a lock")?;
        Ok(rows.iter().flatten().any(|taken| taken == "1"))
    }

    /// Whether the server takes rows by the bulk protocol.
    pub(super) fn takes_bulk(&mut self) -> bool {
        self.connection.session().takes_bulk()
    }

    /// Whether literals are read as UTF-8: what the dump's header says holds.
    ///
    /// # Errors
    /// The connection breaks. Where the header has failed, the session says so when it ends.
    pub(super) fn reads_utf8(&mut self) -> Result<bool> {
        if self.failed.is_some() {
            return Ok(false);
        }
        let sql = "SELECT @@character_set_client, @@character_set_connection";
        let sets = self.connection.rows(sql, "asking for a character set")?;
        Ok(sets.iter().flatten().all(|set| matches!(set.as_str(), "utf8mb4" | "utf8mb3" | "utf8")))
    }

    /// The lock that the connection holds while it lasts.
    pub(crate) fn lock(&self) -> String {
        self.lock.clone()
    }

    /// Waits until all that was sent is done.
    ///
    /// # Errors
    /// A statement failed: the error names what was loaded and holds the server's words.
    pub(crate) fn finish(self) -> Result<()> {
        self.finish_watched(|_| {})
    }

    /// As [`LoadSession::finish`]; meanwhile `watch` is called, which may ask whether there is still something to wait for.
    ///
    /// # Errors
    /// As [`LoadSession::finish`].
    pub(crate) fn finish_watched(mut self, watch: impl FnOnce(&dyn Fn() -> bool) + Send) -> Result<()> {
        if self.failed.is_none() {
            // A failure is noted.
            self.send_batch().and_then(|()| self.end_batch()).ok();
        }
        if self.failed.is_none() {
            let ended = AtomicBool::new(false);
            std::thread::scope(|scope| {
                // Without it nobody can end the wait, and it ends by itself.
                let watching = || watch(&|| !ended.load(Ordering::SeqCst));
                if let Err(error) = crate::thread::start_in(scope, watching) {
                    log::debug!("a wait is not watched: {error}");
                }
                let done = self.connection.session().settle();
                self.noted(done).ok();
                ended.store(true, Ordering::SeqCst);
            });
        }
        self.tell_of_warnings();
        self.failed.map_or(Ok(()), Err)
    }

    /// Rows that the server has taken with warnings are counted like others, and may not be what they were.
    fn tell_of_warnings(&mut self) {
        let Some(first) = self.rows_from else { return };
        let mut told: BTreeMap<&str, u64> = BTreeMap::new();
        for (statement, warnings) in self.connection.session().warned() {
            let place = self.marks.iter().rfind(|(from, _)| *from <= statement);
            if let Some((_, place)) = place.filter(|_| statement >= first) {
                *told.entry(place).or_default() += u64::from(warnings);
            }
        }
        for (place, warnings) in told {
            log::warn!(
                code = notice::OTHER.code;
                "loading {place}: the server took rows with {}, and may have changed values: \
                 fwb-restore --prove digest compares them",
                count(usize::try_from(warnings).unwrap_or(usize::MAX), "warning")
            );
        }
    }

    /// Closes the connection at once; what was not sent to its end is not executed.
    pub(crate) fn abandon(mut self) {
        (self.connection.session().stopper())();
    }
}

/// A name that no other connection uses.
fn lock_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    format!("fwb-restore-{}-{now}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// That the session says why when it ends.
fn failed() -> io::Error {
    io::Error::other("a statement has failed")
}
