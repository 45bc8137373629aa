//! A connection that is logged in: statements, and their answers.

mod rows;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fwb::{Column, Loaded, Results, Row, ServerVersion, Session, SessionError, Stopper, ValueKind};

use crate::handshake::{MORE_RESULTS, capability, server_error};
use crate::packet::{FULL, Next, Packets};
use crate::transport::{Carrier, Patience};
use crate::wire::{Fields, malformed};

/// `COM_QUIT`, `COM_QUERY` and `COM_PING`.
const QUIT: u8 = 1;
const QUERY: u8 = 3;
/// `COM_INIT_DB` and `COM_RESET_CONNECTION`.
const USE: u8 = 2;
const RESET: u8 = 0x1F;
const PING: u8 = 14;
/// How many statements may wait for their answers. The server is never without work with two of them.
const MOST_PENDING: u64 = 8;
/// Statements with warnings that are remembered.
const MOST_WARNED: usize = 1000;
/// The most columns of a result: a table has 4096 at most, and so has a result of ours.
const MOST_COLUMNS: u64 = 8192;
/// The most that the columns of a result may take in packets, in bytes: names have 256 characters at most.
const MOST_COLUMN_BYTES: usize = 16 << 20;

/// A connection.
pub(crate) struct Connection {
    packets: Packets,
    id: u64,
    version: ServerVersion,
    stopper: Stopper,
    /// What carries it to a pod.
    carrier: Option<Arc<dyn Carrier>>,
    /// Whether results end with an OK packet, not with an EOF packet.
    ends_with_ok: bool,
    /// Whether the server takes rows for a prepared statement, many at a time.
    takes_bulk: bool,
    /// The statement that is prepared for that.
    prepared: Option<rows::Prepared>,
    /// What was sent of the present statement and not yet written: the command, and at most a packet of it.
    statement: Vec<u8>,
    /// Whether a part of the present statement was written.
    is_begun: bool,
    /// How many statements were sent, and how many of them answered.
    sent: u64,
    answered: u64,
    /// Warnings of the last answer without rows.
    warnings: u16,
    /// Statements that were taken with warnings, by their number, and how many of these.
    warned: Vec<(u64, u16)>,
    /// With which number of a packet each answer begins that is still to come: the statement's packets come before.
    numbers: VecDeque<u8>,
    /// For each ping whose answer was not read, how many statements were sent before it.
    pings: VecDeque<u64>,
    /// Whether the connection is of no use any more.
    is_broken: bool,
    /// What the session began with, and begins with again when it is reset.
    beginning: Vec<String>,
    /// Sets how long a read may wait.
    patience: Patience,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How one statement was answered.
enum Answer {
    /// Without rows.
    Done,
    /// With rows of so many columns.
    Columns(u64),
}

impl Connection {
    pub(crate) fn new(
        packets: Packets,
        id: u32,
        version: ServerVersion,
        stopper: Stopper,
        carrier: Option<Arc<dyn Carrier>>,
        capabilities: u64,
        patience: Patience,
    ) -> Self {
        Self {
            packets,
            id: u64::from(id),
            version,
            stopper,
            carrier,
            ends_with_ok: capabilities & capability::DEPRECATE_EOF != 0,
            takes_bulk: capabilities & capability::BULK != 0,
            prepared: None,
            statement: Vec::new(),
            is_begun: false,
            sent: 0,
            answered: 0,
            warnings: 0,
            warned: Vec::new(),
            numbers: VecDeque::new(),
            pings: VecDeque::new(),
            is_broken: false,
            beginning: Vec::new(),
            patience,
        }
    }

    /// Marks the connection as broken where an error says so.
    fn noted<T>(&mut self, done: Result<T, SessionError>) -> Result<T, SessionError> {
        if !matches!(done, Ok(_) | Err(SessionError::Server(_))) {
            self.is_broken = true;
        }
        match (done, &self.carrier) {
            (Err(SessionError::Lost(source)), Some(carrier)) => Err(carrier.cut(source)),
            (done, _) => done,
        }
    }

    /// Whether the server waits for us, and we for nothing.
    fn is_idle(&self) -> bool {
        self.may_ping() && self.sent == self.answered && self.pings.is_empty()
    }

    /// Whether another command may be sent: not in the middle of a statement.
    pub(crate) fn may_ping(&self) -> bool {
        !self.is_broken && !self.is_begun && self.statement.is_empty()
    }

    /// Asks the server for a sign of life, which keeps it from ending the connection. Its answer comes behind those to
    /// statements that nobody has read yet.
    ///
    /// # Errors
    /// The connection breaks.
    pub(crate) fn ping(&mut self) -> Result<(), SessionError> {
        self.packets.set_number(0);
        let sent = self.packets.write(&[PING]).and_then(|()| self.packets.flush());
        self.pings.push_back(self.sent);
        let done = match sent {
            Ok(()) if self.sent == self.answered => self.take_pings(),
            sent => sent.map_err(SessionError::Lost),
        };
        self.noted(done)
    }

