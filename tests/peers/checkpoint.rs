//! One look at all that a case has made: dumped, verified, restored into another server, compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::databases;
use crate::support::content::{self, Shown};
use crate::support::{Server, Store, Tool, quoted};

/// What came of it, the better ones first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The case held what was to be dumped.
    Held,
    /// The case has edited the server's files or tables under it: the server shows one thing and lists another, and whoever
    /// asks gets what it shows.
    Edited,
    /// The source server showed what it had in memory alone: opened anew, its table is what was restored.
    Unsaved,
    /// The restored database is equal.
    Equal,
    /// It is not, and the dump or the restore has named what it lacks.
    Named,
    /// The dump has named what keeps it from making a backup.
    Refused(String),
    /// Anything else.
    Wrong {
        /// What it is.
        what: String,
        /// The directory that holds what is needed to look at it.
        place: PathBuf,
    },
}

impl Verdict {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Edited => "edited by hand",
            Self::Unsaved => "in memory alone",
            Self::Equal => "equal",
            Self::Named => "named",
            Self::Refused(_) => "refused at the dump",
            Self::Wrong { .. } => "WRONG",
        }
    }

    pub(crate) fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }
}

/// How long a tool may take: a case may hold what it needs.
const PATIENCE: Duration = Duration::from_secs(40);

