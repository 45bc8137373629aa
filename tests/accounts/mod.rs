//! Accounts: a server is lost, and on an empty one everybody logs in again with his password and may do what he might before,
//! no less and no more. Nobody who is there already is touched unless somebody says so, and a restore that ends in the middle
//! leaves nobody half made without a word.

mod existing;
mod hostile;
mod interrupted;
mod sample;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::support::{Output, Server, Store, Tool, gunzip, mariadb, name};
use sample::{DATABASE, PASSWORD, accounts};

/// What every test server is started with.
const OPTIONS: &[&str] = &["--log-bin-trust-function-creators=1"];

/// A server with accounts, an empty one, and a store.
struct Scene {
    kind: &'static str,
    source: Server,
    target: Server,
    store: Store,
}

impl Scene {
    fn new(kind: &'static str, test: &str) -> Self {
        let is_mysql = kind.starts_with("mysql");
        let options: Vec<&str> =
            OPTIONS.iter().copied().chain(is_mysql.then_some("--partial-revokes=ON")).collect();
        let source = Server::of(kind, &format!("accounts-{test}-{kind}"), &options);
        let target = Server::of(kind, &format!("accounts-{test}-{kind}-new"), &options);
        source.sql(DATABASE);
        source.sql(accounts(kind));
        Self { kind, source, target, store: Store::new() }
    }

    fn dump(&self) -> Value {
        self.on(&self.source, "fwb-dump").arg("--accounts").run().ok().json()
    }

    /// A tool of the store, on one of the servers.
    fn on(&self, server: &Server, tool: &str) -> Tool {
        self.store.tool(tool).env("FWB_DEFAULTS_FILE", server.defaults_file())
    }

    /// `fwb-restore` of accounts on the empty server.
    fn restore(&self, options: &[&str]) -> Output {
        self.on(&self.target, "fwb-restore").args(["--yes", "--format", "jsonl"]).args(options).run()
    }

    /// Brings the database to the empty server.
    fn restore_database(&self) {
        let dump = self.on(&self.source, "fwb-dump").args(["-B", "shop"]).run().ok().json();
        let restore =
            self.on(&self.target, "fwb-restore").args(["--yes", "--strategy", "in-place", name(&dump)]);
        restore.run().ok();
    }
}

/// Everything that a server tells of every account, by its name. Neither the account that restores nor those that a server has for
/// itself are among them.
fn shown(server: &Server) -> BTreeMap<String, Vec<String>> {
    let is_mariadb = server.is_mariadb((10, 0));
    let name = "CONCAT('`', REPLACE(User, '`', '``'), '`@`', Host, '`')";
    let role = "CONCAT('`', REPLACE(User, '`', '``'), '`')";
    let all = if is_mariadb {
        format!(
            "SELECT IF(is_role = 'Y', IF(User = 'PUBLIC', 'PUBLIC', {role}), {name}), is_role FROM mysql.user"
        )
    } else {
        format!("SELECT {name}, 'N' FROM mysql.user")
    };
    let raw = |sql: String| {
        let out = mariadb(&server.defaults_file(), &["-N", "-B", "--raw"]).stdin(sql).run();
        out.ok().stdout_text()
    };
    let others = "WHERE User NOT LIKE 'm%.%' AND NOT (User = 'root' AND Host = 'localhost')";
    let all = raw(format!("{all} {others}"));
    let mut shown = BTreeMap::new();
    for line in all.lines() {
        let (name, is_role) = line.split_once('\t').unwrap();
        let hex = if is_mariadb { "" } else { "SET print_identified_with_as_hex = 1; " };
        let create = if is_role == "Y" { String::new() } else { format!("SHOW CREATE USER {name}; ") };
        let told = raw(format!("{hex}{create}SHOW GRANTS FOR {name}"));
        let mut lines: Vec<String> = told.lines().map(in_order).collect();
        lines.sort();
        // MariaDB has a row of its own for PROXY that was there from the beginning, and shows both alike.
        lines.dedup();
        // Whoever was in PUBLIC's rights and is not any more leaves a row behind.
        if !lines.is_empty() {
            shown.insert(name.to_owned(), lines);
        }
    }
    shown
}

