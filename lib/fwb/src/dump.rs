//! Dumping a database: one run of mariadb-dump becomes one artifact, whole or not at all.

use std::io::{Read, Write};
use std::path::Path;

use serde_json::json;

use crate::artifact::{ArtifactWriter, CompressionLevel, Cutter, WRITE_ARTIFACT, Written};
use crate::dump_program::DumpProgram;
use crate::error::{Error, Result};
use crate::head_start::{self, HeadStart};
use crate::manifest::{self, Client, Kind, Manifest, SCHEMA, Server, Timestamp};
use crate::pod;
use crate::progress::{Cancel, Context};
use crate::scan::{Summary, unobserved};
use crate::server::{DatabaseFacts, ServerClient};
use crate::store::{Partial, Store, StoreLock, Wait, artifact_name, name_prefix, stage, sync_dir};

/// What to dump, and how.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// The database.
    pub database: String,
    /// What the backup is for.
    pub kind: Kind,
    /// The first part of the artifact's name; by default made of the database's name.
    pub prefix: Option<String>,
    /// How hard to compress.
    pub level: CompressionLevel,
    /// Fail where something would have to be left out.
    pub strict: bool,
}

/// Dumps into a store, under its lock. The lock is released on return.
///
/// # Errors
/// The store is locked or cannot be written, the server or its dump program fails, or the dump is incomplete:
/// nothing is published then.
pub fn dump_to_store(
    store: &Store,
    server: &ServerClient,
    options: &DumpOptions,
    context: &Context,
) -> Result<Manifest> {
    let lock = store.lock(Wait::No, &context.cancel)?;
    store.sweep(&lock)?;
    dump_locked(store, &lock, server, options, context)
}

/// As [`dump_to_store`], under a lock that the caller holds.
pub(crate) fn dump_locked(
    store: &Store,
    lock: &StoreLock,
    server: &ServerClient,
    options: &DumpOptions,
    context: &Context,
) -> Result<Manifest> {
    let prefix = name_prefix(options.prefix.as_deref(), &options.database);
    let (partial, manifest) = pod::retrying(server.retries(), &context.cancel, || {
        let started_at = manifest::now();
        let name = store.free_name(&prefix, options.kind, started_at, lock)?;
        let dump = Dump::begin(server, options, started_at, name.clone(), &context.cancel)?;
        let partial = store.begin(&name, lock)?;
        let manifest = dump.run_into(&partial, context)?;
        Ok((partial, manifest))
    })?;
    store.publish(partial, &manifest, &context.cancel)?;
    Ok(Manifest { store: Some(store.root().display().to_string()), ..manifest })
}

/// Dumps into a file outside of a store; it appears when it is complete, and has no sidecar.
///
/// # Errors
/// As [`dump_to_store`].
pub fn dump_to_file(
    path: &Path,
    server: &ServerClient,
    options: &DumpOptions,
    context: &Context,
) -> Result<Manifest> {
    let name = path.file_name().ok_or_else(|| Error::usage(format!("{} names no file", path.display())))?;
    let parent = directory_of(path);
    let name = name.to_string_lossy().into_owned();
    let (partial, manifest) = pod::retrying(server.retries(), &context.cancel, || {
        let dump = Dump::begin(server, options, manifest::now(), name.clone(), &context.cancel)?;
        let partial = Partial::create(path)?;
        let manifest = dump.run_into(&partial, context)?;
        Ok((partial, manifest))
    })?;
    partial.sync()?;
    context.cancel.check()?;
    partial.publish()?;
    sync_dir(parent)?;
    let parent = std::path::absolute(parent).map_err(Error::io("find", parent))?;
    Ok(Manifest { store: Some(parent.display().to_string()), ..manifest })
}

/// Writes a manifest into a file, which appears when it is complete.
///
/// # Errors
/// The file cannot be written.
pub fn write_manifest(path: &Path, manifest: &Manifest) -> Result<()> {
    stage(path, &manifest.to_line()?)?.publish()?;
    sync_dir(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Dumps into a stream. What was written before an error cannot be taken back; it lacks its footer then.
///
/// # Errors
/// As [`dump_to_store`].
pub fn dump_to_stream<W: Write + Send + 'static>(
    stream: W,
    server: &ServerClient,
    options: &DumpOptions,
    context: &Context,
) -> Result<Manifest> {
    let started_at = manifest::now();
    let prefix = name_prefix(options.prefix.as_deref(), &options.database);
    let name = artifact_name(&prefix, options.kind, started_at)?;
    let dump = Dump::begin(server, options, started_at, name, &context.cancel)?;
    dump.run(stream, context)
}

/// A dump that is ready to run.
struct Dump<'a> {
    options: &'a DumpOptions,
    facts: DatabaseFacts,
    program: DumpProgram,
    name: String,
    started_at: Timestamp,
    warnings: Vec<String>,
    head_start: Option<HeadStart>,
}

impl<'a> Dump<'a> {
    fn begin(
        server: &ServerClient,
        options: &'a DumpOptions,
        started_at: Timestamp,
        name: String,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (facts, program, head_start) = head_start::look(server, &options.database, cancel)?;
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
        Ok(Self { options, facts, program, name, started_at, warnings, head_start })
    }

    /// As [`Dump::run`], into a file that is not published yet: a failure to write names its path.
    fn run_into(self, partial: &Partial, context: &Context) -> Result<Manifest> {
        self.run(partial.writer()?, context).map_err(|error| match error {
            Error::Stream { action: WRITE_ARTIFACT, source } => Error::io("write", partial.path())(source),
            other => other,
        })
    }

