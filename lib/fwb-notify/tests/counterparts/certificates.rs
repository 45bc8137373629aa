//! An authority of the test's own, and a certificate of it for this host.

use std::path::PathBuf;
use std::process::Command;

/// Files in PEM, gone with this value.
pub(crate) struct Certificates {
    _directory: tempfile::TempDir,
    /// The authority.
    pub(crate) ca: PathBuf,
    /// The server's certificate.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let openssl = |arguments: &[&str]| {
            let done = Command::new("openssl").current_dir(directory.path()).args(arguments).output();
            let done = done.expect("openssl, which scripts/bootstrap.sh test brings");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let new =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let mut authority = new.to_vec();
        authority.extend(["-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.pem"]);
        authority.extend(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        openssl(&authority);
        let mut server = new.to_vec();
        server.extend(["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.pem"]);
        server.extend(["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]);
        server.extend([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.77",
            "-addext",
            "extendedKeyUsage=serverAuth",
        ]);
        openssl(&server);
        let (ca, certificate, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
        Self { _directory: directory, ca, certificate, key }
    }
}
