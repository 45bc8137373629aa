//! How to reach a server. What is not given, the client sections of the option files say, or the client programs' usual
//! defaults.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    /// TLS.
    pub tls: TlsOptions,
    /// A file with the server's public RSA key, for passwords over connections without TLS.
    pub server_public_key: Option<PathBuf>,
    /// Whether what goes over the connection is compressed, where the server offers it; by default option files say.
    pub compress: Option<bool>,
    /// The pod that the server is in; host and socket are as seen from there, and without an account it is the one of the
    /// pod's own environment or option files.
    pub pod: Option<PodOptions>,
    /// How long a server is waited for that cannot be reached, because it restarts. Where it is not given, one in a pod is
    /// waited for, for [`ServerOptions::USUAL_WAIT`], and any other is not.
    pub wait: Option<Duration>,
}

impl ServerOptions {
    /// How long a server in a pod is waited for by default.
    pub const USUAL_WAIT: Duration = Duration::from_secs(600);
}

/// Which pod, and how it is reached.
#[derive(Debug, Clone)]
pub struct PodOptions {
    /// The pod.
    pub choice: PodChoice,
    /// Its namespace; by default that of kubectl's context, or of the pod that we run in ourselves.
    pub namespace: Option<String>,
    /// The container; by default the pod's default one (`kubectl.kubernetes.io/default-container`), or its first.
    pub container: Option<String>,
    /// The command and its first arguments, such as `microk8s kubectl`; by default what is installed.
    pub kubectl: Option<Vec<String>>,
    /// What carries the connection.
    pub via: Via,
    /// How often to try again what a broken connection has ended.
    pub retries: u32,
    /// How long a connection may be without any sign of life.
    pub silence: Duration,
}

/// Which pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodChoice {
    /// The only one with these labels that is ready, as `kubectl -l` takes them.
    Selector(String),
    /// The one of this name.
    Name(String),
}

/// What carries a connection to a server in a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Via {
    /// A relay in the pod, where the container has a program for it; else a forwarded port.
    #[default]
    Auto,
    /// A relay in the pod: `kubectl exec`.
    Exec,
    /// A port of this machine's: `kubectl port-forward`.
    PortForward,
}

/// What TLS has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// What is asked for; by default it depends on where the server is.
    pub mode: Option<TlsMode>,
    /// Authorities whose certificates are believed, in PEM form, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate, in PEM form.
    pub cert: Option<PathBuf>,
    /// Its private key, in PEM form.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must be for, where it is not the host's.
    pub server_name: Option<String>,
}

/// What is asked of TLS; each mode asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// No TLS.
    Disabled,
    /// TLS where the server has it.
    Preferred,
    /// TLS, with any certificate.
    Required,
    /// A certificate that an authority has signed.
    VerifyCa,
    /// Such a certificate for the server's name.
    VerifyIdentity,
}

impl TlsMode {
    /// Reads `disabled`, `preferred`, `required`, `verify-ca` or `verify-identity`, as MySQL's clients write it too.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disabled" => Some(Self::Disabled),
            "preferred" => Some(Self::Preferred),
            "required" => Some(Self::Required),
            "verify-ca" => Some(Self::VerifyCa),
            "verify-identity" => Some(Self::VerifyIdentity),
            _ => None,
        }
    }
}

/// A password: never in an argument list, never printed.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Takes a password as it was read.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for whoever proves that we know it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
