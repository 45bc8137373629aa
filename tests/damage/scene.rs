//! Databases whose backup is proved, which have been written to since, and of which one table is then damaged: as many
//! on one server as there are cases, because stopping and starting it is what takes time.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::kinds::{DISCARDED, Files, HURT, Kind};
use crate::faults::restart;
use crate::support::{Output, Server, Store, Tool, mariadb};

/// The foreign keys between the damaged table and the one called `linked`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// `linked` refers to the damaged table.
    To,
    /// The damaged table refers to `linked`.
    From,
}

impl Keys {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::To, Self::From];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::To => "to it",
            Self::From => "from it",
        }
    }
}

/// The tables that are healthy; the last was made after the backup.
pub(super) const HEALTHY: [&str; 4] = ["people", "letters", "linked", "newer"];

/// A database of the scene.
pub(super) struct Case {
    pub(super) kind: &'static Kind,
    pub(super) keys: Keys,
    pub(super) database: String,
    /// All of it as the backup has it.
    pub(super) backup: String,
    /// The table that is damaged later, as the backup has it.
    pub(super) backup_hurt: Tables,
    /// The healthy tables as they were last.
    pub(super) old: Tables,
    /// What the server lists, and says of the damaged table, before anything is restored.
    pub(super) listed: String,
}

impl Case {
    /// How failures name it.
    pub(super) fn name(&self) -> String {
        format!("{}, foreign key {}", self.kind.name, self.keys.name())
    }
}

/// Tables by name: a checksum of the rows, and the definition.
pub(super) type Tables = BTreeMap<String, [String; 2]>;

/// A server with damaged databases, and the store that has their backups.
pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) store: Store,
    pub(super) cases: Vec<Case>,
}

impl Scene {
    /// Each of `kinds` with each of the foreign keys, on a server of that name.
    pub(super) fn new(name: &str, kinds: impl IntoIterator<Item = &'static Kind>, keys: &[Keys]) -> Self {
        let mut scene = Self::damaging(name, kinds, keys, &[HURT]);
        for number in 0..scene.cases.len() {
            let listed = scene.listed(&scene.cases[number].database);
            scene.cases[number].listed = listed;
        }
        scene
    }

