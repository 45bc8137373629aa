//! `fwb-dump`: dumps databases into a store, or one into a file or stream.

#![forbid(unsafe_code)]

mod accounts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, ValueEnum};
use fwb::{
    Codec, Compression, DatabaseChoice, DumpOptions, Error, Exclude, Kind, Listing, Manifest, Result,
    ServerClient, Store, Wait,
};
use fwb_age::Age;
use fwb_cli::{
    DatabasesArgs, ExcludeArgs, FormatArgs, LockArgs, Outcome, OutputArg, RecipientArgs, RetainArgs,
    ServerArgs, Session, StoreArgs,
};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

/// Dump databases into the store
///
/// Writes {prefix}_backup_{YYYYMMDD_HHMMSS}.sql.gz (.sql.zst) and its manifest, whole or not at all, and prints the
/// manifest on standard output; on a terminal, a few lines that say what was done. Of several databases each becomes an artifact
/// of its own, and all show one moment.
#[allow(clippy::doc_markdown, reason = "it is the help text")]
#[derive(Debug, Parser)]
#[command(name = "fwb-dump", version)]
#[command(after_long_help = AFTER_HELP)]
struct Args {
    #[command(flatten)]
    databases: DatabasesArgs,

    /// Dump the accounts of the server, and no database
    ///
    /// Users, roles, the hashes of their passwords as the server keeps them, what their connections must be, and all their
    /// rights, as statements of the server's own flavor. The name begins with accounts. fwb-restore --accounts restores them.
    #[arg(long)]
    accounts: bool,

    /// Dump these tables, sequences or views alone, with their triggers
    ///
    /// What comes of it is no backup of the database, and never counts as one: the manifest names them in "chosen" and says
    /// "whole": false. fwb-ls --latest passes it over, retention counts no rule by it, and a restore of it replaces these
    /// tables and leaves everything else as it is.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    tables: Vec<String>,

    #[command(flatten)]
    exclude: ExcludeArgs,

    /// First part of the artifact's name, where one database is dumped [default: the database's name less a trailing _db]
    #[arg(long, value_name = "WORD", env = "FWB_PREFIX")]
    prefix: Option<String>,

    /// Write the artifact to FILE instead of the store; - is standard output
    ///
    /// A file of yours is replaced when the artifact is whole. A device, a pipe or a socket is written into. A symbolic
    /// link, a directory, and what belongs to another user are refused.
    #[arg(short, long, value_name = "FILE")]
    output: Option<OutputArg>,

    /// Write the manifest to FILE too, as -o does; with -o - it goes nowhere else
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// Compressed format of the artifact: .sql.gz, or .sql.zst, which takes less time to write and to read
    #[arg(long, value_name = "CODEC", default_value = "gzip", env = "FWB_CODEC")]
    codec: CodecArg,

    /// Compression, from 1 (fastest) to 12 (smallest), with zstd to 19 [default: 5, with zstd 1]
    #[arg(long, value_name = "N", env = "FWB_LEVEL", value_parser = level)]
    level: Option<u8>,

    /// Fail where something would have to be left out of the dump, such as a broken view
    #[arg(long)]
    strict: bool,

    /// Dump what the account sees, where it may not see everything
    ///
    /// By default a dump needs the rights to see all of the database, and fails where one is lacking: it says which, and
    /// the GRANT statements that help. With this option the manifest says "whole": false, and the backup is never called
    /// proved.
    #[arg(long, conflicts_with = "strict")]
    allow_partial: bool,

    /// Let nobody write to tables that no snapshot covers while the database is dumped
    ///
    /// Rows of MyISAM, Aria, MEMORY, CSV and ARCHIVE are of the moment at which they are read, not of the snapshot's; the
    /// manifest names such tables. With this option they are locked for reading from before the snapshot until the dump
    /// is made, which takes the right LOCK TABLES.
    #[arg(long)]
    lock_tables: bool,

    /// Let others change tables that are still to be read
    ///
    /// By default nobody can alter, rename or drop a table from the moment that the dump shows until its rows are read:
    /// whoever tries waits, and whoever uses the table after that waits too. With this option, a change of a table is
    /// noticed, and the dump starts over.
    #[arg(long)]
    no_hold_ddl: bool,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    recipients: RecipientArgs,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    lock: LockArgs,

