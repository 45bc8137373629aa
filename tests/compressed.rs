//! Compressed connections: what comes back is the same as without, and less goes over the network. A night's dump over a slow
//! line must not depend on how the bytes travel.

use std::fs;

use crate::support::{Database, Fault, Pod, Proxy, Server, Store, Tool, digests, free_port, name};

/// Rows of every size: small ones that need several packets together, ones that hold no repetition, and one of 17 MiB, which
/// needs two packets.
const ROWS: &str = "CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
CREATE TABLE goods (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(200));
INSERT INTO goods (what) VALUES ('an apple'), (REPEAT('zwei Äpfel ', 15)), (NULL), ('');
INSERT INTO goods (what) SELECT CONCAT(a.what, b.id) FROM goods a, goods b WHERE LENGTH(a.what) < 150;
INSERT INTO goods (what) SELECT CONCAT('사과 ', a.id, ' ', b.id, REPEAT('.', 50)) FROM goods a, goods b, goods c LIMIT 20000;
CREATE TABLE noise (id INT PRIMARY KEY, d MEDIUMBLOB);
INSERT INTO noise VALUES (1, UNHEX(SHA2('a', 512)));
INSERT INTO noise SELECT 2, UNHEX(GROUP_CONCAT(SHA2(id, 512) SEPARATOR '')) FROM goods WHERE id < 1500;
CREATE TABLE large (id INT PRIMARY KEY, d LONGTEXT);
INSERT INTO large VALUES (1, 'before'), (2, REPEAT('0123456789abcdef', 17 << 16)), (3, 'behind');";

/// What the database holds.
const CONTENT: &str = "CHECKSUM TABLE shop.goods, shop.noise, shop.large; SELECT COUNT(*), MAX(LENGTH(d)) FROM shop.large; \
SELECT COUNT(*) FROM shop.goods; SELECT MAX(LENGTH(d)) FROM shop.noise;";

/// Bytes that the tools may send, and the server, for a dump or a restore that is compressed. Without compression 17 MiB
/// and more go over the connection.
const LITTLE: usize = 2 << 20;
const MUCH: usize = 17 << 20;

struct Scene {
    server: Server,
    store: Store,
    port: u16,
}

impl Scene {
    fn new(kind: &str, options: &[&str]) -> Self {
        let port = free_port();
        let port_option = format!("--port={port}");
        let listens = [
            "--skip-networking=0",
            "--bind-address=127.0.0.1",
            &port_option,
            "--max-allowed-packet=64M",
            "--group-concat-max-len=1000000",
        ];
        let options: Vec<&str> = listens.into_iter().chain(options.iter().copied()).collect();
        let server = Server::of(kind, &format!("compressed-{kind}-{port}"), &options);
        Self { server, store: Store::new(), port }
    }

    fn tool(&self, name: &str) -> Tool {
        self.store.tool(name).env("FWB_DEFAULTS_FILE", self.server.defaults_file())
    }

    /// A tool whose connections are counted.
    fn counted(&self, name: &str, proxy: &Proxy) -> Tool {
        self.tool(name).arg("--socket").arg(proxy.socket())
    }

    fn proxy(&self) -> Proxy {
        Proxy::new(&self.server, Fault::Cut(usize::MAX))
    }
}

fn goes_there_and_back(kind: &str) {
    let scene = Scene::new(kind, &[]);
    scene.server.sql(ROWS);
    let before = scene.server.query(CONTENT);
    assert!(before.contains(&(17 << 20).to_string()), "{before}");

    let proxy = scene.proxy();
    let plain = scene.counted("fwb-dump", &proxy).args(["-B", "shop"]).run().ok().json();
    assert!(proxy.passed() > MUCH, "{kind}: {}", proxy.passed());
    let proxy = scene.proxy();
    let dump = scene.counted("fwb-dump", &proxy).args(["-B", "shop", "--compress"]).run().ok().json();
    assert!(proxy.passed() < LITTLE, "{kind}: {}", proxy.passed());
    assert_eq!(digests(&dump), digests(&plain), "{kind}");

    for jobs in ["1", "3"] {
        scene.server.sql("DROP TABLE shop.goods; DELETE FROM shop.large; DELETE FROM shop.noise");
        let proxy = scene.proxy();
        let restore =
            scene.counted("fwb-restore", &proxy).env("FWB_COMPRESS", "1").args(["--yes", "--jobs", jobs]);
        restore.args(["--strategy", "in-place", "--no-safety-backup", name(&dump)]).run().ok();
        assert_eq!(scene.server.query(CONTENT), before, "{kind}, {jobs} jobs");
        assert!(proxy.asked() < LITTLE, "{kind}: {}", proxy.asked());
    }

    // Over TCP and TLS, and as an option file says.
    let file = scene.store.path().join("client.cnf");
    fs::write(&file, "[client]\ncompress\n").unwrap();
    scene.server.sql("CREATE USER app IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO app;");
    let password = scene.store.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    for tls in ["disabled", "required"] {
        if kind == "mysql-9.7" && tls == "disabled" {
            continue; // Its password is sent over TLS alone.
        }
        if kind.starts_with("mariadb-10") && tls == "required" {
            continue; // They make no certificate for themselves.
        }
        let tool =
            Tool::alone("fwb-dump").arg("--defaults-file").arg(&file).arg("--password-file").arg(&password);
        let tool =
            tool.args(["--host", "127.0.0.1", "--port", &scene.port.to_string(), "-u", "app", "--tls", tls]);
        let dump = tool
            .args(["-B", "shop", "-o"])
            .arg(scene.store.path().join(format!("{tls}.sql.gz")))
            .run()
            .ok()
            .json();
        assert_eq!(digests(&dump), digests(&plain), "{kind}, TLS {tls}");
    }
}

#[test]
fn mariadb_10_5_compresses() {
    goes_there_and_back("mariadb-10.5");
}

#[test]
fn mariadb_10_11_compresses() {
    goes_there_and_back("mariadb-10.11");
}

#[test]
fn mariadb_11_8_compresses() {
    goes_there_and_back("mariadb-11.8");
}

#[test]
fn mysql_9_7_compresses() {
    goes_there_and_back("mysql-9.7");
}

/// A server without compression is no reason to have no backup.
#[test]
fn where_a_server_offers_none_the_connection_is_as_usual() {
    let scene = Scene::new("mysql-9.7", &["--protocol-compression-algorithms=uncompressed"]);
    scene.server.sql("CREATE DATABASE shop");
    let out = scene.tool("fwb-dump").args(["-B", "shop", "--compress", "-vv"]).run().ok();
    assert!(out.stderr.contains("the server offers no compression"), "{}", out.stderr);
    let out = scene.tool("fwb-dump").args(["-B", "shop", "--compress=false", "-vv"]).run().ok();
    assert!(!out.stderr.contains("compression"), "{}", out.stderr);
}

#[test]
fn a_relay_in_a_pod_carries_compressed_packets() {
    let (pod, store, database) = (Pod::new(), Store::new(), Database::sample("compressed_pod"));
    let before = database.content();
    let dump = pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--compress"]).run().ok().json();
    database.sql("DELETE FROM settings");
    pod.tool(&store, "fwb-restore").args(["--yes", "--compress", name(&dump)]).run().ok();
    assert_eq!(database.content(), before);
}
