//! Paths outside of a store that a dump is told to write: what is there may be the machine's own, somebody else's, or put
//! there by somebody who may write the directory and hopes for a backup that runs as root.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::faults::{code, held_dump, signal};
use crate::support::{Database, Server, Store, Tool, bash};

/// A user who is nobody here.
const SOMEBODY: u32 = 65534;

fn small(name: &str) -> Database {
    let database = Database::new(name);
    database.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2);");
    database
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn names(dir: &Path) -> Vec<String> {
    let found = fs::read_dir(dir).unwrap().map(|found| found.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = found.collect();
    names.sort();
    names
}

/// `fwb-dump -o /dev/null` as root must not cost the machine its /dev/null, nor a pipe its reader.
#[test]
fn a_device_a_pipe_or_a_socket_is_written_into_and_stays_what_it_is() {
    let (database, dir) = (small("streams"), tempfile::tempdir().unwrap());
    let run = |script: &str| bash(script).env("DB", &database.name).dir(dir.path()).run().ok();
    let is_whole = |file: &str| {
        let proved = Tool::new("fwb-verify").arg(Path::new(".").join(file)).dir(dir.path()).run().ok().json();
        assert_eq!(proved["verification"]["ok"], true, "{file}");
    };
    let said = run("mkfifo pipe; cat pipe > piped.sql.gz & fwb-dump -B \"$DB\" -o pipe; wait $!").json();
    assert!(dir.path().join("pipe").metadata().unwrap().file_type().is_fifo());
    assert!(said.get("store").is_none(), "what went through a pipe lies in no store: {said}");
    is_whole("piped.sql.gz");
    // The system's own links, which the shell makes too.
    run(
        "fwb-dump -B \"$DB\" -o >(cat > shell.sql.gz; touch done) --manifest >(cat > shell.json; touch said); until [ -e done ] && [ -e said ]; do sleep 0.05; done",
    );
    is_whole("shell.sql.gz");
    assert!(fs::read_to_string(dir.path().join("shell.json")).unwrap().contains("\"schema\""));
    // What is standard output has the artifact in it and no manifest.
    run("fwb-dump -B \"$DB\" -o /dev/stdout | cat > stdout.sql.gz");
    is_whole("stdout.sql.gz");
    let listener = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('socket')\ns.listen()\nopen('ready', 'w')\n\
        c = s.accept()[0]\nwith open('socket.sql.gz', 'wb') as f:\n  while b := c.recv(65536): f.write(b)\n";
    fs::write(dir.path().join("listen.py"), listener).unwrap();
    run(
        "python3 listen.py & until [ -e ready ]; do sleep 0.05; done; fwb-dump -B \"$DB\" -o socket; wait $!",
    );
    is_whole("socket.sql.gz");
    // The same device as /dev/null, which a test must not put at risk.
    if bash("mknod null c 1 3 && : > null").dir(dir.path()).run().code == Some(0) {
        run("fwb-dump -B \"$DB\" -o null --manifest null");
        assert!(dir.path().join("null").metadata().unwrap().file_type().is_char_device());
    }
    // Nobody reads: a signal ends the wait.
    let mut waits = Tool::new("fwb-dump").args(["-B", &database.name, "-o", "pipe"]).dir(dir.path()).spawn();
    signal(waits.id(), "KILL");
    assert_eq!(code(&mut waits), None);
    let hidden: Vec<String> =
        names(dir.path()).into_iter().filter(|name| name.ends_with(".partial")).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// Whoever may write a directory puts a link, or a file of his own, where root will write: root's rights must not reach
/// through it, and nobody's file may be lost.
#[test]
fn what_is_no_file_of_ours_is_neither_replaced_nor_written_into() {
    let (database, dir, outside) =
        (small("others"), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    fs::write(&victim, "not yours").unwrap();
    let path = dir.path().join("x.sql.gz");
    let refused = |what: &str, why: &str| {
        let dump = || Tool::new("fwb-dump").args(["-B", &database.name]);
        dump().arg("-o").arg(&path).run().fails(2, &[path.to_str().unwrap(), why, "hint: "]);
        let manifest = dump().args(["-o", "/dev/null", "--manifest"]).arg(&path).run();
        manifest.fails(2, &[path.to_str().unwrap(), why]);
        assert_eq!(names(dir.path()), ["x.sql.gz"], "{what}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "not yours", "{what}");
    };
    symlink(&victim, &path).unwrap();
    refused("a link to a file", "is a symbolic link");
    assert_eq!(fs::read_link(&path).unwrap(), victim);
    fs::remove_file(&path).unwrap();
    symlink(outside.path().join("new"), &path).unwrap();
    refused("a link to nothing", "is a symbolic link");
    assert!(!outside.path().join("new").exists());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("a directory", "is a directory");
    fs::remove_dir(&path).unwrap();
    // In a directory that others may write, a link to a device is somebody's trap.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink("/dev/null", &path).unwrap();
    refused("a link to a device", "is a symbolic link");
    fs::remove_file(&path).unwrap();
    if !is_root() {
        return;
    }
    fs::write(&path, "somebody's").unwrap();
    std::os::unix::fs::chown(&path, Some(SOMEBODY), None).unwrap();
    refused("somebody's file", "belongs to another user");
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
    fs::remove_file(&path).unwrap();
    bash("mkfifo \"$PIPE\"").env("PIPE", &path).run().ok();
    std::os::unix::fs::chown(&path, Some(SOMEBODY), None).unwrap();
    refused("somebody's pipe", "belongs to another user");
}

/// A file that stands under a name that could be guessed was opened, emptied, and became the backup: one that somebody
/// else holds open, and may write to after it was proved.
#[test]
fn no_file_that_was_there_becomes_the_backup() {
    let (database, store) = (small("guessed"), Store::new());
    let manifest = store.dump(&database);
    let artifact = store.artifact(&manifest);
    // Beside a path.
    let dir = tempfile::tempdir().unwrap();
    let planted = dir.path().join(".x.sql.gz.partial");
    fs::write(&planted, "somebody's").unwrap();
    Tool::new("fwb-dump").args(["-B", &database.name, "-o"]).arg(dir.path().join("x.sql.gz")).run().ok();
    assert_eq!(fs::read_to_string(&planted).unwrap(), "somebody's");
    assert_eq!(names(dir.path()), [".x.sql.gz.partial", "x.sql.gz"]);
    // In a store the name is known, because what a dead run left must be found: the file goes, and is not used.
    let planted = store.file(&format!(".{}.json.partial", artifact.file_name().unwrap().display()));
    fs::write(&planted, "left").unwrap();
    let held = fs::File::open(&planted).unwrap();
    store.tool("fwb-verify").arg(artifact.file_name().unwrap()).run().ok();
    let sidecar = store.sidecar(&manifest).metadata().unwrap().ino();
    assert_ne!(sidecar, held.metadata().unwrap().ino(), "the file that was there became the sidecar");
    assert_eq!(held.metadata().unwrap().len(), 4, "and it was not written into");
}

/// What a killed dump to a file has left would fill the disk night after night, under another name each time.
#[test]
fn the_next_dump_to_a_file_removes_what_a_killed_one_left() {
    let (database, dir, store) = (small("killed_file"), tempfile::tempdir().unwrap(), Store::new());
    let path = dir.path().join("x.sql.gz");
    let dump = |tool: Tool| tool.args(["-B", &database.name, "-o"]).arg(&path);
    let (held, mut killed) = held_dump(Server::shared(), &database.name, "t", dump(store.tool("fwb-dump")));
    signal(killed.id(), "KILL");
    assert_eq!(code(&mut killed), None);
    drop(held);
    let left = names(dir.path());
    assert!(
        left.len() == 1 && left[0].starts_with(".x.sql.gz.") && left[0].ends_with(".partial"),
        "{left:?}"
    );
    fs::write(dir.path().join(".x.sql.gz.other.partial"), "no name of ours").unwrap();
    dump(Tool::new("fwb-dump")).run().ok();
    assert_eq!(names(dir.path()), [".x.sql.gz.other.partial", "x.sql.gz"]);
}
