//! A server in a pod: what comes over the connection is whole or an error, and nothing is left there, neither running nor
//! on the server. A stand-in takes the place of kubectl; the relays and the server are real.

mod ends;
mod faults;
mod relays;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Database, Pod, Server, Store, Tool, name, over_a_live_one, until};

/// A database of more than a megabyte of SQL.
fn large(name: &str) -> Database {
    let database = Database::sample(name);
    database.sql(
        "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(2000));
         INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_1600;",
    );
    database
}

/// Nothing was published: the store lists nothing.
#[track_caller]
fn is_empty(store: &Store, what: &str) {
    let names = fs::read_dir(store.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name != ".lock").collect();
    assert!(names.is_empty(), "{what}: {names:?}");
}

/// Nothing runs in the pod any more.
#[track_caller]
fn is_quiet(pod: &Pod, what: &str) {
    until(&format!("{what}: the end of {:?}", pod.processes()), || pod.processes().is_empty().then_some(()));
}

/// Calls `work` with the numbers from 0 to `count`, on two threads.
fn each(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count) {
                    work(number);
                }
            });
        }
    });
}

/// Gives the pod an account of its own, by which its sessions are told from those of other tests.
struct Account {
    user: String,
}

impl Account {
    fn new(pod: &Pod, user: &str) -> Self {
        Server::shared()
            .sql(format!("CREATE OR REPLACE USER {user}@localhost; GRANT ALL ON *.* TO {user}@localhost"));
        let account = Self { user: user.into() };
        account.use_in(pod);
        account
    }

    fn use_in(&self, pod: &Pod) {
        let options = format!("[client]\nsocket={}\nuser={}\n", Server::shared().socket(), self.user);
        fs::write(pod.file(".my.cnf"), options).unwrap();
    }

    /// Its sessions on the server.
    fn sessions(&self) -> String {
        let sql = format!(
            "SELECT ID, COMMAND, STATE, INFO FROM information_schema.PROCESSLIST WHERE USER = '{}'",
            self.user
        );
        Server::shared().query(sql)
    }

