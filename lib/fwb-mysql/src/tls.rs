//! TLS over a connection, and what is asked of the server's certificate.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fwb::{SessionError, TlsMode, TlsOptions};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};
use sha2::{Digest as _, Sha256};

use crate::transport::Transport;

/// The SHA-256 of a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// A connection that TLS runs over.
pub(crate) struct Secured {
    pub(crate) stream: Box<dyn Transport>,
    /// The server's certificate.
    pub(crate) fingerprint: Fingerprint,
    /// Why the certificate proves nothing; none where it proves what was asked for.
    pub(crate) doubt: Option<String>,
}

/// Runs TLS's handshake.
///
/// # Errors
/// The handshake fails, a file cannot be read, or the certificate is not what it must be. One that no authority has
/// signed is left to the caller where `may_doubt` says so.
pub(crate) fn secure(
    stream: Box<dyn Transport>,
    host: &str,
    mode: TlsMode,
    options: &TlsOptions,
    may_doubt: bool,
) -> Result<Secured, SessionError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let verifier = Verifier {
        asked: mode,
        may_doubt,
        by_authority: match mode {
            TlsMode::VerifyCa | TlsMode::VerifyIdentity => {
                authority(options.ca.as_deref(), &provider, may_doubt)?
            }
            _ => None,
        },
        provider: Arc::clone(&provider),
        seen: Arc::clone(&seen),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => config
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|error| refused(&error))?,
        (None, None) => config.with_no_client_auth(),
        _ => {
            return Err(SessionError::Refused {
                problem: "a client certificate needs its key, and a key its certificate".into(),
                remedy: "give both --tls-cert and --tls-key".into(),
            });
        }
    };
    let name = options.server_name.as_deref().unwrap_or(host).to_owned();
    // A name that TLS cannot send may still be a socket's or a tunnel's.
    let name =
        ServerName::try_from(name).or_else(|_| ServerName::try_from("localhost")).map_err(|error| {
            SessionError::Refused { problem: error.to_string(), remedy: "check --tls-server-name".into() }
        })?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| refused(&error))?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(tls) => refused(tls),
                None => SessionError::Lost(error),
            }
        })?;
    }
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Secured { stream: Box::new(stream), fingerprint: seen.fingerprint, doubt: seen.doubt })
}

fn refused(error: &Error) -> SessionError {
    let remedy = match error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) => {
            "name the server as its certificate does: --host or --tls-server-name; or --tls verify-ca"
        }
        Error::InvalidCertificate(_) => {
            "give the authority that signed the server's certificate: --tls-ca FILE; without proof: --tls required"
        }
        _ => "check the TLS options: --tls, --tls-ca, --tls-cert, --tls-key",
    };
    SessionError::Refused { problem: format!("TLS to the server failed: {error}"), remedy: remedy.into() }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> SessionError {
    SessionError::Refused {
        problem: format!("{} cannot be used for TLS: {error}", path.display()),
        remedy: "give files in PEM form to --tls-ca, --tls-cert and --tls-key".into(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SessionError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read: Vec<_> = read.map_err(|error| unreadable(path, &error))?;
    if read.is_empty() {
        return Err(unreadable(path, &"it holds no certificate"));
    }
    Ok(read)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SessionError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, &error))
}

/// Where Debian, Red Hat, SUSE and Alpine keep the authorities that the system trusts.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Who holds certificates against the operator's authorities, or the system's. None where the system has none, and that
/// may be.
fn authority(
    ca: Option<&Path>,
    provider: &Arc<CryptoProvider>,
    may_lack: bool,
) -> Result<Option<Arc<WebPkiServerVerifier>>, SessionError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unreadable(path, &error))?;
            }
        }
        None => {
            for path in SYSTEM.map(Path::new).iter().filter(|path| path.exists()) {
                roots.add_parsable_certificates(certificates(path)?);
            }
        }
    }
    if roots.is_empty() && may_lack {
        return Ok(None);
    }
    if roots.is_empty() {
        return Err(SessionError::Refused {
            problem: "this system trusts no certificate authority".into(),
            remedy: "give the one that signed the server's certificate: --tls-ca FILE".into(),
        });
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(Some)
        .map_err(|error| SessionError::Refused {
            problem: error.to_string(),
            remedy: "check --tls-ca".into(),
        })
}

#[derive(Debug, Clone, Default)]
struct Seen {
    fingerprint: Fingerprint,
    doubt: Option<String>,
}

/// Holds the server's certificate against what was asked for.
#[derive(Debug)]
struct Verifier {
    asked: TlsMode,
    /// Whether a certificate that proves nothing is let through, because something else will prove it.
    may_doubt: bool,
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Arc<Mutex<Seen>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match (&self.by_authority, self.asked) {
            (_, TlsMode::Disabled | TlsMode::Preferred | TlsMode::Required) => Ok(()),
            (None, _) => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            (Some(authority), _) => {
                authority.verify_server_cert(certificate, between, name, ocsp, now).map(drop)
            }
        };
        let verdict = match verdict {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.asked == TlsMode::VerifyCa => Ok(()),
            other => other,
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.fingerprint = Sha256::digest(certificate).into();
        match verdict {
            Err(error) if self.may_doubt => seen.doubt = Some(error.to_string()),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A failure that ends the attempt, as an error of the stream.
pub(crate) fn read_ahead() -> io::Error {
    crate::wire::malformed("something before TLS began")
}