/// A line with its rights in order: a server tells columns in no certain one.
fn in_order(line: &str) -> String {
    let Some((rights, rest)) = line.strip_prefix("GRANT ").and_then(|line| line.split_once(" ON ")) else {
        return line.to_owned();
    };
    let mut words: Vec<&str> = rights.split([',', ' ', '(', ')']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    format!("GRANT {} ON {rest}", words.join(" "))
}

/// Whether somebody logs in with his password.
pub(crate) fn logs_in(server: &Server, user: &str, password: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    fs::write(&file, password).unwrap();
    let tool = Tool::alone("fwb-dump").env("FWB_DEFAULTS_FILE", server.defaults_file());
    let tool =
        tool.args(["-B", "shop", "--allow-partial", "-o", "/dev/null", "--user", user, "--password-file"]);
    let out = tool.arg(file).run();
    // A wrong password; an account that is locked, on MariaDB and on MySQL.
    !["ERROR 1045", "ERROR 4151", "ERROR 3118"].iter().any(|refusal| out.stderr.contains(refusal))
}

/// What became of an account.
fn outcome<'a>(report: &'a Value, account: &str) -> &'a Value {
    let all = report["accounts"].as_array().unwrap();
    all.iter().find(|one| one["account"] == account).unwrap_or_else(|| panic!("no {account} in {report}"))
}

