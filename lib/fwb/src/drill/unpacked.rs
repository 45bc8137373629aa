//! A server in a directory of its own: installed under a prefix, or unpacked from packages together with the libraries, and
//! the loader, that it was built for.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::throwaway::option;
use crate::process::Program;

/// Where a server's program may lie below the directory.
const PLACES: [&str; 6] = ["bin", "sbin", "libexec", "usr/sbin", "usr/bin", "usr/libexec"];
/// What the program may be called.
const NAMES: [&str; 2] = ["mariadbd", "mysqld"];
/// Where messages, character sets and SQL of its own may lie below the prefix.
const SHARES: [&str; 3] = ["share/mariadb", "share/mysql", "share"];
/// Where plugins may lie below the prefix, and below a directory of libraries of one machine type (Debian's multiarch).
const PLUGINS: [&str; 6] = [
    "lib/mysql/plugin",
    "lib/mariadb/plugin",
    "lib64/mysql/plugin",
    "lib64/mariadb/plugin",
    "lib/plugin",
    "lib64/plugin",
];
/// Variables that would give the server other libraries than its own.
const LIBRARIES: [&str; 2] = ["LD_LIBRARY_PATH", "LD_PRELOAD"];

/// A server's files.
pub(super) struct Unpacked {
    program: PathBuf,
    /// What its other files lie below: the directory itself, or its `usr`.
    prefix: PathBuf,
}

impl Unpacked {
    /// Finds the server in a directory.
    pub(super) fn find(dir: &Path) -> Option<Self> {
        let dir = dir.canonicalize().ok()?;
        let programs = PLACES.iter().flat_map(|place| NAMES.map(|name| (place, name)));
        programs.into_iter().find_map(|(place, name)| {
            let program = dir.join(place).join(name);
            let prefix = program.parent()?.parent()?.to_owned();
            program.is_file().then_some(Self { program, prefix })
        })
    }

    /// What starts it: by its own loader and with its own libraries, where they lie beside it. The machine's own server has
    /// the machine's libraries.
    pub(super) fn program(&self) -> Program {
        let plain = Program::new(self.program.to_string_lossy());
        let is_of_machine = [Path::new("/"), Path::new("/usr")].contains(&self.prefix.as_path());
        let Some(loader) = self.loader().filter(|_| !is_of_machine) else { return plain };
        let libraries = loader.parent().map(Path::to_path_buf).unwrap_or_default();
        let path = [libraries, self.prefix.join("lib/mysql"), self.prefix.join("lib")];
        let path = path.map(|dir| dir.to_string_lossy().into_owned()).join(":");
        Program::new(loader.to_string_lossy())
            .args(["--inhibit-cache", "--library-path", &path])
            .arg(&self.program)
            .without_variables(&LIBRARIES)
    }

    /// The loader that lies beside the server's libraries.
    fn loader(&self) -> Option<PathBuf> {
        let mut dirs = entries(&self.prefix.join("lib"), "-linux-gnu");
        dirs.extend(["lib64", "lib"].map(|dir| self.prefix.join(dir)));
        dirs.into_iter().find_map(|dir| {
            entries(&dir, "ld-linux").into_iter().find(|file| file.to_string_lossy().contains(".so"))
        })
    }

    /// Options that say where its files are.
    pub(super) fn options(&self) -> Vec<OsString> {
        let mut options = vec![option("--basedir=", &self.prefix)];
        if let Some(share) = self.share(|dir| dir.join("charsets/Index.xml").is_file()) {
            options.push(option("--lc-messages-dir=", &share));
            options.push(option("--character-sets-dir=", &share.join("charsets")));
        }
        let multiarch = entries(&self.prefix.join("lib"), "-linux-gnu");
        let multiarch =
            multiarch.iter().flat_map(|dir| ["mysql/plugin", "mariadb/plugin"].map(|at| dir.join(at)));
        let plugins =
            PLUGINS.iter().map(|dir| self.prefix.join(dir)).chain(multiarch).find(|dir| dir.is_dir());
        options.extend(plugins.map(|dir| option("--plugin-dir=", &dir)));
        options
    }

    /// Where the SQL lies that MariaDB's own tables are made with.
    pub(super) fn scripts(&self) -> Option<PathBuf> {
        let has = |dir: &Path, flavor: &str| dir.join(format!("{flavor}_system_tables.sql")).is_file();
        self.share(|dir| has(dir, "mariadb") || has(dir, "mysql"))
    }

    fn share(&self, is_it: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        SHARES.iter().map(|dir| self.prefix.join(dir)).find(|dir| is_it(dir))
    }
}

/// What in a directory has this in its name, in order.
fn entries(dir: &Path, with: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().contains(with))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// The SQL that makes a MariaDB server's own tables, from its files, in the order of its installer and without the help texts
/// and the database `test`. Names of the files begin with `mysql_` or `mariadb_`, as the version has it.
///
/// # Errors
/// A file cannot be read.
pub(super) fn system_tables(scripts: &Path) -> std::io::Result<Vec<u8>> {
    let mut sql = b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n".to_vec();
    for part in ["system_tables", "performance_tables", "system_tables_data", "gis", "sys_schema"] {
        let names = match part {
            "gis" => vec!["maria_add_gis_sp_bootstrap.sql".to_owned()],
            _ => ["mariadb", "mysql"].map(|flavor| format!("{flavor}_{part}.sql")).into(),
        };
        let Some(file) = names.iter().map(|name| scripts.join(name)).find(|file| file.is_file()) else {
            continue;
        };
        // No account for this machine's name, as the installer has it with --cross-bootstrap.
        for line in fs::read(file)?.split_inclusive(|byte| *byte == b'\n') {
            if !line.windows(HOSTNAME.len()).any(|at| at == HOSTNAME) {
                sql.extend_from_slice(line);
            }
        }
    }
    Ok(sql)
}

/// What stands in each line that makes an account for the machine's name.
const HOSTNAME: &[u8] = b"@current_hostname";
