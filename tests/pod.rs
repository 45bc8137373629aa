//! The client programs run in a pod: what comes over the connection is proved, what is cut is an error, and nothing is
//! left running there. A stand-in takes the place of kubectl; the programs and the server are real.

mod ends;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::faults::{signal, until};
use crate::support::{Database, Output, Pod, Server, Store, Tool, executable, name};

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

/// Where streams of this size are cut: at every 64 KiB, and at each of the last 100 bytes.
fn cuts(size: usize) -> Vec<usize> {
    (0..size).step_by(64 << 10).chain(size - 100..size).collect()
}

#[test]
fn a_database_goes_there_and_back() {
    let (pod, store, database) = (Pod::new(), Store::new(), large("pod_round"));
    let places = pod.file("tmp");
    fs::create_dir(&places).unwrap();
    pod.environment(&[("TMPDIR", &places.display().to_string())]);
    let before = database.content();
    let dumped = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
    assert_eq!(dumped.stderr, "", "nothing to say of a dump that went well");
    let dump = dumped.json();
    assert_eq!(dump["client"]["program"], "mariadb-dump");
    // The same as when the programs run here.
    let local = Store::new().dump(&database);
    for (there, here) in
        dump["sections"].as_array().unwrap().iter().zip(local["sections"].as_array().unwrap())
    {
        assert_eq!((&there["raw_size"], &there["rows_digest"]), (&here["raw_size"], &here["rows_digest"]));
    }
    pod.tool(&store, "fwb-verify").arg(name(&dump)).run().ok();

    database.sql("DELETE FROM bulk WHERE id > 100; CREATE TABLE extra (id INT PRIMARY KEY);");
    let damaged = database.content();
    let restore = || pod.tool(&store, "fwb-restore").arg("--yes");
    let report = restore().arg(name(&dump)).run().ok().json();
    assert_eq!(report["strategy"], "swap");
    assert_eq!(database.content(), before);
    pod.set(Tool::alone("fwb-restore")).args(["--undo", "--yes", "--database", &database.name]).run().ok();
    assert_eq!(database.content(), damaged);
    restore().args([name(&dump), "--strategy", "in-place"]).run().ok();
    assert_eq!(database.content(), before);
    database.sql("DELETE FROM bulk");
    restore().args([name(&dump), "--tables", "bulk"]).run().ok();
    assert_eq!(database.content(), before);
    is_quiet(&pod, "after all that");
    assert_eq!(fs::read_dir(&places).unwrap().count(), 0, "nothing is left in the pod's file system");
    // The least that works is asked of the cluster.
    for call in pod.calls() {
        let call: Vec<&str> = call.iter().map(String::as_str).collect();
        match call[..] {
            ["get", "pods", "-n", "filewallball", "-l", "app=mariadb", "-o", "json"]
            | ["exec", "-i", "-n", "filewallball", "mariadb-0", "-c", "mariadb", "--", "sh", "-c", ..] => {}
            _ => panic!("{call:?}"),
        }
    }
}

#[test]
fn a_dump_that_is_cut_anywhere_is_no_dump() {
    let (pod, store, database) = (Pod::new(), Store::new(), large("pod_cut"));
    let size =
        pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok().json()["raw_size"].clone();
    let size = usize::try_from(size.as_u64().unwrap()).unwrap();
    let cuts = cuts(size);
    assert!(cuts.len() > 116, "{size}");
    each(cuts.len(), |number| {
        let (pod, store, cut) = (Pod::new(), Store::new(), cuts[number]);
        // With and without what comes over stderr, which has the proof.
        let errors = if number % 2 == 0 { "2>/dev/null" } else { "" };
        pod.on_exec(&format!(
            "if [ $what = dump ]; then {{ pod \"$@\" {errors}; }} | {{ head -c {cut}; cat >/dev/null; }}; exit 0; fi"
        ));
        let out = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run();
        let what = format!("cut at {cut} of {size}");
        let out = out.fails(1, &["was cut while dumping", "pod mariadb-0"]);
        assert!(out.stdout.is_empty(), "{what}");
        is_empty(&store, &what);
    });
    // A reader that is gone altogether, which the program in the pod notices.
    pod.on_exec("if [ $what = dump ]; then pod \"$@\" | head -c 100000; exit 0; fi");
    let empty = Store::new();
    pod.tool(&empty, "fwb-dump").args(["-B", &database.name]).run().fails(1, &["was cut while dumping"]);
    is_empty(&empty, "no reader");
    pod.on_exec("");
    pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
}

