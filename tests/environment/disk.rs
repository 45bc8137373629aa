//! A small file system of a test's own: in memory, mounted in a namespace that only the test's tools enter, so that
//! it can be full, out of inodes or read-only without anybody else noticing.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::{Database, Server, Tool};

/// Where a machine lets nobody mount, a limit on the size of files and on privileges stands for the disk: writing,
/// creating and renaming fail in the same places.
enum Kind {
    /// A process that keeps the namespace.
    Mounted(Child),
    /// What the tools run under.
    Limited(Vec<String>),
}

/// A store on a disk of its own, at its usual path for the tools.
pub(crate) struct Disk {
    dir: TempDir,
    kind: Kind,
}

/// Whether this machine lets us mount, as root or in a namespace of a user's own.
fn can_mount() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let mounts = "unshare --map-root-user --mount mount -t tmpfs fwb /tmp";
        let tried = Command::new("sh").args(["-c", mounts]).stderr(Stdio::null()).status();
        tried.is_ok_and(|ended| ended.success())
    })
}

impl Disk {
    /// An empty one with plenty of room.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-disk-").tempdir().unwrap();
        if !can_mount() {
            return Self { dir, kind: Kind::Limited(Vec::new()) };
        }
        let script = r#"mount -t tmpfs -o mode=700 fwb "$1" && echo ready && exec cat"#;
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "a disk");
        Self { dir, kind: Kind::Mounted(holder) }
    }

    /// The store's path as the tools on the disk see it.
    pub(crate) fn store(&self) -> &Path {
        self.dir.path()
    }

    /// The path of a file on it as this process sees it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let here = match &self.kind {
            Kind::Mounted(holder) => {
                PathBuf::from(format!("/proc/{}/root{}", holder.id(), self.dir.path().display()))
            }
            Kind::Limited(_) => self.dir.path().to_owned(),
        };
        if name.is_empty() { here } else { here.join(name) }
    }

    /// Any program, on this disk.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Tool {
        let cnf = Server::shared().defaults_file();
        let tool = match &self.kind {
            Kind::Mounted(holder) => Tool::program("nsenter")
                .args(["--target", &holder.id().to_string()])
                .args(["--user", "--mount", "--preserve-credentials", "--"]),
            Kind::Limited(limits) => Tool::program("env").args(limits),
        };
        tool.arg(program).env("FWB_DEFAULTS_FILE", cnf)
    }

    /// One of the tools, on the store.
    pub(crate) fn tool(&self, name: &str) -> Tool {
        self.program(Tool::path(name)).arg("--store").arg(self.store())
    }

    /// A dump of a database into the store, about to run.
    pub(crate) fn dump(&self, database: &Database) -> Tool {
        self.tool("fwb-dump").arg("-B").arg(&database.name)
    }

    /// Leaves so much room on it, in bytes, rounded up to whole pages.
    pub(crate) fn leave(&mut self, bytes: u64) {
        let used: u64 = self.names().iter().map(|name| self.pages(name)).sum();
        match &mut self.kind {
            // A size of 0 means none to tmpfs; an empty directory takes no page.
            Kind::Mounted(_) => self.remount(&format!("size={}", (used + bytes).max(4096))),
            Kind::Limited(limits) => {
                *limits = ["prlimit".into(), format!("--fsize={bytes}"), "--".into()].into();
            }
        }
    }

    /// Leaves so many inodes on it.
    pub(crate) fn leave_inodes(&mut self, count: usize) {
        // The directory is one too.
        let used = fs::read_dir(self.file("")).unwrap().count() + 1;
        match &mut self.kind {
            Kind::Mounted(_) => self.remount(&format!("nr_inodes={}", used + count)),
            Kind::Limited(_) => self.protect(count == 0),
        }
    }

    /// Leaves neither room nor inodes, though files can be removed.
    pub(crate) fn fill(&mut self) {
        self.leave(0);
        if let Kind::Mounted(_) = self.kind {
            self.leave_inodes(0);
        }
    }

    /// Makes it read-only, or writable again.
    pub(crate) fn protect(&mut self, is_protected: bool) {
        match &mut self.kind {
            Kind::Mounted(_) => self.remount(if is_protected { "ro" } else { "rw" }),
            Kind::Limited(limits) => {
                let mode = if is_protected { 0o500 } else { 0o700 };
                let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
                fs::set_permissions(self.dir.path(), permissions).unwrap();
                *limits = Vec::new();
                if is_protected && fs::metadata("/proc/self").unwrap().uid() == 0 {
                    // Permissions do not hold root up.
                    let without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];
                    *limits = without.map(Into::into).into();
                }
            }
        }
    }

    /// Everything is allowed again.
    pub(crate) fn relieve(&mut self) {
        self.protect(false);
        if let Kind::Mounted(_) = self.kind {
            self.remount("size=1g,nr_inodes=10000");
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        self.program("mount").args(["-o", &options]).arg(self.store()).run().ok();
    }

    fn pages(&self, name: &str) -> u64 {
        self.file(name).symlink_metadata().unwrap().blocks() * 512
    }

    /// The names of all files on it but the lock and the records of runs, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.file("")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name != ".lock" && name != "runs").collect();
        names.sort();
        names
    }

    /// Each of these files, and its content.
    pub(crate) fn content(&self) -> Vec<(String, Vec<u8>)> {
        let read = |name: String| {
            let content = fs::read(self.file(&name)).unwrap();
            (name, content)
        };
        self.names().into_iter().map(read).collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Kind::Mounted(holder) = &mut self.kind {
            drop(holder.stdin.take());
            let _ = holder.wait();
        }
    }
}
