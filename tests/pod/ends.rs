//! Nothing goes on in the pod, or on the server, when one end has gone; and nobody sees a secret.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Account, is_quiet, large};
use crate::faults::signal;
use crate::support::{Database, Pod, Server, Store, Tool, name, until};

#[test]
fn nothing_goes_on_in_the_pod_when_a_restore_is_killed() {
    let (store, database) = (Store::new(), large("pod_orphans"));
    let dump = store.dump_verified(&database);
    let before = database.content();
    for number in 0..10 {
        let pod = Pod::new();
        let account = Account::new(&pod, "fwb_pod_orphans");
        let tool = pod.tool(&store, "fwb-restore").args([name(&dump), "--yes", "--no-safety-backup"]);
        let mut child = tool.spawn();
        until("its calls", || {
            (pod.calls().len() >= number + 2 || child.try_wait().unwrap().is_some()).then_some(())
        });
        if child.try_wait().unwrap().is_some() {
            break;
        }
        signal(child.id(), if number % 2 == 0 { "KILL" } else { "TERM" });
        child.wait().unwrap();
        let what = format!("after call {}", number + 2);
        is_quiet(&pod, &what);
        account.is_gone(&what);
    }
    Tool::new("fwb-restore").args(["--drop-before", "--yes", "--database", &database.name]).run();
    assert_eq!(database.content(), before);
}

#[test]
fn a_password_is_in_no_argument_and_no_message() {
    let (store, database) = (Store::new(), Database::sample("pod_secret"));
    let user = "fwb_pod_secret";
    let secret = "the-pass-word-of-the-pod";
    Server::shared().sql(format!(
        "CREATE OR REPLACE USER {user}@localhost IDENTIFIED BY '{secret}'; GRANT ALL ON *.* TO {user}@localhost"
    ));
    let pod = Pod::new();
    fs::write(pod.file(".my.cnf"), format!("[client]\nsocket={}\n", Server::shared().socket())).unwrap();
    pod.environment(&[("MARIADB_USER", user), ("MARIADB_PASSWORD", secret)]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut leaks = Vec::new();
            while !done.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    let seen = fs::read(process.path().join("cmdline")).unwrap_or_default();
                    let seen = String::from_utf8_lossy(&seen).into_owned();
                    leaks.extend(seen.contains(secret).then_some(seen));
                }
            }
            leaks
        });
        for via in ["exec", "port-forward"] {
            let tool =
                pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--user", user, "--via", via]);
            let out = tool.args(["--verbose", "--verbose"]).run().ok();
            assert!(!out.stderr.contains(secret), "{}", out.stderr);
            // A pod that tells half of it is not quoted.
            pod.on_exec("[ $what != survey ] || { pod \"$@\" | head -c 150; exit 0; }");
            let tool =
                pod.tool(&store, "fwb-dump").args(["-B", &database.name, "--user", user, "--via", via]);
            let out = tool.args(["--verbose", "--verbose"]).run().exits(1);
            assert!(!out.stderr.contains("the-pass"), "{}", out.stderr);
            pod.on_exec("");
        }
        done.store(true, Ordering::Relaxed);
        let leaks: Vec<String> = watcher.join().unwrap();
        assert!(leaks.is_empty(), "{leaks:?}");
    });
    for call in pod.calls() {
        assert!(!call.concat().contains(secret), "{call:?}");
    }
    Server::shared().sql(format!("DROP USER {user}@localhost"));
}

#[test]
fn the_survey_runs_in_every_shell() {
    let (store, database) = (Store::new(), Database::sample("pod_shells"));
    for shell in ["dash", "bash --posix", "busybox sh"] {
        let pod = Pod::new();
        let options = fs::read_to_string(pod.file(".my.cnf")).unwrap();
        let included = pod.file("conf.d");
        fs::create_dir(&included).unwrap();
        // Only what is for clients counts, wherever it stands; so it is in what is included.
        let text = format!(
            "user=nobody\n[mysqldump]\nwhere=1=0\n[client]\n  !includedir {}\n[mysqld]\nsocket=/x\n",
            included.display()
        );
        fs::write(included.join("a.cnf"), options).unwrap();
        fs::write(included.join("b.txt"), "[client]\nsocket=/y\n").unwrap();
        fs::write(pod.file(".my.cnf"), text).unwrap();
        pod.on_exec(&format!("[ $what != survey ] || {{ shift; set -- {shell} \"$@\"; }}"));
        pod.tool(&store, "fwb-dump").args(["-B", &database.name]).run().ok();
        is_quiet(&pod, shell);
    }
}
