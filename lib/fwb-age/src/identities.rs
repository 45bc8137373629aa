//! Who reads an artifact.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use age_core::format::{FileKey, Stanza};
use fwb::{AskPassphrase, Error, Identities, ReadAt, Result, Unreadable};

use crate::callbacks::Asking;
use crate::reader;

/// The largest file of identities that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// How an age file begins, and how one does that is armored.
const AGE: &[u8] = b"age-encryption.org/";
const ARMOR: &str = "-----BEGIN AGE ";
/// What the stanzas of ssh keys are called begins so.
const SSH: &str = "ssh-";

type Key = Box<dyn age::Identity + Send + Sync>;

/// Keys out of files: of age (`AGE-SECRET-KEY-…`), encrypted by a passphrase or not, of plugins (`AGE-PLUGIN-…`), and of ssh.
pub(crate) struct AgeIdentities {
    files: Vec<PathBuf>,
    ask: AskPassphrase,
    /// Whether the passphrase of an ssh key was not given, or was wrong.
    without_passphrase: Arc<AtomicBool>,
    /// Read when the first artifact needs them: nobody is asked for a passphrase without need, nor asked again. Where a file
    /// cannot be used, why.
    keys: OnceLock<Result<Vec<Key>, String>>,
}

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("AgeIdentities").field(&self.files).finish()
    }
}

impl AgeIdentities {
    /// The keys in these files. They are read when they are needed.
    pub(crate) fn new(files: Vec<PathBuf>, ask: AskPassphrase) -> Self {
        Self { files, ask, without_passphrase: Arc::default(), keys: OnceLock::new() }
    }

    fn read(&self) -> Result<Vec<Key>, String> {
        let mut keys = Vec::new();
        for path in &self.files {
            let read = self.read_file(path);
            keys.extend(read.map_err(|why| format!("{} is no identity: {why}", path.display()))?);
        }
        Ok(keys)
    }

    fn read_file(&self, path: &Path) -> Result<Vec<Key>, String> {
        let file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
        let mut bytes = Vec::new();
        let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("it cannot be read: {error}"))?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("it is larger than {LARGEST} bytes"));
        }
        let asking = Asking::of_file(&self.ask, path.display().to_string());
        let says = |error: &dyn fmt::Display| error.to_string();
        if bytes.starts_with(AGE) {
            let decryptor =
                age::Decryptor::new_buffered(BufReader::new(&bytes[..])).map_err(|error| says(&error))?;
            let encrypted = age::encrypted::EncryptedIdentity::new(decryptor, asking, None);
            let encrypted = encrypted.ok_or("it is encrypted, and not by a passphrase")?;
            let file = encrypted.decrypt(None).map_err(|error| match error {
                age::DecryptError::KeyDecryptionFailed => "its passphrase is wrong, or was not given".into(),
                error => says(&error),
            })?;
            let file = file.with_callbacks(Asking::of_plugins(&self.ask));
            return file.into_identities().map_err(|error| says(&error));
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.contains(ARMOR) {
            return Err("it is armored, which is not read: make it anew without -a".into());
        }
        if text.contains("-----BEGIN ") {
            let key = age::ssh::Identity::from_buffer(BufReader::new(&bytes[..]), None);
            return match key.map_err(|error| says(&error))? {
                age::ssh::Identity::Unsupported(_) => Err("keys of this kind are not known".into()),
                age::ssh::Identity::Encrypted(key) => Ok(vec![Box::new(LockedKey {
                    key,
                    asking,
                    unlocked: OnceLock::new(),
                    without_passphrase: Arc::clone(&self.without_passphrase),
                })]),
                key @ age::ssh::Identity::Unencrypted(_) => Ok(vec![Box::new(key)]),
            };
        }
        // The crate's error names the line, and nothing of what is there.
        let file = age::IdentityFile::from_buffer(&bytes[..]).map_err(|error| says(&error))?;
        let file = file.with_callbacks(Asking::of_plugins(&self.ask));
        let keys = file.into_identities().map_err(|error| says(&error))?;
        if keys.is_empty() { Err("nothing is in it".into()) } else { Ok(keys) }
    }
}

impl Identities for AgeIdentities {
    fn decrypt(&self, file: Arc<dyn ReadAt>) -> Result<Box<dyn ReadAt>, Unreadable> {
        let unusable = |message: String| {
            Unreadable::Identity(Box::new(Error::Usage {
                message,
                hint: Some(
                    "an identity is the file that age-keygen makes, or an ssh key: --identity, FWB_IDENTITY"
                        .into(),
                ),
            }))
        };
        let keys = self.keys.get_or_init(|| self.read()).as_ref().map_err(|why| unusable(why.clone()))?;
        let opened = reader::open(file, keys.iter().map(|key| &**key as &dyn age::Identity));
        match opened {
            Err(Unreadable::NotForUs) if self.without_passphrase.load(Ordering::Relaxed) => {
                Err(unusable("the passphrase of an identity is wrong, or was not given".into()))
            }
            opened => opened,
        }
    }
}

/// An ssh key that a passphrase protects. It is asked for when the first stanza of an ssh key is met, and once.
struct LockedKey {
    key: age::ssh::EncryptedKey,
    asking: Asking,
    unlocked: OnceLock<Option<Mutex<age::ssh::Identity>>>,
    without_passphrase: Arc<AtomicBool>,
}

impl LockedKey {
    fn unlock(&self) -> Option<Mutex<age::ssh::Identity>> {
        let key = self.asking.passphrase("").and_then(|passphrase| self.key.decrypt(passphrase).ok());
        if key.is_none() {
            self.without_passphrase.store(true, Ordering::Relaxed);
        }
        key.map(|key| Mutex::new(key.into()))
    }
}

impl age::Identity for LockedKey {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        if !stanza.tag.starts_with(SSH) {
            return None;
        }
        let key = self.unlocked.get_or_init(|| self.unlock()).as_ref()?;
        key.lock().unwrap_or_else(PoisonError::into_inner).unwrap_stanza(stanza)
    }
}
