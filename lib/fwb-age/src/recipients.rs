//! Whom an artifact is encrypted to.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use age_core::format::{FileKey, Stanza};
use fwb::{AskPassphrase, Cipher, Encrypted, Encrypting, Error, Identities, Recipients, Result};

use crate::callbacks::Asking;
use crate::identities::AgeIdentities;
use crate::key::Key;
use crate::reader::{MOST_RECIPIENTS, Reading};

/// Public keys of age (`age1…`), of its plugins (`age1NAME1…`) and of ssh (`ssh-ed25519 …`, `ssh-rsa …`).
pub(crate) struct AgeRecipients {
    names: Vec<String>,
    keys: Vec<Box<dyn age::Recipient + Send + Sync>>,
}

impl fmt::Debug for AgeRecipients {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("AgeRecipients").field(&self.names).finish()
    }
}

impl AgeRecipients {
    /// Recipients, each as `age-keygen -y` or an ssh `.pub` file has it; what follows the key of the latter is a comment.
    ///
    /// # Errors
    /// A usage error where one is no public key, or two cannot be together.
    pub(crate) fn parse(lines: &[String]) -> Result<Self> {
        if lines.len() > MOST_RECIPIENTS {
            return Err(Error::usage(format!(
                "a backup is encrypted to at most {MOST_RECIPIENTS} recipients"
            )));
        }
        let (mut names, mut keys) = (Vec::new(), Vec::new());
        for line in lines {
            let (name, key) = parse(line.trim())?;
            if !names.contains(&name) {
                names.push(name);
                keys.push(key);
            }
        }
        let all = Self { names, keys };
        // Whether they go together shows when something is encrypted to them.
        all.encrypt(Box::new(io::sink())).map_err(|error| Error::usage(error.to_string()))?;
        Ok(all)
    }
}

fn parse(line: &str) -> Result<(String, Box<dyn age::Recipient + Send + Sync>)> {
    if let Ok(key) = line.parse::<age::x25519::Recipient>() {
        return Ok((key.to_string(), Box::new(key)));
    }
    if let Ok(key) = line.parse::<age::ssh::Recipient>() {
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        return Ok((words.join(" "), Box::new(key)));
    }
    if let Ok(key) = line.parse::<age::plugin::Recipient>() {
        let nobody: AskPassphrase = Arc::new(|_| None);
        let plugin = age::plugin::RecipientPluginV1::new(
            key.plugin(),
            std::slice::from_ref(&key),
            &[],
            Asking::of_plugins(&nobody),
        );
        let plugin = plugin.map_err(|_| Error::Usage {
            message: format!("{key} needs age-plugin-{}, which is not here", key.plugin()),
            hint: Some(
                "install it into a directory of PATH; a service may have another PATH than a shell".into(),
            ),
        })?;
        return Ok((key.to_string(), Box::new(plugin)));
    }
    // A secret one by mistake must not get into a log.
    let upper = line.to_ascii_uppercase();
    let is_secret = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"].iter().any(|start| upper.starts_with(start))
        || line.contains("PRIVATE KEY");
    let shown = if is_secret { "a secret key".to_owned() } else { format!("{line:?}") };
    Err(Error::Usage {
        message: format!("{shown} is not a recipient"),
        hint: Some(
            "a recipient is a public key: age1… (age-keygen -y FILE, or a plugin's), ssh-ed25519 … or ssh-rsa …".into(),
        ),
    })
}

impl Recipients for AgeRecipients {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn encrypt(&self, sink: Box<dyn Write + Send>) -> io::Result<Encrypting> {
        let key = Key::default();
        let learning: Vec<Learning<'_>> =
            self.keys.iter().map(|recipient| Learning { recipient: recipient.as_ref(), key: &key }).collect();
        let encryptor =
            age::Encryptor::with_recipients(learning.iter().map(|one| one as &dyn age::Recipient))
                .map_err(io::Error::other)?;
        let stream = encryptor.wrap_output(sink)?;
        Ok(Encrypting { stream: Box::new(Stream(stream)), key: Arc::new(Reading::by_key(key)) })
    }
}

/// A recipient by whom the key of the file is learnt on the way.
struct Learning<'a> {
    recipient: &'a dyn age::Recipient,
    key: &'a Key,
}

impl age::Recipient for Learning<'_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        self.key.learn(key);
        self.recipient.wrap_file_key(key)
    }
}

struct Stream(age::stream::StreamWriter<Box<dyn Write + Send>>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Encrypted for Stream {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish()?.flush()
    }
}

/// The format, for whoever has the names of recipients alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Age;

impl Cipher for Age {
    fn recipients(&self, names: &[String]) -> Result<Arc<dyn Recipients>> {
        Ok(Arc::new(AgeRecipients::parse(names)?))
    }

    fn identities(&self, files: Vec<PathBuf>, ask: AskPassphrase) -> Arc<dyn Identities> {
        Arc::new(AgeIdentities::new(files, ask))
    }
}
