//! Logging in: every method of authentication, over the socket, TCP and TLS, on every server; and what is never sent where
//! others may listen.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Output, Server, Store, Tool, bash, free_port};

/// A server that listens on the loopback interface, and a directory for passwords and certificates.
struct Scene {
    server: Server,
    port: u16,
    dir: TempDir,
}

impl Scene {
    fn new(kind: &str, name: &str, options: &[&str]) -> Self {
        let port = free_port();
        let (port_option, dir) = (format!("--port={port}"), tempfile::tempdir().unwrap());
        let listens = ["--skip-networking=0", "--bind-address=127.0.0.1", &port_option];
        let options: Vec<&str> = listens.into_iter().chain(options.iter().copied()).collect();
        let server = Server::of(kind, name, &options);
        server.sql("CREATE DATABASE here");
        Self { server, port, dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A tool that logs in, and dumps an empty database.
    fn tool(&self, user: &str, password: &str, options: &[&str]) -> Output {
        let file = self.file("password");
        fs::write(&file, format!("{password}\n")).unwrap();
        let store = Store::new();
        let mut tool =
            Tool::alone("fwb-dump").arg("--store").arg(store.path()).args(["-B", "here", "-u", user]);
        if !password.is_empty() {
            tool = tool.arg("--password-file").arg(&file);
        }
        tool.args(options).run()
    }

    fn by_tcp(&self, user: &str, password: &str, options: &[&str]) -> Output {
        let port = self.port.to_string();
        let place = ["--host", "127.0.0.1", "--port", &port];
        self.tool(user, password, &place.into_iter().chain(options.iter().copied()).collect::<Vec<_>>())
    }

    fn by_socket(&self, user: &str, password: &str) -> Output {
        self.tool(user, password, &["--socket", &self.server.socket()])
    }
}

#[track_caller]
fn is_in(output: Output, what: &str) {
    assert_eq!(output.code, Some(0), "{what}: {}", output.stderr);
}

#[track_caller]
fn is_refused(output: Output, words: &str) {
    output.fails(2, &[words, "hint: "]);
}

/// `CREATE USER` of each method that a MariaDB server has.
fn mariadb_accounts(kind: &str) -> Vec<(&'static str, String)> {
    let mut methods = vec![
        ("native", "IDENTIFIED BY 'pass \"word'".to_owned()),
        ("ed25519", "IDENTIFIED VIA ed25519 USING PASSWORD('pass \"word')".to_owned()),
    ];
    if kind == "mariadb-11.8" {
        methods.push(("parsec", "IDENTIFIED VIA parsec USING PASSWORD('pass \"word')".to_owned()));
    }
    methods
}

#[test]
fn every_method_of_mariadb_logs_in() {
    for kind in ["mariadb-10.5", "mariadb-11.8"] {
        let scene = Scene::new(kind, &format!("login-{kind}"), &[]);
        scene.server.sql("INSTALL SONAME 'auth_ed25519'");
        if kind == "mariadb-11.8" {
            scene.server.sql("INSTALL SONAME 'auth_parsec'");
        }
        for (user, identified) in mariadb_accounts(kind) {
            scene.server.sql(format!(
                "CREATE USER {user} {identified}; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO {user};"
            ));
            let what = format!("{user} on {kind}");
            is_in(scene.by_socket(user, "pass \"word"), &what);
            is_in(scene.by_tcp(user, "pass \"word", &["--tls", "disabled"]), &what);
            is_refused(scene.by_tcp(user, "wrong", &["--tls", "disabled"]), "ERROR 1045");
            is_refused(scene.by_socket(user, ""), "ERROR 1045");
        }
        scene.server.sql(
            "CREATE USER open@localhost; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO open@localhost;",
        );
        is_in(scene.by_socket("open", ""), "no password");
    }
}

/// MariaDB 11.4 makes a certificate that nobody has signed. It is proved by the password, which the server knows as we do.
#[test]
fn a_certificate_without_an_authority_is_proved_by_the_password() {
    let scene = Scene::new("mariadb-11.8", "login-zero", &[]);
    scene.server.sql("INSTALL SONAME 'auth_ed25519'; INSTALL SONAME 'auth_parsec'");
    for (user, identified) in mariadb_accounts("mariadb-11.8") {
        scene
            .server
            .sql(format!("CREATE USER {user} {identified} REQUIRE SSL; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO {user};"));
        is_in(scene.by_tcp(user, "pass \"word", &["--tls", "verify-identity"]), user);
        is_in(scene.by_tcp(user, "pass \"word", &["--tls", "required"]), user);
        // By default too: nobody is asked for TLS on this machine, and it is used.
        is_in(scene.by_tcp(user, "pass \"word", &[]), user);
        is_refused(scene.by_tcp(user, "pass \"word", &["--tls", "disabled"]), "ERROR 1045");
    }
    // Without a password nothing proves it.
    scene.server.sql("CREATE USER open; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO open;");
    is_refused(scene.by_tcp("open", "", &["--tls", "verify-identity"]), "TLS to the server failed");
    is_in(scene.by_tcp("open", "", &["--tls", "required"]), "any certificate");
}

/// An authority, a server's certificate for `localhost`, a client's, and an authority that has signed neither.
fn certificates(dir: &Path) {
    let out = bash(
        r#"set -e; cd "$1"
        for ca in ca other; do
            openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout $ca.key -out $ca.pem -subj "/CN=$ca" 2>&1
        done
        for name in server client; do
            openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj "/CN=$name" 2>&1
            printf 'subjectAltName=DNS:localhost\n' >ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out $name.pem 2>&1
        done"#,
    )
    .arg("bash")
    .arg(dir)
    .run();
    out.ok();
}

#[test]
fn certificates_are_held_against_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let options = [
        format!("--ssl-ca={}", at("ca.pem")),
        format!("--ssl-cert={}", at("server.pem")),
        format!("--ssl-key={}", at("server.key")),
    ];
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let scene = Scene::new(kind, &format!("login-tls-{kind}"), &options);
        scene.server.sql(
            "CREATE USER app IDENTIFIED BY 'secret' REQUIRE SSL; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO app;
             CREATE USER signed IDENTIFIED BY 'secret' REQUIRE X509; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO signed;",
        );
        let (ca, other) = (at("ca.pem"), at("other.pem"));
        let app = |options: &[&str]| scene.by_tcp("app", "secret", options);
        is_in(app(&["--tls", "verify-ca", "--tls-ca", &ca]), kind);
        is_refused(app(&["--tls", "verify-ca", "--tls-ca", &other]), "TLS to the server failed");
        // 127.0.0.1 is not the name that it is for.
        is_refused(app(&["--tls", "verify-identity", "--tls-ca", &ca]), "TLS to the server failed");
        is_in(app(&["--tls", "verify-identity", "--tls-ca", &ca, "--tls-server-name", "localhost"]), kind);
        // Nothing but an authority that the system trusts.
        is_refused(app(&["--tls", "verify-identity"]), "TLS to the server failed");
        is_refused(app(&["--tls", "disabled"]), if kind == "mysql-9.7" { "" } else { "ERROR 1045" });
        let signed = ["--tls-cert", &at("client.pem"), "--tls-key", &at("client.key")];
        let with = |more: &[&str]| {
            let base = ["--tls", "verify-ca", "--tls-ca", &ca];
            scene.by_tcp("signed", "secret", &base.iter().chain(more).copied().collect::<Vec<_>>())
        };
        is_in(with(&signed), "a client's certificate");
        is_refused(with(&[]), "ERROR 1045");
    }
}

