//! Whether a name still means the same table. A consistent snapshot covers rows, not names: a table that takes another's
//! name while a dump runs (a swap, an online schema change) is dumped as it was when the dump began, half loaded, and the
//! server reports nothing (no error 1412), because that table existed by then.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{ServerClient, Sql};
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// How tables are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Identified {
    /// By the numbers that InnoDB gives to tables and partitions: each is used once, and a later one is greater. Needs
    /// the right PROCESS; opens no table.
    TableId,
    /// By the time of their creation, which has whole seconds. On MariaDB, a rename changes it.
    CreateTime,
}

/// The tables and partitions of a database under a snapshot: the table's name, what its partition is called in the
/// server's files, and its number or the time of its creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identities {
    by: Identified,
    tables: BTreeMap<(String, String), String>,
}

/// The tables that are not, or may not be, in a dump as they were at its snapshot. `before` was asked before the
/// snapshot, `after` when all rows had been read or nobody could change a table any more; `newest` is the greatest number of a table, asked once the snapshot was
/// there; `dumped` are the tables in the dump.
///
/// By its number, a table is known to be younger than the snapshot: whatever was emptied, altered or made anew while the
/// dump ran. The server itself shows no such table to the dump (error 1412), so either the former table was dumped, or
/// the dump has failed. By the time of creation, that cannot be told apart from a table that took another's name.
pub(crate) fn changed(
    before: &Identities,
    after: &Identities,
    newest: Option<u64>,
    dumped: &BTreeSet<&str>,
) -> BTreeSet<String> {
    let is_older = |identity: &String| match (identity.parse::<u64>(), newest) {
        (Ok(id), Some(newest)) => id <= newest,
        _ => true,
    };
    let came = after.tables.iter().filter(|(table, identity)| {
        let is_another = before.tables.get(*table) != Some(identity);
        is_another
            && match after.by {
                Identified::TableId => is_older(identity),
                Identified::CreateTime => dumped.contains(table.0.as_str()),
            }
    });
    // It was there, and when the dump listed its tables it was not.
    let went = before.tables.iter().filter(|(table, identity)| {
        !dumped.contains(table.0.as_str()) && after.tables.get(*table) != Some(identity)
    });
    came.chain(went).map(|((table, _), _)| table.clone()).collect()
}

/// InnoDB's list of tables, by the name that it has on this server.
const INNODB_TABLES: &str = "information_schema./*M!100000 INNODB_SYS_TABLES*//*!80000 INNODB_TABLES*/";

