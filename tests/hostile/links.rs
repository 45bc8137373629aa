//! Symbolic links and pipes that somebody has put into a store, who may write there and not elsewhere: they lead nowhere,
//! and nobody waits for them.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Database, Store, name};

/// Files outside of the store, which must stay what they are.
const OUTSIDE: &[u8] = b"not yours\n";

#[test]
fn links_in_a_store_are_followed_nowhere() {
    let (store, database, outside) = (Store::new(), Database::new("links"), tempfile::tempdir().unwrap());
    let manifest = store.dump_verified(&database);
    let victim = outside.path().join("victim");
    fs::write(&victim, OUTSIDE).unwrap();
    let dump = || store.tool("fwb-dump").args(["-B", &database.name]).run();

    // Where the lock should be.
    fs::remove_file(store.file(".lock")).unwrap();
    symlink(&victim, store.file(".lock")).unwrap();
    dump().fails(1, &["cannot open", ".lock"]);
    fs::remove_file(store.file(".lock")).unwrap();

    // A backup: what it leads to is whole, and elsewhere.
    let elsewhere = outside.path().join("elsewhere");
    fs::copy(store.artifact(&manifest), &elsewhere).unwrap();
    let link = "evil_backup_20250101_000000.sql.gz";
    symlink(&elsewhere, store.file(link)).unwrap();
    assert!(!store.tool("fwb-ls").run().ok().stdout_text().contains(link));
    store.tool("fwb-verify").arg(link).run().fails(1, &["cannot open"]);
    store.tool("fwb-prune").args(["--keep-days=0", link]).run();
    assert!(store.file(link).is_symlink(), "it is none of the store's");
    assert!(store.tool("fwb-restore").args(["--stdout", link]).run().exits(1).stdout.is_empty());
    assert!(elsewhere.exists());
    fs::remove_file(store.file(link)).unwrap();

    // A sidecar: neither read nor written through.
    let sidecar = outside.path().join("sidecar");
    fs::rename(store.sidecar(&manifest), &sidecar).unwrap();
    let before = fs::read(&sidecar).unwrap();
    symlink(&sidecar, store.sidecar(&manifest)).unwrap();
    store.tool("fwb-verify").arg(name(&manifest)).run().fails(1, &["cannot open"]);
    assert_eq!(fs::read(&sidecar).unwrap(), before);
    fs::remove_file(store.sidecar(&manifest)).unwrap();

    // What a dump is about to write, for as many seconds as it may take to get there.
    let now = chrono::Local::now();
    for second in 0..600 {
        let at = (now + chrono::TimeDelta::seconds(second)).format("%Y%m%d_%H%M%S");
        let backup = format!("{}_backup_{at}.sql.gz", database.name.trim_end_matches("_db"));
        symlink(&victim, store.file(&format!(".{backup}.partial"))).unwrap();
        symlink(&victim, store.file(&format!(".{backup}.json.partial"))).unwrap();
    }
    dump().fails(1, &["cannot create"]);
    assert_eq!(fs::read(&victim).unwrap(), OUTSIDE);
}

/// A pipe is opened when somebody else opens its other end: never, where a nightly backup waits for it.
#[test]
fn nobody_waits_for_a_pipe_in_a_store() {
    let (store, database) = (Store::new(), Database::new("pipes"));
    let manifest = store.dump_verified(&database);
    let (artifact, sidecar) = (store.artifact(&manifest), store.sidecar(&manifest));
    let make_pipe = |path: &std::path::Path| {
        fs::remove_file(path).unwrap();
        crate::support::bash("mkfifo \"$PIPE\"").env("PIPE", path).run().ok();
    };
    let dump = || store.tool("fwb-dump").args(["-B", &database.name]).run();
    let whole = fs::read(&artifact).unwrap();

    make_pipe(&store.file(".lock"));
    dump().fails(1, &["cannot open", ".lock"]);
    store.tool("fwb-prune").arg(name(&manifest)).run().fails(1, &["cannot open", ".lock"]);
    // A reader is there, and still it is no lock.
    let reader = fs::OpenOptions::new().read(true).write(true).open(store.file(".lock")).unwrap();
    dump().fails(1, &["not a regular file"]);
    drop(reader);
    fs::remove_file(store.file(".lock")).unwrap();

    make_pipe(&sidecar);
    store.tool("fwb-verify").arg(name(&manifest)).run();
    store.tool("fwb-ls").run();
    fs::remove_file(&sidecar).unwrap();
    make_pipe(&artifact);
    for tool in ["fwb-verify", "fwb-restore"] {
        let ended =
            store.tool(tool).args((tool == "fwb-restore").then_some("--stdout")).arg(name(&manifest)).run();
        assert_ne!(ended.code, Some(0), "{tool}");
    }
    store.tool("fwb-ls").run();
    fs::remove_file(&artifact).unwrap();
    store.write(name(&manifest), whole);
    store.tool("fwb-verify").arg(name(&manifest)).run().ok();
    dump().ok();
}
