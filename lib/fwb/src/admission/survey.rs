//! What a dump needs of the server that it is restored to, noted while it is verified.

use std::collections::{BTreeMap, BTreeSet};

use super::computed::Computed;
use super::headers::{Headers, RowSettings};
use super::outside::{Outside, outside};
use super::programs::{is_loose, is_passing, runs};
use super::relations::{Relation, functions, relations};
use super::times::TimeColumns;
use super::{Admission, engines, name_of};
use crate::error::{Error, Result};
use crate::scan::{Head, Reading, Statement, Token, Tokens, Value, Verb};

/// The most accounts, engines, tables and views that are noted: nobody reads a longer list of those that a server lacks.
const MOST: usize = 10_000;
/// The most columns of tables that are noted for their times: those of 2,000 tables with 50 each.
/// Beyond them, [`Survey::times_are_whole`] says that some are not known.
const MOST_COLUMNS: usize = 100_000;

/// What the statements ask for.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    admission: Admission,
    name: String,
    /// The first statement that [`Survey::observe_all`] has refused.
    refused: Option<Error>,
    /// The database that was assumed for qualified names of triggers, while it was not known which one was dumped.
    assumed: Option<String>,
    /// Accounts that stored programs and views run as: `user@host`.
    pub(crate) definers: BTreeSet<(String, String)>,
    /// Tables that reach outside of their database, and how.
    pub(crate) outside: BTreeMap<String, Outside>,
    /// Views, and what each selects from.
    pub(crate) views: BTreeMap<String, BTreeSet<Relation>>,
    /// Functions that they call by their database's name, by view.
    pub(crate) calls: BTreeMap<String, BTreeSet<Relation>>,
    /// How many views, and relations of them, were noted.
    relations: usize,
    /// Databases that foreign keys of its tables name.
    pub(crate) refers_to: BTreeSet<String>,
    /// Tables with times whose range differs between servers.
    pub(crate) times: BTreeMap<String, TimeColumns>,
    /// How many columns of tables were noted for that.
    time_columns: usize,
    /// Whether a table was left out of [`Survey::times`], because there were too many columns.
    times_are_cut: bool,
    /// Whether the session has the server take rows for history.
    inserts_history: bool,
    /// Collations and character sets that tables and sessions are given.
    pub(crate) collations: BTreeSet<String>,
    /// Tables with what the server computes or checks.
    pub(crate) computed: BTreeMap<String, Computed>,
    /// Tables with parts in comments for versions of MySQL that MariaDB passes over.
    pub(crate) passed_over: BTreeSet<String>,
    /// The headers of dumps.
    headers: Headers,
    /// What rows are written under.
    row_settings: RowSettings,
    /// Tables that are made.
    made: BTreeSet<String>,
    /// Tables without a primary key.
    pub(crate) keyless: BTreeSet<String>,
    /// Engines of tables, in upper case.
    pub(crate) engines: BTreeSet<String>,
    /// Time zones by name, in which events were made.
    pub(crate) time_zones: BTreeSet<String>,
    /// Whether there are events that run where the scheduler does.
    pub(crate) running_events: bool,
    /// Events that drop themselves once they have run.
    pub(crate) passing_events: BTreeSet<String>,
    /// Whether there are functions or triggers, which a server with a binary log takes from accounts with SUPER only.
    pub(crate) functions: bool,
    /// Functions that do not say that they are harmless, which a server with a binary log takes from nobody.
    pub(crate) loose_functions: BTreeSet<String>,
}

impl Survey {
    /// `name` is the backup's, for messages; `database` the one that was dumped, where it is known.
    pub(crate) fn new(name: &str, database: Option<&str>) -> Self {
        let admission = Admission::new(database).allowing_outside(true);
        Self { name: name.to_owned(), admission, ..Self::default() }
    }

