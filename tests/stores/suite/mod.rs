//! What a store does, whatever keeps its files: the same tests on a directory, on two servers of S3 and on Azure, in clear and
//! encrypted. What only a directory has (modes, links, a full disk) is tested with the tools, what only a bucket has beside this.

mod damage;
mod order;
mod restoring;
mod retention;
mod selection;

use std::path::PathBuf;

use serde_json::Value;

use super::{Place, key};
use crate::support::object_server::Kind;
use crate::support::{Database, Tool, name};

/// A place, and the keys where its backups are encrypted.
struct Ground {
    place: Place,
    make: fn() -> Place,
    keys: Option<(PathBuf, String)>,
}

impl Ground {
    fn new(make: fn() -> Place, is_encrypted: bool) -> Self {
        let place = make();
        let keys = is_encrypted.then(|| key(&place));
        Self { place, make, keys }
    }

    /// Another place of the kind, with the same keys.
    fn another(&self) -> Self {
        Self { place: (self.make)(), make: self.make, keys: self.keys.clone() }
    }

    /// A tool that works here, and can write and read what is encrypted where that is asked of it.
    fn tool(&self, tool: &str) -> Tool {
        self.with_keys(tool, self.place.tool(tool))
    }

    /// The same, which learns from its standard input where the backups are.
    fn piped(&self, tool: &str, stdin: impl AsRef<[u8]>) -> Tool {
        self.with_keys(tool, self.place.known_to(Tool::new(tool))).stdin(stdin)
    }

    fn with_keys(&self, name: &str, tool: Tool) -> Tool {
        match (&self.keys, name) {
            (Some((_, recipient)), "fwb-dump") => tool.env("FWB_RECIPIENTS", recipient),
            (Some((identity, _)), "fwb-verify" | "fwb-restore" | "fwb-ls") => {
                tool.env("FWB_IDENTITY", identity)
            }
            _ => tool,
        }
    }

    /// What follows the names of artifacts.
    fn suffix(&self) -> &'static str {
        if self.keys.is_some() { ".sql.gz.age" } else { ".sql.gz" }
    }

    fn dump(&self, database: &Database) -> Value {
        self.tool("fwb-dump").args(["-B", &database.name]).run().ok().json()
    }

    fn dump_verified(&self, database: &Database) -> Value {
        let dump = self.dump(database);
        self.tool("fwb-verify").arg(name(&dump)).run().ok().json()
    }

    fn verify(&self, arguments: &[&str]) -> crate::support::Output {
        self.tool("fwb-verify").args(arguments).run()
    }

    /// Adds a copy of a backup, as it would be had it been made so many hours ago; returns its name. The artifact's own footer
    /// still has the former date.
    fn aged(&self, manifest: &Value, hours: i64) -> String {
        let at = chrono::Local::now() - chrono::TimeDelta::hours(hours);
        let stem = name(manifest).split("_backup_").next().unwrap();
        let aged = format!("{stem}_backup_{}{}", at.format("%Y%m%d_%H%M%S"), self.suffix());
        let mut sidecar = self.place.sidecar(name(manifest));
        sidecar["name"] = aged.clone().into();
        sidecar["started_at"] = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into();
        self.place.write(&aged, self.place.read(name(manifest)).unwrap());
        self.place.write(&format!("{aged}.json"), sidecar.to_string());
        aged
    }

    /// Changes a field of a backup's sidecar.
    fn edit(&self, name: &str, field: &str, value: Value) {
        let mut sidecar = self.place.sidecar(name);
        sidecar[field] = value;
        self.place.write(&format!("{name}.json"), sidecar.to_string());
    }

    /// Takes a backup away, past the tools.
    fn forget(&self, name: &str) {
        self.place.remove(name);
        self.place.remove(&format!("{name}.json"));
    }

    /// Gives a backup another name, with its sidecar, past the tools.
    fn rename(&self, from: &str, to: &str) {
        for suffix in ["", ".json"] {
            let bytes = self.place.read(&format!("{from}{suffix}")).unwrap();
            self.place.write(&format!("{to}{suffix}"), bytes);
        }
        self.forget(from);
    }

    /// The names of the backups that are listed, whole or not.
    fn listed(&self) -> Vec<String> {
        let listed = self.tool("fwb-ls").run();
        assert!(matches!(listed.code, Some(0 | 3)), "{listed:?}");
        listed.records().iter().map(|backup| name(backup).to_owned()).collect()
    }
}

fn s3_place() -> Place {
    Place::on(Kind::Ministack)
}

fn another_s3_place() -> Place {
    Place::on(Kind::Moto)
}

fn azure_place() -> Place {
    Place::on(Kind::Azurite)
}

/// A database of one small table, whose backup takes no time.
fn small(name: &str) -> Database {
    let database = Database::new(name);
    database.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO t VALUES (1, '한글'), (2, NULL)",
    );
    database
}

/// Tests of these names, each by the function of the name.
macro_rules! tests {
    ($place:expr, $is_encrypted:literal; $($subject:ident::{$($test:ident),* $(,)?}),* $(,)?) => {
        $($(
            #[test]
            fn $test() {
                super::$subject::$test(&super::Ground::new($place, $is_encrypted));
            }
        )*)*
    };
}

macro_rules! on_each_kind_of_store {
    ($($kind:ident: $place:expr, $is_encrypted:literal;)*) => {
        $(
            mod $kind {
                tests! { $place, $is_encrypted;
                    damage::{
                        an_artifact_alone_is_a_whole_backup,
                        a_backup_of_another_program_is_proved_and_adopted,
                        a_backup_that_is_renamed_with_its_sidecar_is_what_it_was,
                        damage_is_found_wherever_it_is,
                        what_is_damaged_or_lost_is_named_and_never_the_latest,
                    },
                    order::{
                        names_are_taken_once,
                        what_is_cut_off_leaves_nothing,
                        who_comes_second_waits_or_leaves,
                    },
                    restoring::{
                        chosen_tables_come_back_and_can_be_undone,
                        what_cannot_be_restored_says_so_by_its_exit_code,
                    },
                    retention::{
                        any_rule_keeps_and_the_guard_holds_against_all,
                        nothing_goes_that_was_not_meant,
                        what_is_older_goes_and_nothing_else,
                    },
                    selection::{
                        an_alarm_goes_off_when_no_proved_backup_is_fresh,
                        each_backup_is_listed_as_its_sidecar_says,
                        what_is_asked_for_is_what_is_listed,
                    },
                }
            }
        )*
    };
}

on_each_kind_of_store! {
    directory: super::Place::directory, false;
    directory_encrypted: super::Place::directory, true;
    s3: super::s3_place, false;
    s3_encrypted: super::s3_place, true;
    another_s3: super::another_s3_place, false;
    another_s3_encrypted: super::another_s3_place, true;
    azure: super::azure_place, false;
    azure_encrypted: super::azure_place, true;
}
