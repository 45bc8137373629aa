//! One dump: the moment that it shows, the artifact it becomes, and the manifest.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::DumpOptions;
use super::beside::{Restores, check_definitions, check_identities};
use super::chosen::Chosen;
use super::connections::{connect, worthwhile};
use super::direct::{self, Definitions, Read, Request};
use super::excluded::Excluded;
use super::inventory;
use super::snapshot::{self, Begun, Scene, Snapshot};
use super::warnings::{self, warnings};
use super::whole::Whole;
use super::writer::{FORM_OF_ROWS, Held, LeftOutProgram, PROGRAM, unsound_views};
use crate::artifact::{ArtifactWriter, Codec, MaybeEncrypted, WRITE_ARTIFACT, Written};
use crate::encryption;
use crate::error::{DUMPING, Error, Result};
use crate::manifest::{
    self, Binlog, CODEC, Client, Encryption, Manifest, Object, SCHEMA, SCHEMA_EXCLUDING, Section,
    SectionKind, Server, Timestamp,
};
use crate::progress::{Cancel, Context};
use crate::server::{
    Connection, DatabaseFacts, HIDES, Identities, Lacking, Named, Role, ServerClient, ServerVersion, Sight,
    quote_name,
};

/// What it is told that goes on while tables are locked.
const LOCKING: &str = "locking tables that no snapshot covers";

/// A dump that was made.
pub(super) struct Made {
    pub(super) manifest: Manifest,
    /// What reads the artifact, where that is encrypted.
    pub(super) key: Option<Arc<dyn encryption::Identities>>,
}

