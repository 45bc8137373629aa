//! Sidecars that were read, kept in a file for each store, by name and version: a listing of thousands reads each but once. The file
//! may vanish at any time.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fwb::Listed;
use sha2::{Digest as _, Sha256};

/// How a cache begins; raised when its form changes.
const MAGIC: &[u8] = b"fwb-cache/1\n";
/// The largest cache that is read, in bytes.
const LARGEST: u64 = 1 << 30;
/// Open no symbolic link.
const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// What was read of a store, by name.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    path: Option<PathBuf>,
    entries: HashMap<String, (String, Vec<u8>)>,
    changed: bool,
}

impl Cache {
    /// What is kept of a store; nothing where there is no directory for it.
    pub(crate) fn open(directory: Option<&Path>, store: &str) -> Self {
        let Some(directory) = directory else { return Self::default() };
        let path = directory.join(format!("{}.sidecars", hex::encode(Sha256::digest(store))));
        let entries = read(&path).unwrap_or_default();
        Self { path: Some(path), entries, changed: false }
    }

    /// What a version of a file holds, where it is kept.
    pub(crate) fn get(&self, name: &str, version: &str) -> Option<&[u8]> {
        self.entries.get(name).filter(|(kept, _)| kept == version).map(|(_, bytes)| bytes.as_slice())
    }

    /// Takes all that is kept out of the cache, where that is what there is: nothing is to be written then.
    pub(crate) fn take_all(&mut self, files: &[Listed]) -> Option<Vec<Vec<u8>>> {
        let is_kept = |file: &Listed| {
            file.version.as_deref().is_some_and(|version| self.get(&file.name, version).is_some())
        };
        if self.entries.len() != files.len() || !files.iter().all(is_kept) {
            return None;
        }
        self.path = None;
        files.iter().map(|file| self.entries.remove(&file.name).map(|(_, bytes)| bytes)).collect()
    }

    /// Keeps a version of a file.
    pub(crate) fn put(&mut self, name: &str, version: &str, bytes: &[u8]) {
        self.entries.insert(name.into(), (version.into(), bytes.into()));
        self.changed = true;
    }

    /// Forgets all but these files, and writes what changed.
    pub(crate) fn close<'a>(mut self, names: impl Iterator<Item = &'a str>) {
        let names: std::collections::HashSet<&str> = names.collect();
        let before = self.entries.len();
        self.entries.retain(|name, _| names.contains(name.as_str()));
        if (self.changed || self.entries.len() != before)
            && let Some(path) = &self.path
            && let Err(error) = write(path, &self.entries)
        {
            log::debug!("sidecars are not kept in {}: {error}", path.display());
        }
    }
}

/// Where caches are, by the environment.
pub(crate) fn directory() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = of("FWB_CACHE_DIR")
        .or_else(|| of("XDG_CACHE_HOME").map(|home| home.join("fwb")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/fwb")));
    directory.filter(|directory| directory.is_absolute())
}

fn read(path: &Path) -> Option<HashMap<String, (String, Vec<u8>)>> {
    let file = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path).ok()?;
    let found = file.metadata().ok()?;
    // What another user has put there is not believed.
    if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() || found.len() > LARGEST {
        return None;
    }
    let mut left = found.len();
    let mut file = BufReader::new(file);
    let mut magic = vec![0; MAGIC.len()];
    file.read_exact(&mut magic).ok()?;
    left = left.checked_sub(MAGIC.len() as u64).filter(|_| magic == MAGIC)?;
    let mut entries = HashMap::new();
    while left > 0 {
        let mut part = || part(&mut file, &mut left);
        let (name, version, bytes) = (part()?, part()?, part()?);
        entries.insert(String::from_utf8(name).ok()?, (String::from_utf8(version).ok()?, bytes));
    }
    Some(entries)
}

/// The next part of a file that has `left` bytes more.
fn part(file: &mut impl Read, left: &mut u64) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    *left = left.checked_sub(8)?.checked_sub(length)?;
    let mut part = vec![0; usize::try_from(length).ok()?];
    file.read_exact(&mut part).ok()?;
    Some(part)
}

fn write(path: &Path, entries: &HashMap<String, (String, Vec<u8>)>) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let hidden = path.with_extension(format!("{}.partial", std::process::id()));
    let written = (|| {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&hidden)?;
        let mut file = BufWriter::new(file);
        file.write_all(MAGIC)?;
        for (name, (version, content)) in entries {
            for part in [name.as_bytes(), version.as_bytes(), content] {
                file.write_all(&(part.len() as u64).to_le_bytes())?;
                file.write_all(part)?;
            }
        }
        file.flush()?;
        std::fs::rename(&hidden, path)
    })();
    if written.is_err() {
        std::fs::remove_file(&hidden).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_was_kept_is_there_by_its_version_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(Some(dir.path()), "s3://b/p");
        cache.put("a.json", "1", b"one");
        cache.put("b.json", "1", b"two");
        cache.close(["a.json"].into_iter());
        let cache = Cache::open(Some(dir.path()), "s3://b/p");
        assert_eq!(cache.get("a.json", "1"), Some(&b"one"[..]));
        assert_eq!((cache.get("a.json", "2"), cache.get("b.json", "1")), (None, None));
        assert_eq!(Cache::open(Some(dir.path()), "s3://b/other").get("a.json", "1"), None);
    }

    #[test]
    fn a_cut_cache_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(Some(dir.path()), "s");
        cache.put("a.json", "1", b"one");
        cache.close(["a.json"].into_iter());
        let path = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for size in 0..bytes.len() {
            std::fs::write(&path, &bytes[..size]).unwrap();
            assert_eq!(Cache::open(Some(dir.path()), "s").get("a.json", "1"), None, "{size}");
        }
    }
}
