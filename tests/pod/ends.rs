//! How runs in the pod end: in the middle of a block, by a program that fails, by silence, and with nothing left.

use std::fs;

use super::{is_quiet, programs};
use crate::support::{Database, Pod, Store};

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
