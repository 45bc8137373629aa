//! What a database is, to the last definition and row, so that it can be held against what comes back.

use std::fs;

use serde_json::Value;

use super::{Database, Server, Store, Tool, gunzip};

/// All that the server says of a database's objects: what `CREATE` statements are made of.
pub(crate) fn definitions(database: &Database) -> String {
    let name = &database.name;
    // Older servers ignore no index.
    let ignored = if Server::shared().is_mariadb((10, 6)) { "ignored" } else { "NULL" };
    let sql = format!(
        "SELECT table_name, table_type, engine, row_format, table_collation, auto_increment, table_comment FROM tables WHERE table_schema = '{name}' ORDER BY 1;
        SELECT table_name, column_name, column_type, column_default, is_nullable, extra, generation_expression, collation_name, column_comment FROM columns WHERE table_schema = '{name}' ORDER BY 1, ordinal_position;
        SELECT table_name, index_name, seq_in_index, column_name, index_type, non_unique, sub_part, collation, {ignored}, index_comment FROM statistics WHERE table_schema = '{name}' ORDER BY 1, 2, 3;
        SELECT trigger_name, event_manipulation, event_object_table, action_order, action_statement, action_timing, sql_mode, definer, character_set_client, collation_connection, database_collation FROM triggers WHERE trigger_schema = '{name}' ORDER BY 1;
        SELECT routine_name, routine_type, routine_definition, sql_mode, is_deterministic, security_type, definer, routine_comment, character_set_client, collation_connection, database_collation FROM routines WHERE routine_schema = '{name}' ORDER BY 2, 1;
        SELECT specific_name, ordinal_position, parameter_mode, parameter_name, dtd_identifier FROM parameters WHERE specific_schema = '{name}' ORDER BY 1, 2;
        SELECT table_name, view_definition, check_option, is_updatable, definer, security_type, algorithm, character_set_client FROM views WHERE table_schema = '{name}' ORDER BY 1;
        SELECT event_name, event_definition, event_type, execute_at, interval_value, interval_field, sql_mode, starts, status, on_completion, event_comment, definer, time_zone FROM events WHERE event_schema = '{name}' ORDER BY 1;
        SELECT constraint_name, table_name, referenced_table_name, update_rule, delete_rule FROM referential_constraints WHERE constraint_schema = '{name}' ORDER BY 1;
        SELECT table_name, constraint_name, level, check_clause FROM check_constraints WHERE constraint_schema = '{name}' ORDER BY 1, 2;
        SELECT table_name, partition_name, subpartition_name, partition_ordinal_position, subpartition_ordinal_position, partition_method, subpartition_method, partition_expression, subpartition_expression, partition_description, table_rows IS NULL, partition_comment FROM partitions WHERE table_schema = '{name}' AND partition_name IS NOT NULL ORDER BY 1, 4, 5;
        SELECT default_character_set_name, default_collation_name FROM schemata WHERE schema_name = '{name}'"
    );
    let answers = Server::shared().query(format!("USE information_schema; {sql}"));
    let answers = answers.replace(&database.quoted(), "`DATABASE`");
    // The server's order is not that of the bytes, and leaves open what differs by case alone.
    let mut lines: Vec<&str> = answers.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// What each section of a backup holds: kind, name, rows, digest and objects.
pub(crate) fn digests(dump: &Value) -> Vec<[&Value; 5]> {
    let sections = dump["sections"].as_array().unwrap();
    sections
        .iter()
        .map(|section| {
            [
                &section["kind"],
                &section["name"],
                &section["rows"],
                &section["rows_digest"],
                &section["objects"],
            ]
        })
        .collect()
}

/// How lines begin that differ from dump to dump.
const DATED: [&str; 4] =
    ["-- Dump completed on ", "-- Host: ", "-- CHANGE MASTER TO ", "-- SET GLOBAL gtid_slave_pos="];

/// A backup's SQL without the lines that hold a date or a host.
fn sql(store: &Store, dump: &Value) -> String {
    let text = gunzip(&fs::read(store.artifact(dump)).unwrap());
    let dated = |line: &&str| !DATED.iter().any(|dated| line.starts_with(dated));
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(dated).collect::<Vec<_>>().join("\n")
}

/// The restore of a backup, about to run.
pub(crate) fn restore(store: &Store, dump: &Value) -> Tool {
    let tool = store.tool("fwb-restore").arg("--yes").stdin(dump.to_string());
    // `make matrix` goes through the corpus in both ways.
    if std::env::var_os("FWB_TEST_IN_PLACE").is_some() { tool.args(["--strategy", "in-place"]) } else { tool }
}

/// What a restore over a live database is told where the server cannot swap, which `swap::can_swap` shows.
pub(crate) fn over_a_live_one() -> &'static [&'static str] {
    if Server::shared().is_mariadb((10, 6)) { &[] } else { &["--strategy", "in-place"] }
}

/// What a database is, to the last definition and row: it must be the same after everything that fails.
pub(crate) struct Before<'a> {
    database: &'a Database,
    store: Store,
    /// The manifest of its backup.
    pub(crate) dump: Value,
    definitions: String,
}

impl<'a> Before<'a> {
    /// As it is now.
    pub(crate) fn new(database: &'a Database) -> Self {
        let store = Store::new();
        Self { database, dump: store.dump(database), definitions: definitions(database), store }
    }

    /// Whether it is so again.
    pub(crate) fn is_again(&self) -> bool {
        let now = self.store.dump(self.database);
        definitions(self.database) == self.definitions
            && digests(&now) == digests(&self.dump)
            && sql(&self.store, &now) == sql(&self.store, &self.dump)
    }

    /// Asserts that it is so again.
    #[track_caller]
    pub(crate) fn holds(&self, what: &str) {
        let now = self.store.dump(self.database);
        same(what, &definitions(self.database), &self.definitions);
        same(what, &sql(&self.store, &now), &sql(&self.store, &self.dump));
        assert_eq!(digests(&now), digests(&self.dump), "{what}");
    }
}

/// Asserts that two texts are the same; else the first lines that differ are shown.
#[track_caller]
fn same(what: &str, now: &str, before: &str) {
    if now != before {
        let lines = now.lines().zip(before.lines()).filter(|(now, before)| now != before).take(3);
        let shown = lines.map(|(now, before)| format!("is:  {now:.500}\nwas: {before:.500}"));
        let shown = shown.collect::<Vec<_>>().join("\n");
        panic!("{what}, {} lines instead of {}:\n{shown}", now.lines().count(), before.lines().count());
    }
}
