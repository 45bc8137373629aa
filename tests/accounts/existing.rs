//! Accounts that are there already.

use serde_json::{Value, json};

use super::sample::PASSWORD;
use super::{Scene, logs_in, outcome, shown};

/// Whoever changed his password since the backup keeps it, until somebody says otherwise.
fn is_left_alone(kind: &'static str) {
    let scene = Scene::new(kind, "existing");
    let before = shown(&scene.source);
    scene.dump();
    scene.target.sql(super::DATABASE);
    scene.target.sql(
        "CREATE USER app@'%' IDENTIFIED BY 'since'; GRANT DROP ON shop.* TO app@'%'; CREATE USER other@'%' IDENTIFIED BY 'since';
        CREATE USER plain@'%' IDENTIFIED BY 'since' REQUIRE SSL; GRANT ALL ON shop.t TO plain@'%'; CREATE ROLE readers;
        CREATE USER `month`@'%' IDENTIFIED BY 'since' PASSWORD EXPIRE; CREATE USER u00@'%' IDENTIFIED BY 'since' PASSWORD EXPIRE INTERVAL 3 DAY",
    );
    let there = |name: &str| shown(&scene.target).remove(name).unwrap();
    let was = (there("`app`@`%`"), there("`plain`@`%`"), there("`other`@`%`"));
    let plan = scene.restore(&["--accounts", "--dry-run"]).ok().json();
    assert_eq!(outcome_of(&plan, "app@%")["action"], "differs");
    let done = scene.restore(&["--accounts"]).ok();
    assert!(
        done.stderr.contains("app@% exists, differs and was left as it is: how it logs in"),
        "{}",
        done.stderr
    );
    let report = done.json();
    assert_eq!(outcome(&report, "app@%")["outcome"], "differs", "{report}");
    let reasons = outcome(&report, "app@%")["reasons"].to_string();
    assert!(
        reasons.contains("has DROP on `shop`.*") && reasons.contains("lacks EXECUTE, SELECT"),
        "{reasons}"
    );
    assert_eq!((there("`app`@`%`"), there("`plain`@`%`"), there("`other`@`%`")), was);
    assert_eq!(outcome(&report, "u01@%")["outcome"], "created");
    // That an account lacks more than rights is not mended by giving rights.
    let report = scene.restore(&["--accounts=app@%", "--missing-grants"]).ok().json();
    assert_eq!(outcome(&report, "app@%")["outcome"], "differs");
    let report = scene.restore(&["--accounts", "--replace-accounts"]).ok().json();
    assert_eq!(outcome(&report, "app@%")["outcome"], "replaced", "{report}");
    let mut after = shown(&scene.target);
    assert_eq!(after.remove("`other`@`%`"), Some(was.2), "it is in no backup, and nobody's business");
    let without_limits = |lines: &Vec<String>| -> Vec<String> {
        // MySQL shows a limit that is 0, where it was said.
        lines.iter().map(|line| line.replace(" WITH MAX_QUERIES_PER_HOUR 0", "")).collect()
    };
    for (name, lines) in &before {
        assert_eq!(after.get(name).map(without_limits), Some(lines.clone()), "{name}");
    }
    assert_eq!(after.len(), before.len());
    assert!(logs_in(&scene.target, "app", PASSWORD) && !logs_in(&scene.target, "app", "since"));
    let report = scene.restore(&["--accounts"]).ok().json();
    assert!(
        report["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| ["same", "left"].contains(&one["outcome"].as_str().unwrap())),
        "{report}"
    );
}

fn outcome_of<'a>(plan: &'a Value, account: &str) -> &'a Value {
    outcome(plan, account)
}

#[test]
fn who_is_there_is_left_alone_on_mariadb_10_5() {
    is_left_alone("mariadb-10.5");
}

#[test]
fn who_is_there_is_left_alone_on_mariadb_11_8() {
    is_left_alone("mariadb-11.8");
}

#[test]
fn who_is_there_is_left_alone_on_mysql_9_7() {
    is_left_alone("mysql-9.7");
}

/// The account that restores would saw off its own branch, and root's is the way in when all else fails.
#[test]
fn nobody_loses_the_way_in() {
    let scene = Scene::new("mariadb-10.11", "root");
    scene.source.sql("CREATE USER admin@'%' IDENTIFIED BY 'of the source'; ALTER USER root@localhost REQUIRE NONE WITH MAX_USER_CONNECTIONS 7");
    scene.dump();
    scene
        .target
        .sql("CREATE USER admin@'%' IDENTIFIED BY 'here'; GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION; GRANT PROXY ON ''@'%' TO admin@'%' WITH GRANT OPTION");
    let password = scene.store.path().join(".password");
    std::fs::write(&password, "here").unwrap();
    let tool = scene.on(&scene.target, "fwb-restore").args([
        "--accounts",
        "--replace-accounts",
        "--yes",
        "--format",
        "jsonl",
    ]);
    let report = tool.args(["--user", "admin", "--password-file"]).arg(&password).run().ok();
    assert!(
        report.stderr.contains("the role readers has no administrator but the account that has restored it"),
        "{}",
        report.stderr
    );
    let report = report.json();
    for account in ["admin@%", "root@localhost"] {
        assert_eq!(outcome(&report, account), &json!({"account": account, "outcome": "left"}));
    }
    assert!(logs_in(&scene.target, "admin", "here"));
    assert_eq!(scene.target.query("SHOW CREATE USER root@localhost"), "CREATE USER `root`@`localhost`");
    // Somebody else administers this one, so that who restored it has given it back.
    let roles = scene.target.query("SELECT Role FROM mysql.roles_mapping WHERE User = 'admin' ORDER BY 1");
    assert_eq!(roles.lines().collect::<Vec<_>>(), ["idle", "readers", "writers"]);
}

