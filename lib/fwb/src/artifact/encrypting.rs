//! Where an artifact's bytes go: as they are, or encrypted on the way.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::writer::{WRITE_ARTIFACT, Written};
use crate::encryption::{Encrypted, Encrypting, Identities, Recipients};
use crate::error::{Error, Result};

/// Takes an artifact's bytes.
pub(crate) enum MaybeEncrypted<W> {
    /// As they are.
    Plain(W),
    /// Encrypted.
    Encrypted { stream: Box<dyn Encrypted>, stored: Arc<Mutex<Stored>>, key: Arc<dyn Identities> },
}

/// What has been stored so far.
#[derive(Default)]
pub(crate) struct Stored {
    size: u64,
    sha256: Sha256,
}

impl<W: Write + Send + 'static> MaybeEncrypted<W> {
    pub(crate) fn new(inner: W, recipients: Option<&dyn Recipients>) -> Result<Self> {
        let Some(recipients) = recipients else { return Ok(Self::Plain(inner)) };
        let stored = Arc::new(Mutex::default());
        let counted = Counted { inner, stored: Arc::clone(&stored) };
        let failed = |source| Error::Stream { action: WRITE_ARTIFACT, source };
        let Encrypting { stream, key } = recipients.encrypt(Box::new(counted)).map_err(failed)?;
        Ok(Self::Encrypted { stream, stored, key })
    }

    /// Ends the artifact, of which `written` is what was put in. Returns what is stored, and where that is encrypted, the key
    /// that reads it.
    pub(crate) fn finish(self, written: Written) -> Result<(Written, Option<Arc<dyn Identities>>)> {
        let Self::Encrypted { stream, stored, key } = self else { return Ok((written, None)) };
        stream.finish().map_err(|source| Error::Stream { action: WRITE_ARTIFACT, source })?;
        let stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
        let written = Written { size: stored.size, sha256: stored.sha256.clone().finalize().into() };
        Ok((written, Some(key)))
    }
}

impl<W: Write> Write for MaybeEncrypted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.write(bytes),
            Self::Encrypted { stream, .. } => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(inner) => inner.flush(),
            Self::Encrypted { stream, .. } => stream.flush(),
        }
    }
}

/// Counts and hashes what goes through.
struct Counted<W> {
    inner: W,
    stored: Arc<Mutex<Stored>>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.size += written as u64;
        stored.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
