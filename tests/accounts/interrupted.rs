//! Restores that end in the middle.

use std::collections::BTreeSet;

use super::{DATABASE, Scene, outcome, shown};
use crate::support::{At, Fault, Proxy, Server};

/// The names of accounts and roles.
fn names(server: &Server) -> BTreeSet<String> {
    shown(server).into_keys().collect()
}

/// `fwb-restore` of accounts over a connection that is cut.
fn cut_at(scene: &Scene, command: usize, at: At) -> crate::support::Output {
    let proxy = Proxy::new(&scene.target, Fault::Command(command, at));
    let tool =
        scene.store.tool("fwb-restore").args(["--accounts", "--yes", "--format", "jsonl", "--user", "root"]);
    tool.arg("--socket").arg(proxy.socket()).run()
}

/// How many commands a restore of accounts sends.
fn commands(scene: &Scene) -> usize {
    let proxy = Proxy::new(&scene.target, Fault::Command(usize::MAX, At::Before));
    let tool = scene.store.tool("fwb-restore").args(["--accounts", "--yes", "--user", "root"]);
    tool.arg("--socket").arg(proxy.socket()).run().ok();
    proxy.commands()
}

/// Removes what a restore has made.
fn empty(scene: &Scene) {
    let drop = |name: String| {
        let is_role = scene.kind.starts_with("mariadb") && !name.contains('@');
        match name.as_str() {
            "PUBLIC" => "REVOKE ALL PRIVILEGES, GRANT OPTION FROM PUBLIC;\n".to_owned(),
            _ => format!("DROP {} {name};\n", if is_role { "ROLE" } else { "USER" }),
        }
    };
    let made = names(&scene.target).into_iter().filter(|name| !name.starts_with("`root`"));
    scene.target.sql(made.map(drop).collect::<String>());
}

/// Wherever the connection breaks, nobody is there who was made, or the error names whoever is; and the same command once
/// more, which gives what lacks, brings everybody back.
fn is_taken_back(kind: &'static str) {
    let scene = Scene::new(kind, "cut");
    scene.dump();
    scene.target.sql(DATABASE);
    let nobody = names(&scene.target);
    let all = commands(&scene);
    let whole = shown(&scene.target);
    empty(&scene);
    assert_eq!(names(&scene.target), nobody);
    // make torture cuts more often.
    let parts = if crate::torture::whole() { 20 } else { 3 };
    let places = |at| (1..parts).map(move |number| (at, number));
    for (at, number) in [At::Before, At::After, At::AndAll].into_iter().flat_map(places) {
        let cut = cut_at(&scene, 3 + (all - 3) * number / parts, at);
        // What only asks is asked again over another connection.
        if cut.code == Some(0) {
            assert_eq!(shown(&scene.target), whole, "{at:?} {number}");
            empty(&scene);
            continue;
        }
        assert!(![Some(101), None].contains(&cut.code), "{at:?} {number}: {}", cut.stderr);
        let there: BTreeSet<String> = names(&scene.target).difference(&nobody).cloned().collect();
        if at != At::AndAll {
            assert!(there.is_empty(), "{at:?} {number}: {there:?}: {}", cut.stderr);
            continue;
        }
        // Nobody could take it back; so it is named.
        for name in &there {
            let (name, told) = (name.replace('`', ""), cut.stderr.replace('`', ""));
            assert!(told.contains(&name), "{number}: {name} is not in: {}", cut.stderr);
        }
        let completed = scene.restore(&["--accounts", "--missing-grants"]).ok();
        if completed.stderr.contains("is not revoked, as it is in the backup") {
            scene.restore(&["--accounts", "--replace-accounts"]).ok();
        }
        assert_eq!(shown(&scene.target), whole, "{number}: {}", cut.stderr);
        empty(&scene);
    }
}

#[test]
fn what_is_cut_off_is_taken_back_on_mariadb() {
    is_taken_back("mariadb-10.11");
}

#[test]
fn what_is_cut_off_is_taken_back_on_mysql() {
    is_taken_back("mysql-9.7");
}

/// One account that the server refuses does not keep fifty others out, and is not there by half.
#[test]
fn one_that_fails_keeps_nobody_back() {
    let scene = Scene::new("mariadb-11.8", "one");
    scene.source.sql(
        "INSTALL SONAME 'auth_ed25519'; CREATE USER modern@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x'); GRANT SELECT ON shop.* TO modern@'%'",
    );
    scene.dump();
    let failed = scene
        .restore(&["--accounts"])
        .fails(1, &["modern@%: CREATE USER was refused", "ed25519", "install the plugin"]);
    let report = failed.json();
    assert_eq!(outcome(&report, "modern@%")["outcome"], "failed");
    assert_eq!(outcome(&report, "app@%")["outcome"], "created");
    assert!(!names(&scene.target).contains("`modern`@`%`"));
    scene.target.sql("INSTALL SONAME 'auth_ed25519'");
    let report = scene.restore(&["--accounts"]).ok().json();
    assert_eq!(outcome(&report, "modern@%")["outcome"], "created");
}
