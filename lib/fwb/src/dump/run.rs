//! One dump: the programs that make it, the artifact it becomes, and the manifest.

use std::io::Write;

use serde_json::json;

use super::DumpOptions;
use super::beside::{Restores, check_identities};
use super::program::{COORDINATES, DumpProgram};
use super::shares::divide;
use super::snapshot::{self, Snapshot};
use super::streams::{DumpStream, Whole, read_all};
use super::warnings::warnings;
use crate::artifact::{ArtifactWriter, Spill, WRITE_ARTIFACT, Written};
use crate::error::{DUMPING, Error, Result};
use crate::manifest::{self, Client, Manifest, SCHEMA, Server, Timestamp};
use crate::output::directory_of;
use crate::progress::{Cancel, Context};
use crate::server::{DatabaseFacts, Identified, Identities, Running, ServerClient};
use crate::store::Partial;
use crate::thread;

/// Looks at a database and asks the dump program for its options, both at once: before a small database is dumped, that
/// takes as long as the dump.
fn look(
    server: &ServerClient,
    database: &str,
    cancel: &Cancel,
) -> Result<(DatabaseFacts, Identities, DumpProgram)> {
    let (facts, program) = std::thread::scope(|scope| {
        let program = thread::start_in(scope, || DumpProgram::find(server, cancel))?;
        let facts = server
            .facts(database, cancel)
            .and_then(|facts| server.identities(database, cancel).map(|tables| (facts, tables)));
        Ok::<_, Error>((facts, program.join()))
    })?;
    let (facts, tables) = facts?;
    let panicked = |_| Error::Stream {
        action: "ask the dump program for its options",
        source: std::io::Error::other("a thread panicked"),
    };
    Ok((facts, tables, program.map_err(panicked)??))
}

/// A dump that is ready to run.
pub(super) struct Dump<'a> {
    options: &'a DumpOptions,
    server: &'a ServerClient,
    restores: Restores,
    facts: DatabaseFacts,
    /// The tables as they were before the snapshot.
    tables: Identities,
    program: DumpProgram,
    name: String,
    started_at: Timestamp,
    warnings: Vec<String>,
}

impl<'a> Dump<'a> {
    pub(super) fn begin(
        server: &'a ServerClient,
        options: &'a DumpOptions,
        restores: Restores,
        started_at: Timestamp,
        name: String,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (facts, tables, program) = look(server, &options.database, cancel)?;
        restores.check(server, &facts.database, cancel)?;
        // mariadb-dump fails at the first table whose history it cannot dump.
        let program =
            if facts.by_transaction.is_empty() { program } else { program.without("--dump-history") };
        let warnings = warnings(&facts, &program);
        for warning in &warnings {
            log::warn!("{warning}");
        }
        if let (true, Some(view)) = (options.strict, facts.broken_views.first()) {
            return Err(Error::Strict { what: format!("view {} is broken: {}", view.name, view.error) });
        }
        if let (true, Some(table), false) =
            (options.strict, facts.versioned_tables.first(), program.has("--dump-history"))
        {
            return Err(Error::Strict { what: format!("the history of table {table} cannot be dumped") });
        }
        if let (true, Some(event)) = (options.strict, facts.undumpable_events.first()) {
            return Err(Error::Strict {
                what: format!("event {} cannot be dumped: {}", event.name, event.error),
            });
        }
        let program = if facts.undumpable_events.is_empty() { program } else { program.without("--events") };
        // The client reads the coordinates inside of its transaction and takes no lock for them.
        let is_mariadb =
            [&facts.version, program.version()].iter().all(|version| version.contains("MariaDB"));
        let program = if facts.log_bin && is_mariadb { program.with(COORDINATES) } else { program };
        Ok(Self { options, server, restores, facts, tables, program, name, started_at, warnings })
    }

    /// As [`Dump::run`], into a file that is not published yet: a failure to write names its path.
    pub(super) fn run_into(self, partial: &Partial, context: &Context) -> Result<Manifest> {
        let dir = directory_of(partial.path()).to_owned();
        let spill: Spill = Box::new(move || tempfile::tempfile_in(&dir));
        self.run(partial.writer()?, Some(spill), context).map_err(|error| match error {
            Error::Stream { action: WRITE_ARTIFACT, source } => Error::io("write", partial.path())(source),
            other => other,
        })
    }

