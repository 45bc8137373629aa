//! The accounts of a server as an artifact: the statements that make them again, in the form of every other artifact.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::run::{Made, naming, writer};
use super::whole::Whole;
use super::{name_of_file, publish_file, publish_made};
use crate::admission::{ACCOUNTS_HEADER, ACCOUNTS_TRAILER, AccountsAdmission};
use crate::artifact::{ArtifactWriter, Codec, Compression, Cutter, MaybeEncrypted, PieceSender, Written};
use crate::encryption::EncryptTo;
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::manifest::{
    self, AccountEntry, CODEC, Encryption, Kind, Manifest, SCHEMA, Server, Surroundings, Timestamp,
};
use crate::progress::{Cancel, Context};
use crate::scan::{ACCOUNTS_TITLE, Summary};
use crate::server::accounts::{Account, Accounts, Statement};
use crate::server::{AccountName, Flavor, ServerClient, ServerVersion, Sql};
use crate::store::{Form, Partial, Retention, Store, Wait, artifact_name, name_prefix};

/// The first part of an artifact's name, where none is given.
const PREFIX: &str = "accounts";

/// How to dump accounts.
#[derive(Debug, Clone)]
pub struct AccountsOptions {
    /// Which server it is, for the manifest.
    pub server: ServerIdentity,
    /// The first part of the artifact's name; none: `accounts`.
    pub prefix: Option<String>,
    /// How, and how hard, to compress.
    pub compression: Compression,
    /// To whom the artifact is encrypted; none: to nobody.
    pub encryption: Option<EncryptTo>,
    /// Until when the store is to keep the artifact from being deleted; none: it is not to.
    pub retention: Option<Retention>,
}

impl AccountsOptions {
    fn form(&self) -> Form {
        Form { codec: self.compression.codec(), is_encrypted: self.encryption.is_some() }
    }

    fn prefix(&self) -> String {
        name_prefix(Some(self.prefix.as_deref().unwrap_or(PREFIX)), "")
    }
}

/// Dumps the accounts of a server into a store, under its lock.
///
/// # Errors
/// The store is locked or cannot be written, our account may not see all accounts, or the server fails: nothing is published
/// then.
pub fn dump_accounts_to_store(
    store: &Store,
    server: &ServerClient,
    options: &AccountsOptions,
    wait: Wait,
    context: &Context,
) -> Result<Manifest> {
    let lock = store.lock(wait, &context.cancel)?;
    store.tidy(&lock)?;
    let seen = Seen::of(server, &context.cancel)?;
    let taken = store.take_name(&options.prefix(), Kind::Accounts, seen.started_at, options.form(), &lock)?;
    let mut upload = store.begin(&taken, &lock)?;
    if let Some(retention) = options.retention {
        upload.retain(retention)?;
    }
    let made = seen.write(upload.writer()?, taken.name.clone(), options, context);
    let made = made.map_err(naming(&upload.path()))?;
    publish_made(store, upload, made, options.retention, &lock, context)
}

/// The same into a file outside of a store, which appears when it is complete.
///
/// # Errors
/// As [`dump_accounts_to_store`].
pub fn dump_accounts_to_file(
    path: &Path,
    server: &ServerClient,
    options: &AccountsOptions,
    context: &Context,
) -> Result<Manifest> {
    let name = name_of_file(path)?;
    let seen = Seen::of(server, &context.cancel)?;
    let partial = Partial::beside(path)?;
    let made = seen.write(partial.writer()?, name, options, context).map_err(naming(partial.path()))?;
    publish_file(path, partial, made, context)
}

/// The same into a stream. What was written before an error cannot be taken back; it lacks its footer then.
///
/// # Errors
/// As [`dump_accounts_to_store`].
pub fn dump_accounts_to_stream<W: Write + Send + 'static>(
    stream: W,
    server: &ServerClient,
    options: &AccountsOptions,
    context: &Context,
) -> Result<Manifest> {
    let seen = Seen::of(server, &context.cancel)?;
    let name = artifact_name(&options.prefix(), Kind::Accounts, seen.started_at, options.form())?;
    Ok(seen.write(stream, name, options, context)?.manifest.printed())
}

/// What a server was seen to have.
struct Seen {
    started_at: Timestamp,
    version: ServerVersion,
    lower_case_table_names: u64,
    accounts: Accounts,
    definers: BTreeMap<AccountName, BTreeSet<String>>,
    surroundings: Surroundings,
}

impl Seen {
    fn of(server: &ServerClient, cancel: &Cancel) -> Result<Self> {
        let started_at = manifest::now();
        let sql = Sql::Read("SELECT VERSION(), @@lower_case_table_names");
        let said =
            server.query(None, sql, "looking at the server", cancel)?.into_iter().next().unwrap_or_default();
        let said = |at: usize| said.get(at).map(String::as_str).unwrap_or_default();
        let version = ServerVersion::parse(said(0));
        let lower_case_table_names = said(1).parse().unwrap_or_default();
        let accounts = server.all_accounts(cancel)?;
        let definers = server.definers(cancel)?;
        let surroundings = server.surroundings(&version, cancel)?;
        Ok(Self { started_at, version, lower_case_table_names, accounts, definers, surroundings })
    }