    /// The server has none any more.
    #[track_caller]
    fn is_gone(&self, what: &str) {
        until(&format!("{what}: the end of {}", self.sessions()), || {
            self.sessions().is_empty().then_some(())
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let dropped = format!("DROP USER IF EXISTS {}@localhost", self.user);
        let _ = crate::support::mariadb(&Server::shared().defaults_file(), &[]).stdin(dropped).run();
    }
}

#[test]
fn a_database_goes_there_and_back() {
    let (pod, store, database) = (Pod::new(), Store::new(), large("pod_round"));
    let account = Account::new(&pod, "fwb_pod_round");
    let before = database.content();
    let dumped = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
    assert_eq!(dumped.stderr, "", "nothing to say of a dump that went well");
    let dump = dumped.json();
    // The same as when there is no pod.
    let local = Store::new().dump(&database);
    let sections = |dump: &serde_json::Value| dump["sections"].as_array().unwrap().clone();
    // The first one names the host.
    for (there, here) in sections(&dump).iter().zip(&sections(&local)).skip(1) {
        assert_eq!((&there["raw_size"], &there["rows_digest"]), (&here["raw_size"], &here["rows_digest"]));
    }
    pod.tool(&store, "fwb-verify").arg(name(&dump)).run().ok();

    database.sql("DELETE FROM bulk WHERE id > 100; CREATE TABLE extra (id INT PRIMARY KEY);");
    let damaged = database.content();
    let restore = || pod.tool(&store, "fwb-restore").arg("--yes");
    let report = restore().args(over_a_live_one()).arg(name(&dump)).run().ok().json();
    let swaps = over_a_live_one().is_empty();
    assert_eq!(report["strategy"], if swaps { "swap" } else { "in-place" });
    assert_eq!(database.content(), before);
    let undo =
        pod.set(Tool::alone("fwb-restore")).args(["--undo", "--yes", "--database", &database.name]).run();
    if swaps {
        undo.ok();
        assert_eq!(database.content(), damaged);
    } else {
        undo.fails(1, &["no restore of"]);
    }
    restore().args([name(&dump), "--strategy", "in-place"]).run().ok();
    assert_eq!(database.content(), before);
    database.sql("DELETE FROM bulk");
    restore().args([name(&dump), "--tables", "bulk"]).args(over_a_live_one()).run().ok();
    assert_eq!(database.content(), before);
    is_quiet(&pod, "after all that");
    account.is_gone("after all that");
    // The least that works is asked of the cluster.
    for call in pod.calls() {
        let call: Vec<&str> = call.iter().map(String::as_str).collect();
        match call[..] {
            ["get", "pods", "-n", "filewallball", "-l", "app=mariadb", "-o", "json"]
            | [
                "exec",
                "-i",
                "-n",
                "filewallball",
                "mariadb-0",
                "-c",
                "mariadb",
                "--",
                "sh",
                "-c" | "-s",
                ..,
            ]
            | ["exec", "-i", "-n", "filewallball", "mariadb-0", "-c", "mariadb", "--", "perl", ..] => {}
            _ => panic!("{call:?}"),
        }
    }
}

#[test]
fn a_broken_connection_is_tried_again() {
    let (store, database) = (Store::new(), large("pod_retry"));
    let dump = |pod: &Pod, retries: &str| {
        pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--retries", retries]).run()
    };

    // It never gets better.
    let pod = Pod::new();
    pod.on_exec("[ $what != relay ] || pod \"$@\" | { $python $dir/carrier.py cut 300; kill -KILL 0; }");
    dump(&pod, "1").fails(1, &["was cut while", "tried 2 times", "trying again in 1 s"]);
    is_empty(&store, "two cuts");

    // It is another pod now.
    let pod = Pod::new();
    let replaced = json!({"items": [Pod::ready("mariadb-1")]});
    fs::write(pod.file("after.json"), replaced.to_string()).unwrap();
    pod.on_exec(
        "case $number-$target in 2-*mariadb-0*) mv $dir/after.json $dir/pods.json ;; esac
         case $target in *mariadb-0*) [ -e $dir/after.json ] || {
             echo 'Error from server (NotFound): pods \"mariadb-0\" not found' >&2; exit 1; } ;; esac",
    );
    let out = dump(&pod, "1").ok();
    assert!(out.stderr.contains("pods \"mariadb-0\" not found"), "{}", out.stderr);
    assert_eq!(store.tool("fwb-ls").run().ok().records().len(), 1);

    // A pod that is about to be ready.
    let pod = Pod::new();
    pod.on_get("[ -e $dir/asked ] || { touch $dir/asked; echo '{\"items\": []}'; exit 0; }");
    dump(&pod, "1").ok();
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let (store, database) = (Store::new(), Database::sample("pod_wait"));
    let dump = |pod: &Pod, wait: &str| {
        let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
        tool.env("FWB_WAIT_SERVER", "").args(["--wait-server", wait]).run()
    };
    // There is no pod, then one that is not ready, then one whose server does not listen yet.
    let pod = Pod::new();
    let mut starting = Pod::ready("mariadb-0");
    starting["status"]["conditions"][0]["status"] = "False".into();
    fs::write(pod.file("starting.json"), json!({"items": [starting]}).to_string()).unwrap();
    pod.on_get(
        "echo x >>$dir/gets
         case $(wc -l <$dir/gets) in
             1) echo '{\"items\": []}'; exit 0 ;;
             2) cat $dir/starting.json; exit 0 ;;
         esac",
    );
    pod.on_exec("[ $what != relay ] || [ $number -gt 2 ] || set -- \"${@/%.sock/.none}\"");
    let socket = Server::shared().socket();
    let out = dump(&pod, "60s").ok();
    for words in ["there is no pod", "waiting for the server"] {
        assert!(out.stderr.contains(words), "{socket}: {}", out.stderr);
    }
    assert!(fs::read_to_string(pod.file("gets")).unwrap().lines().count() >= 3);

    let pod = Pod::new();
    pod.pods(&[]);
    dump(&pod, "1s").fails(1, &["there is no pod"]);
    fs::write(pod.file(".my.cnf"), "[client]\nsocket=/nowhere/s\n").unwrap();
    pod.pods(&[Pod::ready("mariadb-0")]);
    dump(&pod, "1s").fails(1, &["pod mariadb-0"]);

    // A server elsewhere is waited for where somebody says so.
    let tool = |wait: &str| {
        Tool::alone("fwb-dump").args(["-B", "d", "--socket", "/nowhere/s", "--wait-server", wait])
    };
    tool("2s").arg("--store").arg(store.path()).run().fails(1, &["waiting for the server"]);
    let out = tool("0s").arg("--store").arg(store.path()).run().exits(1);
    assert!(!out.stderr.contains("waiting for the server"), "{}", out.stderr);
}