/// How a tool ended: its exit code, what it printed and what it said; none where it took too long.
fn run(tool: Tool) -> Option<(Option<i32>, String, String)> {
    let mut child: Child = tool.spawn();
    let (mut out, mut err) = (child.stdout.take()?, child.stderr.take()?);
    let out = std::thread::spawn(move || std::io::read_to_string(&mut out).unwrap_or_default());
    let err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut err, &mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let begun = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().ok()? {
            break status.code();
        }
        if begun.elapsed() > PATIENCE {
            child.kill().ok();
            child.wait().ok();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Some((code, out.join().ok()?, err.join().ok()?))
}

/// Looks at every database that there is.
pub(crate) fn look(source: &Server, target: &Server, place: &Path) -> Vec<Verdict> {
    let cnf = target.defaults_file();
    // A definer that is not there shows in a view's own definition.
    let accounts = content::ask(
        &source.defaults_file(),
        None,
        "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.is_role') IS NULL AND user <> ''",
    );
    let roles = content::ask(
        &source.defaults_file(),
        None,
        "SELECT CONCAT('CREATE ROLE IF NOT EXISTS ', QUOTE(user), ';') FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.is_role') IS NOT NULL",
    );
    content::ask(&cnf, None, &roles);
    let accounts = accounts
        .lines()
        .map(|account| format!("CREATE USER IF NOT EXISTS {account}; GRANT ALL ON *.* TO {account};\n"));
    content::ask(&cnf, None, &accounts.collect::<String>());
    for database in databases::made(&cnf) {
        content::ask(&cnf, None, &format!("DROP DATABASE {}", quoted(&database)));
    }
    let databases = databases::made(&source.defaults_file());
    databases
        .iter()
        .filter_map(|database| one(source, target, database, &place.join(database.replace('/', "_"))))
        .collect()
}

/// None where there is nothing in it.
fn one(source: &Server, target: &Server, database: &str, place: &Path) -> Option<Verdict> {
    let before = plain(database, content::content(&source.defaults_file(), database));
    if before.len() < 2 {
        return None;
    }
    if before.iter().any(|shown| shown.text.contains("ERROR 1205") || shown.text.contains("ERROR 1969")) {
        return Some(Verdict::Held);
    }
    let store = Store::new();
    let tool =
        |name: &str, server: &Server| store.tool(name).env("FWB_DEFAULTS_FILE", server.defaults_file());
    let wrong = |what: String, more: &[(&str, String)]| {
        fs::create_dir_all(place).ok();
        for name in store.names() {
            fs::copy(store.path().join(&name), place.join(&name)).ok();
        }
        for (name, text) in more {
            fs::write(place.join(name), text).ok();
        }
        Some(Verdict::Wrong { what, place: place.to_owned() })
    };
    let Some((code, manifest, said)) = run(tool("fwb-dump", source).args(["-B", database])) else {
        return Some(Verdict::Held);
    };
    if code != Some(0) {
        let why = said.lines().filter(|line| line.contains("error")).collect::<Vec<_>>().join(" ");
        return match code {
            Some(1 | 2) => Some(Verdict::Refused(why)),
            _ => wrong(format!("fwb-dump ended with {code:?}: {why}"), &[("dump.log", said)]),
        };
    }
    let Ok(dumped) = serde_json::from_str::<Value>(&manifest) else {
        return wrong("the manifest is not JSON".into(), &[("manifest.json", manifest)]);
    };
    let Some((code, _, verified)) = run(tool("fwb-verify", source).stdin(&manifest)) else {
        return Some(Verdict::Held);
    };
    if code != Some(0) {
        return wrong(
            format!("fwb-verify ended with {code:?}: {}", last(&verified)),
            &[("verify.log", verified)],
        );
    }
    let mut named = names(&dumped, &said);
    let restore = |more: &[&str]| {
        let tool = tool("fwb-restore", target).args(["--yes", "--no-safety-backup"]).args(more);
        run(tool.stdin(&manifest))
    };
    let does_not_end = || wrong("fwb-restore does not end".into(), &[]);
    let Some((mut code, _, mut restored)) = restore(&[]) else { return does_not_end() };
    // What cannot be swapped, an operator who reads the hint restores in place.
    if code == Some(2) && restored.contains("hint: use --strategy in-place") {
        let Some(again) = restore(&["--strategy", "in-place"]) else { return does_not_end() };
        (code, restored) = (again.0, again.2);
    }
    named += &restored;
    if code != Some(0) && named.contains("--allow-outside only") && restored.contains("--allow-outside") {
        return Some(Verdict::Named);
    }
    if code != Some(0) && named.contains("innodb_file_per_table=OFF") && restored.contains("errno: 168") {
        return Some(Verdict::Named);
    }
    if code != Some(0) {
        return wrong(
            format!("fwb-restore ended with {code:?}: {}", last(&restored)),
            &[("restore.log", restored)],
        );
    }
    let after = plain(database, content::content(&target.defaults_file(), database));
    let differs = content::differences(&before, &after);
    if differs.is_empty() {
        return Some(Verdict::Equal);
    }
    let unnamed: Vec<&str> =
        differs.iter().map(|(what, _)| what.as_str()).filter(|what| !is_named(what, &named)).collect();
    if unnamed.is_empty() {
        return Some(Verdict::Named);
    }
    let is_edited = |what: &&str| edited_by_hand(source, database, what);
    if unnamed.iter().all(is_edited) {
        return Some(Verdict::Edited);
    }
    if is_unsaved(source, database, &unnamed, &after) {
        return Some(Verdict::Unsaved);
    }
    for what in &unnamed {
        let table = what.rsplit_once("table ").map_or("", |(_, table)| table);
        for (side, server) in [("source", source), ("target", target)] {
            let sql = format!("SELECT * FROM {}", quoted(table));
            fs::create_dir_all(place).ok();
            let rows = content::ask(&server.defaults_file(), Some(database), &sql);
            fs::write(place.join(format!("{}.{side}", table.replace('/', "_"))), rows).ok();
        }
    }
    let text = differs.iter().map(|(what, text)| format!("{what}\n{text}\n")).collect();
    wrong(unnamed.join(", "), &[("differences", text), ("manifest.json", manifest), ("said", named)])
}

/// Without what says nothing of the database: a counter that is at its end; a view whose account lacks rights is shown with the database's name before
/// its columns; and TIME and its like from before MariaDB 10 are kept in another way, with the same values.
fn plain(database: &str, content: Vec<Shown>) -> Vec<Shown> {
    let own = format!("{}.", quoted(database));
    let plain = |shown: Shown| {
        let text = shown.text.replace(" /* mariadb-5.3 */", "");
        // A counter at its end is not shown by every engine, and gives no number either way.
        let text = text.replace(" AUTO_INCREMENT=18446744073709551615", "");
        let text = if shown.what.starts_with("view ") { text.replace(&own, "") } else { text };
        Shown { text, ..shown }
    };
    content.into_iter().map(plain).collect()
}

/// Whether tables that differ are equal once the source has opened them anew. A counter of a partitioned table that an
/// INSERT has made run over, for one, lives in memory alone.
fn is_unsaved(source: &Server, database: &str, differ: &[&str], restored: &[Shown]) -> bool {
    let tables: Option<Vec<&str>> = differ.iter().map(|what| what.strip_prefix("base table ")).collect();
    let Some(tables) = tables else { return false };
    for table in tables {
        let sql = format!("SET lock_wait_timeout = 5; FLUSH TABLES {}", quoted(table));
        content::ask(&source.defaults_file(), Some(database), &sql);
    }
    let stored = plain(database, content::content(&source.defaults_file(), database));
    content::differences(&stored, restored).iter().all(|(what, _)| !differ.contains(&what.as_str()))
}

/// Whether the account of a program is another one in what the server shows and in what it lists.
fn edited_by_hand(source: &Server, database: &str, what: &str) -> bool {
    let Some((kind, name)) = what.split_once(' ') else { return false };
    let ask = |sql: &str| content::ask(&source.defaults_file(), Some(database), sql);
    let (kinds, list): (&[&str], &str) = match kind {
        "trigger" => (&["TRIGGER"], "TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME"),
        "program" => {
            (&["PROCEDURE", "FUNCTION"], "ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME")
        }
        _ => return false,
    };
    let name_as_text = format!("'{}'", name.replace('\'', "''"));
    let listed = ask(&format!(
        "SELECT CONCAT('`', REPLACE(DEFINER, '@', '`@`'), '`') FROM information_schema.{list} = {name_as_text}"
    ));
    let listed = listed.trim().trim_end_matches("@``");
    kinds.iter().map(|kind| ask(&format!("SHOW CREATE {kind} {}", quoted(name)))).any(|shown| {
        let definer = shown.split_once("DEFINER=").and_then(|(_, rest)| rest.split_whitespace().next());
        definer.is_some_and(|definer| definer != listed)
    })
}

fn last(said: &str) -> &str {
    said.lines().rfind(|line| line.contains("error")).unwrap_or_default()
}

/// What a dump says of what it lacks.
fn names(manifest: &Value, said: &str) -> String {
    let fields = ["warnings", "broken_views", "broken_programs"].map(|field| manifest[field].to_string());
    format!("{said}{}", fields.join("\n"))
}

/// Whether an object is named: by its name as a word.
fn is_named(what: &str, named: &str) -> bool {
    let name = what.split_once(' ').map_or(what, |(_, name)| name.trim_start_matches("table "));
    named.match_indices(name).any(|(at, _)| {
        let is_word = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
        !is_word(named[..at].chars().next_back()) && !is_word(named[at + name.len()..].chars().next())
    })
}
