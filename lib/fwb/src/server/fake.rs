//! A server for tests: what it answers is scripted, and what it was sent is there afterwards. So what asks a server, and acts
//! upon the answers, has tables of cases: a refusal at each step, an answer that is empty, a version of tomorrow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::client::ServerClient;
use super::port::{
    Column, Loaded, LogStart, LogStream, Results, Role, Row, Server, ServerError, Session, SessionError,
    Stopper, ValueKind,
};
use super::version::ServerVersion;
use crate::progress::Cancel;

/// What a text is answered by.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// By these rows. Where one has another number of cells than the row before, another result begins with it.
    Rows(Vec<Vec<String>>),
    /// By an error of this number.
    Refused(u16),
    /// By nothing: what carries the connection to a pod ends.
    Cut,
}

impl Answer {
    /// By these rows.
    pub(crate) fn rows(rows: &[&[&str]]) -> Self {
        Self::Rows(rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect())
    }
}

/// A server. A text for which it has no answer is answered without rows.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// Which texts, by a part of them, have which answers: one after the other, and the last one for ever. The first part
    /// that a text has decides.
    script: Mutex<Vec<(String, VecDeque<Answer>)>>,
    sent: Mutex<Vec<String>>,
}

impl Fake {
    /// A server that answers texts with `part` in them by `answers`.
    pub(crate) fn new<const N: usize>(script: [(&str, &[Answer]); N]) -> Arc<Self> {
        let script = script.map(|(part, answers)| (part.to_owned(), answers.iter().cloned().collect()));
        Arc::new(Self { script: Mutex::new(script.into()), sent: Mutex::default() })
    }

    /// Access to it. A connection that breaks is worth so many more attempts.
    pub(crate) fn client(self: &Arc<Self>, retries: u32) -> ServerClient {
        ServerClient::of_fake(Arc::new(Shared(Arc::clone(self))), retries)
    }

    /// The texts that it was sent and that have `part` in them. What every session begins with is none of them.
    pub(crate) fn sent(&self, part: &str) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().filter(|text| text.contains(part)).cloned().collect()
    }

    fn answer(&self, text: &str) -> Answer {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let found = script.iter_mut().find(|(part, _)| text.contains(part.as_str()));
        let answers = found.map(|(_, answers)| answers);
        let answer = answers.and_then(|answers| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
        answer.unwrap_or(Answer::Rows(Vec::new()))
    }
}

/// The server, in the hands of who connects to it.
#[derive(Debug)]
struct Shared(Arc<Fake>);

impl Server for Shared {
    fn connect(
        &self,
        _role: Role,
        _database: Option<&str>,
        _cancel: &Cancel,
    ) -> Result<Box<dyn Session>, SessionError> {
        Ok(Box::new(FakeSession {
            server: Arc::clone(&self.0),
            version: ServerVersion::parse("10.11.6-MariaDB"),
            part: Vec::new(),
            begun: 0,
        }))
    }

    fn follow(&self, _start: &LogStart, _cancel: &Cancel) -> Result<Box<dyn LogStream>, SessionError> {
        Err(SessionError::Refused { problem: "it has no binary log".into(), remedy: "ask a real one".into() })
    }
}

/// A connection to it.
#[derive(Debug)]
struct FakeSession {
    server: Arc<Fake>,
    version: ServerVersion,
    /// What was sent of the present statement.
    part: Vec<u8>,
    /// How many statements were sent whole.
    begun: u64,
}

impl FakeSession {
    /// Notes a text, and answers it.
    fn answer(&self, text: String) -> Result<Vec<Vec<String>>, SessionError> {
        let answer = self.server.answer(&text);
        self.server.sent.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        match answer {
            Answer::Rows(rows) => Ok(rows),
            Answer::Cut => {
                Err(SessionError::Cut { place: "pod mariadb-0".into(), problem: "cut by the script".into() })
            }
            Answer::Refused(number) => {
                let (sqlstate, message) = ("HY000".into(), "refused by the script".into());
                Err(SessionError::Server(ServerError { number, sqlstate, message, statement: None }))
            }
        }
    }
}

impl Session for FakeSession {
    fn id(&self) -> u64 {
        1
    }

    fn version(&self) -> &ServerVersion {
        &self.version
    }

    fn query(&mut self, sql: &[u8], results: &mut dyn Results) -> Result<(), SessionError> {
        let text = String::from_utf8_lossy(sql).into_owned();
        if text == super::settings::settings(&self.version) || text.starts_with("USE ") {
            return Ok(());
        }
        let rows = self.answer(text)?;
        let taker = |error| SessionError::Taker(Box::new(error));
        let mut width = None;
        for cells in rows {
            if width.replace(cells.len()) != Some(cells.len()) {
                let column = Column { name: String::new(), kind: 253, collation: 45, flags: 0, length: 0 };
                results.begin(&vec![column; cells.len()]).map_err(taker)?;
            }
            let mut row = Vec::new();
            for cell in &cells {
                row.push(0xFE);
                row.extend_from_slice(&(cell.len() as u64).to_le_bytes());
                row.extend_from_slice(cell.as_bytes());
            }
            results.row(Row::Whole(&row)).map_err(taker)?;
        }
        Ok(())
    }

    fn send(&mut self, part: &[u8], last: bool) -> Result<(), SessionError> {
        self.part.extend_from_slice(part);
        if !last {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.part)).into_owned();
        self.begun += 1;
        self.answer(text).map(drop).map_err(|error| match error {
            SessionError::Server(error) => {
                SessionError::Server(ServerError { statement: Some(self.begun - 1), ..error })
            }
            other => other,
        })
    }

    fn settle(&mut self) -> Result<(), SessionError> {
        Ok(())
    }

    fn load(&mut self, statement: &[u8], _rows: &[u8]) -> Result<(), SessionError> {
        self.send(statement, true)
    }

    fn takes_bulk(&self) -> bool {
        false
    }

    fn bulk(&mut self, insert: &[u8], _columns: &[ValueKind], _rows: &[u8]) -> Result<(), SessionError> {
        self.send(insert, true)
    }

    fn warned(&mut self) -> Vec<(u64, u16)> {
        Vec::new()
    }

    fn loaded(&mut self) -> Result<Loaded, SessionError> {
        Ok(Loaded { rows: 0, warnings: 0 })
    }

    fn reset(&mut self, _database: Option<&str>, _settings: &str) -> Result<(), SessionError> {
        Ok(())
    }

    fn stopper(&self) -> Stopper {
        Arc::new(|| {})
    }
}
