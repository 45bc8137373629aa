//! The port through which artifacts are encrypted and read again. The crate `fwb-age` implements it.
//!
//! Whoever writes an artifact encrypts it to recipients, who are public keys; whoever reads one needs an identity, the key to
//! one of those. A process that has written an artifact can read that one until it ends, and so proves what it has written
//! without an identity.

use std::fmt::Debug;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::manifest::Detail;

/// How an encrypted file begins, whatever its name is.
const BEGINS: &[u8] = b"age-encryption.org/v1\n";
/// Bytes of a file's beginning that tell.
pub(crate) const HEAD: usize = BEGINS.len();
/// How one begins that is written in letters.
const ARMORED: &[u8] = b"-----BEGIN AGE ";
/// What the name of an encrypted artifact adds to that of a plain one.
pub(crate) const SUFFIX: &str = ".age";

/// Whom artifacts are encrypted to.
pub trait Recipients: Debug + Send + Sync {
    /// Their public keys, as the manifest names them.
    fn names(&self) -> &[String];

    /// What is written to the result arrives in `sink` encrypted.
    ///
    /// # Errors
    /// The recipients cannot be together, or the sink cannot be written.
    fn encrypt(&self, sink: Box<dyn Write + Send>) -> io::Result<Encrypting>;
}

/// An artifact that is being encrypted.
pub struct Encrypting {
    /// Takes the plain bytes.
    pub stream: Box<dyn Encrypted>,
    /// Reads this one artifact.
    pub key: Arc<dyn Identities>,
}

/// Takes plain bytes, and encrypts them.
pub trait Encrypted: Write + Send {
    /// Writes the end, without which the artifact is truncated.
    ///
    /// # Errors
    /// The sink cannot be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Keys that read artifacts.
pub trait Identities: Debug + Send + Sync {
    /// The plain bytes of an encrypted file.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn decrypt(&self, file: Arc<dyn ReadAt>) -> Result<Box<dyn ReadAt>, Unreadable>;
}

/// Bytes that can be read at any offset, by several threads at once.
pub trait ReadAt: Debug + Send + Sync {
    /// Their number.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes at `offset`.
    ///
    /// # Errors
    /// There are not so many, the file cannot be read, or what is there is not what was encrypted.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Says which bytes will be read soon, from beginning to end.
    fn will_read(&self, _from: u64, _to: u64) {}
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = self.get(from..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Whether an error is of whoever keeps the file, and says nothing of what is in it: the operating system's, or an object
/// store's, which is an [`Error`] inside.
pub fn is_of_the_file(error: &io::Error) -> bool {
    let is_ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some();
    is_ours || error.raw_os_error().is_some()
}

/// Why an encrypted file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// It is encrypted to others.
    NotForUs,
    /// The identity itself cannot be used.
    Identity(Box<Error>),
    /// Its beginning is not what was written.
    Damaged(String),
    /// The error of whoever keeps the file.
    Io(io::Error),
}

/// To whom a backup is encrypted, and what stands beside it in clear.
#[derive(Debug, Clone)]
pub struct EncryptTo {
    /// Public keys.
    pub recipients: Arc<dyn Recipients>,
    /// How much of the manifest the sidecar has.
    pub sidecar: Detail,
}

/// A format of encryption, for whoever knows the names of recipients.
pub trait Cipher: Debug + Send + Sync {
    /// The recipients of these names.
    ///
    /// # Errors
    /// A usage error where one is no public key.
    fn recipients(&self, names: &[String]) -> Result<Arc<dyn Recipients>>;

    /// The keys in these files, which are read when the first is needed.
    fn identities(&self, files: Vec<PathBuf>, ask: AskPassphrase) -> Arc<dyn Identities>;
}

/// Asks a person, in these words, for the passphrase of a key or the PIN of a token; none where nobody answers.
pub type AskPassphrase = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The keys that a process has: those that it was given, and one for each artifact that it has written.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    given: Option<Arc<dyn Identities>>,
    written: Mutex<Vec<Arc<dyn Identities>>>,
}

impl Keys {
    pub(crate) fn new(given: Option<Arc<dyn Identities>>) -> Self {
        Self { given, written: Mutex::default() }
    }

    /// Whether there are identities that were given.
    pub(crate) fn are_given(&self) -> bool {
        self.given.is_some()
    }

    /// Remembers the key of an artifact that was written.
    pub(crate) fn remember(&self, key: Arc<dyn Identities>) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }

    /// The plain bytes of a file; none where no identity was given.
    pub(crate) fn open(&self, file: &Arc<dyn ReadAt>) -> Result<Option<Box<dyn ReadAt>>, Unreadable> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let decrypt = |key: &dyn Identities| key.decrypt(Arc::clone(file));
        // The last one first: what was written is read soon after. Each reads one file, and calls all others damaged.
        for key in written.iter().rev() {
            match decrypt(&**key) {
                Ok(plain) => return Ok(Some(plain)),
                Err(error @ Unreadable::Io(_)) => return Err(error),
                Err(_) => {}
            }
        }
        self.given.as_deref().map(decrypt).transpose()
    }
}

/// Why no key fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// No identity was given.
    Given,
    /// None of the identities is one of its recipients.
    Fits,
}

impl std::fmt::Display for NoKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Given => "no identity was given",
            Self::Fits => "none of the identities that were given is the key to one of its recipients",
        })
    }
}

/// Whether a file of this beginning is encrypted.
pub(crate) fn is_encrypted(head: &[u8]) -> bool {
    head.starts_with(BEGINS)
}

/// Whether a file of this beginning is encrypted, and written in letters.
pub(crate) fn is_armored(head: &[u8]) -> bool {
    head.starts_with(ARMORED)
}
