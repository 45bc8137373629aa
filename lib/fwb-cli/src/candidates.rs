//! `--complete backups|databases|tables`: what a shell offers at the Tab key, one a line: names of the store that is a
//! directory, as `FWB_STORE`, `--store=DIR` after it, or the default says. It looks at that directory alone, never at a
//! network, and for a second at most; what it cannot tell it does not offer. Hidden from help, it stands first on the
//! command line.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use fwb::{Cancel, Error, Listing, Location, Result, Store};

use crate::options::DEFAULT_STORE;
use crate::printable::is_inert;

/// How long a Tab key may take: whoever presses it waits.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many of the newest backups say which tables there are.
const NEWEST: usize = 20;

/// What is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Candidates {
    /// Names of backups, the newest first.
    Backups,
    /// Databases that have backups.
    Databases,
    /// Tables, sequences and views in the newest backups.
    Tables,
}

impl Candidates {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Backups => "backups",
            Self::Databases => "databases",
            Self::Tables => "tables",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        [Self::Backups, Self::Databases, Self::Tables].into_iter().find(|known| known.as_str() == word)
    }
}

/// What `--complete` prints, where the command line asks for that.
///
/// # Errors
/// A usage error when it asks for something else to be completed.
pub(crate) fn requested(arguments: &[OsString], store: Option<OsString>) -> Result<Option<Vec<u8>>> {
    let mut arguments = arguments.iter().skip(1);
    if arguments.next().is_none_or(|first| first != "--complete") {
        return Ok(None);
    }
    let word = arguments.next().and_then(|word| word.to_str());
    let Some(wanted) = word.and_then(Candidates::of_word) else {
        return Err(Error::usage("--complete takes one of backups, databases and tables"));
    };
    let of_option =
        arguments.next().and_then(|option| option.to_str()?.strip_prefix("--store=").map(OsString::from));
    let given = of_option.or(store).filter(|given| !given.is_empty());
    let given = given.unwrap_or_else(|| DEFAULT_STORE.into());
    let Some(directory) = directory(&given) else { return Ok(Some(Vec::new())) };
    let names = within(PATIENCE, move |found| {
        // What cannot be read offers nothing: an error in the midst of a command line helps nobody.
        look(wanted, directory, found).unwrap_or_default();
    });
    Ok(Some(lines(names)))
}

/// The store, where it is a directory.
fn directory(given: &OsStr) -> Option<PathBuf> {
    match Location::parse(given) {
        Ok(Location::Directory(directory)) => Some(directory),
        _ => None,
    }
}

/// What `look` finds in so long; a file system that hangs is left alone then.
fn within(patience: Duration, look: impl FnOnce(&Sender<String>) + Send + 'static) -> Vec<String> {
    let (found, names) = channel();
    let until = Instant::now() + patience;
    if std::thread::Builder::new().name("candidates".into()).spawn(move || look(&found)).is_err() {
        return Vec::new();
    }
    let mut all = Vec::new();
    while let Ok(name) = names.recv_timeout(until.saturating_duration_since(Instant::now())) {
        all.push(name);
    }
    all
}

/// Hands on what there is. That nobody waits for it any more ends it.
fn look(wanted: Candidates, directory: PathBuf, found: &Sender<String>) -> Result<()> {
    let store = Store::open_directory(&directory)?;
    let listing = Listing::read(&store, &Cancel::default())?;
    let newest = listing.entries.iter().rev();
    let tell = |name: &str| found.send(name.to_owned()).is_ok();
    match wanted {
        Candidates::Backups => {
            newest.map(|entry| &entry.name).take_while(|name| tell(name)).for_each(drop);
        }
        Candidates::Databases => {
            newest.filter_map(|entry| entry.database.as_ref()).take_while(|name| tell(name)).for_each(drop);
        }
        Candidates::Tables => {
            for entry in newest.take(NEWEST) {
                let Some(manifest) = listing.record(entry)? else { continue };
                let mut names = manifest.sections.iter().filter_map(|section| section.name.as_ref());
                if !names.all(|name| tell(name)) {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Each name once, as a line. One that a terminal or a shell's list would act on is left out: it cannot be typed either.
fn lines(names: Vec<String>) -> Vec<u8> {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for name in names.into_iter().filter(|name| is_inert(name) && !name.is_empty()) {
        if seen.insert(name.clone()) {
            text.push_str(&name);
            text.push('\n');
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str], store: Option<&str>) -> Result<Option<Vec<u8>>> {
        let arguments: Vec<OsString> = ["x"].iter().chain(arguments).map(OsString::from).collect();
        requested(&arguments, store.map(OsString::from))
    }

    #[test]
    fn it_stands_first_and_names_what_it_completes() {
        assert!(asked(&[], None).unwrap().is_none());
        assert!(asked(&["--store", "--complete"], None).unwrap().is_none());
        assert!(asked(&["--complete"], None).is_err());
        assert!(asked(&["--complete", "passwords"], None).is_err());
    }

    #[test]
    fn only_a_directory_is_looked_at() {
        for store in ["s3://bucket/prefix", "az://box", "/nonexistent/store", "/dev/null"] {
            assert_eq!(asked(&["--complete", "backups"], Some(store)).unwrap(), Some(Vec::new()), "{store}");
        }
    }

    #[test]
    fn whoever_presses_tab_does_not_wait_for_a_directory_that_hangs() {
        let names = within(Duration::from_millis(100), |found| {
            found.send("first".into()).unwrap_or_default();
            std::thread::sleep(Duration::from_secs(3600));
        });
        assert_eq!(names, ["first"]);
    }

    #[test]
    fn what_acts_on_a_terminal_is_not_offered() {
        let names = ["b", "a\nb", "a", "\x1b[2J", "b", "", "좁은 $(화면)"].map(String::from).to_vec();
        assert_eq!(String::from_utf8(lines(names)).unwrap(), "b\na\n좁은 $(화면)\n");
    }
}
