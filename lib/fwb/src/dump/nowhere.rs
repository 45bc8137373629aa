//! A dump to nowhere: what its rows are, for whoever compares.

use std::collections::BTreeSet;

use super::connections::connect;
use super::excluded::Excluded;
use super::writer::{FORM_OF_ROWS, Header, PROGRAM, Part, Past, Sink, Task, begin, write};
use crate::error::Result;
use crate::manifest::Manifest;
use crate::progress::Context;
use crate::scan::{Feed, Observer, Summary, unobserved};
use crate::server::{Role, ServerClient};

/// How much is scanned at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Whether the rows of a backup were written in the form of ours: only then do equal rows have equal digests.
pub(crate) fn is_our_form(manifest: &Manifest) -> bool {
    manifest.client.as_ref().is_some_and(|client| {
        client.program == PROGRAM && client.extra.get("rows").is_some_and(|form| form == FORM_OF_ROWS)
    })
}

/// Reads the tables of a database, or the `chosen` ones, as a dump of it would hold them, and throws them away. `past`: what
/// of the history of tables.
///
/// # Errors
/// The server refuses or does not answer, or a signal arrived.
pub(crate) fn dump_to_nowhere(
    server: &ServerClient,
    database: &str,
    chosen: Option<&BTreeSet<String>>,
    past: Past<'_>,
    context: &Context,
) -> Result<Summary> {
    let what = What { part: Part::Rows, collation: "", chosen, past };
    read(server, database, what, &mut unobserved, context)
}

/// Reads all of a database, as a dump of it would hold it, shows each statement and throws it away. `collation` is the
/// database's default.
///
/// # Errors
/// As [`dump_to_nowhere`], or what `observer` returns.
pub(crate) fn dump_to_observer(
    server: &ServerClient,
    database: &str,
    collation: &str,
    observer: &mut Observer<'_>,
    context: &Context,
) -> Result<Summary> {
    let what = What { part: Part::All, collation, chosen: None, past: Past::default() };
    read(server, database, what, observer, context)
}

/// What is read.
struct What<'a> {
    part: Part,
    collation: &'a str,
    chosen: Option<&'a BTreeSet<String>>,
    past: Past<'a>,
}

fn read(
    server: &ServerClient,
    database: &str,
    what: What<'_>,
    observer: &mut Observer<'_>,
    context: &Context,
) -> Result<Summary> {
    const DOING: &str = "reading the restored database";
    let mut connection = connect(server, Role::Single, database, DOING, &context.cancel)?;
    begin(connection.session(), DOING)?;
    let version = connection.session().version().clone();
    let header = Header { version: &version, host: "", database, binlog: None, has_checks: false };
    let none = BTreeSet::new();
    let task = Task {
        header,
        collation: what.collation,
        broken_views: &none,
        part: what.part,
        chosen: what.chosen,
        excluded: &Excluded::default(),
        past: what.past,
        holds_definitions: false,
    };
    let mut scanned = Scanned { feed: Feed::new(), sql: Vec::new(), observer, context };
    let written = write(connection.session(), &mut scanned, &task, None, None, &|_| Ok(()), String::new);
    context.cancel.check()?;
    written?;
    scanned.finish()
}

/// What is only scanned.
struct Scanned<'a, 'o> {
    feed: Feed,
    sql: Vec<u8>,
    observer: &'a mut Observer<'o>,
    context: &'a Context,
}

impl Scanned<'_, '_> {
    fn scan(&mut self) -> Result<()> {
        self.context.cancel.check()?;
        self.context.progress.advance(self.sql.len() as u64);
        self.feed.push(&self.sql, self.observer)?;
        self.sql.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Summary> {
        self.scan()?;
        self.feed.finish(self.observer)
    }
}

impl Sink for Scanned<'_, '_> {
    fn sql(&mut self) -> &mut Vec<u8> {
        &mut self.sql
    }

    fn pass(&mut self) -> Result<()> {
        if self.sql.len() < CHUNK { Ok(()) } else { self.scan() }
    }
}