    /// As [`Scene::new`], where these tables are damaged, and nothing has looked at them yet.
    pub(super) fn damaging(
        name: &str,
        kinds: impl IntoIterator<Item = &'static Kind>,
        keys: &[Keys],
        tables: &[&'static str],
    ) -> Self {
        let mut scene = Self { server: Server::private(name, &[]), store: Store::new(), cases: Vec::new() };
        for (number, kind) in kinds.into_iter().enumerate() {
            for keys in keys {
                let database = format!("d{number}_{}", keys.name().replace(' ', "_"));
                let case = scene.build(kind, *keys, database);
                scene.cases.push(case);
            }
        }
        scene.damage(tables);
        scene
    }

    fn build(&self, kind: &'static Kind, keys: Keys, database: String) -> Case {
        self.server.sql(definitions(&database, keys, kind.form));
        let dump = self.tool("fwb-dump").args(["-B", &database]).run().ok().json();
        self.tool("fwb-verify").arg(dump["name"].as_str().unwrap()).run().ok();
        let backup = self.everything(&database);
        let backup_hurt = self.tables(&database, &[HURT]);
        self.server.sql(format!("USE {database}; {SINCE}"));
        if kind.name == DISCARDED {
            self.server
                .sql(format!("SET foreign_key_checks = 0; ALTER TABLE {database}.{HURT} DISCARD TABLESPACE"));
        }
        let old = self.tables(&database, &HEALTHY);
        Case { kind, keys, database, backup, backup_hurt, old, listed: String::new() }
    }

    /// Stops the server, damages tables of each database, and starts it again.
    fn damage(&mut self, tables: &[&'static str]) {
        self.server.sql("SET GLOBAL innodb_fast_shutdown = 0");
        let data = self.stop().join("data");
        for case in &self.cases {
            for table in tables {
                (case.kind.damage)(&Files { dir: data.join(&case.database), table });
            }
        }
        restart(&self.server);
    }

    /// Stops the server cleanly; its directory.
    fn stop(&self) -> std::path::PathBuf {
        let dir = self.server.defaults_file().parent().unwrap().to_owned();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sandbox.sh");
        Tool::program(script).args(["stop", "--dir"]).arg(&dir).run().ok();
        dir
    }

    /// Starts the server anew: it has looked at no table then. A query for one database may look at those of all.
    pub(super) fn forget(&self) {
        self.stop();
        restart(&self.server);
    }

    /// A tool that knows the server and the store.
    pub(super) fn tool(&self, name: &str) -> Tool {
        self.store.tool(name).env("FWB_DEFAULTS_FILE", self.server.defaults_file())
    }

    /// Runs SQL to its end, whatever fails on the way.
    pub(super) fn ask(&self, sql: &str) -> Output {
        mariadb(&self.server.defaults_file(), &["--force", "-N", "-B"]).stdin(sql).run()
    }

    /// The error that a statement ends with.
    pub(super) fn error(&self, sql: &str) -> Option<u32> {
        let said = self.ask(sql).stderr;
        let number = said.lines().find_map(|line| line.strip_prefix("ERROR ")?.split(' ').next());
        number.map(|number| number.parse().unwrap())
    }

    /// The error that reading the whole table ends with.
    pub(super) fn reading(&self, database: &str) -> Option<u32> {
        self.error(&format!("SELECT COUNT(*), SUM(LENGTH(v)) FROM {database}.{HURT} FORCE INDEX (PRIMARY)"))
    }

    /// Whether a database has a table, by its definition or in InnoDB.
    pub(super) fn has(&self, database: &str, table: &str) -> bool {
        let sql = format!(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}' AND table_name = '{table}';
            SELECT name FROM information_schema.innodb_sys_tables WHERE name = '{database}/{table}'"
        );
        !self.ask(&sql).stdout.is_empty()
    }

    /// Those of the tables that are there, and can be read.
    pub(super) fn tables(&self, database: &str, names: &[&str]) -> Tables {
        let sql: Vec<String> = names
            .iter()
            .map(|name| {
                format!("CHECKSUM TABLE {database}.{name} EXTENDED; SHOW CREATE TABLE {database}.{name};")
            })
            .collect();
        let out = self.ask(&sql.concat()).stdout_text();
        let mut checksums = BTreeMap::new();
        let mut tables = Tables::new();
        for line in out.lines() {
            let (name, rest) = line.split_once('\t').unwrap();
            match name.split_once('.') {
                Some((_, name)) => _ = checksums.insert(name, rest),
                None => {
                    let checksum = checksums.get(name).copied().unwrap_or("NULL");
                    // The counter goes on by itself; the database's own name says nothing new.
                    let definition = rest.replace(&format!("`{database}`."), "");
                    tables.insert(name.to_owned(), [checksum.to_owned(), definition]);
                }
            }
        }
        tables
    }

    /// All of a healthy database.
    pub(super) fn everything(&self, database: &str) -> String {
        let tables = self.tables(database, &[&HEALTHY[..], &[HURT]].concat());
        format!("{}{tables:#?}", self.objects(database))
    }

    /// What a database lists, and what it says of the table that is damaged.
    pub(super) fn listed(&self, database: &str) -> String {
        let innodb = format!(
            "SELECT name FROM information_schema.innodb_sys_tables WHERE name LIKE '{database}/%' ORDER BY 1"
        );
        let innodb = self.ask(&innodb).stdout_text();
        format!("{}{innodb}{:?}", self.objects(database), self.reading(database).map(|_| "unreadable"))
    }

    fn objects(&self, database: &str) -> String {
        let sql = format!(
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = '{database}' ORDER BY 1;
            SELECT trigger_name, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = '{database}' ORDER BY 1;
            SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = '{database}' ORDER BY 1;
            SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = '{database}' ORDER BY 1;"
        );
        self.ask(&sql).stdout_text()
    }

    /// The manifest of the backup that the runbook's first command finds.
    pub(super) fn latest(&self, case: &Case) -> Value {
        self.tool("fwb-ls").args(["--latest", "--verified", "-B", &case.database]).run().ok().json()
    }
}

/// A definition without its foreign keys, which a table that is gone takes along.
pub(super) fn without_keys(definition: &str) -> String {
    let lines = definition.split("\\n").filter(|line| !line.trim_start().starts_with("CONSTRAINT"));
    lines.map(|line| line.trim_end_matches(',')).collect::<Vec<_>>().join("\n")
}

/// SQL for a database of the scene. The table to be damaged has rows on many pages, a view over it, and, but where
/// `linked` refers to it, a trigger: a trigger that cannot be dropped is a case of its own.
fn definitions(database: &str, keys: Keys, [index, options]: [&str; 2]) -> String {
    let [linked_key, hurt_key, trigger] = match keys {
        Keys::None => ["", "", TRIGGER],
        Keys::To => [", CONSTRAINT to_hurt FOREIGN KEY (r) REFERENCES hurt (id)", "", ""],
        Keys::From => ["", ", CONSTRAINT to_linked FOREIGN KEY (p) REFERENCES linked (id)", TRIGGER],
    };
    format!(
        "CREATE DATABASE {database}; USE {database}; SET foreign_key_checks = 0;
        CREATE TABLE people (id INT PRIMARY KEY, v VARCHAR(50)); INSERT INTO people SELECT seq, 'backup' FROM seq_1_to_20;
        CREATE TABLE letters (id INT PRIMARY KEY, person INT, v VARCHAR(50), FOREIGN KEY (person) REFERENCES people (id));
        INSERT INTO letters SELECT seq, seq, 'backup' FROM seq_1_to_20;
        CREATE TABLE linked (id INT PRIMARY KEY, r INT, v VARCHAR(50){linked_key}); INSERT INTO linked SELECT seq, seq, 'backup' FROM seq_1_to_20;
        CREATE TABLE hurt (id INT PRIMARY KEY, k INT, p INT, v VARCHAR(200), KEY (k), KEY (p){index}{hurt_key}) {options};
        INSERT INTO hurt SELECT seq, seq, 1 + seq MOD 20, REPEAT(CHAR(97 + seq MOD 26), 150) FROM seq_1_to_1000;
        CREATE TRIGGER people_in BEFORE INSERT ON people FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '!'); {trigger}
        CREATE VIEW names AS SELECT v FROM people; CREATE VIEW ids AS SELECT id FROM hurt;
        CREATE PROCEDURE look() SELECT COUNT(*) FROM people;"
    )
}

const TRIGGER: &str = "CREATE TRIGGER hurt_in BEFORE INSERT ON hurt FOR EACH ROW SET NEW.k = NEW.id;";

/// What has happened since the backup.
const SINCE: &str = "UPDATE people SET v = 'since'; INSERT INTO people VALUES (100, 'since'); UPDATE letters SET v = 'since';
UPDATE linked SET v = 'since'; INSERT INTO linked VALUES (900, 900, 'since'); CREATE TABLE newer (id INT PRIMARY KEY);
INSERT INTO newer VALUES (1);";
