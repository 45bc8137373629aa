//! The folder of a directory store that run records are in. It is made with the first record, for whoever may read the
//! store; something else of its name is left alone.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::staging::{Partial, is_being_written, is_shared, stage, sync_dir};
use super::{Directory, NOFOLLOW, NONBLOCK};
use crate::error::{Error, Result};
use crate::run::RUNS;
use crate::store::backend::{Backend, Listed};
use crate::store::name::PARTIAL;

impl Directory {
    fn runs(&self) -> PathBuf {
        self.root.join(RUNS)
    }

    /// The folder, where it is there.
    fn runs_if_there(&self) -> Result<Option<Self>> {
        match open_folder(&self.runs()) {
            Ok(_) => Ok(Some(Self::named(&self.runs()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &self.runs())(error)),
        }
    }

    pub(super) fn list_run_records(&self) -> Result<Vec<Listed>> {
        self.runs_if_there()?.map_or_else(|| Ok(Vec::new()), |runs| runs.list())
    }

    pub(super) fn read_run_records(
        &self,
        records: &[Listed],
        limit: u64,
    ) -> Result<Vec<Result<Option<Vec<u8>>>>> {
        match self.runs_if_there()? {
            Some(runs) => runs.read(records, limit),
            None => Ok(records.iter().map(|_| Ok(None)).collect()),
        }
    }

    pub(super) fn write_run_record(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let runs = self.runs();
        make_folder(&runs).map_err(Error::io("create", &runs))?;
        check_owner(&self.root, &runs).map_err(Error::io("write", &runs))?;
        stage(Partial::create(&runs.join(name))?, bytes)?.publish()?;
        sync_dir(&runs)
    }

    pub(super) fn remove_run_record(&self, name: &str) -> Result<()> {
        let path = self.runs().join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("delete", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Removes what runs have left behind that were killed while they wrote their record. What is none of our folders stays.
    pub(super) fn sweep_run_records(&self) -> Result<()> {
        let Ok(Some(runs)) = self.runs_if_there() else { return Ok(()) };
        let mut left = Vec::new();
        runs.each_file(|name| {
            if name.starts_with('.') && name.ends_with(PARTIAL) {
                left.push(runs.root.join(name));
            }
        })?;
        for path in left.iter().filter(|path| !is_being_written(path)) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens the folder itself: a symbolic link of its name may lead anywhere.
fn open_folder(path: &Path) -> io::Result<File> {
    let folder = OpenOptions::new().read(true).custom_flags(NOFOLLOW | NONBLOCK).open(path)?;
    if !folder.metadata()?.is_dir() {
        return Err(io::Error::other("it is not a directory"));
    }
    Ok(folder)
}

/// Another user's folder of that name could be changed for something else while a record is written.
fn check_owner(store: &Path, runs: &Path) -> io::Result<()> {
    let (store, runs) = (std::fs::metadata(store)?.uid(), open_folder(runs)?.metadata()?.uid());
    if runs == store || runs == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::other("it belongs to another user than the store"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) if is_shared(path) => open_folder(path)?.set_permissions(Permissions::from_mode(0o2750)),
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open_folder(path).map(drop),
        Err(error) => Err(error),
    }
}
