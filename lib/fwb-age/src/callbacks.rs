//! What keys and plugins ask of whoever uses them.

use std::sync::Arc;

use age::secrecy::SecretString;
use fwb::AskPassphrase;

/// Asks for passphrases and PINs.
#[derive(Clone)]
pub(crate) struct Asking {
    ask: AskPassphrase,
    /// The file of a key; none where a plugin says itself what it asks for.
    file: Option<String>,
}

impl Asking {
    /// For the key in this file.
    pub(crate) fn of_file(ask: &AskPassphrase, file: String) -> Self {
        Self { ask: Arc::clone(ask), file: Some(file) }
    }

    /// For plugins.
    pub(crate) fn of_plugins(ask: &AskPassphrase) -> Self {
        Self { ask: Arc::clone(ask), file: None }
    }

    /// The passphrase of the key, or what a plugin asks for with these words.
    pub(crate) fn passphrase(&self, words: &str) -> Option<SecretString> {
        let words = match &self.file {
            Some(file) => format!("Passphrase of {file}"),
            None => words.chars().filter(|letter| !letter.is_control()).collect(),
        };
        (self.ask)(&words).map(SecretString::from)
    }
}

impl age::Callbacks for Asking {
    /// A plugin may ask for a key to be touched, or say why it waits.
    fn display_message(&self, message: &str) {
        if self.file.is_none() {
            log::warn!(code = fwb::notice::PLUGIN.code; "{message}");
        }
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        self.passphrase(description)
    }
}
