//! The servers that are here, and which of them a backup is drilled on: one of its own flavor, and of its own series or the
//! nearest later one. No server restores what only the other flavor, or a later series, knows.

use std::path::{Path, PathBuf};

use super::not_held::NotHeld;
use super::unpacked::Unpacked;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::process::Program;
use crate::progress::Cancel;
use crate::server::{Flavor, ServerVersion};

/// The servers that drills can be held on.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    /// Those in directories that the operator named; they come first.
    named: Vec<Installed>,
    /// Those on `PATH`.
    found: Vec<Installed>,
}

/// A server that can be started.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    pub(super) flavor: Flavor,
    /// None where the program did not say it.
    pub(super) version: Option<ServerVersion>,
    /// The server's program.
    pub(super) program: Program,
    /// Options that say where its own files are.
    pub(super) options: Vec<std::ffi::OsString>,
    /// What makes its data.
    pub(super) maker: Maker,
}

/// What makes a server's data.
#[derive(Debug, Clone)]
pub(super) enum Maker {
    /// MariaDB's script, which comes with an installed server.
    Script(Program),
    /// The server itself, from the SQL in this directory: MariaDB without that script.
    Bootstrap(PathBuf),
    /// The server itself: MySQL.
    Initialize,
}

impl Servers {
    /// Finds them: in the directories named, and on `PATH`.
    ///
    /// # Errors
    /// A directory holds no server, or none that starts; or no server is here at all; or a signal arrived.
    pub(super) fn find(dirs: &[PathBuf], cancel: &Cancel) -> Result<Self> {
        let named = dirs.iter().map(|dir| in_directory(dir, cancel)).collect::<Result<Vec<_>>>()?;
        match (on_path(cancel)?, named.is_empty()) {
            (Err(lacking), true) => Err(lacking),
            (found, _) => Ok(Self { named, found: found.unwrap_or_default() }),
        }
    }

    /// The one for this backup.
    ///
    /// # Errors
    /// None of them is of the backup's flavor, and of its series or a later one.
    pub(super) fn choose(&self, manifest: &Manifest) -> Result<&Installed, NotHeld> {
        let source = manifest.source();
        let fitting = |servers: &'_ [Installed]| {
            let versions = servers.iter().map(|server| (server.flavor, server.version.as_ref()));
            choose(versions, source.as_ref())
        };
        let chosen = fitting(&self.named).map(|index| &self.named[index]);
        chosen.or_else(|| fitting(&self.found).map(|index| &self.found[index])).ok_or_else(|| {
            let here: Vec<String> = self.named.iter().chain(&self.found).map(Installed::name).collect();
            NotHeld::without_server(source.as_ref(), &here.join(", "))
        })
    }
}

impl Installed {
    /// Flavor and version, for messages.
    fn name(&self) -> String {
        match &self.version {
            Some(version) => called(version),
            None => flavor_name(self.flavor).to_owned(),
        }
    }
}

/// A flavor's name.
pub(super) fn flavor_name(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MariaDb => "MariaDB",
        Flavor::MySql => "MySQL",
    }
}

/// A server's name with its version, for messages.
pub(super) fn called(version: &ServerVersion) -> String {
    let (major, minor, patch) = version.number;
    format!("{} {major}.{minor}.{patch}", flavor_name(version.flavor))
}

/// What is the same in all versions of one series: `10.11` of 10.11.6.
pub(super) fn series(version: &ServerVersion) -> (u32, u32) {
    (version.number.0, version.number.1)
}

/// Whether a backup of `source` can be drilled on a server of `version`: it is of the same flavor, and of the same series or a
/// later one. A backup that does not say its server may be of any.
pub(super) fn is_fit(version: &ServerVersion, source: Option<&ServerVersion>) -> bool {
    source.is_none_or(|source| version.flavor == source.flavor && series(version) >= series(source))
}

/// Which of these servers a backup of `source` is drilled on, by its index: of the same series, better not of an earlier patch,
/// or else of the nearest later one; of several that are equal, the first. What did not say its version comes last: the server
/// itself tells it once it runs. A backup that does not say its server is taken for one of MariaDB's newest.
fn choose<'a>(
    servers: impl Iterator<Item = (Flavor, Option<&'a ServerVersion>)>,
    source: Option<&ServerVersion>,
) -> Option<usize> {
    let flavor = source.map_or(Flavor::MariaDb, |source| source.flavor);
    let fitting = servers
        .enumerate()
        .filter(|(_, (of, version))| *of == flavor && version.is_none_or(|version| is_fit(version, source)));
    let rank = |(index, (_, version)): &(usize, (Flavor, Option<&ServerVersion>))| {
        let Some(version) = version else { return (true, u32::MAX, u32::MAX, false, *index) };
        let (major, minor) = series(version);
        match source {
            Some(source) => (false, major, minor, version.number < source.number, *index),
            None => (false, u32::MAX - major, u32::MAX - minor, false, *index),
        }
    };
    fitting.min_by_key(rank).map(|(index, _)| index)
}