/// A database, a backup of it, and what it has become since.
struct Changed {
    database: Database,
    store: Store,
    dump: Value,
    content: String,
}

impl Changed {
    fn new() -> Self {
        let (database, store) = (Database::new("pod_in"), Store::new());
        database.sql(
            "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(2000));
             INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_1600;",
        );
        let dump = store.dump_verified(&database);
        database.sql("DELETE FROM bulk WHERE id > 5; CREATE TABLE other (id INT PRIMARY KEY);");
        let content = database.content();
        Self { database, store, dump, content }
    }

    fn restore(&self, pod: &Pod) -> Output {
        let tool = pod.tool(&self.store, "fwb-restore").args(["--yes", "--no-safety-backup", "--jobs", "1"]);
        tool.arg(name(&self.dump)).run()
    }

    /// Takes back a restore.
    fn undo(&self) {
        for action in ["--undo", "--drop-before"] {
            let tool = Tool::new("fwb-restore").args([action, "--yes", "--database", &self.database.name]);
            tool.run().ok();
        }
        assert_eq!(self.database.content(), self.content);
    }
}

#[test]
fn a_restore_whose_stdin_is_cut_anywhere_changes_nothing() {
    let places = [Changed::new(), Changed::new()];
    // How long the longest stdin is: that of the rows.
    let pod = Pod::new();
    pod.on_exec("carrier=(tee \"$(mktemp \"$dir/size.XXXXXX\")\")");
    places[0].restore(&pod).ok();
    places[0].undo();
    let files = fs::read_dir(pod.file("")).unwrap().map(|entry| entry.unwrap());
    let sizes = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("size."));
    let size = usize::try_from(sizes.map(|entry| entry.metadata().unwrap().len()).max().unwrap()).unwrap();
    assert!(size > 1_000_000, "{size}");

    let cuts: Vec<usize> = cuts(size).into_iter().filter(|cut| *cut >= 64 << 10).collect();
    assert!(cuts.len() > 110);
    let (half, rest) = cuts.split_at(cuts.len() / 2);
    std::thread::scope(|scope| {
        for (place, cuts) in places.iter().zip([half, rest]) {
            scope.spawn(move || cuts.iter().for_each(|cut| cut_at(place, *cut, size)));
        }
    });
    let others = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, CHAR_LENGTH(DATABASE()) + 2) \
                  = CONCAT(DATABASE(), '__')";
    for place in places {
        assert_eq!(place.database.query(others), "0", "nothing beside it is left");
    }
}

/// Restores over a connection whose stdin ends after so many bytes of about `size`.
fn cut_at(place: &Changed, cut: usize, size: usize) {
    let pod = Pod::new();
    pod.on_exec(&format!("carrier=(dd bs=64K count={cut} iflag=count_bytes); pod \"$@\"; exit 0"));
    let out = place.restore(&pod);
    let what = format!("cut at {cut} of {size}: {}", out.stderr);
    if out.code == Some(0) {
        // The names of locks may be a little shorter this time, and so the whole.
        assert!(cut + 4 >= size, "{what}");
        place.undo();
        return;
    }
    assert!(pod.file("stdin.ended").exists(), "{what}");
    assert!(out.fails(1, &["was cut while"]).stdout.is_empty(), "{what}");
    assert_eq!(place.database.content(), place.content, "{what}");
}

#[test]
fn whatever_goes_wrong_with_a_dump_is_told_and_leaves_nothing() {
    let (store, database) = (Store::new(), large("pod_faults"));
    let dump = |pod: &Pod| pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
    let faulty = |script: &str| {
        let pod = Pod::new();
        pod.on_exec(script);
        pod
    };
    for (script, words) in [
        // Late, and only to be seen in the exit status.
        ("[ $what != dump ] || { pod \"$@\"; exit 7; }", "kubectl failed after mariadb-dump had ended well"),
        // Early, as kubectl does it.
        (
            "[ $what != dump ] || { echo 'error: unable to upgrade connection: Forbidden' >&2; exit 1; }",
            "unable to upgrade connection",
        ),
        ("[ $what != dump ] || exit 0", "before the pod could tell how mariadb-dump had ended"),
        ("[ $what != dump ] || { pod \"$@\" 2>/dev/null; exit 0; }", "before the pod could tell"),
        ("[ $what != dump ] || { pod \"$@\" >/dev/null; exit 0; }", "0 of "),
        ("[ $what != dump ] || { pod \"$@\" </dev/null; exit 0; }", "was cut while"),
        ("pod \"$@\" </dev/null; exit 0", "was cut while"),
        // Another byte, and one more.
        ("[ $what != dump ] || { pod \"$@\" | sed s/DROP/DROp/; exit 0; }", "SHA-256 differs"),
        ("[ $what != dump ] || { pod \"$@\"; echo; exit 0; }", "so the stream was cut"),
    ] {
        let pod = faulty(script);
        dump(&pod).run().fails(1, &[words]);
        is_empty(&store, script);
        is_quiet(&pod, script);
    }
    let pod = faulty("[ $what != dump ] || exec sleep 1000");
    dump(&pod).env("FWB_POD_TIMEOUT", "1").run().fails(1, &["no sign of life for 1 s"]);
    is_empty(&store, "a connection that hangs");

    // The programs' own failures keep their words, and are no failures of the connection.
    let pod = Pod::new();
    let tool = pod.tool(&store, "fwb-dump").args(["-B", "fwb_no_such_database"]).env("FWB_RETRIES", "5");
    tool.run().fails(1, &["database fwb_no_such_database does not exist"]);
    // What comes before does no harm, nor how much of it.
    let pod = faulty("{ yes noise | head -c 20000000; head -c 20000000 /dev/zero; } >&2");
    dump(&pod).run().ok();
}

