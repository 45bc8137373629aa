//! How to reach a server. What is not given is left to the MariaDB client programs' own defaults.

use std::fmt;
use std::path::PathBuf;

use crate::pod::PodOptions;

/// Where the server is and who we are there.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// An option file with a `[client]` section, read instead of the usual ones.
    pub defaults_file: Option<PathBuf>,
    /// Host name or address.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Unix socket.
    pub socket: Option<PathBuf>,
    /// Account name.
    pub user: Option<String>,
    /// The account's password.
    pub password: Option<Password>,
    /// The pod in which the client programs run; host and socket are as seen from there, and without an account it is
    /// the one of the pod's own environment.
    pub pod: Option<PodOptions>,
}

/// A password: never in an argument list, never printed.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Takes a password as it was read.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for the file that a client program reads.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