#[test]
fn the_pod_is_the_ready_one_or_none() {
    let (store, database) = (Store::new(), Database::sample("pod_choice"));
    let pod = Pod::new();
    let dump = || pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
    let ready = Pod::ready;
    let (mut ending, mut starting) = (ready("mariadb-old"), ready("mariadb-new"));
    ending["metadata"]["deletionTimestamp"] = "2025-07-25T17:02:06Z".into();
    starting["status"]["conditions"][0]["status"] = "False".into();

    pod.pods(&[]);
    dump().run().fails(1, &["there is no pod with the labels app=mariadb in namespace filewallball"]);
    pod.pods(&[ending.clone(), starting.clone()]);
    dump().run().fails(1, &["mariadb-old is terminating", "mariadb-new is not ready"]);
    pod.pods(&[ready("mariadb-a"), ready("mariadb-b")]);
    dump().run().fails(2, &["mariadb-a, mariadb-b", "--pod"]);
    is_empty(&store, "no pod or two");
    pod.pods(&[ending, ready("mariadb-a"), starting]);
    dump().run().ok();
    pod.pods(&[ready("mariadb-b")]);
    dump().args(["--pod", "mariadb-b", "--container", "mariadb"]).run().ok();
    dump().args(["--pod", "mariadb-c"]).run().fails(1, &["mariadb-c"]);
    dump().args(["--container", "other"]).run().fails(2, &["no container \"other\"", "mariadb"]);
    pod.on_get("echo 'Error from server (Forbidden): pods is forbidden' >&2; exit 1");
    dump().run().fails(1, &["pods is forbidden", "rights"]);
    pod.on_get("echo nonsense; exit 0");
    dump().run().fails(1, &["no list of pods"]);
    dump().env("FWB_KUBECTL", "fwb-no-such-kubectl").run().fails(1, &["fwb-no-such-kubectl"]);
    dump().env("FWB_POD_SELECTOR", "").run().fails(2, &["and no pod"]);
}
#[test]
fn a_name_is_never_a_command() {
    let (pod, store) = (Pod::new(), Store::new());
    let marker = pod.file("executed");
    let touch = format!("touch {}", marker.display());
    for hostile in
        [format!("$({touch})"), format!("`{touch}`"), format!("x; {touch}"), format!("-o'{touch}\n\"")]
    {
        for option in ["--pod", "--namespace", "--container"] {
            let tool = pod.tool(&store, "fwb-dump").args(["-B", "d"]).arg(format!("{option}={hostile}"));
            tool.run().fails(2, &["is no name of a"]);
        }
        let mut pods = Pod::ready(&hostile);
        pod.pods(&[pods.clone()]);
        pod.tool(&store, "fwb-dump").args(["-B", "d"]).run().fails(2, &["which is none"]);
        pods["metadata"]["name"] = "mariadb-0".into();
        pods["spec"]["containers"][0]["name"] = hostile.clone().into();
        pod.pods(&[pods]);
        pod.tool(&store, "fwb-dump").args(["-B", "d"]).run().fails(2, &["no container"]);
        pod.pods(&[Pod::ready("mariadb-0")]);
        // An account that nobody has.
        let user = format!("--user={hostile}");
        pod.tool(&store, "fwb-dump").args(["-B", "d", &user]).run().exits(2);
        assert!(!marker.exists(), "{hostile}");
    }
    for hostile in
        [format!("it's \"$({touch})\""), format!("a`{touch}`b"), "데이터 베이스".into(), "two\nlines".into()]
    {
        let database =
            Database::named(&format!("pod {hostile}").replace(&marker.display().to_string(), "executed"));
        database.sql("CREATE TABLE `t$(touch executed)` (v TEXT); INSERT INTO `t$(touch executed)` VALUES ('$(touch executed)');");
        let before = database.content();
        let dump = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok().json();
        database.sql("DELETE FROM `t$(touch executed)`");
        pod.tool(&store, "fwb-restore").args([name(&dump), "--yes"]).args(over_a_live_one()).run().ok();
        assert_eq!(database.content(), before);
        pod.set(Tool::alone("fwb-restore"))
            .args(["--drop-before", "--yes", "--database", &database.name])
            .run()
            .ok();
        assert!(!marker.exists(), "{hostile}");
    }
}

