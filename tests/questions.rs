//! The question before a restore, on a terminal of its own: whoever answers must see it, and be able to say no in every
//! way that a terminal has. And what is given to a tool and would be ignored: whoever gives it believes that it counts.

use crate::support::{Before, Database, Output, Server, Store, Tool, bash, name, restore, script};

/// Runs a program on a terminal, waits for its question, watches for a second whether anything is drawn over it, and
/// then answers. Prints how it ended. Where nothing else ends it, an alarm does.
const TERMINAL: &str = r#"
import json, os, pty, select, signal, sys, time
answer, argv = sys.argv[1], sys.argv[2:]
signal.alarm(300)
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
shown = b""
def read(seconds):
    global shown
    if not select.select([terminal], [], [], seconds)[0]:
        return True
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        chunk = b""
    shown += chunk
    return chunk != b""
while b"[y/N] " not in shown and read(None):
    pass
asked = len(shown)
until = time.monotonic() + 1
while time.monotonic() < until and read(0.1):
    pass
meanwhile = shown[asked:]
if answer == "TERM":
    os.kill(pid, signal.SIGTERM)
elif answer == "gone":
    os.close(terminal)
else:
    os.write(terminal, {"C-c": b"\x03", "C-d": b"\x04"}.get(answer, answer.encode() + b"\n"))
while answer != "gone" and read(None):
    pass
status = os.waitpid(pid, 0)[1]
print(json.dumps({
    "code": os.waitstatus_to_exitcode(status),
    "shown": shown.decode(errors="replace"),
    "meanwhile": meanwhile.decode(errors="replace"),
}))
"#;

fn on_a_terminal(answer: &str, store: &Store, arguments: &[&str]) -> serde_json::Value {
    let tool = Tool::program("python3").args(["-c", TERMINAL, answer]).arg(Tool::path("fwb-restore"));
    let tool = tool.args(arguments).arg("--store").arg(store.path()).env("TERM", "xterm");
    tool.env("FWB_DEFAULTS_FILE", Server::shared().defaults_file()).run().ok().json()
}

/// At three in the morning the wrong database is on the screen: Ctrl-C must be a no, and so must everything but a yes.
#[test]
fn every_way_to_leave_a_question_is_a_no() {
    let (database, store) = (Database::sample("asked"), Store::new());
    let dump = store.dump_verified(&database);
    database.sql("DELETE FROM settings");
    let before = Before::new(&database);
    // A terminal that is gone is the end of the input and a SIGHUP, whichever is seen first.
    let answers: [(&str, &[i32]); 6] =
        [("C-c", &[130]), ("TERM", &[143]), ("C-d", &[1]), ("n", &[1]), ("", &[1]), ("gone", &[1, 129])];
    for (answer, codes) in answers {
        let ended = on_a_terminal(answer, &store, &["-f", name(&dump), "--progress", "always"]);
        let code = ended["code"].as_i64().and_then(|code| i32::try_from(code).ok());
        assert!(code.is_some_and(|code| codes.contains(&code)), "{answer}: {ended}");
        assert_eq!(ended["meanwhile"], "", "{answer}: nothing is drawn while the question stands");
        let shown = ended["shown"].as_str().unwrap();
        let (before_it, _) = shown.split_once("Do it? [y/N] ").unwrap();
        // Whatever was on the line of the question is cleared before (ECMA-48, EL).
        let line = before_it.rsplit(['\n', '\r']).next().unwrap().replace("\x1b[2K", "");
        assert_eq!(line, "", "the question alone: {shown:?}");
        before.holds(answer);
    }
    assert_eq!(on_a_terminal("y", &store, &["-f", name(&dump)])["code"], 0);
    assert_eq!(database.query("SELECT COUNT(*) FROM settings"), "3");
}

/// `fwb-ls | fwb-restore --drop-before --yes` dropped what `--undo` needs, restored nothing, and said that all was well.
#[test]
fn a_backup_on_standard_input_is_restored_before_anything_is_dropped() {
    let (database, store) = (Database::sample("drop_piped"), Store::new());
    let dump = store.dump_verified(&database);
    let kept = || {
        let like = format!("SHOW DATABASES LIKE '{}\\_\\_before%'", database.name);
        Server::shared().query(like).lines().count()
    };
    restore(&store, &dump).run().ok();
    assert_eq!(kept(), 1);
    // Nothing came: fwb-ls has failed, or found nothing.
    let drop = || store.tool("fwb-restore").args(["-B", &database.name, "--drop-before", "--yes"]);
    drop().stdin("").run().fails(2, &["nothing removed", "</dev/null"]);
    drop().stdin("shop\nother\n").run().fails(2, &["record 1"]);
    store
        .tool("fwb-restore")
        .args(["-B", &database.name, "--keep-before=0", "--yes"])
        .stdin("")
        .run()
        .exits(2);
    assert_eq!(kept(), 1, "nothing is dropped for a backup that did not come");
    // Options of a restore, and none to come.
    for option in
        ["--tables=files", "--strategy=swap", "--prove=rows", "--prove-tables=files", "--no-safety-backup"]
    {
        let word = option.split('=').next().unwrap();
        drop().arg(option).run().fails(2, &[word, "nothing was removed"]);
    }
    assert_eq!(kept(), 1);
    database.sql("DELETE FROM settings");
    drop().stdin(dump.to_string()).run().ok();
    assert_eq!(database.query("SELECT COUNT(*) FROM settings"), "3", "the backup was restored");
    assert_eq!(kept(), 0);
    restore(&store, &dump).run().ok();
    drop().run().ok();
    assert_eq!(kept(), 0, "with nothing on standard input it drops alone");
}

