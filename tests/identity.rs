//! Which server a backup is of, and which names a server takes for one. Two servers that are mixed up lose each other's
//! backups; two names that are mixed up lose a database's.

use std::collections::BTreeMap;

use fwb::NameCase;
use serde_json::{Value, json};

use crate::support::{Database, Pod, Server, Store, name};

/// A character that the tools fold and the server does not would make two databases one; every character that a server
/// folds and the tools do not is a backup that is not found by its name.
#[test]
fn names_are_folded_as_the_server_folds_them() {
    let every = "SET NAMES utf8mb3;
        SELECT seq, HEX(LOWER(CONVERT(CHAR(seq USING ucs2) USING utf8mb3) COLLATE utf8mb3_general_ci))
            FROM mysql.seq_1_to_65535 WHERE seq NOT BETWEEN 55296 AND 57343;";
    let answer = Server::shared().query(every);
    let of_server: BTreeMap<char, &str> = answer
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(number, lower)| (char::from_u32(number.parse().unwrap()).unwrap(), lower))
        .collect();
    assert!(of_server.len() > 63_000, "{}", of_server.len());
    for (character, lower) in of_server {
        let folded: String = NameCase::Insensitive.key(&character.to_string());
        let ours: Vec<String> = folded.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(ours.concat(), lower, "U+{:04X}", u32::from(character));
    }
}

#[test]
fn a_server_is_asked_how_it_compares_names() {
    let server = Server::private("name-case", &["--lower-case-table-names=1"]);
    server.sql("CREATE DATABASE ShopDB");
    assert_eq!(
        server.query("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shopdb'"),
        "1"
    );
    let options = |cnf| fwb::ServerOptions { defaults_file: Some(cnf), ..fwb::ServerOptions::default() };
    let case_of = |server: &Server| {
        let client = fwb::ServerClient::new(&options(server.defaults_file()), &fwb_mysql::Protocol).unwrap();
        client.name_case(&fwb::Cancel::default()).unwrap()
    };
    assert_eq!(case_of(&server), NameCase::Insensitive);
    assert_eq!(case_of(Server::shared()), NameCase::Sensitive);
}
/// Dumps a database as that of a server of this name.
fn dump_of(store: &Store, database: &Database, server: &str) -> Value {
    store.tool("fwb-dump").args(["-B", &database.name, "--server-id", server]).run().ok().json()
}

/// The only proved backup of one server would be deleted because another server has newer ones.
#[test]
fn two_servers_with_a_database_of_one_name_do_not_prune_each_other() {
    let db = Database::new("identity_two");
    let store = Store::new();
    let ours = dump_of(&store, &db, "shop-eu");
    let theirs = dump_of(&store, &db, "shop-us");
    store.tool("fwb-verify").args([name(&ours), name(&theirs)]).run().ok();
    let old: Vec<String> = [240, 264].map(|hours| store.aged(&ours, hours)).into();
    let foreign = store.aged(&theirs, 288);
    // Now their newest is an old one, and ours are newer.
    store.tool("fwb-ls").args(["--latest", "--server-id", "shop-us"]).run().ok();
    std::fs::remove_file(store.artifact(&theirs)).unwrap();
    std::fs::remove_file(store.sidecar(&theirs)).unwrap();

    let all = store.tool("fwb-ls").run().ok();
    store.tool("fwb-prune").stdin(&all.stdout).run().ok();
    assert!(store.holds(&foreign), "the only proved backup of the other server");
    assert!(store.holds(name(&ours)));
    assert!(old.iter().all(|old| !store.holds(old)));
}