fn outcomes(report: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in report["accounts"].as_array().unwrap() {
        *counts.entry(one["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// The night after the disk has died: the accounts first, then the database, then what could not be granted before.
fn everybody_comes_back(kind: &'static str) {
    let scene = Scene::new(kind, "back");
    let before = shown(&scene.source);
    assert!(before.len() >= 50, "{}", before.len());
    let dump = scene.dump();
    assert_eq!(
        (&dump["kind"], &dump["database"], &dump["whole"]),
        (&json!("accounts"), &Value::Null, &json!(true))
    );
    assert!(name(&dump).starts_with("accounts_backup_"), "{dump}");
    assert_eq!(dump["sections"].as_array().unwrap().len(), 3, "{dump}");
    // Names, and never a hash.
    assert!(dump["surroundings"]["variables"]["sql_mode"].is_string(), "{dump}");
    let named = dump["accounts"].to_string();
    assert!(named.contains("\"app\"") && !named.contains('*') && !named.contains("$A$"), "{named}");
    let app = dump["accounts"].as_array().unwrap().iter().find(|one| one["user"] == "app").unwrap();
    assert_eq!(app["definer_in"], json!(["shop"]), "{app}");
    let proved = scene.store.tool("fwb-verify").arg(name(&dump)).run().ok().json();
    assert_eq!(
        (&proved["verification"]["level"], &proved["verification"]["ok"]),
        (&json!("full"), &json!(true))
    );

    let plan = scene.restore(&["--accounts", "--dry-run"]).ok().json();
    assert_eq!(
        plan["accounts"].as_array().unwrap().iter().filter(|one| one["action"] == "create").count(),
        before.len() - 2
    );
    assert_eq!(shown(&scene.target).len(), 2, "root from elsewhere: nothing was done");

    let restored = scene.restore(&["--accounts"]).ok();
    assert!(restored.stderr.contains("grants are put off"), "{}", restored.stderr);
    let report = restored.json();
    assert_eq!(outcomes(&report)["created"], before.len() - 2, "{report}");
    assert_eq!(outcome(&report, "root@localhost")["outcome"], "left");
    let put_off: Vec<&str> = outcome(&report, "plain@%")["put_off"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    assert_eq!(put_off.len(), 2, "{put_off:?}");

    scene.restore_database();
    let report = scene.restore(&["--accounts", "--missing-grants"]).ok().json();
    assert!(outcomes(&report)["completed"] >= 2, "{report}");
    let after = shown(&scene.target);
    for (name, lines) in &before {
        assert_eq!(after.get(name), Some(lines), "{name}");
    }
    assert_eq!(after.len(), before.len());
    let report = scene.restore(&["--accounts"]).ok().json();
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("left".into(), 1), ("same".into(), before.len())]),
        "{report}"
    );

    for user in ["app", "plain", "limited", "u07", "u23", "o'x\\\"`b"] {
        assert!(logs_in(&scene.target, user, PASSWORD), "{user}");
        assert!(!logs_in(&scene.target, user, "another"), "{user}");
    }
    assert!(!logs_in(&scene.target, "locked", PASSWORD));
    // The program that runs as somebody runs.
    assert_eq!(scene.target.query("CALL shop.total()"), "3");
}

#[test]
fn everybody_comes_back_on_mariadb_10_5() {
    everybody_comes_back("mariadb-10.5");
}

#[test]
fn everybody_comes_back_on_mariadb_10_11() {
    everybody_comes_back("mariadb-10.11");
}

#[test]
fn everybody_comes_back_on_mariadb_11_8() {
    everybody_comes_back("mariadb-11.8");
}

#[test]
fn everybody_comes_back_on_mysql_9_7() {
    everybody_comes_back("mysql-9.7");
}

/// With nothing of ours at hand, the server's own client loads the artifact.
/// MySQL makes a role as an account without a password, and a server with rules for passwords takes none of those.
#[test]
fn roles_come_back_where_passwords_have_rules() {
    let of = |name: &str| Server::of("mysql-9.7", name, &[]);
    let (source, target, store) = (of("rules"), of("rules-new"), Store::new());
    target.sql("INSTALL COMPONENT 'file://component_validate_password'");
    source.sql(
        "CREATE ROLE reader; GRANT SELECT ON *.* TO reader; CREATE USER anna IDENTIFIED BY 'Anna-likes-1-cat'; \
         GRANT reader TO anna; SET DEFAULT ROLE reader TO anna",
    );
    let on = |server: &Server, tool: &str| store.tool(tool).env("FWB_DEFAULTS_FILE", server.defaults_file());
    on(&source, "fwb-dump").arg("--accounts").run().ok();
    let report =
        on(&target, "fwb-restore").args(["--yes", "--format", "jsonl", "--accounts"]).run().ok().json();
    assert_eq!(outcomes(&report)["created"], 2, "{report}");
    assert_eq!(shown(&target), shown(&source));
}

#[test]
fn the_servers_own_client_loads_it() {
    for kind in ["mariadb-10.11", "mysql-9.7"] {
        let scene = Scene::new(kind, "client");
        let before = shown(&scene.source);
        let dump = scene.dump();
        scene.target.sql(DATABASE);
        let sql = gunzip(&fs::read(scene.store.file(name(&dump))).unwrap());
        scene.target.sql(sql);
        assert_eq!(shown(&scene.target), before, "{kind}");
    }
}

/// One server's accounts count for no database, nor for another kind.
#[test]
fn it_is_no_backup_of_a_database() {
    let scene = Scene::new("mariadb-10.11", "kind");
    let (first, second) = (scene.dump(), scene.dump());
    let ls = |options: &[&str]| scene.store.tool("fwb-ls").args(options).run();
    ls(&["--latest"]).fails(1, &["no backup in"]);
    ls(&["--max-age", "1h"]).fails(3, &["there is none"]);
    assert_eq!(ls(&["--kind", "accounts", "--latest"]).ok().json()["name"], second["name"]);
    ls(&["--kind", "accounts", "--max-age", "1h"]).fails(3, &["(accounts) (none is proved)"]);
    scene.store.tool("fwb-verify").args([name(&first), name(&second)]).run().ok();
    ls(&["--kind", "accounts", "--max-age", "1h"]).ok();
    let shown = ls(&["--format", "table"]).ok().stdout_text();
    assert!(shown.contains("(accounts)"), "{shown}");
    // Retention keeps the newest, by the rules of every other backup, and for itself.
    let database = scene.on(&scene.source, "fwb-dump").args(["-B", "shop"]).run().ok().json();
    let aged = scene.store.aged(&first, 24 * 30);
    let records = ls(&[]).ok().stdout_text();
    let pruned = scene.store.tool("fwb-prune").stdin(records).run().ok().records();
    let gone: Vec<&Value> = pruned.iter().filter(|one| one["decision"]["action"] == "delete").collect();
    assert_eq!(gone.len(), 1, "{pruned:?}");
    assert_eq!(gone[0]["name"], aged.as_str());
    scene
        .store
        .tool("fwb-restore")
        .args(["--yes", name(&second)])
        .run()
        .fails(2, &["holds the accounts of a server"]);
    scene.restore(&["--accounts", name(&database)]).fails(2, &["holds no accounts"]);
    // A copy is the same, and a drill takes nothing from its proof.
    let other = Store::new();
    scene.store.tool("fwb-copy").arg("--to").arg(other.path()).arg(name(&second)).run().ok();
    assert_eq!(
        fs::read(other.file(name(&second))).unwrap(),
        fs::read(scene.store.file(name(&second))).unwrap()
    );
    let drilled = scene.store.tool("fwb-verify").args(["--level", "drill", name(&second)]).run().ok().json();
    assert_eq!(drilled["verification"]["ok"], true);
}

/// Who may not see the accounts is told what lacks, and nothing is published.
#[test]
fn a_poor_account_is_told_what_it_lacks() {
    for kind in ["mariadb-10.5", "mariadb-11.8", "mysql-9.7"] {
        let scene = Scene::new(kind, "poor");
        let password = scene.store.path().join(".password");
        fs::write(&password, PASSWORD).unwrap();
        let dump = || {
            let tool = scene.on(&scene.source, "fwb-dump").args([
                "--accounts",
                "--user",
                "plain",
                "--password-file",
            ]);
            tool.arg(&password).run()
        };
        let refused =
            dump().fails(2, &["may not see all accounts of the server: it lacks SELECT on mysql.*"]);
        let grant = refused.stderr.split_once("have an administrator run: ").unwrap().1.trim().to_owned();
        assert!(
            scene.store.names().iter().all(|name| !name.contains("accounts_")),
            "{:?}",
            scene.store.names()
        );
        scene.source.sql(&grant);
        let made = dump().ok().json();
        assert!(made["accounts"].as_array().unwrap().len() > 50);
    }
}

/// With `skip_name_resolve` MariaDB passes over accounts of hosts by name, and shows nothing of them: they are named, and keep no
/// other one out.
#[test]
fn who_is_passed_over_is_named() {
    let scene = Scene::new("mariadb-10.11", "passed");
    scene.source.sql("CREATE USER far@'db.example.com' IDENTIFIED BY 'x'; FLUSH PRIVILEGES");
    let dump = scene.dump();
    assert!(dump["warnings"][0].as_str().unwrap().starts_with("far@db.example.com is left out"), "{dump}");
    assert!(dump["accounts"].as_array().unwrap().len() > 50);
}

/// Without a key nobody reads the hashes, nor the names where the sidecar is minimal.
#[test]
fn an_encrypted_store_tells_nothing() {
    let scene = Scene::new("mariadb-10.11", "encrypted");
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    Tool::program("age-keygen").arg("-o").arg(&key).run().ok();
    let recipient = Tool::program("age-keygen").arg("-y").arg(&key).run().ok().stdout_text();
    let dump = scene
        .on(&scene.source, "fwb-dump")
        .args(["--accounts", "--recipient", recipient.trim()])
        .run()
        .ok()
        .json();
    assert_eq!((&dump["accounts"], &dump["verification"]["by"]), (&Value::Null, &json!("writer")));
    let sidecar = fs::read_to_string(scene.store.file(&format!("{}.json", name(&dump)))).unwrap();
    // A public key is random letters, which can spell anything.
    let sidecar = sidecar.replace(recipient.trim(), "");
    assert!(!sidecar.contains("app") && sidecar.contains("accounts"), "{sidecar}");
    scene.restore(&["--accounts"]).fails(2, &["is encrypted"]);
    let restored = scene.restore(&["--accounts", "--identity", key.to_str().unwrap()]).ok().json();
    assert_eq!(outcome(&restored, "app@%")["outcome"], "created");
    assert!(logs_in(&scene.target, "app", PASSWORD));
}

/// No hash and no password comes into a log, a report or the arguments of a program.
#[test]
fn no_secret_is_told() {
    let scene = Scene::new("mariadb-11.8", "secrets");
    let dump = scene.on(&scene.source, "fwb-dump").args(["--accounts", "-vv"]).run().ok();
    // A plugin that is not there, and a password that does not please: the server's words quote statements.
    scene.target.sql("INSTALL SONAME 'simple_password_check'");
    let failed = scene.on(&scene.target, "fwb-restore").args(["--accounts", "--yes", "-vv"]).run().exits(1);
    let told = [&dump.stderr, &dump.stdout_text(), &failed.stderr, &failed.stdout_text()]
        .map(String::as_str)
        .join("\n");
    let hashes = scene
        .source
        .query("SELECT authentication_string FROM mysql.user WHERE LENGTH(authentication_string) > 10");
    assert!(hashes.lines().count() > 20);
    for hash in hashes.lines() {
        assert!(!told.contains(hash.trim_start_matches('*')), "{hash} in {told}");
    }
    assert!(failed.stderr.contains("strict_password_validation=OFF"), "{}", failed.stderr);
    assert!(!shown(&scene.target).contains_key("`app`@`%`"), "what was refused is not there");
    // A hash is taken then; that somebody has no password is still against the rules.
    scene.target.sql("SET GLOBAL strict_password_validation=OFF");
    scene
        .restore(&["--accounts"])
        .fails(1, &["CREATE USER was refused", "or that it has none, is against the rules"]);
    assert!(logs_in(&scene.target, "app", PASSWORD));
    scene.target.sql("UNINSTALL SONAME 'simple_password_check'");
    scene.restore(&["--accounts"]).ok();
}

/// Neither flavor takes the other's hashes, and nobody shall believe so.
#[test]
fn another_flavor_is_refused() {
    let scene = Scene::new("mariadb-10.11", "flavor");
    scene.dump();
    let mysql = Server::of("mysql-9.7", "accounts-flavor-mysql", OPTIONS);
    let restore = scene.on(&mysql, "fwb-restore").args(["--accounts", "--yes"]);
    restore.run().fails(2, &["the accounts are of MariaDB", "and this is MySQL"]);
    assert_eq!(shown(&mysql).len(), 2);
}

/// A server that was set up anew says what it lacks, before anybody wonders why dates come out otherwise.
#[test]
fn settings_that_matter_are_told() {
    for (kind, plugin) in [("mariadb-10.11", "auth_ed25519"), ("mysql-9.7", "auth_socket")] {
        let scene = Scene::new(kind, "settings");
        let install = if kind.starts_with("mysql") {
            "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'".into()
        } else {
            format!("INSTALL SONAME '{plugin}'")
        };
        scene.source.sql(format!(
            "{install}; SET GLOBAL sql_mode = 'ANSI_QUOTES'; SET GLOBAL init_connect = 'SET @a = 1'"
        ));
        let dump = scene.dump();
        let told = scene.store.tool("fwb-ls").args(["--settings", "--latest"]).run().ok().json();
        assert_eq!(told, dump["surroundings"]);
        assert_eq!(
            (&told["variables"]["sql_mode"], &told["withheld"]),
            (&json!("ANSI_QUOTES"), &json!(["init_connect"]))
        );
        let text =
            scene.store.tool("fwb-ls").args(["--settings", "--format", "table"]).run().ok().stdout_text();
        assert!(text.contains("sql_mode = ANSI_QUOTES") && text.contains("init_connect was set"), "{text}");
        let plan = scene.restore(&["--accounts", "--dry-run"]).ok().json();
        let codes: Vec<&str> =
            plan["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["FWB-2207", "FWB-2208"], "{plan}");
        scene.restore(&["--accounts"]).ok();
        // A restore of a database tells the same, because the accounts are in its store.
        let shop = scene.on(&scene.source, "fwb-dump").args(["-B", "shop"]).run().ok().json();
        let plan = scene.on(&scene.target, "fwb-restore").args(["--dry-run", name(&shop)]).run().ok().json();
        assert!(plan["findings"].to_string().contains("(FWB-2207)"), "{plan}");
    }
}

/// A newer server of the same flavor takes the accounts, and says of each what it does not.
#[test]
fn another_version_is_tried() {
    let scene = Scene::new("mariadb-10.5", "older");
    scene.dump();
    let newer = Server::of("mariadb-11.8", "accounts-older-11.8", OPTIONS);
    let report =
        scene.on(&newer, "fwb-restore").args(["--accounts", "--yes", "--format", "jsonl"]).run().ok().json();
    assert_eq!(outcome(&report, "app@%")["outcome"], "created", "{report}");
    assert!(logs_in(&newer, "app", PASSWORD));
}
