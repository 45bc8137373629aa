//! The key of one file. Whoever writes a file learns it, and can read that file until the program ends; so does whoever
//! has opened one, for its further readers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret;

/// A place for the key of one file.
#[derive(Clone, Default)]
pub(crate) struct Key(Arc<Mutex<Option<FileKey>>>);

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(..)")
    }
}

impl Key {
    pub(crate) fn learn(&self, key: &FileKey) {
        let copy = FileKey::init_with_mut(|bytes| bytes.copy_from_slice(key.expose_secret()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
    }
}

impl age::Identity for Key {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        Some(Ok(FileKey::init_with_mut(|bytes| bytes.copy_from_slice(known.expose_secret()))))
    }
}

/// An identity whose file key is learnt on the way.
pub(crate) struct Learning<'a> {
    pub(crate) identity: &'a dyn age::Identity,
    pub(crate) key: &'a Key,
}

impl age::Identity for Learning<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        let found = self.identity.unwrap_stanza(stanza);
        if let Some(Ok(key)) = &found {
            self.key.learn(key);
        }
        found
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        let found = self.identity.unwrap_stanzas(stanzas);
        if let Some(Ok(key)) = &found {
            self.key.learn(key);
        }
        found
    }
}