/// The password of `caching_sha2_password` is sent only where nobody can listen, or under the server's own key, which an
/// operator has brought here.
#[test]
fn a_whole_password_is_never_sent_in_the_open() {
    let scene = Scene::new("mysql-9.7", "login-sha2", &[]);
    let forget = || scene.server.sql("FLUSH PRIVILEGES");
    scene.server.sql("CREATE USER app IDENTIFIED BY 'pass word'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO app; CREATE USER open; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO open;");
    let plain = || scene.by_tcp("app", "pass word", &["--tls", "disabled"]);
    is_refused(plain(), "the connection is not encrypted");
    // The server's key, from the server.
    let key = scene.server.query("SHOW STATUS LIKE 'Caching_sha2_password_rsa_public_key'");
    let key = key.split_once('\t').unwrap().1.replace("\\n", "\n");
    let file = scene.file("key.pem");
    fs::write(&file, key).unwrap();
    let file = file.display().to_string();
    let keyed =
        |password: &str| scene.by_tcp("app", password, &["--tls", "disabled", "--server-public-key", &file]);
    is_in(keyed("pass word"), "under the server's key");
    is_refused(keyed("wrong"), "ERROR 1045");
    // Now the server remembers it, and a proof is enough.
    is_in(plain(), "remembered");
    forget();
    is_refused(plain(), "the connection is not encrypted");
    is_in(scene.by_tcp("app", "pass word", &["--tls", "required"]), "over TLS");
    forget();
    is_in(scene.by_socket("app", "pass word"), "over the socket");
    is_in(scene.by_tcp("open", "", &["--tls", "disabled"]), "no password");
}
