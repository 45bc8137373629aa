//! What a database holds, as text that can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use super::{mariadb, quoted};

/// Nothing a case does may keep a question waiting.
const IMPATIENT: &str = "SET lock_wait_timeout=2, innodb_lock_wait_timeout=2, sql_mode='', SQL_QUOTE_SHOW_CREATE=1, sql_select_limit=DEFAULT, \
                         time_zone='+00:00', group_concat_max_len=1000000 \
                         /*M! , max_statement_time=20, use_stat_tables=never, system_versioning_asof=DEFAULT */ \
                         /*!80030 , show_gipk_in_create_table_and_information_schema=1 */;\n";

/// What a server answers, a line a row; errors are among them, each in its place.
pub(crate) fn ask(cnf: &Path, database: Option<&str>, sql: &str) -> String {
    let mut arguments = vec!["-N".to_owned(), "-B".into(), "--force".into(), "--binary-as-hex".into()];
    arguments.extend(database.map(|database| format!("--database={database}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = mariadb(cnf, &arguments).stdin(format!("{IMPATIENT}{sql}")).run();
    let errors: Vec<String> =
        done.stderr.lines().filter(|line| line.starts_with("ERROR")).map(without_line).collect();
    format!("{}{}", done.stdout_text(), errors.join("\n"))
}

/// `ERROR 1146 (42S02) at line 3: …` without the number of the line.
fn without_line(error: &str) -> String {
    error.split_once(" at line ").map_or_else(
        || error.to_owned(),
        |(before, rest)| format!("{before}{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit())),
    )
}

/// What stands between the answers of two objects.
const MARK: &str = "-- next object --";

/// One object, and what the server shows of it.
pub(crate) struct Shown {
    /// `table a`, for one.
    pub(crate) what: String,
    /// Definition, and where there are rows, their checksum.
    pub(crate) text: String,
}

/// Everything in a database, in order.
pub(crate) fn content(cnf: &Path, database: &str) -> Vec<Shown> {
    let list = "SELECT 'table', table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE();
        SELECT 'columns', table_name, '', GROUP_CONCAT(REPLACE(CASE
            WHEN data_type IN ('float', 'double') THEN 'IFNULL(CAST(c*1e0 AS CHAR), \"~\")' WHEN data_type = 'bit' THEN 'IFNULL(c+0, \"~\")'
            WHEN data_type IN ('enum', 'set') THEN 'IFNULL(CONCAT(CAST(c AS UNSIGNED), HEX(c)), \"~\")'
            WHEN data_type RLIKE '^(tiny|small|medium|big)?int$|decimal|date|time|year' THEN 'IFNULL(CAST(c AS CHAR), \"~\")' ELSE 'IFNULL(SHA2(c, 256), \"~\")' END,
            'c', CONCAT('`', REPLACE(column_name, '`', '``'), '`')) ORDER BY ordinal_position SEPARATOR ', ')
          FROM information_schema.columns WHERE table_schema = DATABASE() GROUP BY BINARY table_name;
        SELECT 'program', routine_name, routine_type FROM information_schema.routines WHERE routine_schema = DATABASE();
        SELECT 'program', event_name, 'EVENT' FROM information_schema.events WHERE event_schema = DATABASE();
        SELECT 'trigger', trigger_name, '' FROM information_schema.triggers WHERE trigger_schema = DATABASE();";
    let rows = ask(cnf, Some(database), list);
    let mut shown = vec![Shown {
        what: "database".into(),
        text: ask(
            cnf,
            None,
            &format!(
                "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = '{}'",
                database.replace('\'', "''")
            ),
        ),
    }];
    let mut questions = Vec::new();
    // MySQL 9.6 and later have no MD5 but in a component.
    // CHECKSUM TABLE may be another one for the same rows: with generated or long columns, in Aria, of a negative zero.
    let mut all_columns = BTreeMap::new();
    for row in rows.lines() {
        if let ["columns", name, _, columns] = row.split('\t').collect::<Vec<_>>()[..] {
            all_columns.insert(name.replace("\\\\", "\\"), columns.replace("\\\\", "\\"));
        }
    }
    for row in rows.lines() {
        let [what, name, kind] = row.split('\t').collect::<Vec<_>>()[..] else { continue };
        let name = name.replace("\\\\", "\\");
        let place = quoted(&name);
        let sql = match (what, kind) {
            ("table", "VIEW") => format!("SHOW CREATE VIEW {place}"),
            ("table", "SEQUENCE") => format!("SHOW CREATE SEQUENCE {place}; SELECT * FROM {place}"),
            ("table", _) => {
                let columns = all_columns.get(&name).map_or("1", String::as_str);
                let sum = format!(
                    "SELECT BIT_XOR(CAST(CONV(LEFT(SHA2(CONCAT_WS('|', {columns}), 256), 16), 16, 10) AS UNSIGNED)), \
                     SUM(CRC32(CONCAT_WS('|', {columns}))) FROM {place}"
                );
                format!("SHOW CREATE TABLE {place}; {sum}; SELECT COUNT(*) FROM {place}")
            }
            ("trigger", _) => format!(
                "SELECT event_manipulation, event_object_table, action_order, action_timing, HEX(action_statement), sql_mode, definer, \
                 character_set_client, collation_connection, database_collation FROM information_schema.triggers \
                 WHERE trigger_schema = DATABASE() AND trigger_name = '{}'",
                name.replace('\'', "''")
            ),
            // SHOW CREATE mixes two character sets where a comment or a name is beyond ASCII; a dump is in UTF-8 then. MySQL has
            // a semicolon at the end of a body that came among other statements, and neither its log nor a restore brings it.
            (_, "EVENT") => format!(
                "SELECT definer, time_zone, HEX(TRIM(TRAILING ';' FROM event_definition)), event_type, execute_at, interval_value, interval_field, sql_mode, starts, ends, \
                 status, on_completion, HEX(event_comment), collation_connection, database_collation FROM information_schema.events \
                 WHERE event_schema = DATABASE() AND event_name = '{}'",
                name.replace('\'', "''")
            ),
            (_, kind @ ("PROCEDURE" | "FUNCTION")) => format!(
                "SELECT definer, dtd_identifier, {body}, is_deterministic, sql_data_access, security_type, sql_mode, \
                 HEX(routine_comment), collation_connection, database_collation FROM information_schema.routines \
                 WHERE routine_schema = DATABASE() AND routine_type = '{kind}' AND routine_name = '{0}'; \
                 SELECT ordinal_position, parameter_mode, HEX(parameter_name), dtd_identifier FROM information_schema.parameters \
                 WHERE specific_schema = DATABASE() AND routine_type = '{kind}' AND specific_name = '{0}' ORDER BY 1",
                name.replace('\'', "''"),
                body = body(),
            ),
            _ => format!("SHOW CREATE {kind} {place}"),
        };
        questions.push((format!("{} {name}", if what == "table" { kind } else { what }.to_lowercase()), sql));
    }
    questions.sort();
    let mut sql = String::new();
    for (_, question) in &questions {
        sql += &format!("SELECT '{MARK}';\n{question};\n");
    }
    let answers = ask_interleaved(cnf, database, &sql);
    let mut answers = answers.split(MARK).skip(1).map(|answer| answer.trim_matches('\n').to_owned());
    for (what, _) in questions {
        // The checksum's first column is the database's own name.
        let text = answers.next().unwrap_or_default();
        shown.push(Shown { what, text: with_collations_alone(text) });
    }
    shown
}

/// Without character sets that stand before collations, which say as much: MySQL shows both for a column that was made with a
/// collation, and the collation alone for one that has it from its table.
fn with_collations_alone(text: String) -> String {
    const CHARSET: &str = " CHARACTER SET ";
    let mut parts = text.split(CHARSET);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(' ') {
            Some((_, rest)) if rest.starts_with("COLLATE ") => shown += &format!(" {rest}"),
            _ => shown += &format!("{CHARSET}{part}"),
        }
    }
    shown
}

/// The body of a routine in UTF-8, from where the server keeps it: `information_schema` leaves out what comes after an emoji that
/// a client in an old character set has sent, and comments at the end.
fn body() -> String {
    let of = |charset: &&str| {
        format!("WHEN '{charset}' THEN HEX(CONVERT(CONVERT(body USING {charset}) USING utf8mb4))")
    };
    let cases: Vec<String> = CHARSETS.iter().map(of).collect();
    // MySQL has no such table, and passes over this comment.
    format!(
        "HEX(routine_definition) /*M! IS NULL, (SELECT CASE character_set_client {} ELSE HEX(body) END FROM mysql.proc \
         WHERE db = routine_schema AND name = routine_name AND type = routine_type) */",
        cases.join(" ")
    )
}

/// Those in which clients of the tests speak, but for UTF-8.
const CHARSETS: [&str; 12] = [
    "latin1", "latin2", "cp1250", "cp1251", "koi8r", "greek", "euckr", "gbk", "big5", "sjis", "cp932", "ujis",
];

/// As [`ask`], with errors in the place where they came.
fn ask_interleaved(cnf: &Path, database: &str, sql: &str) -> String {
    let client = mariadb(cnf, &["-N", "-B", "--force", "--unbuffered", &format!("--database={database}")])
        .under("sh", ["-c", "exec \"$@\" 2>&1", "sh"]);
    let text = client.stdin(format!("{IMPATIENT}{sql}")).run().stdout_text();
    let lines =
        text.lines().map(|line| if line.starts_with("ERROR") { without_line(line) } else { line.to_owned() });
    lines.filter(|line| !line.trim_matches('-').is_empty() || line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Each object that differs, with both texts.
pub(crate) fn differences(before: &[Shown], after: &[Shown]) -> Vec<(String, String)> {
    let text = |side: &[Shown], what: &str| {
        side.iter().find(|shown| shown.what == what).map(|shown| shown.text.clone())
    };
    let mut all: Vec<&str> = before.iter().chain(after).map(|shown| shown.what.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    let pairs = all.into_iter().map(|what| (what, text(before, what), text(after, what)));
    let differing = pairs.filter(|(_, before, after)| before != after);
    let gone = || "(it is not there)".to_owned();
    differing
        .map(|(what, before, after)| {
            (
                what.to_owned(),
                format!("was: {}\nis:  {}", before.unwrap_or_else(gone), after.unwrap_or_else(gone)),
            )
        })
        .collect()
}
