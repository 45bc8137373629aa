//! What the environment says of all targets.

use std::path::PathBuf;

use fwb::{Error, Result};

/// How targets are reached.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `FWB_NOTIFY_CA`: certificates in PEM of authorities that count beside the system's.
    pub ca: Option<PathBuf>,
    /// `FWB_ALLOW_HTTP`: whether a password may go to another host unencrypted.
    pub allow_http: bool,
}

/// Authorities that count beside the system's, for both libraries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authorities {
    pub(crate) http: Vec<reqwest::Certificate>,
    pub(crate) mail: Option<MailAuthorities>,
}

/// The same, for mail.
#[derive(Clone)]
pub(crate) struct MailAuthorities(pub(crate) lettre::transport::smtp::client::Certificate);

impl std::fmt::Debug for MailAuthorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailAuthorities")
    }
}

impl Settings {
    /// What the variables say. One that is empty says nothing.
    pub fn of_environment() -> Self {
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            ca: of("FWB_NOTIFY_CA").map(PathBuf::from),
            allow_http: of("FWB_ALLOW_HTTP")
                .is_some_and(|value| value == "1" || value == "true" || value == "yes"),
        }
    }

    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub(crate) fn authorities(&self) -> Result<Authorities> {
        let Some(path) = &self.ca else { return Ok(Authorities::default()) };
        let unusable = |why: &str| Error::usage(format!("{} holds no certificates: {why}", path.display()));
        let pem = std::fs::read(path).map_err(Error::io("read", path))?;
        let http =
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error.to_string()))?;
        if http.is_empty() {
            return Err(unusable("it has none"));
        }
        let mail = lettre::transport::smtp::client::Certificate::from_pem(&pem);
        let mail = mail.map_err(|error| unusable(&error.to_string()))?;
        Ok(Authorities { http, mail: Some(MailAuthorities(mail)) })
    }
}