/// A password with everything that shells and option files get wrong.
const PASSWORD: &str = "p\"a\\s 's#w;한$(touch executed)`touch executed`\t!";

#[test]
fn the_account_is_that_of_the_pod_or_comes_over_stdin() {
    let (pod, store, database) = (Pod::new(), Store::new(), Database::sample("pod_account"));
    let user = "fwb_pod_account";
    let in_sql = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    Server::shared().sql(format!(
        "CREATE OR REPLACE USER {user}@localhost IDENTIFIED BY '{in_sql}'; GRANT ALL ON *.* TO {user}@localhost"
    ));
    let socket = Server::shared().socket();
    let mine = pod.file("password");
    fs::write(&mine, format!("{PASSWORD}\n")).unwrap();
    let mine = mine.display().to_string();
    fs::write(pod.file(".my.cnf"), format!("[client]\nsocket={socket}\n")).unwrap();
    let dump = || pod.tool(&store, "fwb-dump").args(["-B", &database.name]);

    for environment in [
        [("MARIADB_USER", user), ("MARIADB_PASSWORD", PASSWORD)],
        [("MYSQL_USER", user), ("MYSQL_PASSWORD", PASSWORD)],
        [("MARIADB_USER", user), ("MARIADB_PASSWORD_FILE", &mine)],
    ] {
        pod.environment(&environment);
        dump().args(["--user", user]).run().ok();
    }
    // Root's is taken where nobody is asked for; here root has none, so a wrong one is refused.
    for variable in ["MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD"] {
        pod.environment(&[(variable, "wrong")]);
        dump().run().fails(2, &["ERROR 1045", "'root'", "using password: YES"]);
    }
    pod.environment(&[("MARIADB_ROOT_PASSWORD_FILE", &mine)]);
    dump().run().fails(2, &["ERROR 1045", "using password: YES"]);
    // The pod knows nobody.
    pod.environment(&[]);
    dump().args(["--user", user]).run().fails(2, &["ERROR 1045"]);
    dump().args(["--user", user, "--password-file", &mine]).run().ok();
    let option_file = pod.file("client.cnf");
    fs::write(&option_file, format!("# an option file\n\n[client]\nuser={user}\nsocket={socket}")).unwrap();
    dump().arg("--defaults-file").arg(&option_file).args(["--password-file", &mine]).run().ok();
    dump().arg("--defaults-file").arg(pod.file("none")).run().fails(2, &["cannot be read"]);
    assert!(!pod.file("executed").exists());
    for call in pod.calls() {
        assert!(!call.concat().contains("touch executed"), "{call:?}");
    }
    Server::shared().sql(format!("DROP USER {user}@localhost"));
}
