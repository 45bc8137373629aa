//! Which store: an option, or what the records on stdin say.

use std::path::{Path, PathBuf, absolute};

use clap::ValueHint;
use fwb::{Error, Result, Wait};

/// Where backups are when nobody says otherwise.
const DEFAULT: &str = "./backups";

/// The store group.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StoreArgs {
    /// Directory that holds the backups [default: ./backups]
    #[arg(short = 's', long = "store", value_name = "DIR", env = "FWB_STORE")]
    #[arg(help_heading = "Store", value_hint = ValueHint::DirPath)]
    given: Option<PathBuf>,
}

impl StoreArgs {
    /// The store's directory: the one given, else the default.
    pub fn dir(&self) -> &Path {
        self.given.as_deref().unwrap_or(Path::new(DEFAULT))
    }

    /// The store's directory, where the command line or the environment names one.
    pub fn explicit(&self) -> Option<&Path> {
        self.given.as_deref()
    }

    /// The directory of the store that a record belongs to: what the record says, else [`StoreArgs::dir`].
    ///
    /// # Errors
    /// A usage error when the record says another store than the one given.
    pub fn of_record(&self, record_store: Option<&str>) -> Result<PathBuf> {
        let (Some(record), Some(given)) = (record_store, self.explicit()) else {
            return Ok(record_store.map_or_else(|| self.dir().to_owned(), PathBuf::from));
        };
        if resolved(Path::new(record)) == resolved(given) {
            return Ok(given.to_owned());
        }
        Err(Error::Usage {
            message: format!("a record on standard input is of store {record}, not of {}", given.display()),
            hint: Some("leave out --store and FWB_STORE, and the record says which store".into()),
        })
    }
}

/// Whether to wait for the store's lock.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct LockArgs {
    /// Where another run holds the store's lock, wait until it has ended [default: exit with 4]
    #[arg(long = "lock-wait", help_heading = "Store")]
    wait: bool,
}

impl LockArgs {
    /// What was chosen.
    pub fn wait(self) -> Wait {
        if self.wait { Wait::Yes } else { Wait::No }
    }
}

/// The store and name that an operand means: a path's directory is its store, a bare name is in the store of the
/// options.
///
/// # Errors
/// A usage error where the operand ends in no name.
pub fn place(backup: &Path, store: &StoreArgs) -> Result<(PathBuf, String)> {
    let name = backup.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::usage(format!("{} names no backup", backup.display())))?.to_owned();
    match backup.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => Ok((parent.to_owned(), name)),
        None => Ok((store.dir().to_owned(), name)),
    }
}

/// A path to compare by: without links where it exists.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use fwb::ErrorClass;

    use super::*;

    fn given(dir: &str) -> StoreArgs {
        StoreArgs { given: Some(dir.into()) }
    }

    #[test]
    fn the_record_decides_unless_a_store_is_given() {
        assert_eq!(StoreArgs::default().of_record(Some("/backup")).unwrap(), Path::new("/backup"));
        assert_eq!(StoreArgs::default().of_record(None).unwrap(), Path::new(DEFAULT));
        assert_eq!(given("/other").of_record(None).unwrap(), Path::new("/other"));
    }

    #[test]
    fn one_directory_by_two_names_is_one_store() {
        assert_eq!(given("/").of_record(Some("/proc/..")).unwrap(), Path::new("/"));
        assert!(given("/nowhere/store").of_record(Some("/nowhere/./store/")).is_ok());
    }

    #[test]
    fn a_record_of_another_store_is_refused() {
        assert_eq!(given("/a").of_record(Some("/b")).unwrap_err().class(), ErrorClass::Usage);
    }
}