/// The server in a directory that the operator named.
fn in_directory(dir: &Path, cancel: &Cancel) -> Result<Installed> {
    let refused = |message: String| {
        Error::Usage {
        message,
        hint: Some(
            "--drill-server-dir and FWB_DRILL_SERVER_DIR take directories with bin/mariadbd, sbin/mysqld or the like"
                .into(),
        ),
    }
    };
    let unpacked = Unpacked::find(dir)
        .ok_or_else(|| refused(format!("{} holds no server for a drill", dir.display())))?;
    let program = unpacked.program();
    let version = said(&program, cancel)?
        .map_err(|why| refused(format!("the server in {} does not start: {why}", dir.display())))?
        .ok_or_else(|| refused(format!("the server in {} does not say its version", dir.display())))?;
    let maker = match (version.flavor, unpacked.scripts()) {
        (Flavor::MySql, _) => Maker::Initialize,
        (Flavor::MariaDb, Some(scripts)) => Maker::Bootstrap(scripts),
        (Flavor::MariaDb, None) => {
            return Err(refused(format!(
                "{} lacks the SQL that MariaDB makes its own tables with (mariadb_system_tables.sql)",
                dir.display()
            )));
        }
    };
    let flavor = version.flavor;
    Ok(Installed { flavor, version: Some(version), program, options: unpacked.options(), maker })
}

/// Those on `PATH`: one of each flavor at most. The inner error: none is whole.
fn on_path(cancel: &Cancel) -> Result<Result<Vec<Installed>>> {
    let mut found = Vec::new();
    // Both flavors call it so.
    let mysqld = Program::find(&["mysqld"]);
    let of_mysqld = match &mysqld {
        Some(program) => said(program, cancel)?.ok().flatten(),
        None => None,
    };
    let is = |flavor: Flavor| of_mysqld.as_ref().is_some_and(|version| version.flavor == flavor);
    let mariadbd = Program::find(&["mariadbd"]).or_else(|| mysqld.clone().filter(|_| is(Flavor::MariaDb)));
    let script = Program::find(&["mariadb-install-db", "mysql_install_db"]);
    let lacking = match (mariadbd, script) {
        (Some(program), Some(script)) => {
            let version = said(&program, cancel)?.ok().flatten();
            let (flavor, maker) = (Flavor::MariaDb, Maker::Script(script));
            found.push(Installed { flavor, version, program, options: Vec::new(), maker });
            None
        }
        (None, _) => Some("mariadbd"),
        (_, None) => Some("mariadb-install-db"),
    };
    if let Some(program) = mysqld.filter(|_| is(Flavor::MySql)) {
        let (flavor, maker) = (Flavor::MySql, Maker::Initialize);
        found.push(Installed { flavor, version: of_mysqld, program, options: Vec::new(), maker });
    }
    Ok(match lacking.filter(|_| found.is_empty()) {
        Some(program) => Err(Error::NoDrill {
            reason: format!("{program} is not installed"),
            remedy: "install mariadb-server, or say where a server is: --drill-server-dir, --drill-server"
                .into(),
        }),
        None => Ok(found),
    })
}

/// What version a server's program says it is: `… Ver 10.11.6-MariaDB for …`. The inner error: why it does not run.
fn said(program: &Program, cancel: &Cancel) -> Result<Result<Option<ServerVersion>, String>> {
    let said = program.clone().args(["--no-defaults", "--version"]).run(b"", "telling its version", cancel);
    cancel.check()?;
    Ok(said.map(|said| read_version(&String::from_utf8_lossy(&said))).map_err(|error| error.to_string()))
}

fn read_version(said: &str) -> Option<ServerVersion> {
    let version = said.split_once("Ver ")?.1.split_whitespace().next()?;
    // What others than MariaDB build may say it elsewhere in the line.
    let version = ServerVersion::parse(version);
    let flavor = if said.contains("MariaDB") { Flavor::MariaDb } else { version.flavor };
    (version.number != (0, 0, 0)).then_some(ServerVersion { flavor, ..version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ServerVersion {
        ServerVersion::parse(text)
    }

    #[test]
    fn a_backup_is_drilled_on_the_nearest_server_that_knows_all_it_holds() {
        let all =
            ["11.8.9-MariaDB", "9.7.4", "10.11.4-MariaDB", "10.11.18-MariaDB", "10.5.29-MariaDB", "8.4.1"];
        for (source, chosen) in [
            (Some("10.11.6-MariaDB"), Some("10.11.18-MariaDB")),
            (Some("10.11.3-MariaDB-log"), Some("10.11.4-MariaDB")),
            (Some("10.11.99-MariaDB"), Some("10.11.4-MariaDB")),
            (Some("10.6.1-MariaDB"), Some("10.11.4-MariaDB")),
            (Some("10.5.1-MariaDB"), Some("10.5.29-MariaDB")),
            (Some("11.4.2-MariaDB"), Some("11.8.9-MariaDB")),
            (Some("12.1.1-MariaDB"), None),
            (Some("8.0.36"), Some("8.4.1")),
            (Some("9.0.1"), Some("9.7.4")),
            (Some("9.8.0"), None),
            (None, Some("11.8.9-MariaDB")),
        ] {
            let servers: Vec<ServerVersion> = all.into_iter().map(version).collect();
            let source = source.map(version);
            let index = choose(servers.iter().map(|of| (of.flavor, Some(of))), source.as_ref());
            assert_eq!(index.map(|index| all[index]), chosen, "{source:?}");
        }
        let silent = [(Flavor::MariaDb, None), (Flavor::MariaDb, None)];
        assert_eq!(choose(silent.into_iter(), Some(&version("12.1.1-MariaDB"))), Some(0));
        assert_eq!(choose(silent.into_iter(), Some(&version("9.7.4"))), None);
    }

    #[test]
    fn programs_say_their_versions() {
        for (said, expected) in [
            (
                "/usr/sbin/mariadbd  Ver 10.11.18-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                "MariaDB 10.11.18",
            ),
            ("mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "MySQL 9.7.4"),
            ("mysqld  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL), Release 28)", "MySQL 8.0.36"),
        ] {
            assert_eq!(read_version(said).map(|version| called(&version)).as_deref(), Some(expected));
        }
        assert_eq!(read_version("it runs"), None);
    }
}
