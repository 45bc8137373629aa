//! Nothing in the README that nobody has run: each of its blocks of commands is run here or in a test that is named here, as it
//! stands there.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::manifests::{file, kubectl};
use crate::support::{Database, Pod, Server, Store, Tool, bash, executable, free_port, name};

const README: &str = include_str!("../README.md");

/// The first block of commands under a heading.
fn block(heading: &str) -> &'static str {
    let chapter = README.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("{heading}"));
    chapter.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block")
}

/// Where the tools of this build are.
fn binaries() -> String {
    Tool::path("fwb-ls").parent().unwrap().display().to_string()
}

/// Nobody is there to answer.
fn answered(block: &str) -> String {
    let asks = ["fwb-restore --undo", "fwb-restore --drop-before", "| fwb-restore "];
    assert!(asks.iter().any(|ask| block.contains(ask)), "{block}");
    let answered = block.replace("fwb-restore --", "fwb-restore --yes --");
    answered.replace("| fwb-restore ", "| fwb-restore --yes ")
}

#[test]
fn each_block_is_run_somewhere() {
    let blocks: Vec<&str> =
        README.match_indices("\n```").map(|(at, _)| README[at + 4..].lines().next().unwrap()).collect();
    let opened: Vec<&str> = blocks.into_iter().step_by(2).collect();
    // make; a server, a pod, a cluster; pipelines (pipelines.rs), any moment, watching (report/mod.rs). SQL: rights.rs.
    assert_eq!(opened, ["sh", "sql", "sql", "sh", "sh", "sh", "sh", "sh", "sh"]);
    let makefile = fs::read_to_string(file("Makefile")).unwrap();
    let makes = README.split('`').chain(README.lines()).filter_map(|words| words.strip_prefix("make "));
    for target in makes.map(|words| words.split_whitespace().next().unwrap()) {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
}

#[test]
fn the_demo_brings_everything_back() {
    let out = Tool::program("bash").arg(file("scripts/demo.sh")).env("BINARIES", binaries()).run().ok();
    assert!(out.stdout_text().contains("The checksums are those of step 1."), "{out:?}");
}

#[test]
fn the_first_backup_of_a_server() {
    let port = free_port().to_string();
    let port_option = format!("--port={port}");
    let options = [
        "--skip-networking=0",
        "--bind-address=127.0.0.1",
        &port_option,
        "--log-bin-trust-function-creators=1",
    ];
    let server = Server::private("readme-first", &options);
    server.sql("CREATE DATABASE filewallball_db");
    server.sql(["USE filewallball_db;\n", crate::support::sample()].concat());
    server.sql(crate::rights::recipe("MariaDB").join("\n"));
    let rows = "SELECT COUNT(*), MAX(id) FROM filewallball_db.files";
    let before = server.query(rows);
    let home = tempfile::tempdir().unwrap();
    let install = "make install PREFIX=$HOME/.local ";
    let commands = block("### A server");
    assert!(commands.contains(install) && commands.contains("FWB_HOST=127.0.0.1 "));
    let place = "make -C \"$ROOT\" -s place BINARIES=\"$BINARIES\" DOCS=\"$HOME/docs\" PREFIX=$HOME/.local ";
    let commands = answered(commands)
        .replace(install, place)
        .replace("FWB_HOST=127.0.0.1 ", &format!("FWB_HOST=127.0.0.1 FWB_PORT={port} "));
    let out = Tool::program("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .env("ROOT", env!("CARGO_MANIFEST_DIR"))
        .env("BINARIES", binaries())
        .env("HOME", home.path())
        .dir(home.path())
        .run()
        .ok();
    assert!(out.stdout_text().contains("\"ok\": true"), "{out:?}");
    assert_eq!(server.query(rows), before);
    assert_eq!(
        server.query("SHOW DATABASES LIKE 'filewallball%'"),
        "filewallball_db",
        "what was kept is removed"
    );
    // What was installed is whole, by its own names.
    for path in [
        "bin/fwb-follow",
        "share/man/man7/fwb.7",
        "lib/systemd/system/fwb-backup.timer",
        "share/doc/fwb-tools/cron",
    ] {
        assert!(home.path().join(".local").join(path).exists(), "{path}");
    }
    let unit = fs::read_to_string(home.path().join(".local/lib/systemd/system/fwb-backup.service")).unwrap();
    assert!(
        unit.contains(&format!("ExecStart={}/.local/bin/fwb-run backup", home.path().display())),
        "{unit}"
    );
}

#[test]
fn the_first_backup_of_a_pod() {
    let db = Database::named("filewallball_db");
    db.sql(crate::support::sample());
    let content = db.content();
    let (pod, home) = (Pod::new(), tempfile::tempdir().unwrap());
    let path = format!("{}:{}:{}", pod.file("").display(), binaries(), std::env::var("PATH").unwrap());
    let commands = answered(block("### A pod"));
    let out = Tool::program("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .env("PATH", path)
        .env("HOME", home.path())
        .dir(home.path())
        .run()
        .ok();
    assert!(out.stdout_text().contains("\"ok\": true"), "{out:?}");
    assert_eq!(db.content(), content);
    assert!(pod.calls().iter().any(|call| call[0] == "exec"), "{:?}", pod.calls());
}

/// The manifests are those of the repository, as kubectl puts them together; a job is the run that it would be.
#[test]
fn the_first_backup_of_a_cluster() {
    const KUBECTL: &str = r#"
case $1 in
    apply) [ "$2" = -k ] && PATH=${PATH#"$HERE:"} "$REAL" kustomize "$3" >"$HERE/applied" ;;
    create)
        [ "$2" = job ] && [ "$4 $5" = '-n filewallball' ]
        grep -qx "  name: ${6#--from=cronjob/}" "$HERE/applied"
        fwb-run backup >"$HERE/$3.log" ;;
    wait) [ "$4 $5" = '--for=condition=complete --timeout=30m' ] || [ -e "$HERE/${2#job/}.log" ] ;;
    logs) cat "$HERE/${2#job/}.log" ;;
    *) exit 1 ;;
