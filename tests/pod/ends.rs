//! How runs in the pod end: in the middle of a block, by a program that fails, by silence, and with nothing left.

use std::fs;

use super::{is_quiet, large, programs};
use crate::support::{Database, Pod, Store, name};

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
    tool.arg("--password-file").arg(&password).run().fails(1, &["ERROR 1045"]);
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