/// Whoever restores the newest backup would get the data of another server.
#[test]
fn the_newest_backup_is_never_silently_another_servers() {
    let db = Database::new("identity_newest");
    let store = Store::new();
    let ours = dump_of(&store, &db, "shop-eu");
    assert_eq!(ours["server"]["id"], "shop-eu");
    let theirs = store.tool("fwb-dump").args(["-B", &db.name]).env("FWB_SERVER_ID", "shop-us").run().ok();
    assert!(theirs.stderr.contains("of shop-eu: retention keeps those of each server"), "{}", theirs.stderr);
    let theirs = theirs.json();
    let latest = || store.tool("fwb-ls").args(["-B", &db.name, "--latest"]);
    latest().run().fails(2, &["any of 2 servers", "hint: say which with --server-id: shop-eu, shop-us"]);
    store.tool("fwb-ls").args(["--at", "0h"]).run().fails(2, &["any of 2 servers"]);
    for manifest in [&ours, &theirs] {
        let id = manifest["server"]["id"].as_str().unwrap();
        assert_eq!(name(&latest().args(["--server-id", id]).run().ok().json()), name(manifest));
    }
    latest().args(["--server-id", "shop"]).run().fails(1, &["is what was asked for"]);
    let table = store.tool("fwb-ls").args(["--format", "table"]).run().ok().stdout_text();
    assert!(
        table.contains("SERVER") && table.contains(" shop-eu ") && table.contains(" shop-us "),
        "{table}"
    );
    let one =
        store.tool("fwb-ls").args(["--format", "table", "--server-id", "shop-eu"]).run().ok().stdout_text();
    assert_eq!((one.lines().count(), one.contains("SERVER")), (4, false), "{one}");
    // A proof for each, or the alarm of the one is silenced by the other.
    store.tool("fwb-verify").arg(name(&ours)).run().ok();
    let stale = store.tool("fwb-ls").args(["--max-age", "1h"]).run();
    stale.fails(3, &[&format!("{} of server shop-us (none is proved)", db.name)]);
    store.tool("fwb-ls").args(["--max-age", "1h", "--server-id", "shop-eu"]).run().ok();
}

/// What was written before servers had names goes on counting, and goes when its time comes.
#[test]
fn the_backups_of_before_are_those_of_the_server_that_has_a_name_now() {
    let db = Database::new("identity_before");
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    let old: Vec<String> = (2..=8).map(|days| store.aged(&manifest, days * 24 - 12)).collect();
    std::fs::remove_file(store.artifact(&manifest)).unwrap();
    std::fs::remove_file(store.sidecar(&manifest)).unwrap();
    for name in &old {
        // As version 0.1.0 wrote it at first.
        store.edit(name, "server", json!({"version": "10.11.6-MariaDB"}));
    }
    let proved =
        || store.tool("fwb-ls").args(["--latest", "--verified", "--server-id", "shop-eu"]).run().ok().json();
    assert_eq!(name(&proved()), old[0], "before the first backup with a name");
    let new = store.tool("fwb-dump").args(["-B", &db.name, "--server-id", "shop-eu"]).run().ok();
    assert_eq!(new.stderr, "", "it is not another server");
    assert_eq!(name(&proved()), old[0], "and after it, as long as it is not proved");
    let prune = |more: &[&str]| {
        let all = store.tool("fwb-ls").args(["--server-id", "shop-eu"]).run().ok();
        store.tool("fwb-prune").args(more).stdin(&all.stdout).run().ok();
        old.iter().filter(|name| store.holds(name)).count()
    };
    assert_eq!(prune(&["--keep-days", "7"]), 6, "within 7 days");
    assert_eq!(prune(&["--keep-days", "0", "--keep-last", "3"]), 2, "two, and the new one");
    assert_eq!(prune(&["--keep-days", "0", "--min-keep", "2"]), 2, "nothing else is proved");
    store.tool("fwb-verify").arg(name(&new.json())).run().ok();
    assert_eq!(prune(&["--keep-days", "0"]), 0, "none is kept for ever");
}

#[test]
fn a_pod_is_known_by_its_labels_and_not_by_its_name() {
    let db = Database::new("identity_pod");
    let pod = Pod::new();
    let store = Store::new();
    let dumped = pod.tool(&store, "fwb-dump").args(["-B", &db.name]).run().ok().json();
    let address = dumped["server"]["address"].as_str().unwrap();
    assert_eq!((address, &dumped["server"]["id"]), ("filewallball/app=mariadb", &Value::Null));
    assert_eq!(store.read_sidecar(&dumped)["server"], dumped["server"]);
    let found = store.tool("fwb-ls").args(["--latest", "--server-id", address]).run().ok().json();
    assert_eq!(name(&found), name(&dumped));
}