/// Named ones come with the roles that they have, and those of a database are those that it needs.
#[test]
fn chosen_accounts_come_with_what_they_need() {
    let scene = Scene::new("mariadb-10.11", "chosen");
    scene.dump();
    scene
        .restore(&["--accounts=app@%,nobody-has-this-name"])
        .fails(2, &["holds no account nobody-has-this-name"]);
    let report = scene.restore(&["--accounts=app@%"]).ok().json();
    let names = |report: &Value| -> Vec<String> {
        let all = report["accounts"].as_array().unwrap().iter();
        all.map(|one| one["account"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&report), ["app@%", "readers", "writers"]);
    let report = scene.restore(&["--accounts-of", "shop", "--dry-run"]).ok().json();
    assert_eq!(names(&report), ["PUBLIC", "app@%", "plain@%", "readers", "writers"]);
    // Whoever has a role that has a role may do something, too.
    scene.source.sql("CREATE ROLE outer_role; GRANT writers TO outer_role; CREATE USER far@'%'; GRANT outer_role TO far@'%'");
    scene.dump();
    let report = scene.restore(&["--accounts-of", "shop", "--dry-run"]).ok().json();
    assert_eq!(names(&report), ["PUBLIC", "app@%", "far@%", "outer_role", "plain@%", "readers", "writers"]);
    let report = scene.restore(&["--accounts-of", "db3"]).ok().json();
    assert_eq!(names(&report), ["u03@%", "u10@%", "u17@%", "u24@%"]);
    scene.restore(&["--missing-grants"]).fails(2, &["are for accounts"]);
    scene.restore(&["--accounts", "-B", "shop"]).fails(2, &["--database is for databases"]);
}

/// `--missing-grants` gives, and takes nothing: neither a role that is active from the beginning, nor what somebody may do since a
/// partial revoke was lifted.
fn gifts_take_nothing(kind: &'static str) {
    let scene = Scene::new(kind, "gifts");
    let is_mysql = kind.starts_with("mysql");
    let default = |role: &str| {
        if is_mysql {
            format!("ALTER USER two@'%' DEFAULT ROLE {role}")
        } else {
            format!("SET DEFAULT ROLE {role} FOR two@'%'")
        }
    };
    scene.source.sql(format!(
        "CREATE USER two@'%' IDENTIFIED BY 'x'; GRANT readers TO two@'%'; GRANT writers TO two@'%'; {}",
        default("writers")
    ));
    let before = shown(&scene.source);
    scene.dump();
    scene.target.sql(super::DATABASE);
    scene.restore(&["--accounts"]).ok();
    scene.target.sql(format!("{}; REVOKE SELECT ON `sh%`.* FROM readers", default("readers")));
    if is_mysql {
        // Lifts the one revoke, and makes another one of a right that the backup does not give.
        scene.target.sql(
            "GRANT INSERT ON shop.* TO `part`@'%'; GRANT DROP ON *.* TO u00@'%'; REVOKE DROP ON shop.* FROM u00@'%'",
        );
    }
    let report = scene.restore(&["--accounts", "--missing-grants"]).ok().json();
    let role = if is_mysql { "readers@%" } else { "readers" };
    assert_eq!(outcome(&report, role)["outcome"], "completed", "{report}");
    assert_eq!(
        outcome(&report, "two@%"),
        &json!({"account": "two@%", "outcome": "differs", "reasons": ["its default roles differ"]})
    );
    if is_mysql {
        let reasons = json!(["INSERT on `shop`.* is not revoked, as it is in the backup"]);
        assert_eq!(outcome(&report, "part@%")["reasons"], reasons);
        assert_eq!(outcome(&report, "u00@%")["outcome"], "differs");
    }
    let report = scene.restore(&["--accounts", "--replace-accounts"]).ok().json();
    assert_eq!(outcome(&report, "two@%")["outcome"], "replaced");
    assert_eq!(shown(&scene.target), before);
}

#[test]
fn gifts_take_nothing_on_mariadb() {
    gifts_take_nothing("mariadb-10.11");
}

#[test]
fn gifts_take_nothing_on_mysql() {
    gifts_take_nothing("mysql-9.7");
}