impl ServerClient {
    /// The tables of a database, by their numbers where the account may see them.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn identities(&self, database: &str, cancel: &Cancel) -> Result<Identities> {
        match self.identified(database, Identified::TableId, cancel) {
            Err(error) if error.refusal().is_some() => {
                cancel.check()?;
                log::debug!("tables are told apart by the time of their creation: {error}");
                self.identified(database, Identified::CreateTime, cancel)
            }
            asked => asked,
        }
    }

    /// InnoDB's numbers for a database's tables, those of partitions joined; none where the account may not see them. No
    /// table is opened, and tables are there whose definition is missing.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn table_numbers(
        &self,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Option<BTreeMap<String, String>>> {
        let mut numbers: BTreeMap<String, String> = BTreeMap::new();
        let Some(Identities { tables, .. }) = self.numbered(database, cancel)? else { return Ok(None) };
        for ((table, _), number) in tables {
            let joined = numbers.entry(table).or_default();
            joined.push('.');
            joined.push_str(&number);
        }
        Ok(Some(numbers))
    }

    /// InnoDB's tables, each with what its partitions are called in the server's files; as
    /// [`ServerClient::table_numbers`].
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn table_parts(
        &self,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Option<BTreeMap<String, Vec<String>>>> {
        let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let Some(Identities { tables, .. }) = self.numbered(database, cancel)? else { return Ok(None) };
        for ((table, part), _) in tables {
            let of_table = parts.entry(table).or_default();
            if part.contains('#') {
                of_table.push(part);
            }
        }
        Ok(Some(parts))
    }

    fn numbered(&self, database: &str, cancel: &Cancel) -> Result<Option<Identities>> {
        let none = Identities { by: Identified::TableId, tables: BTreeMap::new() };
        seen(self.identified(database, Identified::TableId, cancel), none, cancel)
    }

    /// The numbers of tables whose full-text indexes lack a file (MariaDB); none where the account may not see it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn lost_indexes(&self, database: &str, cancel: &Cancel) -> Result<Option<BTreeSet<u64>>> {
        let sql = format!(
            "SELECT DISTINCT SUBSTR(SUBSTRING_INDEX(t.NAME, '/', -1), 5, 16) FROM information_schema.INNODB_SYS_TABLES t \
             LEFT JOIN information_schema.INNODB_SYS_TABLESPACES s ON s.SPACE = t.SPACE \
             WHERE {} AND t.NAME RLIKE '/FTS_[0-9a-f]{{16}}_' AND s.SPACE IS NULL;\n",
            is_here("t.NAME")
        );
        let asked = self.query(Some(database), Sql::Read(&sql), "looking at full-text indexes", cancel);
        Ok(seen(asked, Vec::new(), cancel)?.map(|rows| {
            let numbers = rows.into_iter().flatten();
            numbers.filter_map(|number| u64::from_str_radix(&number, 16).ok()).collect()
        }))
    }

    /// Tables of a database that refer to one of `parents`, as the engine knows it: those that cannot be opened too. None
    /// where the account may not see it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn engine_children(
        &self,
        database: &str,
        parents: &BTreeSet<String>,
        cancel: &Cancel,
    ) -> Result<Option<BTreeSet<String>>> {
        let sql = format!(
            "SELECT {}, {} FROM information_schema./*M!100000 INNODB_SYS_FOREIGN*//*!80000 INNODB_FOREIGN*/ WHERE {} AND {};\n",
            table_of("FOR_NAME"),
            table_of("REF_NAME"),
            is_here("FOR_NAME"),
            is_here("REF_NAME"),
        );
        let asked = self.query(Some(database), Sql::Read(&sql), "looking at foreign keys", cancel);
        Ok(seen(asked, Vec::new(), cancel)?.map(|rows| {
            let keys = rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
            keys.filter(|[_, parent]| parents.contains(parent)).map(|[child, _]| child).collect()
        }))
    }

    /// As [`ServerClient::identities`], in the same way as `before`.
    ///
    /// # Errors
    /// The server cannot be reached, or does not show that any more.
    pub(crate) fn identities_again(
        &self,
        database: &str,
        before: &Identities,
        cancel: &Cancel,
    ) -> Result<Identities> {
        self.identified(database, before.by, cancel)
    }

    fn identified(&self, database: &str, by: Identified, cancel: &Cancel) -> Result<Identities> {
        let sql = match by {
            // Auxiliary tables of full-text indexes go where their table goes.
            Identified::TableId => format!(
                "SELECT {}, SUBSTRING_INDEX(NAME, '/', -1), TABLE_ID FROM {INNODB_TABLES} \
                 WHERE {} AND NAME NOT LIKE '%/#%' AND NAME NOT RLIKE '/FTS_[0-9a-f]{{16}}_';\n",
                table_of("NAME"),
                is_here("NAME"),
            ),
            // Engines without a snapshot show every table as it is when it is read.
            Identified::CreateTime => "SELECT TABLE_NAME, '', IFNULL(CREATE_TIME, '') FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE NOT IN ('VIEW', 'SYSTEM VIEW') AND ENGINE NOT IN \
                 ('MyISAM', 'Aria', 'MEMORY', 'CSV', 'ARCHIVE', 'MRG_MyISAM', 'BLACKHOLE', 'FEDERATED', 'CONNECT');\n"
                .into(),
        };
        let rows = self.query(Some(database), Sql::Read(&sql), "telling the tables apart", cancel)?;
        let tables = rows.into_iter().filter_map(|row| match <[String; 3]>::try_from(row) {
            Ok([table, part, identity]) => Some(((table, part), identity)),
            Err(_) => None,
        });
        Ok(Identities { by, tables: tables.collect() })
    }

    /// The greatest number of a table on the server, where tables are told apart by it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn newest_table(&self, before: &Identities, cancel: &Cancel) -> Result<Option<u64>> {
        if before.by == Identified::CreateTime {
            return Ok(None);
        }
        let sql = format!("SELECT MAX(TABLE_ID) FROM {INNODB_TABLES};\n");
        let rows = self.query(None, Sql::Read(&sql), "telling the tables apart", cancel)?;
        Ok(rows.first().and_then(|row| row.first()?.parse().ok()))
    }
}

/// A table's name, in SQL, of a column that has it as InnoDB does. There names are those of files, `a@002db/t@0020x#P#p0`, and such
/// as Windows has for devices (`aux`, `con`) end with `@@@` (MySQL's manual, "Mapping of Identifiers to File Names").
fn table_of(column: &str) -> String {
    format!(
        "CONVERT(CONVERT(CONVERT(REPLACE(SUBSTRING_INDEX(SUBSTRING_INDEX({column}, '/', -1), '#', 1), '@@@', '') USING binary) \
         USING filename) USING utf8mb4)"
    )
}