#[test]
fn restoring_elsewhere_is_normal_and_is_told() {
    let db = Database::new("identity_elsewhere");
    db.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let store = Store::new();
    let manifest = dump_of(&store, &db, "shop-eu");
    let plan = |id: &str| {
        let restore = store.tool("fwb-restore").args([name(&manifest), "--dry-run"]).env("FWB_SERVER_ID", id);
        restore.run().ok().json()["findings"].to_string()
    };
    let told = "the backup is of server shop-eu, and this is shop-us";
    assert!(plan("shop-us").contains(told), "{}", plan("shop-us"));
    assert!(!plan("shop-eu").contains("of server"), "{}", plan("shop-eu"));
    let restored =
        store.tool("fwb-restore").args([name(&manifest), "--yes", "--server-id", "shop-us"]).run().ok();
    let safety = restored.json()["safety_backup"].as_str().unwrap().to_owned();
    let safety = store.read_sidecar(&json!({ "name": safety }));
    assert_eq!(safety["server"]["id"], "shop-us", "the safety backup is of the server that it was made on");
}

/// A manifest from elsewhere drives no terminal, fills no screen and leads nowhere.
#[test]
fn a_hostile_name_is_a_damaged_manifest() {
    let db = Database::new("identity_hostile");
    let store = Store::new();
    let manifest = store.dump_verified(&db);
    let version = &manifest["server"]["version"];
    let bad = [json!("\u{1b}[2J"), json!("a\nb"), json!("x".repeat(256)), json!(""), json!(7), json!(["a"])];
    for (id, field) in bad.iter().flat_map(|id| [(id, "id"), (id, "address")]) {
        store.edit(name(&manifest), "server", json!({"version": version, field: id}));
        let listed = store.tool("fwb-ls").args(["--format", "table"]).run();
        let out = listed.stdout_text();
        listed.fails(3, &["sidecar cannot be used"]);
        assert!(!out.contains('\u{1b}'), "{out:?}");
    }
    let before = store.names();
    store.edit(name(&manifest), "server", json!({"version": version, "id": "../../etc/x"}));
    store.tool("fwb-ls").args(["--server-id", "../../etc/x", "--latest"]).run().ok();
    store.tool("fwb-dump").args(["-B", &db.name, "--server-id", "../../etc/x"]).run().ok();
    assert_eq!(store.names().len(), before.len() + 2);
    for bad in ["", "a b", "a\u{1b}b"] {
        store.tool("fwb-dump").args(["-B", &db.name, "--server-id", bad]).run().exits(2);
    }
}

/// `ShopDB` in the settings and `shopdb` on the server are one database: its backups must be found by either.
#[test]
fn a_database_is_found_by_every_name_that_its_server_takes_for_it() {
    let server = Server::private("identity-case", &["--lower-case-table-names=1"]);
    server.sql("CREATE DATABASE ShopDB; CREATE TABLE ShopDB.T (id INT PRIMARY KEY)");
    let store = Store::new();
    let tool = |tool: &str| store.tool(tool).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let dumped = tool("fwb-dump").env("FWB_DATABASE", "ShopDB").run().ok().json();
    assert_eq!(
        [&dumped["database"], &dumped["server"]["lower_case_table_names"]],
        [&json!("shopdb"), &json!(1)]
    );
    store.tool("fwb-verify").arg(name(&dumped)).run().ok();
    for wanted in ["ShopDB", "shopdb", "SHOPDB"] {
        let ls = || store.tool("fwb-ls").args(["-B", wanted]);
        assert_eq!(ls().run().ok().records().len(), 1, "{wanted}");
        ls().args(["--max-age", "26h"]).run().ok();
        assert_eq!(name(&ls().args(["--latest", "--verified"]).run().ok().json()), name(&dumped));
    }
    // Of a server that tells names apart they are two.
    let db = Database::new("identity_Case");
    let manifest = store.dump(&db);
    assert_eq!(manifest["server"]["lower_case_table_names"], 0);
    assert!(store.tool("fwb-ls").args(["-B", &db.name.to_lowercase()]).run().ok().records().is_empty());

    // Retention counts both names as one: the older goes.
    let older = store.aged(&dumped, 240);
    store.edit(&older, "database", json!("SHOPDB"));
    let all = store.tool("fwb-ls").run().ok();
    store.tool("fwb-prune").stdin(&all.stdout).run().ok();
    assert!(!store.holds(&older) && store.holds(name(&dumped)));
}