    /// Writes the artifact.
    fn write<W: Write + Send + 'static>(
        self,
        sink: W,
        name: String,
        options: &AccountsOptions,
        context: &Context,
    ) -> Result<Made> {
        let recipients = options.encryption.as_ref().map(|encryption| &*encryption.recipients);
        let sink = MaybeEncrypted::new(sink, recipients)?;
        context.progress.begin("dumping accounts", 0);
        let host = options.server.address.as_ref().map_or_else(|| "localhost".into(), ToString::to_string);
        let sql = self.sql(&host);
        let (writer, sender) = ArtifactWriter::new(sink, options.compression, context.jobs)?;
        let cut = self.cut(sql, sender);
        context.cancel.check()?;
        let (members, raw_sha256) = writer.finish()?;
        let whole = Whole::new(cut?, &members.placed);
        for warning in &self.accounts.untold {
            log::warn!(code = crate::notice::BACKUP.code; "{warning}");
        }
        let mut manifest = self.manifest(name, whole, options);
        manifest.raw_sha256 = Some(hex::encode(raw_sha256));
        let (sink, written) = members.finish(&manifest.core()?)?;
        let (Written { size, sha256 }, key) = sink.finish(written)?;
        manifest.size = size;
        manifest.sha256 = Some(hex::encode(sha256));
        Ok(Made { manifest, key })
    }

    fn sql(&self, host: &str) -> Vec<u8> {
        let in_comment = |text: &str| text.replace('\n', "\n-- ");
        let family = match self.version.flavor {
            Flavor::MariaDb => "MariaDB",
            Flavor::MySql => "MySQL",
        };
        let mut sql = format!("-- {family} dump by fwb-dump {}\n--\n", env!("CARGO_PKG_VERSION"));
        sql += &format!("-- Host: {}    Database: \n", in_comment(host));
        sql += "-- ------------------------------------------------------\n";
        sql += &format!("-- Server version\t{}\n\n", in_comment(&self.version.text));
        for header in ACCOUNTS_HEADER {
            sql += &format!("{header};\n");
        }
        sql += &format!("\n--\n-- {ACCOUNTS_TITLE}\n--\n\n");
        let mut statements: Vec<Statement> =
            self.accounts.all.values().flat_map(Account::statements).collect();
        // Roles and accounts are there before anything is granted to them.
        statements.sort_by_key(Statement::stage);
        for statement in statements {
            sql += &statement.sql();
            sql += ";\n";
        }
        let at = manifest::now().format("%Y-%m-%d %H:%M:%S");
        sql += &format!("\n{ACCOUNTS_TRAILER};\n\n-- Dump completed on {at}\n");
        sql.into_bytes()
    }

    /// Cuts the SQL into members, judges it as a restore will, and holds what is read against what was written.
    fn cut(&self, sql: Vec<u8>, sender: PieceSender) -> Result<Summary> {
        let unread = |problem: String| Error::AccountsUnread {
            problem,
            remedy: "nothing was published: report it, with the server's version".into(),
        };
        let mut admission = AccountsAdmission::new("the dump");
        let mut cutter = Cutter::new(sender.codec());
        cutter.sql().extend_from_slice(&sql);
        let mut observe = |statement: &crate::scan::Statement<'_>| admission.observe(statement);
        cutter.take_in(true, &mut observe, &mut |piece| sender.push(piece))?;
        let summary = cutter.finish(&mut observe, &mut |piece| sender.push(piece))?;
        if let Some(problem) = summary.incomplete {
            return Err(unread(problem.into()));
        }
        let differs =
            self.accounts.all.iter().find(|(name, account)| admission.accounts.get(name) != Some(account));
        match differs {
            Some((name, _)) => Err(unread(format!("{name} is not read back as it was written"))),
            None if admission.accounts.len() != self.accounts.all.len() => {
                Err(unread("more is read back than was written".into()))
            }
            None => Ok(summary),
        }
    }

    fn manifest(&self, name: String, whole: Whole, options: &AccountsOptions) -> Manifest {
        let mut extra = serde_json::Map::new();
        let codec = options.compression.codec();
        if codec != Codec::default() {
            extra.insert(CODEC.into(), json!(codec));
        }
        Manifest {
            schema: SCHEMA.into(),
            name,
            store: None,
            kind: Kind::Accounts,
            database: None,
            charset: None,
            collation: None,
            started_at: self.started_at,
            finished_at: manifest::now(),
            server: Some(Server {
                version: self.version.text.clone(),
                id: options.server.id.clone(),
                address: options.server.address.clone(),
                uid: None,
                lower_case_table_names: Some(self.lower_case_table_names),
                ..Server::default()
            }),
            client: Some(writer()),
            binlog: None,
            moment: None,
            size: 0,
            raw_size: Some(whole.raw_size),
            sha256: None,
            raw_sha256: None,
            largest_statement: whole.largest_statement,
            warnings: self.accounts.untold.clone(),
            encryption: options
                .encryption
                .as_ref()
                .map(|encryption| Encryption::age(encryption.recipients.names(), encryption.sidecar)),
            whole: Some(true),
            chosen: None,
            excluded: None,
            accounts: Some(self.entries()),
            surroundings: Some(self.surroundings.clone()),
            sections: whole.sections,
            verification: None,
            not_drilled: None,
            chain_proof: None,
            moment_proof: None,
            together: None,
            retained_until: None,
            decision: None,
            extra,
        }
    }

    fn entries(&self) -> Vec<AccountEntry> {
        let granted: BTreeSet<&AccountName> =
            self.accounts.all.values().flat_map(|account| account.roles.keys()).collect();
        let entry = |(name, account): (&AccountName, &Account)| AccountEntry {
            user: name.user.clone(),
            host: name.host.clone(),
            role: account.identity.is_none() || granted.contains(name),
            plugins: account
                .identity
                .iter()
                .flat_map(|identity| identity.methods.iter().map(|method| method.plugin.clone()))
                .collect(),
            definer_in: self.definers.get(name).into_iter().flatten().cloned().collect(),
            extra: serde_json::Map::new(),
        };
        self.accounts.all.iter().map(entry).collect()
    }
}
