//! Databases of which alone a chain keeps changes. What else the server writes is left out of the segments, and all places and
//! groups stay what they are.

use fwb_binlog::{Change, Group, Query};

use super::statement::{Concern, concern, tokens_of};
use crate::scan::Token;
use crate::server::{NameCase, NamePattern, base_of_restore};

/// The most bytes of a statement that are looked through: longer ones that were compressed are not unpacked further.
const MOST_TEXT: usize = 1 << 20;

/// The databases that are meant, where it is not all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Only {
    names: Vec<NamePattern>,
    case: NameCase,
}

impl Only {
    /// These; all, where there are none.
    pub(super) fn new(names: &[NamePattern], case: NameCase) -> Self {
        Self { names: names.to_vec(), case }
    }

    /// Whether it is all.
    pub(super) fn is_all(&self) -> bool {
        self.names.is_empty()
    }

    /// As descriptions have it.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().map(|name| name.as_str().to_owned()).collect()
    }

    /// Whether changes of a database are meant. What restores make beside one of these is: tables come from there, and go there.
    pub(super) fn is(&self, database: &str) -> bool {
        let is = |name: &str| self.names.iter().any(|meant| meant.is(name, self.case));
        // Long names are cut before the words of a restore.
        let is_cut = |base: &str| {
            self.names.iter().any(|meant| {
                meant.is_pattern() || self.case.key(meant.as_str()).starts_with(&self.case.key(base))
            })
        };
        self.is_all()
            || is(database)
            || base_of_restore(database)
                .is_some_and(|base| is(base) || base.chars().count() >= 40 && is_cut(base))
    }

    /// Whether a change is meant, or may be.
    pub(super) fn keeps(&self, change: Change<'_>) -> bool {
        match change {
            Change::Rows(database) => self.is(database),
            Change::Statement(query) => self.keeps_statement(query),
        }
    }

    /// A replica of these databases executes what has one of them as its default database, or names one.
    fn keeps_statement(&self, query: &Query) -> bool {
        let default = query.database.as_deref();
        match concern(default, &query.text, &|name| self.is(name)) {
            Concern::Ours => return true,
            Concern::Others => return false,
            Concern::Tables => {}
        }
        let Ok(_) = std::str::from_utf8(&query.text) else { return true };
        default.is_some_and(|default| self.is(default))
            || query.text.len() >= MOST_TEXT
            || tokens_of(&query.text).any(|token| match &token {
                // It is a name where the session has ANSI_QUOTES.
                Token::Text(text) => std::str::from_utf8(text).is_ok_and(|text| self.is(text)),
                token => token.identifier().is_some_and(|name| self.is(&name)),
            })
    }

    /// What a group changes of the databases that are meant.
    pub(super) fn tables<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a (String, String)> {
        group.tables.keys().filter(|(database, _)| self.is(database))
    }
}

/// Whether a chain that keeps these databases alone has the changes of this one.
pub(super) fn covers(only: &[String], database: Option<&str>, case: NameCase) -> bool {
    let names: Vec<NamePattern> = only.iter().map(NamePattern::new).collect();
    only.is_empty() || database.is_some_and(|database| names.iter().any(|meant| meant.is(database, case)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_of_a_chosen_database_is_kept() {
        let only = Only::new(&[NamePattern::new("shop"), NamePattern::new("app_*")], NameCase::Sensitive);
        for (default, sql, expected) in [
            ("other", "INSERT INTO t VALUES ('x')", false),
            ("shop", "INSERT INTO other.t VALUES ('x')", true),
            ("other", "INSERT INTO shop.t VALUES ('x')", true),
            ("other", "UPDATE t, `shop`.u SET a=1", true),
            ("other", "INSERT INTO \"shop\".\"t\" VALUES (1)", true),
            ("other", "INSERT INTO shops.t VALUES (1)", false),
            ("app_1", "TRUNCATE t", true),
            ("", "DROP DATABASE app_2", true),
            ("", "DROP DATABASE ap", false),
            ("other", "CREATE USER shop IDENTIFIED BY 'x'", false),
            ("shop", "GRANT SELECT ON shop.* TO a@b", false),
            ("other", "CREATE PROCEDURE p() INSERT INTO shop.t VALUES (1)", false),
            ("other", "CREATE TRIGGER shop.tr BEFORE INSERT ON t FOR EACH ROW SET @a=1", true),
            ("shop__before_20250725_170206", "CREATE TABLE t (a INT)", true),
            ("other", "RENAME TABLE other.t TO shop__shadow_20250725_170206.t", true),
            ("other__before_20250725_170206", "CREATE TABLE t (a INT)", false),
            ("other", "SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE shop.t ADD b INT", true),
            ("other", "SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE t ADD b INT", false),
        ] {
            let database = Some(default.to_owned()).filter(|name| !name.is_empty());
            let query = Query { database, ..crate::binlog::in_shop(sql) };
            assert_eq!(only.keeps(Change::Statement(&query)), expected, "{default}: {sql}");
        }
        let mut query = crate::binlog::in_shop("x");
        query.database = Some("other".into());
        query.text = b"INSERT INTO \xA1\xA1.t VALUES (1)".to_vec();
        assert!(only.keeps(Change::Statement(&query)), "nobody knows the name");
        let long = "n".repeat(60);
        let cut = format!("{}__before_20250725_170206", "n".repeat(40));
        let only = Only::new(&[NamePattern::new(&long)], NameCase::Sensitive);
        assert!(only.is(&cut) && only.is(&long) && !only.is("nnn"));
    }

    #[test]
    fn a_log_covers_what_it_was_followed_for() {
        let names = ["shop".to_owned(), "app_?".to_owned()];
        for (database, expected) in
            [(Some("shop"), true), (Some("app_1"), true), (Some("other"), false), (None, false)]
        {
            assert_eq!(covers(&names, database, NameCase::Sensitive), expected, "{database:?}");
            assert!(covers(&[], database, NameCase::Sensitive));
        }
        assert!(covers(&names, Some("Shop"), NameCase::Insensitive));
    }
}
