//! How runs in the pod end: in the middle of a block, by a program that fails, by silence, and with nothing left.

use std::fs;

use super::{is_quiet, large, programs};
use crate::faults::{signal, until};
use crate::support::{Database, Pod, Store, Tool, name};

/// The SQL client, which first does what `script` says.
fn client(script: &str) -> String {
    format!("{script}\nexec /usr/bin/mariadb \"$@\"")
}

const DUMP: (&str, &str) = ("mariadb-dump", "exec /usr/bin/mariadb-dump \"$@\"");

#[test]
fn the_password_is_in_no_environment() {
    let (store, database) = (Store::new(), Database::sample("pod_environment"));
    let pod = Pod::new();
    programs(&pod, &[], &[("mariadb", &client("env >>\"$HOME/seen\"")), DUMP]);
    let path = format!("{}:/usr/bin:/bin", pod.file("bin").display());
    let names = "options value quoted rest char file line lines header secret program name dir status";
    let pairs: Vec<(&str, &str)> = names.split(' ').map(|name| (name, "of the pod")).collect();
    pod.environment(&[&[("PATH", path.as_str())], &pairs[..]].concat());
    let password = pod.file("password");
    fs::write(&password, "the-pass-word\n").unwrap();
    // The server knows no password of this account's.
    let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
    tool.arg("--password-file").arg(&password).run().fails(2, &["ERROR 1045"]);
    let seen = fs::read_to_string(pod.file("seen")).unwrap();
    assert!(seen.contains("HOME=") && !seen.contains("the-pass-word"), "{seen}");
}
#[test]
fn an_option_file_may_be_longer_than_a_pipe_holds() {
    let (store, database) = (Store::new(), Database::sample("pod_options"));
    for shell in ["dash", "bash --posix", "busybox sh"] {
        let pod = Pod::new();
        pod.on_exec(&format!("[ \"$1\" != sh ] || {{ shift; set -- {shell} \"$@\"; }}"));
        let options = fs::read_to_string(pod.file(".my.cnf")).unwrap();
        let file = pod.file("client.cnf");
        fs::write(&file, format!("# {}\n", "long ".repeat(20)).repeat(2000) + &options).unwrap();
        fs::write(pod.file(".my.cnf"), "").unwrap();
        let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
        tool.arg("--defaults-file").arg(&file).run().ok();
        is_quiet(&pod, shell);
    }
}
#[test]
fn the_pod_may_have_busybox_for_coreutils() {
    let (store, database) = (Store::new(), large("pod_busybox"));
    let applets = ["dd", "mkfifo", "mktemp", "rm", "sha256sum", "sleep", "tee", "timeout", "wc", "setsid"];
    let scripts = applets.map(|applet| (applet, format!("exec /usr/bin/busybox {applet} \"$@\"")));
    let mut with: Vec<(&str, &str)> = scripts.iter().map(|(applet, script)| (*applet, &**script)).collect();
    let slow = "case \" $* \" in *' --help '*) ;; *) sleep 2 ;; esac\nexec /usr/bin/mariadb-dump \"$@\"";
    with.extend([("mariadb", "exec /usr/bin/mariadb \"$@\""), ("mariadb-dump", slow)]);
    let pod = Pod::new();
    programs(&pod, &[], &with);
    pod.on_exec("[ \"$1\" != sh ] || { shift; set -- busybox sh \"$@\"; }");
    let before = database.content();
    let dump = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok().json();
    pod.tool(&store, "fwb-restore").args([name(&dump), "--yes"]).run().ok();
    assert_eq!(database.content(), before);
    is_quiet(&pod, "a pod with busybox");
    // What no group can be made with is refused.
    let pod = Pod::new();
    programs(&pod, &["setsid"], &with[..8]);
    pod.tool(&store, "fwb-dump")
        .args(["-B", &database.name])
        .run()
        .fails(1, &["neither setsid nor the timeout of coreutils"]);
    // Where there is no setsid, coreutils will do.
    let pod = Pod::new();
    programs(&pod, &["setsid"], &[("mariadb", &client("")), DUMP]);
    pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
}
/// Runs a command as in a pod whose process 1 reaps nobody, and writes down whom it would have to.
const REAPER: &str = "
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], 'a') as orphans:
    print('ended', file=orphans)
    for pid in os.listdir('/proc'):
        try:
            state = open(f'/proc/{pid}/stat').read().rsplit(') ')[1].split()
            if int(state[1]) == os.getpid():
                print(state[0], open(f'/proc/{pid}/cmdline').read(), file=orphans)
        except (IndexError, OSError):
            pass
