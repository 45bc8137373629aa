//! What must not be seen: the password, by other users of the machine or in what is kept; rows, in logs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::hostile::foreign;
use crate::support::{Database, Server, Store, Tool, name};

/// A password with everything that quoting gets wrong.
const PASSWORD: &str = r#"p"a\s 's#w;한$(x)`y`"#;
/// The same in SQL.
const IN_SQL: &str = r#"p"a\\s ''s#w;한$(x)`y`"#;

/// An account with a password, and a file that holds it.
struct Account {
    user: String,
    dir: tempfile::TempDir,
}

impl Account {
    fn new(user: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        fs::write(&file, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        Server::shared().sql(format!(
            "CREATE OR REPLACE USER {user}@localhost IDENTIFIED BY '{IN_SQL}'; GRANT ALL ON *.* TO {user}@localhost"
        ));
        Self { user: user.into(), dir }
    }

    /// A tool that connects with it, and with nothing else.
    fn tool(&self, tool: Tool) -> Tool {
        let server = ["--socket", &Server::shared().socket(), "--user", &self.user].map(ToOwned::to_owned);
        let tool = tool.args(server).arg("--password-file").arg(self.dir.path().join("password"));
        // The shared server's my.cnf must not help.
        tool.env("FWB_DEFAULTS_FILE", self.defaults())
    }

    fn defaults(&self) -> std::path::PathBuf {
        let path = self.dir.path().join("my.cnf");
        fs::write(&path, "[client]\n").unwrap();
        path
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let dropped = format!("DROP USER IF EXISTS {}@localhost", self.user);
        let _ = crate::support::mariadb(&Server::shared().defaults_file(), &[]).stdin(dropped).run();
    }
}

/// Calls `work` while every process's arguments and environment are read over and over; returns those seen that
/// hold the password, and how often one was a tool of ours.
fn watched(work: impl FnOnce()) -> (Vec<String>, usize) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut leaks, mut tools) = (Vec::new(), 0);
            while !done.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    let seen = ["cmdline", "environ"]
                        .map(|file| fs::read(process.path().join(file)).unwrap_or_default());
                    tools += usize::from(seen[0].windows(5).any(|part| part == b"/fwb-"));
                    let text = seen.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
                    if text.contains(PASSWORD) {
                        leaks.push(text);
                    }
                }
            }
            (leaks, tools)
        });
        let stop = Stop(&done);
        work();
        drop(stop);
        watcher.join().unwrap()
    })
}

/// Ends the watch also when the work panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `ps` shows arguments to every user of the machine (mydumper#122), and logs and manifests outlive passwords.
#[test]
fn the_password_is_seen_nowhere() {
    let (database, store, account) =
        (Database::sample("password"), Store::new(), Account::new("fwb_password"));
    database.sql("CREATE TABLE more (id INT PRIMARY KEY, d BLOB); INSERT INTO more SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_4000");
    let said = std::sync::Mutex::new(String::new());
    let keep = |output: crate::support::Output| {
        said.lock().unwrap().push_str(&format!("{}{}", output.stdout_text(), output.stderr));
        output
    };
    let (leaks, tools) = watched(|| {
        let dump = account.tool(store.tool("fwb-dump")).args(["-vvv", "-B", &database.name]);
        let dump = keep(dump.run().ok()).json();
        keep(store.tool("fwb-verify").args(["-vvv", name(&dump)]).run().ok());
        let restore = || account.tool(store.tool("fwb-restore")).args(["-vvv", "--yes", name(&dump)]);
        keep(restore().arg("--dry-run").run().ok());
        keep(restore().run().ok());
        let wrong = store.tool("fwb-dump").args(["-vvv", "-B", &database.name, "--user", "fwb_nobody"]);
        keep(
            wrong
                .arg("--password-file")
                .arg(account.dir.path().join("password"))
                .run()
                .fails(2, &["Access denied"]),
        );
    });
    assert!(tools > 0, "the watch saw the tools run");
    assert_eq!(leaks, [""; 0]);
    let kept: Vec<u8> = store.names().iter().flat_map(|name| fs::read(store.file(name)).unwrap()).collect();
    for form in [PASSWORD, IN_SQL, r#"p\"a\\s 's#w;한$(x)`y`"#] {
        assert!(!said.lock().unwrap().contains(form), "{}", said.lock().unwrap());
        assert!(!String::from_utf8_lossy(&kept).contains(form));
    }
}

/// File names, mail addresses, whatever is in the rows: logs go to more people than the database.
#[test]
fn rows_are_not_in_logs() {
    let (database, store) = (Database::new("rows"), Store::new());
    let body = "CREATE TABLE `t` (id INT PRIMARY KEY, v TEXT, CHECK (id < 10));\n\
                INSERT INTO `t` VALUES (1,'confidential'),(2,'ERROR confidential\\nERROR at confidential');\n";
    let failures = [
        "INSERT INTO `t` VALUES (3,'confidential'),\n(1,'confidential\nERROR confidential\n');",
        "INSERT INTO `t` VALUES ('confidential',3,'confidential');",
        "INSERT INTO `t` VALUES (3,'confidential',\n'confidential');",
        "INSERT INTO `t` (`nosuch`) VALUES ('confidential');",
        "INSERT INTO `t` VALUES (3,'confidential') confidential;",
        "INSERT INTO `t` VALUES (3,confidential('confidential'));",
    ];
    // An operator's own settings make the client echo what it sends.
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join(".my.cnf"),
        "[mariadb]\nverbose=3\n[mysql]\nverbose=3\n[client]\nshow-warnings\n",
    )
    .unwrap();
    for failure in failures {
        store.write("rows.sql", foreign(&database.name, &format!("{body}{failure}")));
        let tool = Tool::alone("fwb-restore").args(["-vvv", "--yes"]).arg(store.file("rows.sql"));
        let tool =
            tool.env("HOME", home.path()).args(["--user", "root", "--socket", &Server::shared().socket()]);
        let failed = tool.run();
        assert!(matches!(failed.code, Some(1 | 2)), "{failure}: {:?} {}", failed.code, failed.stderr);
        let said = format!("{}{}", failed.stderr, failed.stdout_text());
        let shown = said.lines().find(|line| line.contains("confidential"));
        let names_a_word = failure.contains(") confidential") || failure.contains("confidential(");
        assert!(shown.is_none() || names_a_word && !said.contains("'confidential'"), "{failure}: {said}");
    }
    // And where all goes well.
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'confidential')");
    let dump = store.tool("fwb-dump").args(["-vvv", "-B", &database.name]).run().ok();
    let restored = store.tool("fwb-restore").args(["-vvv", "--yes"]).stdin(&dump.stdout).run().ok();
    assert!(!format!("{}{}{}", dump.stderr, dump.stdout_text(), restored.stderr).contains("confidential"));
}
