//! Dumping a database: what connections that see one moment read becomes one artifact, whole or not at all.

mod accounts;
mod beside;
mod chosen;
mod connections;
mod direct;
mod estimate;
mod excluded;
mod inventory;
mod nowhere;
mod pieces;
mod run;
mod snapshot;
mod together;
mod warnings;
mod whole;
mod writer;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crate::artifact::{Artifact, Compression};
use crate::encryption::{EncryptTo, Keys};
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::manifest::{self, Kind, Manifest, Provenance, Together};
use crate::output::{check_output, directory_of, write_file};
use crate::progress::{Cancel, Context};
use crate::server::{ServerClient, retrying as retrying_connections};
use crate::store::{
    Form, Partial, Retention, Store, StoreLock, Upload, Wait, artifact_name, name_prefix, nameable, publish,
    read_back, remove_sidecar, sync_dir,
};
use crate::verify::prove_written;
pub use accounts::{AccountsOptions, dump_accounts_to_file, dump_accounts_to_store, dump_accounts_to_stream};
use beside::{Restores, starting_over, wait_for_restores};
pub use excluded::{Exclude, TablePattern};
pub(crate) use nowhere::{dump_to_nowhere, dump_to_observer, is_our_form};
use run::{Dump, Made};
pub use together::{EachDump, dump_several};
pub(crate) use writer::Past;
pub(crate) use writer::{in_order_of_needs, is_kept, uncounted, view_order, without_counter};

/// What to dump, and how.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// The database.
    pub database: String,
    /// These tables, sequences and views alone, with their triggers; none: the whole database. What holds them alone is
    /// no backup of the database: the manifest says so, and it never counts as one.
    pub tables: Option<Vec<String>>,
    /// What is left out of the whole database. The backup counts as one of the database, and names what it lacks.
    pub exclude: Exclude,
    /// Which server it is, for the manifest.
    pub server: ServerIdentity,
    /// What the backup is for.
    pub kind: Kind,
    /// What the database was made of, where it is of kind [`Kind::Moment`].
    pub moment: Option<Provenance>,
    /// The first part of the artifact's name; by default made of the database's name.
    pub prefix: Option<String>,
    /// How, and how hard, to compress.
    pub compression: Compression,
    /// To whom the artifact is encrypted; none: to nobody.
    pub encryption: Option<EncryptTo>,
    /// Fail where something would have to be left out.
    pub strict: bool,
    /// Dump what the account sees where it may not see everything. The manifest says so, and the backup is never proved.
    pub allow_partial: bool,
    /// Let nobody write to tables that no snapshot covers while the database is dumped.
    pub lock_tables: bool,
    /// Until when the store is to keep the artifact from being deleted; none: it is not to.
    pub retention: Option<Retention>,
    /// Hold the definitions of tables from the snapshot until they are read: whoever wants to change one waits.
    pub hold_definitions: bool,
    /// Which other databases are dumped in the same run; none: it is dumped alone.
    pub together: Option<Together>,
}

impl DumpOptions {
    /// What the artifact's name ends with.
    fn form(&self) -> Form {
        Form { codec: self.compression.codec(), is_encrypted: self.encryption.is_some() }
    }
}

/// Dumps into a store, under its lock, for which it waits or not, as for a restore of the database that is under way. The
/// lock is released on return.
///
/// # Errors
/// The store is locked or cannot be written, the database is being restored, the server fails, the dump is incomplete, or
/// an encrypted artifact is not what was written when it is read back: nothing is published then.
pub fn dump_to_store(
    store: &Store,
    server: &ServerClient,
    options: &DumpOptions,
    wait: Wait,
    context: &Context,
) -> Result<Manifest> {
    loop {
        // A restore may need the store itself, for its safety backup.
        wait_for_restores(server, &options.database, wait, &context.cancel)?;
        let lock = store.lock(wait, &context.cancel)?;
        store.tidy(&lock)?;
        match dump_under(store, &lock, server, options, Restores::Respected, context) {
            Err(error @ Error::Busy { .. }) if wait == Wait::Yes => {
                log::warn!(code = crate::notice::WAITS.code; "{error}; waiting for its end");
            }
            done => return done,
        }
    }
}

/// As [`dump_to_store`], under a lock that the caller holds, for a restore's own safety backup.
pub(crate) fn dump_locked(
    store: &Store,
    lock: &StoreLock,
    server: &ServerClient,
    options: &DumpOptions,
    context: &Context,
) -> Result<Manifest> {
    dump_under(store, lock, server, options, Restores::Ours, context)
}