sys.exit(code if code >= 0 else 128 - code)
";

/// Lets the pod's process 1 reap nobody, and one shell run the script.
fn without_reaper(pod: &Pod, shell: &str, also: &str) {
    fs::write(pod.file("reaper.py"), REAPER).unwrap();
    pod.on_exec(&format!(
        "[ \"$1\" != sh ] || {{ shift; set -- /usr/bin/python3 \"$dir/reaper.py\" \"$dir/orphans\" {shell} \"$@\"; }}\n{also}"
    ));
}

#[track_caller]
fn has_no_orphans(pod: &Pod, what: &str) {
    is_quiet(pod, what);
    let orphans = fs::read_to_string(pod.file("orphans")).unwrap();
    assert!(!orphans.is_empty() && orphans.lines().all(|line| line == "ended"), "{what}: {orphans}");
}

/// A SQL client that does this in place of loading rows: the second session in a database does that.
fn at_rows(action: &str) -> String {
    let script = "case \" $* \" in *' --database='*) ;; *) exec /usr/bin/mariadb \"$@\" ;; esac
IFS= read -r line
case $line in
    'SET SESSION'*) if [ -e \"$HOME/structure\" ]; then ACTION; fi; : >\"$HOME/structure\" ;;
esac
{ printf '%s\\n' \"$line\"; cat; } | /usr/bin/mariadb \"$@\"";
    script.replace("ACTION", action)
}

/// A carrier that carries nothing any more, and keeps the pod's stdin open even when kubectl is gone.
const HANG: &str = "exec setsid tail -n 0 -f \"$0/kubectl\" </dev/null";

const SHELLS: [&str; 3] = ["dash", "bash --posix", "busybox sh"];

#[test]
fn a_client_that_fails_while_blocks_come_leaves_nobody() {
    let (store, database) = (Store::new(), large("pod_failing"));
    let dump = store.dump_verified(&database);
    // Half of the second block comes, and no more.
    let carrier = format!("dd bs=64K count=1200000 iflag=count_bytes; {HANG}");
    let fails = at_rows("sleep 1; echo 'ERROR 1146 (42S02) at line 1: no' >&2; exit 1");
    for shell in SHELLS {
        let pod = Pod::new();
        let places = pod.file("tmp");
        programs(&pod, &[], &[("mariadb", &fails), DUMP]);
        fs::create_dir(&places).unwrap();
        let bin = pod.file("bin").display().to_string();
        pod.environment(&[("PATH", &bin), ("TMPDIR", &places.display().to_string())]);
        without_reaper(&pod, shell, &format!("[ $what != sql ] || carrier=(sh -c '{carrier}' \"$dir\")"));
        for _ in 0..2 {
            fs::remove_file(pod.file("structure")).ok();
            let tool = pod.tool(&store, "fwb-restore").args(["--yes", "--no-safety-backup", "--jobs", "1"]);
            tool.arg(name(&dump)).run().fails(1, &["ERROR 1146"]);
        }
        has_no_orphans(&pod, shell);
        assert_eq!(fs::read_dir(&places).unwrap().count(), 0, "{shell}");
    }
}
#[test]
fn silence_in_the_middle_of_a_block_is_noticed() {
    let (store, database) = (Store::new(), large("pod_silence"));
    let dump = store.dump_verified(&database);
    let before = database.content();
    for shell in SHELLS {
        let pod = Pod::new();
        // Only what carries rows is that long.
        let carrier = format!("dd bs=64K count=400000 iflag=count_bytes; {HANG}");
        without_reaper(&pod, shell, &format!("[ $what != sql ] || carrier=(sh -c '{carrier}' \"$dir\")"));
        let tool = pod.tool(&store, "fwb-restore").args(["--yes", "--no-safety-backup", "--jobs", "1"]);
        tool.arg(name(&dump)).env("FWB_POD_TIMEOUT", "3").run().fails(1, &["was cut while"]);
        has_no_orphans(&pod, shell);
        assert_eq!(database.content(), before);
    }
}
#[test]
fn a_cut_is_seen_while_the_program_is_slow_to_take_a_block() {
    let (store, database) = (Store::new(), Database::new("pod_slow"));
    database.sql(
        "CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(2000));
         INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_400;",
    );
    let dump = store.dump_verified(&database);
    // It takes nothing of the rows.
    let slow = at_rows(": >\"$HOME/rows\"; exec sleep 1000");
    for shell in SHELLS {
        let pod = Pod::new();
        programs(&pod, &[], &[("mariadb", &slow), DUMP]);
        without_reaper(&pod, shell, "");
        let tool = pod.tool(&store, "fwb-restore").args(["--yes", "--no-safety-backup", "--jobs", "1"]);
        let mut child = tool.arg(name(&dump)).spawn();
        until("the rows", || pod.file("rows").exists().then_some(()));
        // So that they are on their way.
        std::thread::sleep(std::time::Duration::from_millis(500));
        signal(child.id(), "KILL");
        child.wait().unwrap();
        has_no_orphans(&pod, shell);
    }
    Tool::new("fwb-restore").args(["--drop-before", "--yes", "--database", &database.name]).run();
}
#[test]
fn silence_after_a_program_that_ended_before_its_input_is_noticed() {
    let (store, database) = (Store::new(), Database::sample("pod_no_end"));
    for shell in SHELLS {
        let pod = Pod::new();
        let no_end = "while IFS= read -r line && [ \"$line\" != end ]; do printf \"%s\\n\" \"$line\"; done";
        let carrier = format!("{no_end}; {HANG}");
        without_reaper(&pod, shell, &format!("[ $what != dump ] || carrier=(sh -c '{carrier}' \"$dir\")"));
        let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
        tool.env("FWB_POD_TIMEOUT", "3").run().fails(1, &["was cut while dumping"]);
        has_no_orphans(&pod, shell);
    }
}
#[test]
fn a_program_that_was_killed_is_no_broken_connection() {
    let (store, database) = (Store::new(), Database::sample("pod_killed"));
    let pod = Pod::new();
    // As by the kernel for want of memory, before the end of its input comes.
    programs(&pod, &[], &[("mariadb", "echo x >>\"$HOME/begun\"; kill -9 $$"), DUMP]);
    let late =
        "while IFS= read -r line; do [ \"$line\" != end ] || sleep 2; printf \"%s\\n\" \"$line\"; done";
    pod.on_exec(&format!("case $what in sql | other) carrier=(sh -c '{late}') ;; esac"));
    let tool = pod.tool(&store, "fwb-dump").args(["-B", &database.name]).env("FWB_RETRIES", "2");
    tool.run().fails(1, &["killed by signal 9"]);
    assert_eq!(fs::read_to_string(pod.file("begun")).unwrap().lines().count(), 1, "it ran once");
}
#[test]
fn no_rollback_begins_before_the_server_has_ended_what_failed() {
    let (store, database) = (Store::new(), Database::sample("pod_released"));
    let dump = store.dump_verified(&database);
    database.sql("CREATE TABLE since (id INT PRIMARY KEY)");
    let before = database.content();
    // The first session that changes the live database fails; the server says once that it is still at it; and once nothing comes of it.
    let script = "IFS= read -r line
case \"$line\" in
    *\"GET_LOCK('fwb-restore-\"*) echo x >>\"$HOME/asked\"; [ -e \"$HOME/known\" ] || { : >\"$HOME/known\"; printf 'fwb\\tbegun\\n0\\nfwb\\tdone\\n'; exit 0; } ;;
    'SET SESSION'*) case \" $* \" in *' --database=LIVE '*)
        [ -e \"$HOME/failed\" ] || { : >\"$HOME/failed\"; echo 'ERROR 2013 (HY000) at line 3: Lost connection' >&2; exit 1; } ;; esac ;;
esac
{ printf '%s\\n' \"$line\"; cat; } | /usr/bin/mariadb \"$@\"";
    let pod = Pod::new();
    programs(&pod, &[], &[("mariadb", &script.replace("LIVE", &database.name)), DUMP]);
    pod.on_exec("[ ! -e $dir/known ] || [ -e $dir/broken ] || { touch $dir/broken; exit 0; }");
    let tool = pod.tool(&store, "fwb-restore").args(["--yes", "--strategy", "in-place", "--jobs", "1"]);
    let out = tool.arg(name(&dump)).env("FWB_RETRIES", "1").run();
    out.fails(1, &["Lost connection", "rolled back to what it held before"]);
    assert_eq!(database.content(), before);
    assert_eq!(fs::read_to_string(pod.file("asked")).unwrap().lines().count(), 2);
    is_quiet(&pod, "after a rollback");
}