esac
"#;
    let (db, store, here) = (Database::sample("readme_cluster"), Store::new(), tempfile::tempdir().unwrap());
    executable(&here.path().join("kubectl"), format!("#!/bin/bash\nset -e{KUBECTL}"));
    let out = bash(&format!("PATH=$HERE:$PATH\n{}", block("### A cluster")))
        .env("HERE", here.path())
        .env("REAL", kubectl())
        .env("FWB_STORE", store.path())
        .env("FWB_DATABASE", &db.name)
        .dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .run()
        .ok();
    let record: Value = serde_json::from_str(&out.stdout_text()).unwrap();
    assert_eq!(
        (&record["outcome"], &record["verification"]["level"]),
        (&"ok".into(), &"full".into()),
        "{record}"
    );
    let applied = fs::read_to_string(here.path().join("applied")).unwrap();
    assert!(applied.contains("kind: CronJob") && applied.contains("kind: PersistentVolumeClaim"));
}

#[test]
fn any_moment_can_be_had() {
    let server = Server::private("readme-moment", &["--log-bin=b", "--server-id=7"]);
    let (store, home) = (Store::new(), tempfile::tempdir().unwrap());
    let cnf = server.defaults_file();
    server.sql("CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, a TEXT)");
    let base = store.tool("fwb-dump").env("FWB_DEFAULTS_FILE", &cnf).args(["-B", "shop"]).run().ok().json();
    store.tool("fwb-verify").arg(name(&base)).run().ok();
    server.sql("INSERT INTO shop.orders VALUES (1, 'one'), (2, 'two')");
    // What was committed last before the mistake.
    let follow = store.tool("fwb-follow").env("FWB_DEFAULTS_FILE", &cnf).arg("--once").run().ok().json();
    let [moment, gtid] = ["safe_until", "gtid"].map(|field| follow[field].as_str().unwrap());
    server.sql("DELETE FROM shop.orders");
    // The follower is not waited for, and the mistake was made a moment ago.
    let commands = block("## Any moment");
    assert!(commands.starts_with("fwb-follow "), "{commands}");
    let commands = commands
        .replacen("fwb-follow ", "fwb-follow --once ", 1)
        .replace("fwb-restore --", "fwb-restore --yes --");
    let commands = commands.replace("2025-07-25 14:03", moment).replace("2025-07-25 14:02", gtid);
    let out = bash(&commands)
        .env("FWB_STORE", store.path())
        .env("FWB_DEFAULTS_FILE", &cnf)
        .env("FWB_DRILL_DIR", home.path())
        .run()
        .ok();
    assert!(out.stdout_text().contains("shop.orders"), "{out:?}");
    assert_eq!(server.query("SELECT * FROM shop.orders"), "1\tone\n2\ttwo");
}

/// They are made by `make pictures`, and are small enough for a page.
#[test]
fn the_pictures_are_small_and_tell_of_no_machine() {
    let mut found = 0;
    for entry in fs::read_dir(file("docs/pictures")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() < 160 << 10, "{}: {} bytes", path.display(), bytes.len());
        assert!(README.contains(&format!("docs/pictures/{}", path.file_name().unwrap().to_str().unwrap())));
        let text = String::from_utf8_lossy(&bytes);
        for place in ["/tmp/", "/home/", "/root/", "target/", "localhost"] {
            assert!(!text.contains(place), "{}: {place}", path.display());
        }
        found += 1;
    }
    assert_eq!(found, 2);
}