/// A dump that is ready to run.
pub(super) struct Dump<'a> {
    options: &'a DumpOptions,
    server: &'a ServerClient,
    restores: Restores,
    facts: DatabaseFacts,
    /// What of the database is dumped.
    chosen: Chosen,
    /// What the database held of it before.
    before: BTreeSet<Named>,
    /// The tables as they were before the snapshot.
    tables: Identities,
    /// The artifact's.
    pub(super) name: String,
    started_at: Timestamp,
    /// The greatest number of a table at the moment that is dumped.
    newest_table: Option<u64>,
    /// Holds the tables that no snapshot covers.
    locked: Option<Connection>,
    /// What was held of it together with other databases.
    held: Option<Held>,
    /// What the account lacks to see all of the database.
    lacking: Option<Lacking>,
    /// Whether the account sees all of it by rights on the database.
    sees_by_rows: bool,
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
        let chosen = Chosen::find(server, options, cancel)?;
        if options.together.is_none() {
            options.exclude.refuse_idle([chosen.excluded()])?;
        }
        let mut facts = server.facts(&options.database, chosen.names(), cancel)?;
        facts.leave_out(&chosen.excluded().tables, &chosen.excluded().rows);
        let before = chosen.held(server, &facts.database, cancel)?;
        let tables = server.identities(&options.database, cancel)?;
        restores.check(server, &facts.database, cancel)?;
        let version = ServerVersion::parse(&facts.version);
        let sight = server.sight(&facts.database, &version, facts.lower_case_table_names, cancel)?;
        let (mut lacking, sees_by_rows) = match sight {
            Sight::Whole { by_rows } => (None, by_rows),
            Sight::Part(lacking) => (Some(lacking), false),
        };
        if !facts.denied_views.is_empty() {
            let databases = facts.databases_of_functions();
            let of_views = Lacking::of_views(&server.account(cancel)?, &facts.denied_views, &databases);
            lacking = Some(match lacking {
                Some(other) => other.and(of_views),
                None => of_views,
            });
        }
        if let (Some(lacking), false) = (&lacking, options.allow_partial) {
            let Lacking { account, rights, grants } = lacking.clone();
            return Err(Error::Rights { account, database: facts.database, rights, grants });
        }
        if facts.has_views {
            let broken = facts.broken_views.iter().map(|view| view.name.clone()).collect();
            let doing = format!("{DUMPING} {}", facts.database);
            let mut connection = connect(server, Role::Control, &facts.database, &doing, cancel)?;
            let is_chosen = |view: &str| chosen.has(view);
            let unsound = unsound_views(connection.session(), &facts.database, &is_chosen, &broken, &doing)?;
            facts.broken_views.extend(unsound);
        }
        let found = warnings(&facts, lacking.as_ref());
        if let (true, Some(what)) = (options.strict, left_out(&facts)) {
            return Err(Error::Strict { what });
        }
        let mut dump = Self {
            options,
            server,
            restores,
            facts,
            chosen,
            before,
            tables,
            name,
            started_at,
            newest_table: None,
            locked: None,
            held: None,
            lacking,
            sees_by_rows,
            warnings: Vec::new(),
        };
        dump.warn(found);
        Ok(dump)
    }

    /// As [`Dump::run`], into a file that is not published yet: a failure to write names its path.
    pub(super) fn run_into<W: Write + Send + 'static>(
        self,
        writer: W,
        path: &Path,
        context: &Context,
    ) -> Result<Made> {
        self.run(writer, context).map_err(naming(path))
    }

    /// What is dumped, and how.
    pub(super) fn options(&self) -> &'a DumpOptions {
        self.options
    }

    /// Locks the tables that no snapshot covers, where that is asked for; whoever writes to one waits until the dump is made.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub(super) fn lock_tables(&mut self, cancel: &Cancel) -> Result<()> {
        let tables = &self.facts.without_snapshot;
        if tables.is_empty() {
            return Ok(());
        }
        if !self.options.lock_tables {
            log::info!(
                "no snapshot covers these tables, whose rows are of the moment at which they are read (--lock-tables holds \
                 them still): {}",
                tables.join(", ")
            );
            return Ok(());
        }
        let mut connection =
            self.server.connect(Role::Control, Some(&self.facts.database), LOCKING, cancel)?;
        let list: Vec<String> = tables.iter().map(|table| format!("{} READ", quote_name(table))).collect();
        connection.execute(&format!("LOCK TABLES {}", list.join(", ")), LOCKING)?;
        self.locked = Some(connection);
        Ok(())
    }

    /// What is left out of the database.
    pub(super) fn excluded(&self) -> &Excluded {
        self.chosen.excluded()
    }

    pub(super) fn warn(&mut self, warnings: Vec<String>) {
        for warning in &warnings {
            log::warn!(code = crate::notice::BACKUP.code; "{warning}");
        }
        self.warnings.extend(warnings);
    }

    /// The database.
    pub(super) fn database(&self) -> &str {
        &self.options.database
    }

    /// Begins the moment, which shows all databases of the server.
    ///
    /// # Errors
    /// The server refuses, or does not answer.
    pub(super) fn begin_moment(dumps: &mut [Self], context: &Context) -> Result<Option<Begun>> {
        let cancel = &context.cancel;
        let sizes = dumps.iter().flat_map(|dump| dump.facts.tables.iter().map(|(_, size)| *size));
        let connections = worthwhile(sizes, context.jobs);
        let Some(first) = dumps.first() else { return Ok(None) };
        let begun = snapshot::start(first.server, first.scene(&first.doing()), connections, cancel)?;
        for dump in dumps {
            dump.newest_table = dump.server.newest_table(&dump.tables, cancel)?;
        }
        Ok(Some(begun))
    }

    fn doing(&self) -> String {
        format!("{DUMPING} {}", self.facts.database)
    }

    fn scene<'s>(&'s self, doing: &'s str) -> Scene<'s> {
        let flavor = ServerVersion::parse(&self.facts.version).flavor;
        Scene { database: &self.facts.database, log_bin: self.facts.log_bin, flavor, doing }
    }

    /// Looks whether the tables are those of the moment.
    fn look(&self, dumped: &BTreeSet<&str>, cancel: &Cancel) -> Result<()> {
        let before = (&self.tables, self.newest_table);
        check_identities(self.server, &self.facts.database, before, (dumped, &self.chosen), cancel)
    }

    /// How the server is addressed.
    fn host(&self) -> String {
        let host = self.options.server.address.as_ref();
        host.map_or_else(|| "localhost".to_owned(), ToString::to_string)
    }

    /// Holds the definitions until the database is written, where that is wanted: of several databases, this one has that number.
    ///
    /// # Errors
    /// The server refuses, or a table is not the one that it was at the moment.
    pub(super) fn hold(&mut self, begun: &mut Begun, number: usize, cancel: &Cancel) -> Result<()> {
        if !self.options.hold_definitions {
            return Ok(());
        }
        let (host, look) = (self.host(), |dumped: &BTreeSet<&str>| self.look(dumped, cancel));
        let request = Request {
            facts: &self.facts,
            chosen: self.chosen.names(),
            excluded: self.chosen.excluded(),
            host: &host,
            holds_definitions: true,
            look: &look,
        };
        let held = direct::hold_all(begun, number, request)?;
        self.held = Some(held);
        Ok(())
    }

    /// Writes the artifact.
    pub(super) fn run<W: Write + Send + 'static>(mut self, sink: W, context: &Context) -> Result<Made> {
        context.progress.begin(format!("dumping {}", self.options.database), 0);
        self.lock_tables(&context.cancel)?;
        match Self::begin_moment(std::slice::from_mut(&mut self), context)? {
            Some(mut begun) => self.write(sink, &mut begun, context),
            None => Err(Error::NoDatabase { database: self.facts.database }),
        }
    }

    /// Writes the artifact of a moment that was begun.
    ///
    /// # Errors
    /// The server refuses, the connection breaks, or the sink fails.
    pub(super) fn write<W: Write + Send + 'static>(
        mut self,
        sink: W,
        begun: &mut Begun,
        context: &Context,
    ) -> Result<Made> {
        let recipients = self.options.encryption.as_ref().map(|encryption| &*encryption.recipients);
        let sink = MaybeEncrypted::new(sink, recipients)?;
        context.progress.begin(format!("dumping {}", self.options.database), 0);
        let snapshot = begun.snapshot.clone();
        let binlog = begun.binlog.clone();
        let (writer, sender) = ArtifactWriter::new(sink, self.options.compression, context.jobs)?;
        let host = self.host();
        let holds_definitions = self.options.hold_definitions;
        let (held, locked) = (self.held.take(), self.locked.take());
        let look = |dumped: &BTreeSet<&str>| self.look(dumped, &context.cancel);
        let request = Request {
            facts: &self.facts,
            chosen: self.chosen.names(),
            excluded: self.chosen.excluded(),
            host: &host,
            holds_definitions,
            look: &look,
        };
        let read = direct::write_all(begun, held, request, sender, context);
        context.cancel.check()?;
        // A failure to write comes first: it is why the connections were ended.
        let (members, raw_sha256) = writer.finish()?;
        let Read { summary, definitions, left_out, outside, otherwise } = read?;
        let whole = Whole { binlog, ..Whole::new(summary, &members.placed) };
        if !holds_definitions {
            look(&names(&whole.sections))?;
        }
        self.look_again(&definitions, context)?;
        let renamed = self.check_inventory(&whole.sections, &left_out, &context.cancel)?;
        let log_end = self.log_end(locked.is_some(), &context.cancel)?;
        if let Some(mut locked) = locked {
            // If releasing the locks succeeds, the connection never lost them.
            locked.execute("UNLOCK TABLES", LOCKING)?;
        }
        let mut found = warnings::found(&left_out, &outside, otherwise);
        found.extend(renamed);
        if let (true, Some(what)) = (self.options.strict, found.first()) {
            return Err(Error::Strict { what: what.clone() });
        }
        self.warn(found);
        let mut manifest = self.manifest(whole, snapshot, &left_out, &hex::encode(raw_sha256));
        if let Some(end) = log_end {
            manifest.extra.insert("binlog_end".into(), json!(end));
        }
        let (sink, written) = members.finish(&manifest.core()?)?;
        let (Written { size, sha256 }, key) = sink.finish(written)?;
        manifest.size = size;
        manifest.sha256 = Some(hex::encode(sha256));
        Ok(Made { manifest, key })
    }

    /// Where the binary log stands when all is read, where that decides whether a log can go on from this backup: rows of tables
    /// that no snapshot covers may have changed since the snapshot.
    fn log_end(&self, is_locked: bool, cancel: &Cancel) -> Result<Option<Binlog>> {
        if is_locked || !self.facts.log_bin || self.facts.without_snapshot.is_empty() {
            return Ok(None);
        }
        snapshot::log_end(self.server, self.scene(&self.doing()), cancel)
    }

    /// Whether nothing went on meanwhile that the dump shows in part.
    fn look_again(&self, definitions: &Definitions, context: &Context) -> Result<()> {
        let (server, database, cancel) = (self.server, &self.facts.database, &context.cancel);
        self.restores.check(server, database, cancel)?;
        check_definitions(server, database, definitions, cancel)
    }

    /// Whether all that is there is in the dump, or is named.
    fn check_inventory(
        &self,
        sections: &[Section],
        left_out: &[LeftOutProgram],
        cancel: &Cancel,
    ) -> Result<Option<String>> {
        let database = &self.facts.database;
        let after = self.chosen.held(self.server, database, cancel)?;
        let mut told = inventory::held(sections);
        told.extend(self.facts.broken_views.iter().map(|view| Named::Relation(view.name.clone())));
        let program = |LeftOutProgram { kind, left_out }: &LeftOutProgram| {
            Named::Object(Object { kind: *kind, name: left_out.name.clone() })
        };
        told.extend(left_out.iter().map(program));
        inventory::check(database, &self.before, &after, &told)
    }

    fn manifest(
        self,
        whole: Whole,
        snapshot: Option<Snapshot>,
        left_out: &[LeftOutProgram],
        raw_sha256: &str,
    ) -> Manifest {
        let mut extra = serde_json::Map::new();
        extra.insert("tables_identified_by".into(), json!(self.tables.by()));
        // Without this field it is gzip, as in backups of earlier versions.
        let codec = self.options.compression.codec();
        if codec != Codec::default() {
            extra.insert(CODEC.into(), json!(codec));
        }
        if let Some(snapshot) = snapshot {
            extra.insert("snapshot".into(), json!(snapshot));
        }
        if !self.facts.without_snapshot.is_empty() {
            let how = if self.options.lock_tables { "locked_tables" } else { "without_snapshot" };
            extra.insert(how.into(), json!(self.facts.without_snapshot));
        }
        if !self.facts.broken_views.is_empty() {
            extra.insert("broken_views".into(), json!(self.facts.broken_views));
        }
        if !left_out.is_empty() {
            extra.insert("broken_programs".into(), json!(left_out));
        }
        if self.sees_by_rows {
            extra.insert("whole_relied_on".into(), json!([HIDES]));
        }
        if let Some(lacking) = &self.lacking {
            extra.insert("lacking_rights".into(), json!(lacking.rights));
        }
        let excluded = self.chosen.excluded().told(&self.options.exclude);
        let schema = if excluded.is_some() { SCHEMA_EXCLUDING } else { SCHEMA };
        Manifest {
            schema: schema.into(),
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
                uid: self.facts.uid,
                lower_case_table_names: Some(self.facts.lower_case_table_names),
                settings: self.facts.settings,
                extra: serde_json::Map::new(),
            }),
            client: Some(writer()),
            binlog: whole.binlog,
            size: 0,
            raw_size: Some(whole.raw_size),
            sha256: None,
            raw_sha256: Some(raw_sha256.into()),
            largest_statement: whole.largest_statement,
            warnings: self.warnings,
            whole: Some(self.lacking.is_none() && self.chosen.names().is_none()),
            chosen: self.chosen.names().map(|names| names.iter().cloned().collect()),
            excluded,
            accounts: None,
            surroundings: None,
            sections: whole.sections,
            encryption: self
                .options
                .encryption
                .as_ref()
                .map(|encryption| Encryption::age(encryption.recipients.names(), encryption.sidecar)),
            verification: None,
            moment: self.options.moment.clone(),
            not_drilled: None,
            chain_proof: None,
            moment_proof: None,
            together: self.options.together.clone(),
            retained_until: None,
            decision: None,
            extra,
        }
    }
}