/// An option that does nothing is believed to have done something.
#[test]
fn options_that_would_be_ignored_are_refused() {
    let store = Store::new();
    let fails = |tool: &str, arguments: &[&str], words: &[&str]| {
        store.tool(tool).args(arguments).run().fails(2, words);
    };
    fails("fwb-restore", &["x.sql.gz", "--stdout", "--strategy", "swap"], &["--strategy"]);
    fails("fwb-restore", &["x.sql.gz", "--stdout", "--no-safety-backup"], &["--no-safety-backup"]);
    fails("fwb-verify", &["x.sql.gz", "--drill-dir", "/tmp"], &["--drill-dir", "--level drill"]);
    fails("fwb-verify", &["x.sql.gz", "--drill-server", "/x.cnf"], &["--drill-server", "--level drill"]);
    fails(
        "fwb-verify",
        &["x.sql.gz", "--drill-server-dir", "/usr"],
        &["--drill-server-dir", "--level drill"],
    );
    for option in ["--drill-dir", "--drill-server-dir"] {
        let both = ["x.sql.gz", "--level", "drill", option, "/tmp", "--drill-server", "/x.cnf"];
        fails("fwb-verify", &both, &[option, "throwaway"]);
    }
    fails("fwb-dump", &["-B", "x", "-o", "y.sql.gz", "--prefix", "z"], &["--prefix"]);
    // A setting for many calls does no harm in one that has no use for it.
    let missing = store.tool("fwb-verify").arg("x.sql.gz").env("FWB_DRILL_DIR", "/tmp").run();
    missing.fails(3, &["no backup x.sql.gz"]);
}

/// To prove a large backup takes minutes; that the password is wrong is known before.
#[test]
fn a_wrong_password_is_told_before_the_backup_is_proved() {
    let (database, store) = (Database::sample("password"), Store::new());
    let dump = store.dump_verified(&database);
    std::fs::write(store.file("password"), "not this one\n").unwrap();
    std::fs::write(store.artifact(&dump), "whoever proves this finds it damaged").unwrap();
    let restore = |more: &[&str]| store.tool("fwb-restore").args([name(&dump), "--yes"]).args(more);
    let wrong = restore(&["--user", "nobody"]).arg("--password-file").arg(store.file("password"));
    wrong.run().fails(2, &["--password-file"]);
    restore(&["--socket", "/nonexistent/socket"]).run().fails(1, &["/nonexistent/socket"]);
    restore(&[]).run().fails(3, &[name(&dump)]);
    // So is what needs no server at all.
    let nowhere = ["--socket", "/nonexistent/socket"];
    restore(&["--database", "mysql"]).args(nowhere).run().fails(2, &["the server's own"]);
    let missing = store.tool("fwb-restore").args(["gone.sql.gz", "--yes"]).args(nowhere);
    missing.run().fails(3, &["no backup gone.sql.gz"]);
}

/// The newest backup of all may be of another database: it must not be loaded over the one that was named.
#[test]
fn the_latest_of_a_database_is_its_own() {
    let (shop, wiki, store) = (Database::sample("latest_shop"), Database::new("latest_wiki"), Store::new());
    let made = store.dump_verified(&shop);
    wiki.sql("CREATE TABLE page (id INT PRIMARY KEY)");
    store.dump_verified(&wiki);
    let content = shop.content();
    shop.sql("DELETE FROM settings");
    let by_hand = |arguments: &[&str]| -> Output {
        let tool = script("restore-database.sh", &[]).args(arguments).arg("--local");
        tool.env("FWB_STORE", store.path()).env("FWB_DEFAULTS_FILE", Server::shared().defaults_file()).run()
    };
    let report = by_hand(&["--latest", "-B", &shop.name, "--yes"]).ok().json();
    assert_eq!((&report["backup"], shop.content()), (&made["name"], content));
    by_hand(&["--latest", "-B", "no_such_database", "--yes"]).exits(1);
    by_hand(&["--latest", "--yes"]).exits(2);
    by_hand(&["--list", "--tables", "files"]).fails(2, &["--tables is for a restore"]);
}

/// After the README's exports for a real server, the sandbox's recipe must not fill and restore a database there.
#[test]
fn the_sandbox_recipe_leads_to_no_other_server() {
    let server = Server::private("recipe", &[]);
    let dir = server.defaults_file().parent().unwrap().to_owned();
    let script = r#"eval "$("$ROOT/scripts/sandbox.sh" env --dir "$DIR")"; env | grep -E '^(FWB|MYSQL)_' | cut -d= -f1 | sort | paste -sd ' '"#;
    let mut tool = bash(script).env("ROOT", env!("CARGO_MANIFEST_DIR")).env("DIR", &dir);
    for (variable, value) in [
        ("FWB_HOST", "db.example.com"),
        ("FWB_PORT", "3307"),
        ("FWB_SOCKET", "/x"),
        ("FWB_USER", "restore"),
        ("FWB_PASSWORD_FILE", "/x"),
        ("FWB_POD", "mariadb-0"),
        ("FWB_POD_SELECTOR", "app=mariadb"),
        ("FWB_NAMESPACE", "filewallball"),
        ("FWB_CONTAINER", "mariadb"),
        ("FWB_KUBECTL", "kubectl"),
        ("MYSQL_PWD", "the password of another server"),
    ] {
        tool = tool.env(variable, value);
    }
    let left = tool.run().ok().stdout_text();
    assert_eq!(left.trim(), "FWB_DEFAULTS_FILE FWB_SANDBOX_CNF FWB_SANDBOX_SOCKET");
}
