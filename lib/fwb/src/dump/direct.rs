//! A dump that we write ourselves: one connection writes, and others read ahead of it.

use std::collections::{BTreeMap, BTreeSet};

use super::excluded::Excluded;
use super::pieces::PieceStream;
use super::snapshot::Begun;
use super::writer::{Ahead, Header, Held, LeftOutProgram, Look, Part, Past, Task, Written, hold, write};
use crate::admission::Outside;
use crate::artifact::PieceSender;
use crate::error::{Error, Result};
use crate::manifest::{self, Binlog};
use crate::progress::Context;
use crate::scan::Summary;
use crate::server::{Connection, DatabaseFacts, ServerVersion};
use crate::thread;

/// What is written.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) facts: &'a DatabaseFacts,
    /// The tables, sequences and views to dump; none: the whole database.
    pub(super) chosen: Option<&'a BTreeSet<String>>,
    /// What is left out of the whole database.
    pub(super) excluded: &'a Excluded,
    /// How the server is addressed.
    pub(super) host: &'a str,
    /// Whether definitions are held until tables are read.
    pub(super) holds_definitions: bool,
    /// Called once they are.
    pub(super) look: Look<'a>,
}

impl<'a> Request<'a> {
    /// The server's version, and the views that are left out.
    fn of_facts(&self) -> (ServerVersion, BTreeSet<String>) {
        let broken = self.facts.broken_views.iter().map(|view| view.name.clone()).collect();
        (ServerVersion::parse(&self.facts.version), broken)
    }

    fn task<'t>(
        &self,
        version: &'t ServerVersion,
        broken: &'t BTreeSet<String>,
        binlog: Option<&'t Binlog>,
    ) -> Task<'t>
    where
        'a: 't,
    {
        let header = Header {
            version,
            host: self.host,
            database: &self.facts.database,
            binlog,
            has_checks: self.facts.has_checks,
        };
        Task {
            header,
            collation: &self.facts.collation,
            broken_views: broken,
            part: Part::All,
            chosen: self.chosen,
            excluded: self.excluded,
            past: Past::default(),
            holds_definitions: self.holds_definitions,
        }
    }
}

/// Holds the definitions of a database, which has this number among several, until it is written.
///
/// # Errors
/// The server refuses, the connection breaks, or a table is not the one that it was at the moment.
pub(super) fn hold_all(begun: &mut Begun, number: usize, request: Request<'_>) -> Result<Held> {
    let binlog = begun.binlog.clone();
    let (version, broken) = request.of_facts();
    let task = request.task(&version, &broken, binlog.as_ref());
    let connection = begun.writer(&request.facts.database)?.ok_or_else(|| no_connection(request.facts))?;
    hold(connection.session(), &task, number, request.look)
}

fn no_connection(facts: &DatabaseFacts) -> Error {
    Error::IncompleteDump { database: facts.database.clone(), problem: "no connection".into() }
}

/// Tables whose definitions were not held, and how each was defined when it was read.
pub(super) type Definitions = BTreeMap<String, u128>;

/// What was read and written.
pub(super) struct Read {
    pub(super) summary: Summary,
    pub(super) definitions: Definitions,
    /// Stored programs that are left out.
    pub(super) left_out: Vec<LeftOutProgram>,
    /// Tables that reach outside of the database, and how.
    pub(super) outside: BTreeMap<String, Outside>,
    /// What a restore makes otherwise than it was: sentences.
    pub(super) otherwise: Vec<String>,
}

/// Writes a database over the first connection. What the others read meanwhile it takes from them. Where one fails, all
/// end.
///
/// # Errors
/// That of the first which fails.
pub(super) fn write_all(
    begun: &mut Begun,
    held: Option<Held>,
    request: Request<'_>,
    sender: PieceSender,
    context: &Context,
) -> Result<Read> {
    begun.show(&request.facts.database)?;
    let facts = request.facts;
    let Begun { connections, binlog, .. } = begun;
    let (version, broken) = request.of_facts();
    let task = request.task(&version, &broken, binlog.as_ref());
    let stream = PieceStream::new(&facts.database, &facts.tables, sender, context);
    let Some((connection, readers)) = connections.split_first_mut() else {
        return Err(no_connection(facts));
    };
    if readers.is_empty() {
        return write_one(connection, stream, &task, held, None, request.look);
    }
    let ahead = Ahead::new(readers.len(), &facts.tables);
    std::thread::scope(|scope| {
        let mut stoppers = Vec::new();
        let mut started = Ok(());
        for reader in readers {
            stoppers.push(reader.session().stopper());
            let (ahead, task) = (&ahead, &task);
            if let Err(error) = thread::start_in(scope, move || ahead.read(reader.session(), task)) {
                started = Err(error);
                break;
            }
        }
        let written =
            started.and_then(|()| write_one(connection, stream, &task, held, Some(&ahead), request.look));
        ahead.close();
        if written.is_err() {
            // One may be waiting for the server.
            for stop in &stoppers {
                stop();
            }
        }
        written
    })
}

fn write_one(
    connection: &mut Connection,
    mut stream: PieceStream<'_>,
    task: &Task<'_>,
    held: Option<Held>,
    ahead: Option<&Ahead>,
    look: Look<'_>,
) -> Result<Read> {
    let now = || manifest::now().format("%Y-%m-%d %H:%M:%S").to_string();
    let written = write(connection.session(), &mut stream, task, held, ahead, look, now)?;
    let (summary, outside) = stream.finish()?;
    check(&written, &summary, task.header.database)?;
    let tables = written.iter().filter_map(Written::table);
    let definitions = tables.map(|(name, definition)| (name.to_owned(), definition)).collect();
    let left_out = written.iter().flat_map(|written| written.left_out.iter().cloned()).collect();
    let otherwise = written.iter().flat_map(|written| written.otherwise.iter().cloned()).collect();
    Ok(Read { summary, definitions, left_out, outside, otherwise })
}

/// Holds what the scanner found in the SQL against what was written: a reader of the dump finds the same.
fn check(written: &[Written], found: &Summary, database: &str) -> Result<()> {
    let incomplete = |problem: String| Error::IncompleteDump { database: database.to_owned(), problem };
    if let Some(problem) = found.incomplete {
        return Err(incomplete(problem.to_owned()));
    }
    if !found.says_completed {
        return Err(incomplete("its last line is not \"-- Dump completed\"".to_owned()));
    }
    let same = written.iter().zip(&found.sections).find(|(written, found)| !written.is(found));
    if let Some((written, found)) = same {
        log::debug!("written {written:?}, found {found:?}");
        let name = found.name.as_deref().unwrap_or_default();
        return Err(incomplete(format!("{} {name} is not read as it was written", found.kind.as_str())));
    }
    if written.len() != found.sections.len() {
        let (written, found) = (written.len(), found.sections.len());
        return Err(incomplete(format!("{written} sections were written, and {found} are read")));
    }
    Ok(())
}
