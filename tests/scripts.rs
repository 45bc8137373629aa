//! The two scripts for the hand: which server they mean.

use std::fs;

use crate::support::{Database, Pod, Programs, Store, TOOLS, Tool, bash, name, script};

/// As an operator on the cluster's host types them: with no settings at all.
#[test]
fn the_scripts_for_the_hand_find_the_pod() {
    let db = Database::named("filewallball_db_by_hand");
    db.sql(crate::support::sample());
    let (store, pod) = (Store::new(), Pod::new());
    let by_hand = |name: &str, arguments: &[&str]| {
        let tool = script(name, &[&pod.file("")])
            .args(arguments)
            .dir(store.path())
            .env("FWB_DEFAULTS_FILE", "")
            .env("FWB_WAIT_SERVER", "0s");
        tool.run()
    };
    let made = by_hand("backup-database.sh", &["-B", &db.name]).ok().json();
    assert_eq!(made["verification"]["ok"], true);
    let calls = pod.calls();
    assert_eq!(calls[0][..5], ["get", "pods", "-n", "filewallball", "-l"]);
    assert_eq!(calls[0][5], "app=mariadb");
    let content = db.content();
    db.sql("DELETE FROM file_views");
    by_hand("restore-database.sh", &["-f", name(&made), "--yes"]).ok();
    assert_eq!(db.content(), content);
    db.sql("DELETE FROM file_views");
    by_hand("restore-database.sh", &["--latest", "--yes"]).ok();
    assert_eq!(db.content(), content);
    by_hand("restore-database.sh", &["--undo", "-B", &db.name, "--yes"]).ok();
    assert_eq!(db.query("SELECT COUNT(*) FROM file_views"), "0");
    let missing = by_hand("backup-database.sh", &["-B", &db.name, "-n", "filewallball", "--pod", "gone"]);
    missing.exits(1);
}

/// A restore by hand of the newest backup must not bring in another server's data.
#[test]
fn the_scripts_for_the_hand_keep_to_the_server_that_is_named() {
    let db = Database::new("by_hand_of_server");
    db.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    let store = Store::new();
    let by_hand = |name: &str, arguments: &[&str]| {
        let cnf = crate::support::Server::shared().defaults_file();
        let tool =
            script(name, &[]).args(arguments).env("FWB_STORE", store.path()).env("FWB_DEFAULTS_FILE", cnf);
        tool.run()
    };
    let back_up = |id: &str| by_hand("backup-database.sh", &["-B", &db.name, "--server-id", id]).ok().json();
    let ours = back_up("shop-eu");
    db.sql("INSERT INTO t VALUES (1)");
    let theirs = back_up("shop-us");
    assert_eq!([&ours["server"]["id"], &theirs["server"]["id"]], ["shop-eu", "shop-us"]);
    let list = by_hand("restore-database.sh", &["--list", "--server-id", "shop-eu"]).ok().stdout_text();
    assert!(list.contains(name(&ours)) && !list.contains(name(&theirs)), "{list}");
    let unnamed = by_hand("restore-database.sh", &["--latest", "--dry-run"]).exits(2);
    assert!(unnamed.stderr.contains("--server-id: shop-eu, shop-us"), "{}", unnamed.stderr);
    let plan = by_hand("restore-database.sh", &["--latest", "--dry-run", "--server-id", "shop-eu"]).ok();
    assert_eq!(plan.json()["backup"], ours["name"]);
    by_hand("backup-database.sh", &["--server-id", ""]).exits(2);
}

/// What a script tells the tools about the server: these variables, in this order.
const TOLD: [&str; 6] =
    ["FWB_POD_SELECTOR", "FWB_POD", "FWB_NAMESPACE", "FWB_CONTAINER", "FWB_KUBECTL", "FWB_HOST"];