/// Whether the table that such a column names is in the session's database, in SQL.
fn is_here(column: &str) -> String {
    format!(
        "CONVERT(REPLACE(SUBSTRING_INDEX({column}, '/', 1), '@@@', '') USING binary) = \
         CONVERT(CONVERT(DATABASE() USING filename) USING binary)"
    )
}

/// An answer that the account may be refused: none then. Where there is no database, the answer is `empty`.
fn seen<T>(asked: Result<T>, empty: T, cancel: &Cancel) -> Result<Option<T>> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::NoDatabase { .. }) => Ok(Some(empty)),
        Err(error) if error.refusal().is_some() => {
            cancel.check()?;
            log::debug!("what the engine knows cannot be seen: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Identities {
    /// How the tables are told apart.
    pub(crate) fn by(&self) -> Identified {
        self.by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identities(by: Identified, tables: &[(&str, &str)]) -> Identities {
        let table = |(name, identity): &(&str, &str)| {
            let table = name.split('#').next().unwrap_or_default();
            ((table.to_owned(), (*name).to_owned()), (*identity).to_owned())
        };
        Identities { by, tables: tables.iter().map(table).collect() }
    }

    /// Before, after, what was dumped, and what must be named. The newest table at the snapshot is 20.
    type Case<'a> =
        (&'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);

    #[track_caller]
    fn holds(by: Identified, newest: Option<u64>, cases: &[Case<'_>]) {
        for (what, before, after, dumped, expected) in cases {
            let (before, after) = (identities(by, before), identities(by, after));
            let found = changed(&before, &after, newest, &dumped.iter().copied().collect());
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), *expected, "{what}");
        }
    }

    /// What is missed here is a table with some of its rows, in a backup that is proved.
    #[test]
    fn by_number_a_table_that_took_a_name_is_told_from_one_that_was_made_anew() {
        holds(
            Identified::TableId,
            Some(20),
            &[
                ("nothing happened", &[("t", "7")], &[("t", "7")], &["t"], &[]),
                (
                    "an online schema change: it was there, half full, when the dump began",
                    &[("t", "7"), ("_t_gho", "9")],
                    &[("t", "9"), ("_t_del", "7")],
                    &["t", "_t_gho"],
                    &["_t_del", "t"],
                ),
                ("a swap: it came from another database", &[("t", "7")], &[("t", "20")], &["t"], &["t"]),
                (
                    "it was emptied or altered: it is younger than the snapshot",
                    &[("t", "7")],
                    &[("t", "21")],
                    &["t"],
                    &[],
                ),
                ("a new table", &[("t", "7")], &[("t", "7"), ("new", "22")], &["t"], &[]),
                ("a table from elsewhere", &[], &[("t", "12")], &["t"], &["t"]),
                ("it was dropped after its rows were read", &[("t", "7")], &[], &["t"], &[]),
                ("it was gone before it was listed", &[("t", "7")], &[], &[], &["t"]),
                (
                    "a restore in place, listed half way",
                    &[("t", "7"), ("u", "8")],
                    &[("t", "21"), ("u", "22")],
                    &["t"],
                    &["u"],
                ),
                (
                    "a partition changed places with a table",
                    &[("p#P#p0", "7"), ("p#P#p1", "8"), ("x", "9")],
                    &[("p#P#p0", "9"), ("p#P#p1", "8"), ("x", "7")],
                    &["p", "x"],
                    &["p", "x"],
                ),
            ],
        );
    }

    /// Without a number for the newest, whatever is another table may be an older one.
    #[test]
    fn without_the_newest_number_every_other_table_counts() {
        holds(Identified::TableId, None, &[("emptied", &[("t", "7")], &[("t", "21")], &["t"], &["t"])]);
    }

    #[test]
    fn by_time_of_creation_every_other_table_counts_that_was_dumped() {
        holds(
            Identified::CreateTime,
            None,
            &[
                ("nothing happened", &[("t", "10:00:00")], &[("t", "10:00:00")], &["t"], &[]),
                ("it took the name", &[("t", "10:00:00")], &[("t", "11:00:00")], &["t"], &["t"]),
                ("a new table that is not in the dump", &[], &[("new", "11:00:00")], &[], &[]),
                ("a new table that is in the dump", &[], &[("new", "11:00:00")], &["new"], &["new"]),
                ("dropped after its rows were read", &[("t", "10:00:00")], &[], &["t"], &[]),
                ("gone before it was listed", &[("t", "10:00:00")], &[], &[], &["t"]),
                ("left out by an option", &[("t", "10:00:00")], &[("t", "10:00:00")], &[], &[]),
            ],
        );
    }
}
