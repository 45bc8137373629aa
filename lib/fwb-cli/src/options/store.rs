//! Which store: an option, or what the records on stdin say.

use std::ffi::OsString;
use std::path::Path;

use clap::ValueHint;
use fwb::{Error, Location, Result, Wait};

use crate::session::Session;

/// Where backups are when nobody says otherwise.
pub(crate) const DEFAULT: &str = "./backups";

/// The store group.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StoreArgs {
    /// The place that the option names.
    #[arg(
        help = "Where the backups are: a directory, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX [default: ./backups]"
    )]
    #[arg(short = 's', long = "store", value_name = "STORE", env = "FWB_STORE")]
    #[arg(help_heading = "Store", value_hint = ValueHint::DirPath)]
    store: Option<OsString>,
}

impl StoreArgs {
    /// The store: the one given, else the default.
    ///
    /// # Errors
    /// A usage error where a URL is none of a store. What it holds is not told: it may be a password.
    pub fn location(&self) -> Result<Location> {
        Ok(self.explicit()?.unwrap_or_else(|| Location::from(Path::new(DEFAULT))))
    }

    /// The store, where the command line or the environment names one.
    ///
    /// # Errors
    /// As [`StoreArgs::location`].
    pub fn explicit(&self) -> Result<Option<Location>> {
        self.store.as_deref().map(Location::parse).transpose()
    }

    /// The store that a record belongs to: what the record says, else [`StoreArgs::location`]. A variable names the usual store, and
    /// a record may be of another one.
    ///
    /// # Errors
    /// A usage error when the record says another store than the one given as an option, or what is none.
    pub fn of_record(&self, record_store: Option<&str>, session: &Session) -> Result<Location> {
        let is_option = !session.given(&["store"]).is_empty();
        self.decided(record_store, is_option)
    }

    fn decided(&self, record_store: Option<&str>, is_option: bool) -> Result<Location> {
        let Some(record) = record_store else { return self.location() };
        let recorded = Location::parse(record.as_ref())?;
        match self.explicit()? {
            Some(given) if recorded.resolved() == given.resolved() => Ok(given),
            Some(given) if is_option => Err(Error::Usage {
                message: format!("a record on standard input is of store {record}, not of {given}"),
                hint: Some("leave out --store, and the record says which store".into()),
            }),
            _ => Ok(recorded),
        }
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

/// The store and name that an operand means: a path's directory is its store, and so is what comes before the last slash of a URL;
/// a bare name is in the store of the options.
///
/// # Errors
/// A usage error where the operand ends in no name.
pub fn place(backup: &Path, store: &StoreArgs) -> Result<(Location, String)> {
    let name = backup.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::usage(format!("{} names no backup", backup.display())))?.to_owned();
    match backup.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => Ok((Location::parse(parent.as_os_str())?, name)),
        None => Ok((store.location()?, name)),
    }
}

#[cfg(test)]
mod tests {
    use fwb::ErrorClass;

    use super::*;

    fn at(store: &str) -> Location {
        Location::parse(store.as_ref()).unwrap()
    }

    fn given(store: &str) -> StoreArgs {
        StoreArgs { store: Some(store.into()) }
    }

    #[test]
    fn the_record_decides_unless_a_store_is_given() {
        assert_eq!(StoreArgs::default().decided(Some("/backup"), true).unwrap(), at("/backup"));
        assert_eq!(StoreArgs::default().decided(None, true).unwrap(), at(DEFAULT));
        assert_eq!(given("/other").decided(None, true).unwrap(), at("/other"));
    }

    #[test]
    fn one_directory_by_two_names_is_one_store() {
        assert_eq!(given("/").decided(Some("/proc/.."), true).unwrap(), at("/"));
        assert!(given("/nowhere/store").decided(Some("/nowhere/./store/"), true).is_ok());
    }

    #[test]
    fn a_backup_is_named_by_its_path_or_url() {
        let cases = [
            ("x.sql.gz", "/store", "x.sql.gz"),
            ("/a/b/x.sql.gz", "/a/b", "x.sql.gz"),
            ("s3://bucket/prefix/x.sql.gz", "s3://bucket/prefix", "x.sql.gz"),
            ("az://box/x.sql.gz", "az://box", "x.sql.gz"),
        ];
        for (operand, store, name) in cases {
            assert_eq!(place(Path::new(operand), &given("/store")).unwrap(), (at(store), name.to_owned()));
        }
    }

    #[test]
    fn a_record_of_another_store_is_refused() {
        assert_eq!(
            given("/a").decided(Some("/b"), false).unwrap(),
            at("/b"),
            "a variable names the usual store"
        );
        assert_eq!(given("/a").decided(Some("/b"), true).unwrap_err().class(), ErrorClass::Usage);
    }
}
