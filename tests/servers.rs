//! The servers of other versions, by which the tests show what backups of one version are on another.

use std::path::Path;

use crate::support::{Server, Tool};

/// Each is the one that it is asked for, has the settings of the others, and keeps its data over a restart. A data
/// directory stays with the server that made it: another one would upgrade it, or break it.
#[test]
fn each_server_starts_as_the_others_do() {
    let sandbox = |server: &Server, arguments: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sandbox.sh");
        Tool::program(script).args(arguments).arg("--dir").arg(server.defaults_file().parent().unwrap()).run()
    };
    for kind in ["mariadb-10.5", "mariadb-10.11", "mariadb-11.8", "mysql-9.7"] {
        let (family, series) = kind.split_once('-').unwrap();
        let server = Server::of(kind, &format!("kind-{kind}"), &["--max-connections=77"]);
        let version = server.query("SELECT VERSION()");
        assert!(version.starts_with(&format!("{series}.")), "{kind}: {version}");
        assert_eq!(version.contains("MariaDB"), family == "mariadb", "{kind}: {version}");
        let settings = "SELECT @@log_bin, @@event_scheduler, @@character_set_server, @@skip_networking, @@max_connections";
        assert_eq!(server.query(settings), "1\tON\tutf8mb4\t1\t77", "{kind}");
        server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (7)");
        if family == "mariadb" {
            // An engine that is a plugin, and not of the installed server's version.
            server.sql("CREATE TABLE d.a (id INT) ENGINE=ARCHIVE");
        }
        sandbox(&server, &["stop"]).ok();
        sandbox(&server, &["status"]).exits(3);
        sandbox(&server, &["start", "--server", "installed"])
            .fails(2, &[&format!("is one of {kind}"), "hint: "]);
        sandbox(&server, &["start"]).ok();
        sandbox(&server, &["status"]).ok();
        assert_eq!(server.query("SELECT id FROM d.t"), "7", "{kind}");
    }
}