/// Arguments, environment, and what the tools are told.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// The wrong server is the worst that can happen to a restore: which one is meant follows from what was said, and
/// nothing said means the cluster's.
#[test]
fn the_scripts_for_the_hand_choose_the_server() {
    let tell =
        format!(r#"printf '%s|' {} > "$HERE/told""#, TOLD.map(|name| format!("\"${{{name}-}}\"")).join(" "));
    let record = r#"{"schema":"fwb/1"}"#;
    let programs = Programs::new(&[
        ("fwb-dump", &format!("{tell}; echo '{record}'")),
        ("fwb-restore", &tell),
        ("fwb-verify", "cat"),
        ("fwb-prune", "cat"),
    ]);
    let store = Store::new();
    let told = |script_name: &str, arguments: &[&str], environment: &[(&str, &str)]| {
        let mut tool = script(script_name, &[programs.path()]).args(arguments).env("FWB_STORE", store.path());
        tool = tool.env("FWB_DEFAULTS_FILE", "");
        for (name, value) in environment {
            tool = tool.env(name, value);
        }
        let out = tool.run().ok();
        (fs::read_to_string(programs.path().join("told")).unwrap(), out.stderr)
    };
    let usual = "app=mariadb||filewallball||||";
    let cases: &[Case<'_>] = &[
        (&[], &[], usual),
        (&["--local"], &[], "||||||"),
        (&[], &[("FWB_HOST", "db")], "|||||db|"),
        (&[], &[("FWB_SOCKET", "/x")], "||||||"),
        (&[], &[("FWB_PORT", "3307")], "||||||"),
        (&[], &[("FWB_USER", "x")], "||||||"),
        (&[], &[("FWB_PASSWORD_FILE", "x")], "||||||"),
        (&[], &[("FWB_DEFAULTS_FILE", "x")], "||||||"),
        (&["-n", "prod"], &[], "app=mariadb||prod||||"),
        (&["--namespace", "prod"], &[("FWB_USER", "x")], "app=mariadb||prod||||"),
        (&["--pod", "a-0"], &[("FWB_POD_SELECTOR", "x=y")], "|a-0|filewallball||||"),
        (&["--pod-selector", "x=$(y)"], &[("FWB_POD", "a-0")], "x=$(y)||filewallball||||"),
        (
            &["--container", "c", "--kubectl", "microk8s kubectl"],
            &[],
            "app=mariadb||filewallball|c|microk8s kubectl||",
        ),
        (&[], &[("FWB_POD", "a-0"), ("FWB_HOST", "db")], "|a-0|filewallball|||db|"),
        (&[], &[("FWB_POD_SELECTOR", "x=y"), ("FWB_NAMESPACE", "prod")], "x=y||prod||||"),
        (
            &["--local"],
            &[("FWB_POD_SELECTOR", "x=y"), ("FWB_NAMESPACE", "prod"), ("FWB_CONTAINER", "c")],
            "||||||",
        ),
    ];
    for (arguments, environment, expected) in cases {
        for (script_name, action) in
            [("backup-database.sh", None), ("restore-database.sh", Some(["-f", "x.sql.gz"]))]
        {
            let arguments: Vec<&str> =
                action.into_iter().flatten().chain(arguments.iter().copied()).collect();
            let (said, stderr) = told(script_name, &arguments, environment);
            assert_eq!(&said, expected, "{script_name} {arguments:?} {environment:?}");
            let unsaid = arguments.len() == action.map_or(0, |action| action.len()) && environment.is_empty();
            assert_eq!(stderr.contains("note: the server is the pod app=mariadb"), unsaid, "{stderr}");
        }
    }
    for wrong in [["--pod", ""], ["--kubectl", ""], ["--pod-selector", ""], ["-n", ""]] {
        let tool = script("restore-database.sh", &[programs.path()]).args(["-f", "x"]);
        tool.args(wrong).run().fails(2, &["needs a value", "hint: "]);
    }
    for wrong in [["--local", "--pod", "x"], ["--pod", "x", "--local"]] {
        let tool = script("backup-database.sh", &[programs.path()]);
        tool.args(wrong).run().fails(2, &["--local goes with no option of a pod"]);
    }
}

/// Whoever looks for a backup in the night needs no cluster for it.
#[test]
fn the_list_needs_no_server() {
    let db = Database::sample("listed");
    let store = Store::new();
    let made = store.dump_verified(&db);
    let programs = Programs::new(&[
        ("kubectl", "touch \"$HERE/called\"; exit 1"),
        ("microk8s", "touch \"$HERE/called\"; exit 1"),
    ]);
    let out = script("restore-database.sh", &[programs.path()])
        .args(["--list", "-B", &db.name])
        .env("FWB_STORE", store.path())
        .env("FWB_DEFAULTS_FILE", "")
        .run()
        .ok();
    assert!(out.stdout_text().contains(name(&made)) && out.stderr.is_empty(), "{}", out.stderr);
    assert!(!programs.path().join("called").exists());
}

/// `sudo make install` after `make build`: root has no cargo, and needs none.
#[test]
fn what_is_built_is_installed_without_cargo() {
    let dir = tempfile::tempdir().unwrap();
    let (bin, release) = (dir.path().join("bin"), dir.path().join("target/release"));
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(&release).unwrap();
    let programs = "make sh bash env install cp mkdir dirname cat sed expand echo printf [ test";
    for program in programs.split(' ') {
        let found = bash("type -P \"$0\" || true").arg(program).run().ok().stdout_text();
        if !found.is_empty() {
            std::os::unix::fs::symlink(found.trim(), bin.join(program)).unwrap();
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir(dir.path().join("scripts")).unwrap();
    for place in ["scripts/systemd", "scripts/cron"] {
        Tool::program("cp").arg("-R").arg(root.join(place)).arg(dir.path().join(place)).run().ok();
    }
    fs::copy(root.join("scripts/docs.sh"), dir.path().join("scripts/docs.sh")).unwrap();
    fs::copy(root.join("Makefile"), dir.path().join("Makefile")).unwrap();
    let install = || {
        let tool = Tool::program(bin.join("make")).args(["install", "PREFIX=/usr"]).dir(dir.path());
        tool.env("DESTDIR", dir.path().join("out")).env("PATH", &bin).run()
    };
    let refused = install();
    assert!(refused.code != Some(0) && refused.stderr.contains("hint: run make build"), "{}", refused.stderr);
    for tool in TOOLS {
        fs::copy(Tool::path(tool), release.join(tool)).unwrap();
    }
    install().ok();
    for tool in TOOLS {
        assert!(dir.path().join("out/usr/bin").join(tool).exists(), "{tool}");
        assert!(dir.path().join(format!("out/usr/share/man/man1/{tool}.1")).exists(), "{tool}");
    }
    // Units that start what was installed, where it was installed.
    let there = |path: &str| fs::read_to_string(dir.path().join("out/usr").join(path)).unwrap();
    for (unit, starts) in [
        ("backup", "fwb-run backup"),
        ("drill", "fwb-run drill"),
        ("report", "fwb-report --listen 127.0.0.1:9394"),
    ] {
        let text = there(&format!("lib/systemd/system/fwb-{unit}.service"));
        assert!(
            text.contains(&format!("\nExecStart=/usr/bin/{starts}\n")) && !text.contains("@bindir@"),
            "{text}"
        );
    }
    for timer in ["backup", "drill"] {
        assert!(there(&format!("lib/systemd/system/fwb-{timer}.timer")).contains("Persistent=yes"));
    }
    assert!(there("share/doc/fwb-tools/backup.env").contains("FWB_DATABASE="));
    assert!(there("share/doc/fwb-tools/cron").contains("PATH=/usr/bin:"));
}