    #[command(flatten)]
    retain: RetainArgs,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CodecArg {
    Gzip,
    Zstd,
}

impl From<CodecArg> for Codec {
    fn from(codec: CodecArg) -> Self {
        match codec {
            CodecArg::Gzip => Self::Gzip,
            CodecArg::Zstd => Self::Zstd,
        }
    }
}

/// What the name of an encrypted file ends with.
const AGE: &str = ".age";

/// What closes the help and the manual page.
const AFTER_HELP: &str = "\
Examples:
  fwb-dump -B shop                             # into the store, ./backups or FWB_STORE
  fwb-dump -B shop | fwb-verify                # and prove it
  fwb-dump -B shop -B 'blog_*' | fwb-verify    # several, all of one moment
  fwb-dump --all-databases --exclude-database 'test_*'
  fwb-dump -B shop --codec zstd -o shop.sql.zst
  fwb-dump -B shop --tables files,users        # these alone: no backup of the database
  fwb-dump -B shop --exclude-table 'log_*' --exclude-data sessions
  fwb-dump --accounts                          # users, roles and rights of the server
  fwb-dump -B shop -o - | ssh host 'cat > shop.sql.gz'
  fwb-dump -B shop --pod-selector app=mariadb -n prod";

fn main() -> ExitCode {
    fwb_cli::run(dump)
}

fn dump(args: Args, session: &Session) -> Result<Outcome> {
    let context = session.context();
    if args.accounts {
        let (manifest, to_stdout) = accounts::dump(&args, session)?;
        return tell(&manifest, to_stdout, &args, session);
    }
    let compression = compression(args.codec.into(), args.level)?;
    let addressed = args.server.to_domain()?;
    let server = ServerClient::new(&addressed, &Protocol)?;
    let choice = args.databases.choice(session)?;
    let one = choice.one().map(str::to_owned);
    let options = DumpOptions {
        database: one.clone().unwrap_or_default(),
        tables: (!args.tables.is_empty()).then(|| args.tables.clone()),
        exclude: exclude(&args, session)?,
        server: args.server.identity(&addressed, &Protocol, &context.cancel)?,
        kind: Kind::Full,
        moment: None,
        prefix: args.prefix.clone(),
        compression,
        encryption: args.recipients.encryption(&Age)?,
        strict: args.strict,
        allow_partial: args.allow_partial,
        lock_tables: args.lock_tables,
        hold_definitions: !args.no_hold_ddl,
        retention: args.retain.retention(&args.store.location()?, session)?,
        together: None,
    };
    if let (Some(_), Some(option)) = (&args.output, session.given(&["retain_days", "retain_until"]).first()) {
        return Err(Error::usage(format!("{option} is for a store, and -o is none")));
    }
    if one.is_none() {
        let of_one = session.given(&["tables", "prefix", "output", "manifest"]);
        if let Some(option) = of_one.first() {
            return Err(Error::usage(format!("{option} is for one database, and several are dumped")));
        }
        let several = Several { choice: &choice, server: &server, options: &options };
        return several.dump(&args.store, args.lock.wait(), args.format, session);
    }
    if let Some(path) = &args.manifest {
        fwb::check_output(path)?;
    }
    let mut to_stdout = matches!(args.output, Some(OutputArg::Standard));
    let manifest = match &args.output {
        None => {
            let store = Store::create(&args.store.location()?, &ObjectStores, &context.cancel)?;
            let manifest = fwb::dump_to_store(&store, &server, &options, args.lock.wait(), context)?;
            tell_of_others(&store, std::slice::from_ref(&manifest), session);
            manifest
        }
        Some(OutputArg::File(path)) => match fwb::open_stream(path, &context.cancel)? {
            Some(file) => {
                to_stdout = session.is_stdout(&file);
                let stream = session.stream(file.try_clone().map_err(Error::io("open", path))?)?;
                let manifest = fwb::dump_to_stream(stream, &server, &options, context)?;
                fwb::sync_stream(&file, path)?;
                manifest
            }
            None if !session.given(&["prefix"]).is_empty() => {
                return Err(Error::usage("--prefix is for names in the store, and -o gives the whole name"));
            }
            None => {
                check_ending(path, compression.codec(), options.encryption.is_some())?;
                fwb::dump_to_file(path, &server, &options, context)?
            }
        },
        Some(OutputArg::Standard) => fwb::dump_to_stream(session.stdout()?, &server, &options, context)?,
    };
    tell(&manifest, to_stdout, &args, session)
}

/// Hands the manifest on.
fn tell(manifest: &Manifest, to_stdout: bool, args: &Args, session: &Session) -> Result<Outcome> {
    if let Some(path) = &args.manifest {
        fwb::write_manifest(path, manifest, &session.context().cancel)?;
    }
    if !to_stdout {
        session.answers(args.format)?.write(manifest, |page| fwb_cli::dumped(manifest, page))?;
    }
    Ok(Outcome::Done)
}

/// What is left out. Whoever names the tables that are dumped needs nothing left out: a variable has no part in it then.
fn exclude(args: &Args, session: &Session) -> Result<Exclude> {
    if args.tables.is_empty() {
        return Ok(args.exclude.exclude());
    }
    match session.given(&["exclude_table", "exclude_data"]).first() {
        Some(option) => {
            Err(Error::usage(format!("{option} is for a whole database, and --tables names some tables")))
        }
        None => Ok(Exclude::default()),
    }
}

/// Several databases, and how they are dumped.
struct Several<'a> {
    choice: &'a DatabaseChoice,
    server: &'a ServerClient,
    options: &'a DumpOptions,
}

