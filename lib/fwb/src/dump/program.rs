//! mariadb-dump, or mysqldump: which one there is, which of our options it knows.

use crate::error::Result;
use crate::pod;
use crate::progress::Cancel;
use crate::server::{ClientProgram, ServerClient};

/// The options of the strategy, and those that cure what it suffered from: `--skip-add-locks` avoids error 1100
/// for defaults from sequences, `--max-allowed-packet` lets large rows through.
const OPTIONS: &[&str] = &[
    "--single-transaction",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--add-drop-database",
    "--add-drop-table",
    "--add-drop-trigger",
    "--comments",
    "--complete-insert",
    "--extended-insert",
    "--lock-tables=false",
    "--set-charset",
    "--default-character-set=utf8mb4",
    "--skip-add-locks",
    "--max-allowed-packet=1G",
    // Statements of this size, in bytes, stay in a core's cache while they are compressed.
    "--net-buffer-length=131072",
];

/// Options for some programs only: the history of system-versioned tables; and what keeps MySQL's from asking a
/// MariaDB server for what it does not have.
const WHERE_KNOWN: &[&str] =
    &["--dump-history", "--set-gtid-purged=OFF", "--column-statistics=0", "--no-tablespaces"];

/// Has the binary log's coordinates written into the dump, as a comment.
pub(crate) const COORDINATES: &str = "--master-data=2";

/// The names that the program goes by.
const NAMES: [&str; 2] = ["mariadb-dump", "mysqldump"];

/// The dump program and the options it is given.
#[derive(Debug, Clone)]
pub(crate) struct DumpProgram {
    program: ClientProgram,
    name: String,
    version: String,
    options: Vec<String>,
    unknown: Vec<String>,
}

impl DumpProgram {
    /// Finds the program and asks it what it knows.
    ///
    /// # Errors
    /// There is none, or it cannot be run.
    pub(crate) fn find(server: &ServerClient, cancel: &Cancel) -> Result<Self> {
        let bare = server.bare_dump_program().arg("--help");
        let help =
            pod::retrying(server.retries(), cancel, || bare.run(b"", "asking for its options", cancel))?;
        let help = String::from_utf8_lossy(&help);
        let version =
            help.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
        // Which of its names it has in a pod, it says there.
        let said = version.split([' ', '\t']).next().unwrap_or_default();
        let name = if NAMES.contains(&said) { said } else { bare.name() }.to_owned();
        let (options, unknown) =
            OPTIONS.iter().map(ToString::to_string).partition(|option| knows(&help, option));
        let mut program = Self { program: server.dump_program(), name, version, options, unknown };
        let where_known = WHERE_KNOWN.iter().filter(|option| knows(&help, option)).map(ToString::to_string);
        program.options.extend(where_known);
        Ok(program)
    }

    /// Whether it is given an option.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|given| given == option)
    }

    /// Adds an option.
    pub(super) fn with(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Leaves an option out.
    pub(crate) fn without(mut self, option: &str) -> Self {
        self.options.retain(|kept| kept != option);
        self
    }

    /// The command that dumps a database, without these views.
    pub(crate) fn command(&self, database: &str, omitted_views: &[&str]) -> ClientProgram {
        let omitted = omitted_views.iter().map(|view| format!("--ignore-table={database}.{view}"));
        // Without --events some programs still dump them where an option file says so.
        let events = if self.has("--events") { None } else { Some("--skip-events") };
        self.program.clone().args(&self.options).args(events).args(omitted).arg("--").arg(database)
    }

    /// The command that dumps these tables alone.
    pub(super) fn tables_command(&self, database: &str, tables: &[String]) -> ClientProgram {
        let program = self.program.clone().args(&self.options);
        program.args(["--skip-routines", "--skip-events"]).arg("--").arg(database).args(tables)
    }

    /// The command that dumps the tables and their rows alone.
    pub(crate) fn rows_command(&self, database: &str, views: &[&str]) -> ClientProgram {
        let of_programs = ["--routines", "--triggers", "--events"];
        let options = self.options.iter().filter(|option| !of_programs.contains(&option.as_str()));
        let omitted = views.iter().map(|view| format!("--ignore-table={database}.{view}"));
        let program = self.program.clone().args(options);
        program
            .args(["--skip-routines", "--skip-triggers", "--skip-events"])
            .args(omitted)
            .arg("--")
            .arg(database)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The options it is given, without those that say how to connect.
    pub(crate) fn options(&self) -> &[String] {
        &self.options
    }

    /// Options of ours that it does not know.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

/// Whether a help text lists an option, by its positive name.
fn knows(help: &str, option: &str) -> bool {
    let name = option.split('=').next().unwrap_or(option).trim_start_matches("--");
    let name = name.strip_prefix("skip-").unwrap_or(name);
    help.lines().any(|line| {
        let mut words = line.split([' ', ',', '=', '[']).filter(|word| !word.is_empty());
        words.any(|word| word.strip_prefix("--").is_some_and(|word| word == name))
            || line.split(' ').next() == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_a_help_text() {
        let help = "  -R, --routines      Dump stored routines\n  --add-locks  Add locks\n  --set-gtid-purged[=name]\nhex-blob  FALSE\n";
        for known in ["--routines", "--skip-add-locks", "--set-gtid-purged=OFF", "--hex-blob"] {
            assert!(knows(help, known), "{known}");
        }
        assert!(!knows(help, "--add-drop-event"));
    }
}
