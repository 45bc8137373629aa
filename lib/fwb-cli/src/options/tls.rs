//! How far the server has to prove who it is.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use fwb::{TlsMode, TlsOptions};

/// The TLS group.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsArgs {
    /// What is asked of TLS [default: preferred for a server on this machine or in a pod, else verify-identity]
    #[arg(long, value_name = "MODE", env = "FWB_TLS", value_enum, help_heading = "Server")]
    tls: Option<Mode>,

    /// Certificates of the authorities that are believed, instead of the system's (PEM)
    #[arg(long, value_name = "FILE", env = "FWB_TLS_CA", help_heading = "Server", value_hint = ValueHint::FilePath)]
    tls_ca: Option<PathBuf>,

    /// Our certificate (PEM)
    #[arg(long, value_name = "FILE", env = "FWB_TLS_CERT", help_heading = "Server", value_hint = ValueHint::FilePath)]
    #[arg(requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", env = "FWB_TLS_KEY", help_heading = "Server", value_hint = ValueHint::FilePath)]
    #[arg(requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The name that the server's certificate must be for, where it is not the host's
    #[arg(long, value_name = "NAME", env = "FWB_TLS_SERVER_NAME", help_heading = "Server")]
    tls_server_name: Option<String>,

    /// The server's public RSA key (PEM), for passwords without TLS
    #[arg(long, value_name = "FILE", env = "FWB_SERVER_PUBLIC_KEY", help_heading = "Server")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) server_public_key: Option<PathBuf>,
}

/// What is asked of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// No TLS
    Disabled,
    /// TLS where the server has it
    Preferred,
    /// TLS, with any certificate
    Required,
    /// A certificate that an authority has signed
    VerifyCa,
    /// Such a certificate for the server's name
    VerifyIdentity,
}

impl TlsArgs {
    /// The same for the library.
    pub(super) fn to_domain(&self) -> TlsOptions {
        TlsOptions {
            mode: self.tls.map(|mode| match mode {
                Mode::Disabled => TlsMode::Disabled,
                Mode::Preferred => TlsMode::Preferred,
                Mode::Required => TlsMode::Required,
                Mode::VerifyCa => TlsMode::VerifyCa,
                Mode::VerifyIdentity => TlsMode::VerifyIdentity,
            }),
            ca: self.tls_ca.clone(),
            cert: self.tls_cert.clone(),
            key: self.tls_key.clone(),
            server_name: self.tls_server_name.clone(),
        }
    }
}
