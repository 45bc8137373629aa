//! What makes the image and what prepares a volume for it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::kubernetes::TAKING_OVER;
use crate::support::manifests::file;
use crate::support::{Output, Tool, executable};

/// `image.sh` where PATH leads to these builders alone, which say what they are called with.
fn image(builders: &[(&str, &str)], arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    for program in ["bash", "dirname", "realpath", "sed", "git", "date", "cat", "rm", "mv", "touch"] {
        let found =
            Tool::program("sh").args(["-c", "command -v \"$1\"", "sh", program]).run().ok().stdout_text();
        symlink(found.trim_end(), dir.path().join(program)).unwrap();
    }
    for (builder, script) in builders {
        executable(&dir.path().join(builder), format!("#!/usr/bin/env bash\n{script}\n"));
    }
    let tool = Tool::program(file("scripts/image.sh")).args(arguments).dir(dir.path());
    tool.env("PATH", dir.path()).env("BUILDER", "").env("IMAGE", "").run()
}

#[test]
fn the_image_is_built_by_whatever_is_there() {
    const SPEAK: &str = "[ \"$1\" = info ] || echo \"called: ${0##*/} $*\" >&2";
    let name = format!("docker.io/filewallball/fwb-tools:{}", env!("CARGO_PKG_VERSION"));
    image(&[], &[]).fails(2, &["docker, podman and buildah", "apt-get install buildah"]);
    for builder in ["docker", "podman", "buildah"] {
        let output = image(&[(builder, SPEAK)], &["--", "--build-arg", "DEBIAN_IMAGE=a b"]).ok();
        assert_eq!(output.stdout_text().trim_end(), name);
        let called = format!("called: {builder} build");
        assert!(
            output.stderr.contains(&called) && output.stderr.contains(&format!("--tag {name}")),
            "{output:?}"
        );
        assert!(output.stderr.contains("DEBIAN_IMAGE=a b ."), "{output:?}");
    }
    // A client without its service is no builder.
    let output = image(&[("docker", "exit 1"), ("buildah", SPEAK)], &[]).ok();
    assert!(output.stderr.contains("called: buildah build"), "{output:?}");
    image(&[("podman", "[ \"$1\" = info ]")], &[]).exits(1);
    // An archive that is not whole has no name.
    let save = tempfile::tempdir().unwrap();
    let archive = save.path().join("image.tar");
    let save_it = "case $1 in save) touch \"$5\"; exit \"$FAULT\" ;; esac";
    let arguments = ["--save", archive.to_str().unwrap()];
    image(&[("podman", &save_it.replace("$FAULT", "1"))], &arguments).exits(1);
    assert_eq!(fs::read_dir(save.path()).unwrap().count(), 0);
    image(&[("podman", &save_it.replace("$FAULT", "0"))], &arguments).ok();
    assert!(archive.exists());
}

/// `prepare-store.sh`, as its container runs it: for root with four capabilities alone. Whoever is not root may give a
/// directory to nobody else.
struct Prepared {
    dir: tempfile::TempDir,
    user: u32,
    group: u32,
}

impl Prepared {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let owner = fs::metadata(dir.path()).unwrap();
        let (user, group) = if owner.uid() == 0 { (10001, 10002) } else { (owner.uid(), owner.gid()) };
        Self { dir, user, group }
    }

    fn run(&self, store: &Path) -> Output {
        let script = file("scripts/prepare-store.sh");
        let tool = if self.user == 10001 {
            let set = TAKING_OVER.map(|name| format!("+{}", name.to_lowercase())).join(",");
            let set = format!("-all,{set}");
            Tool::program("setpriv")
                .args(["--bounding-set", &set, "--inh-caps", &set, "--no-new-privs"])
                .arg(script)
        } else {
            Tool::program(script)
        };
        tool.env("FWB_STORE", store)
            .env("FWB_STORE_USER", self.user.to_string())
            .env("FWB_STORE_GROUP", self.group.to_string())
            .run()
    }

    #[track_caller]
    fn belongs(&self, path: &Path, mode: u32) {
        let found = fs::symlink_metadata(path).unwrap();
        assert_eq!((found.uid(), found.gid()), (self.user, self.group), "{}", path.display());
        assert_eq!(found.mode() & 0o7777, mode, "{}", path.display());
    }
}

/// What the tools leave in a store.
const OURS: [&str; 9] = [
    ".lock",
    "a.sql.gz",
    "a.sql.gz.json",
    "b.sql.zst",
    "b.sql.zst.json",
    "c.sql.gz.age",
    "d.sql.zst.age.json",
    "runs.jsonl",
    "runs/20260701T020000Z-backup-00000000.json",
];

#[test]
fn a_directory_of_the_host_becomes_a_store() {
    let prepared = Prepared::new();
    let store = prepared.dir.path().join("new");
    prepared.run(&store).ok();
    prepared.belongs(&store, 0o2750);
    // As kubelet makes one; and what somebody left there who ran the tools as root.
    let store = prepared.dir.path().join("there");
    fs::create_dir_all(store.join("runs")).unwrap();
    for name in OURS.into_iter().chain(["notes.txt"]) {
        fs::write(store.join(name), name).unwrap();
        fs::set_permissions(store.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let other = prepared.dir.path().join("other");
    fs::write(&other, "").unwrap();
    let before = fs::metadata(&other).unwrap();
    symlink(&other, store.join("link.sql.gz")).unwrap();
    for _ in 0..2 {
        prepared.run(&store).ok();
        prepared.belongs(&store, 0o2750);
    }
    let root = prepared.user == 10001;
    for name in OURS {
        // Who owns them already keeps their modes.
        prepared.belongs(&store.join(name), if root { 0o640 } else { 0o600 });
    }
    if root {
        prepared.belongs(&store.join("runs"), 0o2750);
    }
    let notes = fs::metadata(store.join("notes.txt")).unwrap();
    assert_eq!((notes.uid(), notes.mode() & 0o777), (before.uid(), 0o600), "not ours");
    let after = fs::metadata(&other).unwrap();
    assert_eq!(
        (after.uid(), after.gid(), after.mode()),
        (before.uid(), before.gid(), before.mode()),
        "behind a link"
    );
}

#[test]
fn a_directory_that_is_no_store_is_left_alone() {
    let prepared = Prepared::new();
    let home = prepared.dir.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter.txt"), "").unwrap();
    // Whose it is already may be it: only another's is refused.
    if prepared.user == 10001 {
        let before = fs::metadata(&home).unwrap();
        prepared.run(&home).fails(2, &["is not empty, and holds no backup", "path of the volume"]);
        let after = fs::metadata(&home).unwrap();
        assert_eq!((after.uid(), after.mode()), (before.uid(), before.mode()));
    }
    prepared.run(&home.join("letter.txt")).fails(2, &["is no directory"]);
    for (name, value) in
        [("FWB_STORE", ""), ("FWB_STORE_USER", "0"), ("FWB_STORE_GROUP", "fwb"), ("FWB_STORE_GROUP", "0")]
    {
        let tool = Tool::program(file("scripts/prepare-store.sh")).env("FWB_STORE", &home).env(name, value);
        tool.run().exits(2);
    }
}