    /// Reads the answers to pings that come before the next statement's.
    fn take_pings(&mut self) -> Result<(), SessionError> {
        while self.pings.front() == Some(&self.answered) {
            self.pings.pop_front();
            self.packets.set_number(1);
            self.results(&mut Discard)?;
        }
        Ok(())
    }

    fn usable(&self) -> Result<(), SessionError> {
        if !self.is_broken {
            return Ok(());
        }
        let source = io::Error::other("the connection has ended before");
        Err(match &self.carrier {
            Some(carrier) => carrier.cut(source),
            None => SessionError::Lost(source),
        })
    }

    /// Reads all results of one text.
    fn results(&mut self, results: &mut dyn Results) -> Result<(), SessionError> {
        loop {
            let (answer, mut more) = self.answer()?;
            if let Answer::Columns(count) = answer {
                more = self.rows(count, results)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Reads the beginning of one result.
    fn answer(&mut self) -> Result<(Answer, bool), SessionError> {
        let packet = self.packets.short().map_err(SessionError::Lost)?;
        match packet.first() {
            Some(0) => {
                let (_, status, mut rest) = ok(packet).map_err(SessionError::Lost)?;
                self.warnings = rest.u16().map_err(SessionError::Lost)?;
                Ok((Answer::Done, status & MORE_RESULTS != 0))
            }
            Some(0xFF) => Err(SessionError::Server(server_error(packet))),
            // The server asks for a local file, which we have never said that we send.
            Some(0xFB) => Err(SessionError::Lost(malformed("a request for a local file"))),
            _ => {
                let count = Fields::new(packet).lenenc().map_err(SessionError::Lost)?;
                if count == 0 || count > MOST_COLUMNS {
                    return Err(SessionError::Lost(malformed("a result of no columns, or of too many")));
                }
                Ok((Answer::Columns(count), false))
            }
        }
    }

    /// Reads columns and rows of one result. Returns whether another one follows.
    fn rows(&mut self, count: u64, results: &mut dyn Results) -> Result<bool, SessionError> {
        let (mut columns, mut size) = (Vec::new(), 0);
        for _ in 0..count {
            let packet = self.packets.short().map_err(SessionError::Lost)?;
            if packet.first() == Some(&0xFF) {
                return Err(SessionError::Server(server_error(packet)));
            }
            size += packet.len();
            if size > MOST_COLUMN_BYTES {
                return Err(SessionError::Lost(malformed("columns that are too long")));
            }
            columns.push(column(packet).map_err(SessionError::Lost)?);
        }
        if !self.ends_with_ok {
            let packet = self.packets.short().map_err(SessionError::Lost)?;
            if packet.first() != Some(&0xFE) {
                return Err(SessionError::Lost(malformed("no end of the columns")));
            }
        }
        results.begin(&columns).map_err(taker)?;
        loop {
            match self.packets.next().map_err(SessionError::Lost)? {
                Next::Whole(packet) => match packet.first() {
                    // A row can begin so only where a cell of 16 MiB begins it.
                    Some(0xFE) => return self.end(),
                    Some(0xFF) => return Err(SessionError::Server(server_error(packet))),
                    _ => results.row(Row::Whole(packet)).map_err(taker)?,
                },
                Next::Long(mut long) => {
                    if long.first() == 0xFF {
                        return Err(SessionError::Lost(malformed("an error that is too long")));
                    }
                    results.row(Row::Long(&mut long)).map_err(taker)?;
                    long.skip().map_err(SessionError::Lost)?;
                }
            }
        }
    }

    fn end(&mut self) -> Result<bool, SessionError> {
        // The packet was looked at, not taken: the same bytes are still there.
        let packet = self.packets.last();
        let more = if self.ends_with_ok {
            more_results(packet)
        } else {
            let mut fields = Fields::new(packet);
            fields.bytes(3).and_then(|_| fields.u16()).map(|status| status & MORE_RESULTS != 0)
        };
        more.map_err(SessionError::Lost)
    }

    /// Reads the answer to one statement that was sent.
    fn take_answer(&mut self) -> Result<(), SessionError> {
        self.take_pings()?;
        let number = self.answered;
        self.answered += 1;
        self.packets.set_number(self.numbers.pop_front().unwrap_or(1));
        self.warnings = 0;
        self.results(&mut Discard).map_err(|error| match error {
            SessionError::Server(error) => {
                SessionError::Server(fwb::ServerError { statement: Some(number), ..error })
            }
            other => other,
        })?;
        if self.warnings > 0 && self.warned.len() < MOST_WARNED {
            self.warned.push((number, self.warnings));
        }
        Ok(())
    }

    /// Reads the answers to all statements but the last so many, and to pings before those.
    fn take_answers_but(&mut self, last: u64) -> Result<(), SessionError> {
        while self.answered + last < self.sent {
            self.take_answer()?;
        }
        self.take_pings()
    }

    fn write_statement(&mut self, last: bool) -> io::Result<()> {
        if !self.is_begun {
            self.packets.set_number(0);
            self.is_begun = true;
        }
        while self.statement.len() >= FULL {
            self.packets.write_one(&self.statement[..FULL])?;
            self.statement.drain(..FULL);
        }
        if last {
            self.packets.write_one(&self.statement)?;
            self.packets.flush()?;
            self.numbers.push_back(self.packets.number());
            self.statement.clear();
            self.is_begun = false;
        }
        Ok(())
    }

    fn send_part(&mut self, part: &[u8], last: bool) -> Result<(), SessionError> {
        if !self.is_begun && self.statement.is_empty() {
            self.statement.push(QUERY);
        }
        let mut rest = part;
        while self.statement.len() + rest.len() >= FULL {
            let (now, later) = rest.split_at(FULL - self.statement.len());
            self.statement.extend_from_slice(now);
            rest = later;
            self.written(false)?;
        }
        self.statement.extend_from_slice(rest);
        if !last {
            return Ok(());
        }
        self.written(true)?;
        self.sent += 1;
        while self.sent - self.answered > MOST_PENDING {
            self.take_answer()?;
        }
        Ok(())
    }

    /// Writes what is there. Where the server has ended the connection, its last answer says why.
    fn written(&mut self, last: bool) -> Result<(), SessionError> {
        self.write_statement(last).or_else(|error| self.cut_off(error))
    }

    /// Why the server has ended the connection before all of a statement was written: answers to earlier ones come first.
    fn cut_off(&mut self, error: io::Error) -> Result<(), SessionError> {
        while self.answered < self.sent {
            self.take_answer()?;
        }
        self.ended(error)
    }

    /// What a server that takes nothing any more has said last.
    fn ended(&mut self, error: io::Error) -> Result<(), SessionError> {
        match self.packets.short() {
            Ok(packet) if packet.first() == Some(&0xFF) => {
                self.is_broken = true;
                let error = fwb::ServerError { statement: Some(self.answered), ..server_error(packet) };
                Err(SessionError::Server(error))
            }
            _ => Err(SessionError::Lost(error)),
        }
    }
}

impl Session for Connection {
    fn id(&self) -> u64 {
        self.id
    }

    fn version(&self) -> &ServerVersion {
        &self.version
    }

    fn query(&mut self, sql: &[u8], results: &mut dyn Results) -> Result<(), SessionError> {
        self.settle()?;
        let done = self.ask(sql, results);
        self.noted(done)
    }

    fn send(&mut self, part: &[u8], last: bool) -> Result<(), SessionError> {
        self.usable()?;
        let done = self.send_part(part, last);
        self.noted(done)
    }

    fn settle(&mut self) -> Result<(), SessionError> {
        self.usable()?;
        let done = self.take_answers_but(0);
        self.noted(done)
    }

    fn load(&mut self, statement: &[u8], rows: &[u8]) -> Result<(), SessionError> {
        self.usable()?;
        let done = self.send_rows(statement, rows);
        self.noted(done)
    }

    fn warned(&mut self) -> Vec<(u64, u16)> {
        std::mem::take(&mut self.warned)
    }

    fn takes_bulk(&self) -> bool {
        self.takes_bulk
    }

    fn bulk(&mut self, insert: &[u8], columns: &[ValueKind], rows: &[u8]) -> Result<(), SessionError> {
        self.usable()?;
        let done = self.send_bulk(insert, columns, rows);
        self.noted(done)
    }

    fn loaded(&mut self) -> Result<Loaded, SessionError> {
        self.usable()?;
        let done = self.take_loaded();
        self.noted(done)
    }

    fn reset(&mut self, database: Option<&str>, settings: &str) -> Result<(), SessionError> {
        self.settle()?;
        let done = self.begin_again(database, settings);
        self.noted(done)
    }

    fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

impl Connection {
    /// Executes a statement, now and whenever the session is reset.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub(crate) fn begin_with(&mut self, sql: String, results: &mut dyn Results) -> Result<(), SessionError> {
        self.query(sql.as_bytes(), results)?;
        self.beginning.push(sql);
        Ok(())
    }

    /// Resets the session, and gives it its beginning, its settings and its database. All of it is sent before the first
    /// answer is read, because each wait for the server costs. The first refusal is what counts.
    fn begin_again(&mut self, database: Option<&str>, settings: &str) -> Result<(), SessionError> {
        self.expect_nothing()?;
        self.prepared = None;
        let beginning = self.beginning.iter().map(|sql| (QUERY, sql.as_bytes()));
        let to_use = database.map(|database| (USE, database.as_bytes()));
        // The database's name is in the character set of the settings: after a reset, the server's own may hold.
        let commands = std::iter::once((RESET, &b""[..])).chain(beginning);
        let commands = commands.chain([(QUERY, settings.as_bytes())]).chain(to_use);
        let mut sent = 0;
        for (command, argument) in commands {
            send_command(&mut self.packets, command, argument).map_err(SessionError::Lost)?;
            sent += 1;
        }
        let mut refused = None;
        for _ in 0..sent {
            self.packets.set_number(1);
            match self.results(&mut Discard) {
                Err(SessionError::Server(error)) => refused = refused.or(Some(error)),
                done => done?,
            }
        }
        refused.map_or(Ok(()), |error| Err(SessionError::Server(error)))
    }

    /// Has every read fail that waits for longer.
    pub(crate) fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        (self.patience)(Some(time))
    }

    /// Has reads wait for as long as it takes.
    pub(crate) fn wait_for_ever(&self) -> io::Result<()> {
        (self.patience)(None)
    }

    /// Sends a command that is answered without rows, and reads the answer.
    pub(crate) fn command(&mut self, command: u8, argument: &[u8]) -> Result<(), SessionError> {
        self.begin_command(command, argument)?;
        let done = self.results(&mut Discard);
        self.noted(done)
    }

    /// Sends a command whose answer somebody else reads.
    pub(crate) fn begin_command(&mut self, command: u8, argument: &[u8]) -> Result<(), SessionError> {
        self.settle()?;
        self.expect_nothing()?;
        send_command(&mut self.packets, command, argument).map_err(SessionError::Lost)
    }

    /// The packets themselves, and what carries them. Whoever reads them takes the connection for good.
    pub(crate) fn packets(&mut self) -> (&mut Packets, Option<Arc<dyn Carrier>>) {
        self.is_broken = true;
        (&mut self.packets, self.carrier.clone())
    }

    /// Whether all that has come was taken.
    pub(crate) fn has_taken_all(&self) -> bool {
        self.packets.is_empty()
    }

    /// Makes sure that nothing has come which nobody has asked for: it would be taken for the next answer.
    fn expect_nothing(&mut self) -> Result<(), SessionError> {
        if self.packets.is_ahead() {
            return Err(SessionError::Lost(malformed("an answer to nothing")));
        }
        Ok(())
    }

    fn ask(&mut self, sql: &[u8], results: &mut dyn Results) -> Result<(), SessionError> {
        self.expect_nothing()?;
        send_command(&mut self.packets, QUERY, sql).map_err(SessionError::Lost)?;
        self.results(results)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_idle() {
            self.packets.set_number(0);
            // The server ends the connection either way.
            let said = self.packets.write(&[QUIT]).and_then(|()| self.packets.flush());
            if let (Ok(()), Some(carrier)) = (said, &self.carrier) {
                carrier.close();
            }
        }
        (self.stopper)();
    }
}

/// Sends a command, and waits for no answer.
fn send_command(packets: &mut Packets, command: u8, argument: &[u8]) -> io::Result<()> {
    packets.set_number(0);
    packets.write_behind(&[command], argument)?;
    packets.flush()
}

/// Throws results away.
pub(crate) struct Discard;

impl Results for Discard {
    fn begin(&mut self, _columns: &[Column]) -> fwb::Result<()> {
        Ok(())
    }

    fn row(&mut self, _row: Row<'_>) -> fwb::Result<()> {
        Ok(())
    }
}

fn taker(error: fwb::Error) -> SessionError {
    SessionError::Taker(Box::new(error))
}

/// What an OK packet says: how many rows were changed, the server's status, and what follows.
fn ok(packet: &[u8]) -> io::Result<(u64, u16, Fields<'_>)> {
    let mut fields = Fields::new(packet);
    fields.u8()?;
    let rows = fields.lenenc()?;
    fields.lenenc()?;
    Ok((rows, fields.u16()?, fields))
}

/// Whether an OK packet says that another result follows.
fn more_results(packet: &[u8]) -> io::Result<bool> {
    ok(packet).map(|(_, status, _)| status & MORE_RESULTS != 0)
}

fn column(packet: &[u8]) -> io::Result<Column> {
    let mut fields = Fields::new(packet);
    for _ in 0..4 {
        fields.lenenc_bytes()?;
    }
    let name = String::from_utf8_lossy(fields.lenenc_bytes()?).into_owned();
    fields.lenenc_bytes()?;
    fields.lenenc()?;
    let (collation, length) = (fields.u16()?, fields.u32()?);
    Ok(Column { name, collation, length, kind: fields.u8()?, flags: fields.u16()? })
}