    /// Runs the dump program and writes the artifact.
    fn run<W: Write + Send + 'static>(mut self, sink: W, context: &Context) -> Result<Manifest> {
        let database = &self.options.database;
        context.progress.begin(format!("dumping {database}"), 0);
        let omitted: Vec<&str> = self.facts.broken_views.iter().map(|view| view.name.as_str()).collect();
        let program = self.program.command(&self.facts.database, &omitted);
        log::debug!("running {} with {:?}", program.name(), self.program.options());
        let running = self.head_start.take().and_then(|started| started.take(&program));
        let (mut stream, child) = running.map_or_else(|| program.reader(&context.cancel), Ok)?;
        let writer = ArtifactWriter::new(sink, self.options.level, context.jobs);
        let streamed = stream_into(&mut stream, &writer, context);
        drop(stream);
        if streamed.is_err() {
            child.kill();
        }
        let ended = child.wait()?;
        context.cancel.check()?;
        // A failure to write comes first: it is why the program was ended.
        let (members, raw_sha256) = writer.finish()?;
        let summary = streamed?;
        ended.success(&format!("dumping {database}"))?;
        for line in ended.stderr().lines() {
            log::warn!("{}: {line}", program.name());
        }
        let cut = (!summary.says_completed).then_some("its last line is not \"-- Dump completed\"");
        if let Some(problem) = summary.incomplete.or(cut) {
            return Err(Error::IncompleteDump { database: database.clone(), problem: problem.into() });
        }
        let extents = (0..summary.sections.len()).map(|index| members.extent(index)).collect::<Vec<_>>();
        let mut manifest = self.manifest(summary, &hex::encode(raw_sha256));
        for (section, extent) in manifest.sections.iter_mut().zip(extents) {
            section.offset = Some(extent.offset);
            section.size = Some(extent.size);
        }
        let (_sink, Written { size, sha256 }) = members.finish(&manifest.core()?)?;
        manifest.size = size;
        manifest.sha256 = Some(hex::encode(sha256));
        Ok(manifest)
    }

    fn manifest(self, summary: Summary, raw_sha256: &str) -> Manifest {
        let mut extra = serde_json::Map::new();
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
            server: Some(Server { version: self.facts.version, extra: serde_json::Map::new() }),
            client: Some(Client {
                program: self.program.name().into(),
                version: self.program.version().into(),
                options: self.program.options().to_vec(),
                extra: serde_json::Map::new(),
            }),
            binlog: None,
            size: 0,
            raw_size: Some(summary.raw_size),
            sha256: None,
            raw_sha256: Some(raw_sha256.into()),
            largest_statement: summary.largest_statement,
            warnings: self.warnings,
            sections: summary.sections,
            verification: None,
            decision: None,
            extra,
        }
    }
}

/// Scans, cuts and hands on the whole stream.
fn stream_into<W: Write + Send + 'static>(
    stream: &mut impl Read,
    writer: &ArtifactWriter<W>,
    context: &Context,
) -> Result<Summary> {
    let mut cutter = Cutter::new();
    let mut push = |piece| writer.push(piece);
    loop {
        context.cancel.check()?;
        let read = cutter.read_from(stream, &mut unobserved, &mut push)?;
        if read == 0 {
            return cutter.finish(&mut unobserved, &mut push);
        }
        context.progress.advance(read as u64);
        let (kind, name) = cutter.reading();
        context.progress.focus(format!("dumping {} {}", kind.as_str(), name.unwrap_or_default()));
    }
}

/// What the operator should know: what this backup leaves out or rounds.
fn warnings(facts: &DatabaseFacts, program: &DumpProgram) -> Vec<String> {
    let mut warnings = Vec::new();
    for option in program.unknown() {
        warnings.push(format!("{} does not know {option}; it was left out", program.name()));
    }
    if !facts.float_columns.is_empty() {
        let columns = facts.float_columns.join(", ");
        warnings.push(format!(
            "{} prints FLOAT columns with six digits; rounded in this backup: {columns}",
            program.name()
        ));
    }
    if !facts.garbled_columns.is_empty() {
        warnings.push(format!(
            "the server prints characters such as emoji as ? in definitions, and values that are listed there are lost \
             from this backup: {}; use other characters",
            facts.garbled_columns.join(", ")
        ));
    }
    if !facts.versioned_tables.is_empty() && !program.has("--dump-history") {
        let why = if facts.by_transaction.is_empty() {
            format!("{} cannot dump it", program.name())
        } else {
            format!("{} cannot dump that of {}", program.name(), facts.by_transaction.join(", "))
        };
        let tables = facts.versioned_tables.join(", ");
        warnings.push(format!("the history of these tables is not in this backup, for {why}: {tables}"));
    }
    for event in &facts.undumpable_events {
        warnings.push(format!(
            "event {} holds ;; and {} cannot dump it: all events are left out of this backup, and the definition of \
             this one is in the manifest; break up its ;; with ALTER EVENT",
            event.name,
            program.name()
        ));
    }
    for program_cut in &facts.cut_programs {
        warnings.push(format!(
            "{program_cut} holds ;; and outside of quotes and comments {} takes that for its end: break it up, or a \
             restore fails",
            program.name()
        ));
    }
    for view in &facts.broken_views {
        let kept = if view.definition.is_some() {
            "its definition is in the manifest"
        } else {
            "its definition cannot be read"
        };
        warnings.push(format!("view {} is broken and left out ({kept}): {}", view.name, view.error));
    }
    warnings
}
