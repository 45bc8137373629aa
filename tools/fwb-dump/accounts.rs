//! A dump of a server's accounts.

use fwb::{AccountsOptions, Error, Manifest, Result, ServerClient, Store};
use fwb_age::Age;
use fwb_cli::{OutputArg, Session};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

use super::{Args, check_ending, compression};

/// What no dump of accounts takes.
const OF_DATABASES: [&str; 8] = [
    "database",
    "tables",
    "exclude_table",
    "exclude_data",
    "strict",
    "allow_partial",
    "lock_tables",
    "no_hold_ddl",
];

/// Dumps the accounts; says too whether the artifact went to standard output.
pub(crate) fn dump(args: &Args, session: &Session) -> Result<(Manifest, bool)> {
    if let Some(option) = session.given(&OF_DATABASES).first() {
        return Err(Error::usage(format!("{option} is for a database, and --accounts dumps none")));
    }
    let context = session.context();
    let compression = compression(args.codec.into(), args.level)?;
    let addressed = args.server.to_domain()?;
    let server = ServerClient::new(&addressed, &Protocol)?;
    let options = AccountsOptions {
        server: args.server.identity(&addressed, &Protocol, &context.cancel)?,
        prefix: if session.given(&["prefix"]).is_empty() { None } else { args.prefix.clone() },
        compression,
        encryption: args.recipients.encryption(&Age)?,
        retention: args.retain.retention(&args.store.location()?, session)?,
    };
    if let Some(path) = &args.manifest {
        fwb::check_output(path)?;
    }
    match &args.output {
        None => {
            let store = Store::create(&args.store.location()?, &ObjectStores, &context.cancel)?;
            let manifest = fwb::dump_accounts_to_store(&store, &server, &options, args.lock.wait(), context)?;
            Ok((manifest, false))
        }
        Some(OutputArg::File(path)) => match fwb::open_stream(path, &context.cancel)? {
            Some(file) => {
                let is_stdout = session.is_stdout(&file);
                let stream = session.stream(file.try_clone().map_err(Error::io("open", path))?)?;
                let manifest = fwb::dump_accounts_to_stream(stream, &server, &options, context)?;
                fwb::sync_stream(&file, path)?;
                Ok((manifest, is_stdout))
            }
            None => {
                check_ending(path, compression.codec(), options.encryption.is_some())?;
                Ok((fwb::dump_accounts_to_file(path, &server, &options, context)?, false))
            }
        },
        Some(OutputArg::Standard) => {
            let stdout = session.stdout()?;
            Ok((fwb::dump_accounts_to_stream(stdout, &server, &options, context)?, true))
        }
    }
}