fn dump_under(
    store: &Store,
    lock: &StoreLock,
    server: &ServerClient,
    options: &DumpOptions,
    restores: Restores,
    context: &Context,
) -> Result<Manifest> {
    let prefix = name_prefix(options.prefix.as_deref(), &options.database);
    let (upload, made) = retrying(server, context, || {
        let started_at = manifest::now();
        let taken = store.take_name(&prefix, options.kind, started_at, options.form(), lock)?;
        let name = taken.name.clone();
        let dump = Dump::begin(server, options, restores, started_at, name, &context.cancel)?;
        let mut upload = store.begin(&taken, lock)?;
        if let Some(retention) = options.retention {
            upload.retain(retention)?;
        }
        let made = dump.run_into(upload.writer()?, &upload.path(), context)?;
        Ok((upload, made))
    })?;
    publish_made(store, upload, made, options.retention, lock, context)
}

/// Publishes a dump that was made; an encrypted one is read back first.
fn publish_made(
    store: &Store,
    mut upload: Box<dyn Upload>,
    made: Made,
    retention: Option<Retention>,
    lock: &StoreLock,
    context: &Context,
) -> Result<Manifest> {
    let Made { mut manifest, key } = made;
    if let Some(key) = key {
        lock.check()?;
        store.remember(Arc::clone(&key));
        let artifact = read_back(&mut *upload, key)?;
        manifest.verification = Some(prove_written(&Arc::new(artifact), &manifest, context)?);
    }
    manifest.retained_until = retention.map(|retention| retention.until);
    publish(upload, &manifest, lock, &context.cancel)?;
    Ok(Manifest { store: Some(store.place()), ..manifest }.printed())
}

/// Dumps into a file outside of a store; it appears when it is complete, and has no sidecar. The sidecar of an artifact
/// that it replaces goes with it.
///
/// # Errors
/// As [`dump_to_store`].
pub fn dump_to_file(
    path: &Path,
    server: &ServerClient,
    options: &DumpOptions,
    context: &Context,
) -> Result<Manifest> {
    let name = name_of_file(path)?;
    let (partial, made) = retrying(server, context, || {
        let dump = Dump::begin(
            server,
            options,
            Restores::Respected,
            manifest::now(),
            name.clone(),
            &context.cancel,
        )?;
        let partial = Partial::beside(path)?;
        let made = dump.run_into(partial.writer()?, partial.path(), context)?;
        Ok((partial, made))
    })?;
    publish_file(path, partial, made, context)
}

/// The name that an artifact outside of a store has; its path can be written to and named.
fn name_of_file(path: &Path) -> Result<String> {
    let name = path.file_name().ok_or_else(|| Error::usage(format!("{} names no file", path.display())))?;
    nameable(path)?;
    check_output(path)?;
    Ok(name.to_string_lossy().into_owned())
}

/// Has a dump that was made appear at its path, outside of a store; an encrypted one is read back first.
fn publish_file(path: &Path, partial: Partial, made: Made, context: &Context) -> Result<Manifest> {
    let store = nameable(path)?.parent().map(|parent| parent.display().to_string());
    let Made { mut manifest, key } = made;
    match key {
        Some(key) => {
            let artifact = Artifact::new(partial.read_back()?, partial.path(), &Keys::new(Some(key)))?;
            manifest.verification = Some(prove_written(&Arc::new(artifact), &manifest, context)?);
        }
        None => partial.sync()?,
    }
    context.cancel.check()?;
    // What was proved of the file that goes says nothing of the one that comes.
    remove_sidecar(path)?;
    partial.publish()?;
    sync_dir(directory_of(path))?;
    Ok(Manifest { store, ..manifest }.printed())
}

/// Dumps, and starts over where a connection to a pod breaks or tables change under the dump.
fn retrying<T>(server: &ServerClient, context: &Context, mut dump: impl FnMut() -> Result<T>) -> Result<T> {
    starting_over(&context.cancel, || retrying_connections(server.retries(), &context.cancel, &mut dump))
}

/// Writes a manifest into a file, which appears when it is complete; or into the device, pipe or socket that the path
/// is.
///
/// # Errors
/// The path cannot be written, or is one that is left alone.
pub fn write_manifest(path: &Path, manifest: &Manifest, cancel: &Cancel) -> Result<()> {
    write_file(path, &manifest.to_line()?, cancel)
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
    let name = artifact_name(&prefix, options.kind, started_at, options.form())?;
    let dump = Dump::begin(server, options, Restores::Respected, started_at, name, &context.cancel)?;
    Ok(dump.run(stream, context)?.manifest.printed())
}
