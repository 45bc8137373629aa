//! Who reads an artifact.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::SecretString;
use fwb::{AskPassphrase, Error, Identities, ReadAt, Result, Unreadable};

use crate::reader::Reading;

/// The largest file of identities that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// How an age file begins.
const AGE: &[u8] = b"age-encryption.org/";

/// Keys out of files: of age (`AGE-SECRET-KEY-…`), encrypted by a passphrase or not, and of ssh.
pub struct AgeIdentities {
    files: Vec<PathBuf>,
    ask: AskPassphrase,
    /// Whether somebody was asked for a passphrase and did not answer.
    unanswered: Arc<AtomicBool>,
    /// Read when the first artifact needs them: nobody is asked for a passphrase without need.
    keys: Mutex<Option<Vec<Box<dyn age::Identity + Send + Sync>>>>,
}

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("AgeIdentities").field(&self.files).finish()
    }
}

impl AgeIdentities {
    /// The keys in these files. They are read when they are needed.
    pub fn new(files: Vec<PathBuf>, ask: AskPassphrase) -> Self {
        Self { files, ask, unanswered: Arc::default(), keys: Mutex::new(None) }
    }

    fn wrong_passphrase(&self) -> Error {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        Error::Usage {
            message: format!("the passphrase of a key in {} is wrong, or was not given", files.join(", ")),
            hint: Some("it is asked for on the terminal".into()),
        }
    }

    fn read(&self) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>> {
        let mut keys = Vec::new();
        for path in &self.files {
            keys.extend(self.read_file(path)?);
        }
        Ok(keys)
    }

    fn read_file(&self, path: &Path) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>> {
        let unusable = |why: String| Error::Usage {
            message: format!("{} holds no identity: {why}", path.display()),
            hint: Some("an identity is what age-keygen makes, or an ssh key".into()),
        };
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        let asking = Asking {
            ask: Arc::clone(&self.ask),
            file: path.display().to_string(),
            said: Arc::default(),
            unanswered: Arc::clone(&self.unanswered),
        };
        if bytes.starts_with(AGE) {
            let decryptor = age::Decryptor::new_buffered(BufReader::new(&bytes[..]));
            let decryptor = decryptor.map_err(|error| unusable(error.to_string()))?;
            let encrypted = age::encrypted::EncryptedIdentity::new(decryptor, asking, None);
            let encrypted =
                encrypted.ok_or_else(|| unusable("it is not encrypted by a passphrase".into()))?;
            let file = encrypted.decrypt(None).map_err(|error| unusable(error.to_string()))?;
            return file.into_identities().map_err(|error| unusable(error.to_string()));
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("-----BEGIN ") {
            let name = Some(path.display().to_string());
            let key = age::ssh::Identity::from_buffer(BufReader::new(&bytes[..]), name);
            return match key {
                Ok(age::ssh::Identity::Unsupported(_)) => {
                    Err(unusable("keys of this kind are not known".into()))
                }
                Ok(key) => Ok(vec![Box::new(key.with_callbacks(asking))]),
                Err(error) => Err(unusable(error.to_string())),
            };
        }
        // Its error names the line, and nothing of what is there.
        let file = age::IdentityFile::from_buffer(&bytes[..]).map_err(|error| unusable(error.to_string()))?;
        let keys = file.into_identities().map_err(|error| unusable(error.to_string()))?;
        if keys.is_empty() { Err(unusable("there is none in it".into())) } else { Ok(keys) }
    }
}

impl Identities for AgeIdentities {
    fn decrypt(&self, file: File) -> Result<Box<dyn ReadAt>, Unreadable> {
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = match known.take() {
            Some(keys) => keys,
            None => self.read().map_err(|error| Unreadable::Identity(Box::new(error)))?,
        };
        let keys = known.insert(keys);
        Reading::open(file, keys.iter().map(|key| &**key as &dyn age::Identity)).map_err(
            |error| match error {
                Unreadable::NotForUs if !self.unanswered.load(Ordering::Relaxed) => Unreadable::NotForUs,
                Unreadable::NotForUs | Unreadable::Passphrase => {
                    Unreadable::Identity(Box::new(self.wrong_passphrase()))
                }
                error => error,
            },
        )
    }
}

/// How the crate asks. An ssh key is decrypted anew for each artifact, and its passphrase is asked for once.
#[derive(Clone)]
struct Asking {
    ask: AskPassphrase,
    file: String,
    said: Arc<Mutex<Option<SecretString>>>,
    unanswered: Arc<AtomicBool>,
}

impl age::Callbacks for Asking {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, _: &str) -> Option<SecretString> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none() {
            *said = (self.ask)(&self.file).map(SecretString::from);
        }
        if said.is_none() {
            self.unanswered.store(true, Ordering::Relaxed);
        }
        said.clone()
    }
}