    /// Takes note of a statement. Tables that reach outside are noted as such: whoever loads them decides.
    ///
    /// # Errors
    /// The statement is one that no dump contains.
    pub(crate) fn observe(&mut self, statement: &Statement<'_>) -> Result<()> {
        if let Head::Program(Verb::Create, crate::ObjectKind::Trigger, target) = statement.head
            && let Some(database) = &target.database
            && self.admission.assume_database(database)
        {
            self.assumed = Some(database.clone());
        }
        self.admission.judge(statement).map_err(|why| Error::Inadmissible {
            name: self.name.clone(),
            statement: name_of(statement),
            offset: statement.offset,
            why,
        })?;
        if !matches!(statement.head, Head::Set(_) | Head::Empty | Head::Lock | Head::Transaction) {
            self.row_settings.end_header();
        }
        match statement.head {
            Head::Program(Verb::Create, kind, target) => {
                if *kind == crate::ObjectKind::Event {
                    if is_passing(statement) {
                        self.passing_events.insert(target.name.clone());
                    }
                    self.running_events |= runs(statement);
                }
                self.functions |= matches!(kind, crate::ObjectKind::Function | crate::ObjectKind::Trigger);
                if *kind == crate::ObjectKind::Function && is_loose(statement) {
                    self.loose_functions.insert(target.name.clone());
                }
                self.note_definer(statement);
            }
            Head::View(Verb::Create, target) => {
                self.note_definer(statement);
                if self.relations < MOST {
                    let tokens = || Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
                    // The stand-in of a view selects from nothing, and its definition comes later.
                    let (found, called) = (relations(tokens()), functions(tokens()));
                    self.relations += 1 + found.len() + called.len();
                    self.views.insert(target.name.clone(), found);
                    self.calls.insert(target.name.clone(), called);
                }
            }
            Head::Table(Verb::Create, target) => {
                self.check_headers(statement)?;
                if self.made.len() < MOST && !self.made.insert(target.name.clone()) {
                    return Err(Error::Inadmissible {
                        name: self.name.clone(),
                        statement: name_of(statement),
                        offset: statement.offset,
                        why: format!(
                            "table {} is made for the second time, as in dumps that were appended to one another: keep one of them",
                            target.name
                        ),
                    });
                }
                self.note_table(&target.name, statement);
            }
            Head::Set(assignments) => {
                self.headers.observe(assignments);
                self.row_settings.observe(assignments);
                for (what, to) in assignments {
                    self.inserts_history |= sets(what, "system_versioning_insert_history")
                        && matches!(to, Value::Word(value) if value == "1");
                    match to {
                        Value::Word(name) | Value::Text(name) if sets_collation(what) => {
                            self.note_collation(name);
                        }
                        Value::Text(zone)
                            if sets(what, "time_zone") && is_zone(zone) && self.time_zones.len() < MOST =>
                        {
                            self.time_zones.insert(zone.clone());
                        }
                        _ => {}
                    }
                }
            }
            Head::Insert(target) => {
                self.check_headers(statement)?;
                self.check_settings(statement)?;
                if let Some(times) = self.times.get_mut(&target.name) {
                    times.observe(statement, self.inserts_history);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// As [`Survey::observe`], for those who read on whatever comes: nothing is noted after the first refusal.
    pub(crate) fn observe_all(&mut self, statement: &Statement<'_>) {
        if self.refused.is_none() {
            self.refused = self.observe(statement).err();
        }
    }

    /// What [`Survey::observe_all`] has refused first, or the database that was assumed; none where a restore takes all.
    pub(crate) fn take_refusal(&mut self, database: Option<&str>) -> Option<Error> {
        self.refused.take().or_else(|| self.confirm_database(database).err())
    }

    /// Checks the database that was assumed, now that it is known which one was dumped.
    ///
    /// # Errors
    /// It is another one.
    pub(crate) fn confirm_database(&self, database: Option<&str>) -> Result<()> {
        match &self.assumed {
            Some(assumed) if database != Some(assumed) => Err(Error::Inadmissible {
                name: self.name.clone(),
                statement: "CREATE TRIGGER".into(),
                offset: 0,
                why: format!(
                    "it names the database {assumed}, and the dump does not say that it is of that one"
                ),
            }),
            _ => Ok(()),
        }
    }

    fn note_definer(&mut self, statement: &Statement<'_>) {
        let mut tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
        if !tokens.by_ref().take(8).any(|token| token.is("DEFINER")) || !tokens.take_symbol(b'=') {
            return;
        }
        let Some(user) = tokens.next().filter(|token| !token.is("CURRENT_USER") && !token.is("CURRENT_ROLE"))
        else {
            return;
        };
        let Some(user) = user.identifier() else { return };
        if tokens.next() != Some(Token::Variable(b"@")) {
            // A role has no host, and the server's table of accounts says so in the same way.
            self.add_definer(user, String::new());
            return;
        }
        if let Some(host) = tokens.next().and_then(|token| token.identifier()) {
            self.add_definer(user, host);
        }
    }

    fn add_definer(&mut self, user: String, host: String) {
        if self.definers.len() < MOST {
            self.definers.insert((user, host));
        }
    }

    /// All rows are loaded under the settings of the first header.
    fn check_headers(&self, statement: &Statement<'_>) -> Result<()> {
        if self.headers.agree() {
            return Ok(());
        }
        Err(Error::Inadmissible {
            name: self.name.clone(),
            statement: name_of(statement),
            offset: statement.offset,
            why: "it is of another dump in the same file, whose header has another character set, time zone or sql_mode: cut the \
                  file before each header"
                .into(),
        })
    }

    /// All rows are loaded under the settings of the header, whatever was set after it.
    fn check_settings(&self, statement: &Statement<'_>) -> Result<()> {
        let Some(setting) = self.row_settings.differ() else { return Ok(()) };
        Err(Error::Inadmissible {
            name: self.name.clone(),
            statement: name_of(statement),
            offset: statement.offset,
            why: format!(
                "its rows come under another {setting} than the header has: load it with the server's own client into a new database, \
                 and dump that"
            ),
        })
    }

    /// Whether the dump's header says that times are in UTC.
    pub(crate) fn is_utc(&self) -> bool {
        self.headers.is_utc()
    }

    fn note_times(&mut self, table: &str, times: TimeColumns, most: usize) {
        if self.time_columns + times.all.len() > most {
            self.times_are_cut = true;
            return;
        }
        self.time_columns += times.all.len();
        self.times.insert(table.to_owned(), times);
    }

    /// Whether [`Survey::times`] has all tables that belong there.
    pub(crate) fn times_are_whole(&self) -> bool {
        !self.times_are_cut
    }

    fn note_collation(&mut self, name: &str) {
        if is_collation_name(name) && !name.eq_ignore_ascii_case("NULL") && self.collations.len() < MOST {
            self.collations.insert(name.to_ascii_lowercase());
        }
    }

    fn note_table(&mut self, table: &str, statement: &Statement<'_>) {
        let tokens: Vec<_> =
            Tokens::new(statement.text, Reading::Everything, statement.mode.quotes()).collect();
        if let (Ok(Some(outside)), true) = (outside(&tokens), self.outside.len() < MOST) {
            self.outside.insert(table.to_owned(), Outside { offset: statement.offset, ..outside });
        }
        let times = TimeColumns::of(&tokens);
        if let Some(computed) = Computed::of(&tokens, times.as_ref())
            && self.computed.len() < MOST
        {
            self.computed.insert(table.to_owned(), computed);
        }
        let marks = Tokens::marks(statement.text, Reading::Everything, statement.mode.quotes());
        if marks.iter().any(|mark| mark.is_for_mysql_alone()) && self.passed_over.len() < MOST {
            self.passed_over.insert(table.to_owned());
        }
        if let Some(times) = times {
            self.note_times(table, times, MOST_COLUMNS);
        }
        let has_key = tokens.windows(2).any(|pair| pair[0].is("PRIMARY") && pair[1].is("KEY"));
        if !has_key && self.keyless.len() < MOST {
            self.keyless.insert(table.to_owned());
        }
        for name in databases_referred_to(&tokens) {
            if self.refers_to.len() < MOST {
                self.refers_to.insert(name);
            }
        }
        for name in collations(&tokens) {
            self.note_collation(&name);
        }
        for engine in engines(&tokens) {
            if self.engines.len() < MOST && engine.len() <= 64 {
                self.engines.insert(engine.to_ascii_uppercase());
            }
        }
    }
}

/// Whether this variable is a session's collation or character set.
fn sets_collation(variable: &str) -> bool {
    ["collation_connection", "character_set_client", "character_set_results"]
        .into_iter()
        .any(|name| sets(variable, name))
}

/// Whether an assignment to `variable` sets the session's variable of this name.
fn sets(variable: &str, name: &str) -> bool {
    !variable.starts_with("@saved_")
        && variable.rsplit(['.', '@']).next().is_some_and(|set| set.eq_ignore_ascii_case(name))
}

/// Whether this names a time zone, rather than an offset or the system's own, and leads to no other file.
fn is_zone(zone: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    let begins = zone.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    begins && zone.len() <= 64 && zone.bytes().all(plain) && !zone.eq_ignore_ascii_case("SYSTEM")
}

/// Whether this can name a collation or a character set: one word.
pub(crate) fn is_collation_name(name: &str) -> bool {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && !name.is_empty() && name.len() <= 64
}

/// The databases that are named after `REFERENCES`.
fn databases_referred_to(tokens: &[Token<'_>]) -> Vec<String> {
    let named = |three: &[Token<'_>]| match three {
        [word, database, Token::Symbol(b'.')] if word.is("REFERENCES") => database.identifier(),
        _ => None,
    };
    tokens.windows(3).filter_map(named).collect()
}

/// The names after `COLLATE`, `CHARSET` and `CHARACTER SET`.
fn collations(tokens: &[Token<'_>]) -> Vec<String> {
    let name_after = |rest: &[Token<'_>]| match rest {
        [Token::Symbol(b'='), name, ..] | [name, ..] => name.identifier(),
        [] => None,
    };
    let named = |at: usize| match &tokens[at..] {
        [word, rest @ ..] if word.is("COLLATE") || word.is("CHARSET") => name_after(rest),
        [word, set, rest @ ..] if word.is("CHARACTER") && set.is("SET") => name_after(rest),
        _ => None,
    };
    (0..tokens.len()).filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_beyond_the_limit_are_known_to_lack() {
        let times = || TimeColumns { all: vec!["a".into(), "b".into()], ..TimeColumns::default() };
        let mut survey = Survey::default();
        survey.note_times("t", times(), 3);
        assert!(survey.times_are_whole() && survey.times.contains_key("t"));
        survey.note_times("u", times(), 3);
        assert!(!survey.times_are_whole() && !survey.times.contains_key("u"));
    }

    #[test]
    fn a_foreign_key_names_a_database_or_none() {
        let create = "CREATE TABLE `references` (`a` int COMMENT 'REFERENCES `x`.`t`', KEY `a` (`a`), CONSTRAINT `c` FOREIGN KEY (`a`) \
                      REFERENCES `o``1`.`t` (`id`), CONSTRAINT `d` FOREIGN KEY (`a`) REFERENCES `own` (`id`))";
        let tokens: Vec<_> =
            Tokens::new(create.as_bytes(), Reading::Everything, crate::scan::QuoteMode::default()).collect();
        assert_eq!(databases_referred_to(&tokens), ["o`1"]);
    }

    #[test]
    fn only_names_are_time_zones() {
        for zone in ["Europe/Berlin", "UTC", "Etc/GMT-9", "America/Port-au-Prince"] {
            assert!(is_zone(zone), "{zone}");
        }
        for other in ["+00:00", "SYSTEM", "system", "../../etc/passwd", "/etc/passwd", "", "Europe/..", "a b"]
        {
            assert!(!is_zone(other), "{other}");
        }
    }

    #[test]
    fn collations_are_found_where_tables_and_sessions_are_given_them() {
        let named = |sql: &str| {
            let tokens: Vec<_> =
                Tokens::new(sql.as_bytes(), Reading::Everything, crate::scan::QuoteMode::default()).collect();
            collations(&tokens)
        };
        let create = "CREATE TABLE `collate` (`charset` text CHARACTER SET ascii COLLATE ascii_bin COMMENT 'COLLATE x') DEFAULT \
                      CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci";
        assert_eq!(named(create), ["ascii", "ascii_bin", "utf8mb4", "utf8mb4_0900_ai_ci"]);
        for variable in
            ["collation_connection", "@@session.character_set_client", "SESSION.CHARACTER_SET_RESULTS"]
        {
            assert!(sets_collation(variable), "{variable}");
        }
        assert!(!sets_collation("@saved_col_connection") && !sets_collation("sql_mode"));
    }
}