impl Several<'_> {
    /// Dumps them. Records come at the end, when the store's lock is free: whoever reads them wants to record what it proves. A person
    /// is told of each database when it is done.
    fn dump(&self, store: &StoreArgs, wait: Wait, format: FormatArgs, session: &Session) -> Result<Outcome> {
        let context = session.context();
        let chosen = self.server.choose_databases(self.choice, &context.cancel)?;
        let store = Store::create(&store.location()?, &ObjectStores, &context.cancel)?;
        let mut out = session.answers(format)?;
        let (mut made, mut failed) = (Vec::new(), Vec::new());
        for (pattern, error) in chosen.idle {
            session.tell(&error);
            failed.push((pattern, Box::new(error)));
        }
        let of = chosen.names.len() + failed.len();
        let mut each = |database: &str, dumped: Result<Manifest>| {
            match dumped {
                Ok(manifest) => {
                    out.sum_up(|page| fwb_cli::dumped(&manifest, page))?;
                    made.push(manifest);
                }
                Err(error) => {
                    session.tell(&error);
                    failed.push((database.to_owned(), Box::new(error)));
                }
            }
            Ok(())
        };
        let ended =
            fwb::dump_several(&store, self.server, &chosen.names, self.options, wait, context, &mut each);
        // What was published is handed on, however the run has ended.
        made.iter().try_for_each(|manifest| out.write(manifest, |_| String::new()))?;
        out.finish()?;
        ended?;
        tell_of_others(&store, &made, session);
        if failed.is_empty() {
            return Ok(Outcome::Done);
        }
        Err(Error::NotAll { done: "dumped", of, failed })
    }
}

/// A server that is addressed in another way than before counts as another one: whoever did not mean that should know.
fn tell_of_others(store: &Store, made: &[Manifest], session: &Session) {
    let listing = match Listing::read(store, &session.context().cancel) {
        Ok(listing) => listing,
        Err(error) => {
            log::debug!("whether other servers have backups here is not known: {error}");
            return;
        }
    };
    let others: BTreeSet<String> =
        made.iter().flat_map(|manifest| listing.others_before(&manifest.name)).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>();
        log::warn!(code = fwb::notice::OTHER.code;
            "this is the first backup of its server, and {} has backups of a database of that name of {}: retention \
             keeps those of each server; --server-id names a server for good, however it is addressed",
            store.location(),
            others.join(", ")
        );
    }
}

fn level(text: &str) -> std::result::Result<u8, String> {
    let is_a_level =
        |level| Codec::ALL.into_iter().any(|codec| Compression::new(codec, Some(level)).is_some());
    let level = text.parse().ok().filter(|level| is_a_level(*level));
    level.ok_or_else(|| "a number from 1 to 12 is needed, or with zstd to 19".into())
}

/// A codec and a level that it has.
fn compression(codec: Codec, level: Option<u8>) -> Result<Compression> {
    let (least, most) = codec.levels();
    Compression::new(codec, level).ok_or_else(|| Error::Usage {
        message: format!(
            "invalid value '{}' for '--level <N>': a number from {least} to {most} is needed",
            level.unwrap_or_default()
        ),
        hint: Some("try 'fwb-dump --help'".into()),
    })
}

/// A file that is named for another codec, or not for what it is encrypted with, would be read by no program that goes by its
/// name.
fn check_ending(path: &Path, codec: Codec, is_encrypted: bool) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let refused = |message: String, hint: &str| Err(Error::Usage { message, hint: Some(hint.into()) });
    let name = match name.strip_suffix(AGE) {
        Some(_) if !is_encrypted => {
            return refused(
                format!("{name} is the name of an encrypted file, and to whom was not said"),
                "say to whom: --recipient; or give another name",
            );
        }
        Some(name) => name,
        None if is_encrypted && Codec::ALL.into_iter().any(|codec| name.ends_with(codec.suffix())) => {
            return refused(
                format!("{name} is the name of a file that is not encrypted"),
                &format!("add {AGE} to the name"),
            );
        }
        None => &name,
    };
    let other = Codec::ALL.into_iter().find(|other| *other != codec && name.ends_with(other.suffix()));
    other.map_or(Ok(()), |other| {
        Err(Error::Usage {
            message: format!(
                "{name} is the name of a file of {}, and the codec is {}",
                other.as_str(),
                codec.as_str()
            ),
            hint: Some(format!("end the name with {}, or give --codec {}", codec.suffix(), other.as_str())),
        })
    })
}