#[test]
fn a_broken_connection_is_tried_again() {
    let (store, database) = (Store::new(), large("pod_retry"));
    let dump = |pod: &Pod, retries: &str| {
        pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--retries", retries]).run()
    };
    let dumps =
        |pod: &Pod| pod.calls().iter().filter(|call| call.contains(&"--single-transaction".into())).count();

    let pod = Pod::new();
    pod.on_exec("[ $what != dump ] || { pod \"$@\" | head -c 1000; exit 0; }");
    dump(&pod, "1").fails(1, &["was cut while dumping", "tried 2 times", "trying again in 1 s"]);
    assert_eq!(dumps(&pod), 2);
    is_empty(&store, "two cuts");

    // It is another pod now.
    let pod = Pod::new();
    let replaced = json!({"items": [Pod::ready("mariadb-1")]});
    fs::write(pod.file("after.json"), replaced.to_string()).unwrap();
    pod.on_exec(
        "case $what-$target in dump-*mariadb-0*) mv $dir/after.json $dir/pods.json ;; esac
         case $target in *mariadb-0*) [ -e $dir/after.json ] || {
             echo 'Error from server (NotFound): pods \"mariadb-0\" not found' >&2; exit 1; } ;; esac",
    );
    let out = dump(&pod, "1").ok();
    assert!(out.stderr.contains("pods \"mariadb-0\" not found"), "{}", out.stderr);
    assert_eq!(dumps(&pod), 2);
    assert_eq!(store.tool("fwb-ls").run().ok().records().len(), 1);

    // A query is as good the second time; what follows never sees it.
    let pod = Pod::new();
    pod.on_exec("[ $what != sql ] || [ -e $dir/cut ] || { touch $dir/cut; exit 0; }");
    let out = dump(&pod, "1").ok();
    assert!(out.stderr.contains("trying again"), "{}", out.stderr);
    assert_eq!(dumps(&pod), 1);

    // A pod that is about to be ready.
    let pod = Pod::new();
    pod.on_get("[ -e $dir/asked ] || { touch $dir/asked; echo '{\"items\": []}'; exit 0; }");
    dump(&pod, "1").ok();
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
        pod.tool(&store, "fwb-restore").args([name(&dump), "--yes"]).run().ok();
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

/// Puts a directory with these programs, and all others of the machine but MariaDB's, before the pod's `PATH`.
fn programs(pod: &Pod, without: &[&str], with: &[(&str, &str)]) {
    let bin = pod.file("bin");
    fs::create_dir(&bin).unwrap();
    for place in ["/usr/bin", "/bin"] {
        for program in fs::read_dir(place).unwrap().flatten() {
            let name = program.file_name();
            let text = name.to_string_lossy().into_owned();
            // Nothing is ever written through a link to one of the machine's own.
            let is_replaced = with.iter().any(|(name, _)| *name == text);
            let is_left_out = is_replaced
                || text.starts_with("mariadb")
                || text.starts_with("mysql")
                || without.contains(&&*text);
            // A link that leads nowhere is there all the same.
            if !is_left_out && bin.join(&name).symlink_metadata().is_err() {
                std::os::unix::fs::symlink(program.path(), bin.join(&name)).unwrap();
            }
        }
    }
    for (name, script) in with {
        executable(&bin.join(name), format!("#!/bin/sh\n{script}\n"));
    }
    pod.environment(&[("PATH", &bin.display().to_string())]);
}