    /// Runs the dump program and writes the artifact: over several connections, where there is a place for what one of
    /// them has read before its turn.
    pub(super) fn run<W: Write + Send + 'static>(
        self,
        sink: W,
        spill: Option<Spill>,
        context: &Context,
    ) -> Result<Manifest> {
        context.progress.begin(format!("dumping {}", self.options.database), 0);
        let (mut streams, snapshot) = self.start(spill.is_some(), context)?;
        // Where this fails, the dump program most often fails too, and says why.
        let newest = self.newest_table(&mut streams, context);
        let spill = spill.unwrap_or_else(|| Box::new(tempfile::tempfile));
        let (writer, senders) =
            ArtifactWriter::new(sink, self.options.level, context.jobs, streams.len(), spill)?;
        let (read, running) = read_all(streams, senders, context);
        let ended = running.into_iter().map(Running::wait).collect::<Result<Vec<_>>>()?;
        context.cancel.check()?;
        // A failure to write comes first: it is why the programs were ended.
        let (members, raw_sha256) = writer.finish()?;
        let summaries = read?;
        let whole = Whole::new(summaries, &members.placed);
        // The first is the one that failed first: the others were ended because of it.
        for ended in &ended {
            ended.success(&format!("{DUMPING} {}", self.options.database))?;
            if let Some(problem) = whole.incomplete {
                let database = self.options.database.clone();
                return Err(Error::IncompleteDump { database, problem: problem.into() });
            }
            for line in ended.stderr().lines() {
                log::warn!("{}: {line}", self.program.name());
            }
        }
        self.look_again(newest?, &whole, context)?;
        let mut manifest = self.manifest(whole, snapshot, &hex::encode(raw_sha256));
        let (_sink, Written { size, sha256 }) = members.finish(&manifest.core()?)?;
        manifest.size = size;
        manifest.sha256 = Some(hex::encode(sha256));
        Ok(manifest)
    }

    /// The greatest number of a table, once the snapshot is there: a dump program writes its header after that.
    fn newest_table(&self, streams: &mut [DumpStream], context: &Context) -> Result<Option<u64>> {
        if self.tables.by() == Identified::CreateTime {
            return Ok(None);
        }
        for stream in streams {
            stream.header()?;
        }
        self.server.newest_table(&self.tables, &context.cancel)
    }

    /// Whether nothing went on meanwhile that the dump shows in part.
    fn look_again(&self, newest: Option<u64>, whole: &Whole, context: &Context) -> Result<()> {
        let (server, database, cancel) = (self.server, &self.facts.database, &context.cancel);
        self.restores.check(server, database, cancel)?;
        check_identities(server, database, &self.tables, newest, &whole.sections, cancel)
    }

    /// Starts the dump program: several times, each for its share of the tables, where that pays and all are known to
    /// see the same moment.
    fn start(&self, several: bool, context: &Context) -> Result<(Vec<DumpStream>, Option<Snapshot>)> {
        let shares = if several && self.server.is_here() {
            divide(&self.facts.tables, context.jobs)
        } else {
            Vec::new()
        };
        if !shares.is_empty() {
            match self.start_together(&shares, &context.cancel) {
                Ok((streams, snapshot)) => return Ok((streams, Some(snapshot))),
                Err(error) => {
                    context.cancel.check()?;
                    log::info!("dumping over one connection: {error}");
                }
            }
        }
        let program = self.program.command(&self.facts.database, &self.broken_views());
        log::debug!("running {} with {:?}", program.name(), self.program.options());
        let (output, running) = program.reader(&context.cancel)?;
        Ok((vec![DumpStream::new(output, running)], None))
    }

    fn start_together(&self, shares: &[Vec<String>], cancel: &Cancel) -> Result<(Vec<DumpStream>, Snapshot)> {
        let program = self.program.clone().with("--verbose");
        let commands = |shares: &[Vec<String>]| {
            let elsewhere = shares.iter().flatten().map(String::as_str);
            let omitted: Vec<&str> = self.broken_views().into_iter().chain(elsewhere).collect();
            let first = program.command(&self.facts.database, &omitted);
            let others = shares.iter().map(|share| program.tables_command(&self.facts.database, share));
            std::iter::once(first).chain(others).collect()
        };
        snapshot::start(self.server, &self.facts, shares, &commands, cancel)
    }

    fn broken_views(&self) -> Vec<&str> {
        self.facts.broken_views.iter().map(|view| view.name.as_str()).collect()
    }

    fn manifest(self, whole: Whole, snapshot: Option<Snapshot>, raw_sha256: &str) -> Manifest {
        let mut extra = serde_json::Map::new();
        extra.insert("tables_identified_by".into(), json!(self.tables.by()));
        if let Some(snapshot) = snapshot {
            extra.insert("snapshot".into(), json!(snapshot));
        }
        for (field, left_out) in
            [("broken_views", &self.facts.broken_views), ("undumpable_events", &self.facts.undumpable_events)]
        {
            if !left_out.is_empty() {
                extra.insert(field.into(), json!(left_out));
            }
        }
        Manifest {
            schema: SCHEMA.into(),
            name: self.name,
            store: None,
            kind: self.options.kind,
            database: Some(self.facts.database),
            charset: Some(self.facts.charset),
            collation: Some(self.facts.collation),
            started_at: self.started_at,
            finished_at: manifest::now(),
            server: Some(Server {
                version: self.facts.version,
                id: self.options.server.id.clone(),
                address: self.options.server.address.clone(),
                lower_case_table_names: Some(self.facts.lower_case_table_names),
                extra: serde_json::Map::new(),
            }),
            client: Some(Client {
                program: self.program.name().into(),
                version: self.program.version().into(),
                options: self.program.options().to_vec(),
                extra: serde_json::Map::new(),
            }),
            binlog: whole.binlog,
            size: 0,
            raw_size: Some(whole.raw_size),
            sha256: None,
            raw_sha256: Some(raw_sha256.into()),
            largest_statement: whole.largest_statement,
            warnings: self.warnings,
            sections: whole.sections,
            verification: None,
            decision: None,
            extra,
        }
    }
}
