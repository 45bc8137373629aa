//! To whom artifacts are encrypted, and who reads them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ValueEnum, ValueHint};
use fwb::{Cipher, Detail, EncryptTo, Error, Identities, Result};

use crate::session::Session;

/// The variables that say to whom.
const RECIPIENTS: &str = "FWB_RECIPIENTS";
const RECIPIENTS_FILE: &str = "FWB_RECIPIENTS_FILE";
/// The largest file of recipients that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The encryption group, of tools that write artifacts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RecipientArgs {
    /// Encrypt to this public key: age1… (of a plugin too), ssh-ed25519 …, ssh-rsa …; may be given several times, or with , between
    ///
    /// Whoever has the key to one of them reads the backup, and nobody else, this host included. The format is that of age:
    /// age -d -i KEY FILE | gunzip. Those of the file and of the variables are added.
    #[arg(long = "recipient", value_name = "KEY", env = RECIPIENTS, value_delimiter = ',')]
    #[arg(help_heading = "Encryption")]
    recipients: Vec<String>,

    /// Encrypt to the public keys in this file, one a line; # begins a comment
    #[arg(long, value_name = "FILE", env = RECIPIENTS_FILE, value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Encryption")]
    recipients_file: Vec<PathBuf>,

    /// How much of the manifest stands beside an encrypted backup in clear
    #[arg(long, value_name = "HOW-MUCH", env = "FWB_SIDECAR", value_enum, default_value_t)]
    #[arg(help_heading = "Encryption")]
    sidecar: SidecarArg,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum SidecarArg {
    /// What a listing needs: the database's name, times, sizes, outcomes
    #[default]
    Minimal,
    /// All of it: names of tables, numbers of rows, hashes
    Full,
}

impl RecipientArgs {
    /// To whom; none: to nobody.
    ///
    /// # Errors
    /// A usage error where a recipient is no public key, or a file cannot be read or holds none.
    pub fn encryption(&self, cipher: &dyn Cipher) -> Result<Option<EncryptTo>> {
        for variable in [RECIPIENTS, RECIPIENTS_FILE] {
            // Whoever sets one means to encrypt: nothing is written in clear because a template was left empty.
            if std::env::var_os(variable).is_some_and(|value| value.is_empty()) {
                return Err(Error::Usage {
                    message: format!("{variable} is set, and empty"),
                    hint: Some(
                        "name a recipient in it, or unset it: the backup would not be encrypted".into(),
                    ),
                });
            }
        }
        let mut names = self.recipients.clone();
        for path in &self.recipients_file {
            let lines = lines_of(path)?;
            if lines.is_empty() {
                return Err(Error::usage(format!("{} names no recipient", path.display())));
            }
            names.extend(lines);
        }
        if names.is_empty() {
            return Ok(None);
        }
        let sidecar = match self.sidecar {
            SidecarArg::Minimal => Detail::Minimal,
            SidecarArg::Full => Detail::Full,
        };
        Ok(Some(EncryptTo { recipients: cipher.recipients(&names)?, sidecar }))
    }
}

/// The recipients that a file names, a line each.
fn lines_of(path: &Path) -> Result<Vec<String>> {
    let unusable = |why: String| Error::usage(format!("{} names no recipients: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(unusable(format!("it is larger than {LARGEST} bytes")));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(ToOwned::to_owned).collect())
}

/// The identities, of tools that read artifacts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct IdentityArgs {
    /// File of a key that reads encrypted backups; may be given several times, or with : between
    ///
    /// What age-keygen has made, encrypted with a passphrase or not, or an ssh key. A passphrase is asked for on the
    /// terminal.
    #[arg(long = "identity", value_name = "FILE", env = "FWB_IDENTITY", value_hint = ValueHint::FilePath)]
    #[arg(value_delimiter = ':', help_heading = "Encryption")]
    files: Vec<PathBuf>,
}

impl IdentityArgs {
    /// The keys; none where no file was given. The files are read when the first encrypted backup is.
    pub fn identities(&self, cipher: &dyn Cipher, session: &Session) -> Option<Arc<dyn Identities>> {
        let files = self.files.clone();
        (!files.is_empty()).then(|| cipher.identities(files, session.passphrases()))
    }
}