#[test]
fn the_pod_may_have_the_programs_by_their_old_names() {
    let (store, database) = (Store::new(), Database::sample("pod_old"));
    let old = [("mysql", "exec /usr/bin/mariadb \"$@\""), ("mysqldump", "exec /usr/bin/mariadb-dump \"$@\"")];
    let pod = Pod::new();
    programs(&pod, &[], &old);
    let dump = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok().json();
    let before = database.content();
    pod.tool(&store, "fwb-restore").args([name(&dump), "--yes"]).run().ok();
    assert_eq!(database.content(), before);
    // bash is another shell than dash.
    let pod = Pod::new();
    pod.on_exec("[ \"$1\" != sh ] || { shift; set -- bash --posix \"$@\"; }");
    pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();

    let dump = |pod: &Pod| pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run();
    let pod = Pod::new();
    programs(&pod, &[], &[]);
    dump(&pod).fails(1, &["none of these programs: mariadb mysql"]);
    let pod = Pod::new();
    programs(&pod, &["sha256sum"], &old);
    dump(&pod).fails(1, &["the pod has no sha256sum"]);
}

/// A dump program that has children of its own, and does not come to an end.
const ENDLESS: &str = "case \" $* \" in *' --help '*) exec /usr/bin/mariadb-dump \"$@\" ;; esac
echo '-- MariaDB dump'; sleep 1000 & echo x >\"$HOME/begun\"; sleep 1001; wait";

#[test]
fn nothing_goes_on_in_the_pod_when_the_tool_or_kubectl_is_killed() {
    let (store, database) = (Store::new(), large("pod_orphans"));
    let dump = store.dump_verified(&database);
    for victim in ["tool", "tool by TERM", "kubectl"] {
        let pod = Pod::new();
        programs(&pod, &[], &[("mariadb", "exec /usr/bin/mariadb \"$@\""), ("mariadb-dump", ENDLESS)]);
        pod.on_exec("echo $$ >$dir/kubectl.$what");
        let empty = Store::new();
        let mut child = pod.tool(&empty, "fwb-dump").args(["-B", &database.name]).spawn();
        until("the dump", || pod.file("begun").exists().then_some(()));
        assert!(!pod.processes().is_empty());
        match victim {
            "tool" => signal(child.id(), "KILL"),
            "tool by TERM" => signal(child.id(), "TERM"),
            _ => {
                let kubectl = fs::read_to_string(pod.file("kubectl.dump")).unwrap().trim().to_owned();
                // All of it: it is one program in truth.
                Tool::program("kill").args(["-KILL", "--", &format!("-{kubectl}")]).run().ok();
            }
        }
        let code = child.wait().unwrap().code();
        assert_eq!(
            code,
            if victim == "tool" {
                None
            } else if victim == "kubectl" {
                Some(1)
            } else {
                Some(143)
            }
        );
        is_quiet(&pod, victim);
    }
    // kubectl is there and carries nothing any more, as when the container runtime has died.
    let pod = Pod::new();
    programs(&pod, &[], &[("mariadb", "exec /usr/bin/mariadb \"$@\""), ("mariadb-dump", ENDLESS)]);
    pod.on_exec(
        "[ $what != dump ] || carrier=(sh -c 'while IFS= read -r line && [ \"$line\" != end ]; do printf \"%s\\n\" \"$line\"; done; echo end; exec sleep 1000')",
    );
    let tool = pod.tool(&Store::new(), "fwb-dump").args(["-B", &database.name]).env("FWB_POD_TIMEOUT", "3");
    tool.run().fails(1, &["was cut while dumping"]);
    is_quiet(&pod, "a connection that carries nothing");

    // At any time of a restore, its loader likewise.
    let before = database.content();
    for number in 0..12 {
        let pod = Pod::new();
        pod.on_exec("echo $$ >>$dir/kubectls");
        let tool = pod.tool(&store, "fwb-restore").args([name(&dump), "--yes", "--no-safety-backup"]);
        let mut child = tool.spawn();
        until("its calls", || {
            (pod.calls().len() >= 3 * number + 2 || child.try_wait().unwrap().is_some()).then_some(())
        });
        signal(child.id(), "KILL");
        child.wait().unwrap();
        is_quiet(&pod, &format!("after call {}", 3 * number + 2));
    }
    Tool::new("fwb-restore").args(["--drop-before", "--yes", "--database", &database.name]).run();
    assert_eq!(database.content(), before);
}