/// Has a failure to write into a file that is not published yet name its path.
pub(super) fn naming(path: &Path) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::Stream { action: WRITE_ARTIFACT, source } => Error::io("write", path)(source),
        other => other,
    }
}

/// The tables and sequences that were dumped.
fn names(sections: &[Section]) -> BTreeSet<&str> {
    let tables =
        sections.iter().filter(|section| matches!(section.kind, SectionKind::Table | SectionKind::Sequence));
    tables.filter_map(|section| section.name.as_deref()).collect()
}

/// What `--strict` does not allow: what no dump of the database can hold.
fn left_out(facts: &DatabaseFacts) -> Option<String> {
    if let Some(view) = facts.broken_views.first() {
        return Some(format!("view {} is broken: {}", view.name, view.error));
    }
    let without_history = if facts.takes_history() { &facts.by_transaction } else { &facts.versioned_tables };
    without_history.first().map(|table| format!("the history of table {table} cannot be dumped"))
}

/// Ourselves, as the manifest names whoever wrote the SQL.
pub(super) fn writer() -> Client {
    let mut extra = serde_json::Map::new();
    extra.insert("rows".into(), json!(FORM_OF_ROWS));
    Client { program: PROGRAM.into(), version: env!("CARGO_PKG_VERSION").into(), options: Vec::new(), extra }
}
