//! Which statements of a log a replay of one database leaves out: a replica filters by tables, and these have none. Accounts
//! are the server's; programs and events of other databases would be made where their database is missing.

use crate::scan::{QuoteMode, Reading, Token, Tokens};
use crate::server::NameCase;

/// What a statement that commits by itself is to a replay of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// The replica judges by the tables that it names.
    Tables,
    /// It is of the database.
    Ours,
    /// It is of the server as a whole, or of another database.
    Others,
}

/// The database of a replay.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) database: String,
    pub(crate) case: NameCase,
}

impl Subject {
    /// Whether this is the database's name, or that of a database beside it in which a restore of ours works.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.case.same(name, &self.database)
            || self.case.key(name).starts_with(&self.case.key(&beside(&self.database)))
    }

    /// Judges a statement that was executed with this default database.
    pub(crate) fn concern(&self, default: Option<&str>, text: &[u8]) -> Concern {
        concern(default, text, &|name| self.is(name))
    }
}

/// Judges a statement that was executed with this default database. `is_ours` says which databases are replayed.
pub(crate) fn concern(default: Option<&str>, text: &[u8], is_ours: &dyn Fn(&str) -> bool) -> Concern {
    let mut tokens = tokens_of(text).peekable();
    let Some(verb) = tokens.next().and_then(|verb| verb.identifier()) else { return Concern::Tables };
    match verb.to_ascii_uppercase().as_str() {
        "CREATE" | "DROP" | "ALTER" => {}
        "GRANT" | "REVOKE" | "FLUSH" | "INSTALL" | "UNINSTALL" | "SET" | "RESET" => {
            return Concern::Others;
        }
        "RENAME" if tokens.peek().is_some_and(|token| token.is("USER")) => return Concern::Others,
        _ => return Concern::Tables,
    }
    let mut kind = String::new();
    // What may stand before the kind: OR REPLACE, DEFINER = …, AGGREGATE, UNDO, EXTERNAL.
    while let Some(token) = tokens.next() {
        if token.is("DEFINER") {
            // The sign, and an account that may be called as a kind is.
            tokens.next();
            tokens.next();
        } else if let Token::Word(word) = token {
            let word = String::from_utf8_lossy(word).to_ascii_uppercase();
            if !matches!(word.as_str(), "OR" | "REPLACE" | "AGGREGATE" | "UNDO")
                && KINDS.contains(&word.as_str())
            {
                kind = word;
                break;
            }
        }
    }
    match kind.as_str() {
        "USER" | "ROLE" | "SERVER" | "TABLESPACE" | "LOGFILE" | "RESOURCE" | "INSTANCE" => {
            return Concern::Others;
        }
        "SPATIAL" if tokens.next().is_some_and(|token| token.is("REFERENCE")) => return Concern::Others,
        "PROCEDURE" | "FUNCTION" | "EVENT" | "PACKAGE" | "TRIGGER" => {}
        _ => return Concern::Tables,
    }
    let mut rest =
        tokens.skip_while(|token| ["IF", "NOT", "EXISTS", "BODY"].iter().any(|word| token.is(word)));
    let Some(first) = rest.next().and_then(|name| name.identifier()) else { return Concern::Tables };
    let (is_qualified, after) = match rest.next() {
        Some(Token::Symbol(b'.')) => (true, rest.next()),
        after => (false, after),
    };
    if kind == "FUNCTION" && after.is_some_and(|token| token.is("RETURNS")) {
        // CREATE FUNCTION … RETURNS … SONAME loads a library.
        return Concern::Others;
    }
    let database = if is_qualified { Some(first.as_str()) } else { default };
    if database.is_some_and(is_ours) { Concern::Ours } else { Concern::Others }
}

/// The tokens of a statement, behind the settings that it has of its own: MariaDB logs
/// `SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE …` as it was written.
pub(crate) fn tokens_of(text: &[u8]) -> Tokens<'_> {
    let tokens = || Tokens::new(text, Reading::Everything, QuoteMode::default());
    let mut rest = tokens();
    let is_prefixed = rest.next().is_some_and(|token| token.is("SET"))
        && rest.next().is_some_and(|token| token.is("STATEMENT"));
    // No setting's value has the word in it.
    if is_prefixed && rest.by_ref().any(|token| token.is("FOR")) { rest } else { tokens() }
}

/// A name, and the database before it.
pub(crate) fn qualified<'a>(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = Token<'a>>>,
) -> Option<(Option<String>, String)> {
    let first = tokens.next()?.identifier()?;
    if tokens.next_if(|token| *token == Token::Symbol(b'.')).is_none() {
        return Some((None, first));
    }
    Some((Some(first), tokens.next()?.identifier()?))
}

/// What the names of databases begin with in which a restore of this one works: its tables come from there by their renaming, and
/// go there. A name has 64 characters at most, so that of a long one is cut.
pub(crate) fn beside(database: &str) -> String {
    /// What follows is `__shadow_` or `__before_`, and 15 characters of a time.
    const LONGEST: usize = 64 - 9 - 15;
    let base: String = database.chars().take(LONGEST).collect();
    format!("{base}__")
}

/// What `CREATE`, `DROP` and `ALTER` are about.
const KINDS: [&str; 22] = [
    "TABLE",
    "TEMPORARY",
    "INDEX",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "VIEW",
    "SEQUENCE",
    "DATABASE",
    "SCHEMA",
    "TRIGGER",
    "PROCEDURE",
    "FUNCTION",
    "EVENT",
    "PACKAGE",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "RESOURCE",
    "INSTANCE",
];

/// A statement that was executed in the database `shop`.
#[cfg(test)]
pub(crate) fn in_shop(text: &str) -> fwb_binlog::Query {
    let database = Some("shop".into());
    fwb_binlog::Query { thread: 1, database, text: text.into(), error: 0, time_zone: None, invoker: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_others_is_left_out() {
        let subject = Subject { database: "shop".into(), case: NameCase::Sensitive };
        for (default, sql, expected) in [
            ("shop", "CREATE TABLE user (a INT)", Concern::Tables),
            ("shop", "CREATE UNIQUE INDEX i ON t (a)", Concern::Tables),
            ("shop", "DROP TEMPORARY TABLE IF EXISTS `t` /* generated by server */", Concern::Tables),
            ("shop", "CREATE DATABASE other", Concern::Tables),
            (
                "shop",
                "ALTER ALGORITHM=UNDEFINED DEFINER=`r`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
                Concern::Tables,
            ),
            ("shop", "CREATE DEFINER=`event`@`%` PROCEDURE `p`() SELECT 1", Concern::Ours),
            ("shop", "CREATE DEFINER=`event`@`%` PROCEDURE other.`p`() SELECT 1", Concern::Others),
            (
                "other",
                "CREATE DEFINER=`r`@`%` TRIGGER `shop`.`tr` BEFORE INSERT ON t FOR EACH ROW SET @a=1",
                Concern::Ours,
            ),
            ("other", "CREATE OR REPLACE DEFINER=r FUNCTION f(a INT) RETURNS INT RETURN 1", Concern::Others),
            ("shop", "CREATE OR REPLACE DEFINER=r FUNCTION f(a INT) RETURNS INT RETURN 1", Concern::Ours),
            ("shop", "CREATE AGGREGATE FUNCTION f RETURNS INTEGER SONAME 'x.so'", Concern::Others),
            ("shop", "DROP FUNCTION IF EXISTS f", Concern::Ours),
            ("shop", "DROP EVENT other.e", Concern::Others),
            ("", "ALTER EVENT shop.e DISABLE", Concern::Ours),
            ("shop", "GRANT SELECT ON shop.* TO a@b", Concern::Others),
            ("shop", "CREATE USER a@b IDENTIFIED BY PASSWORD '*'", Concern::Others),
            ("shop", "RENAME USER a TO b", Concern::Others),
            ("shop", "RENAME TABLE a TO user", Concern::Tables),
            ("shop", "SET PASSWORD FOR a@b = '*'", Concern::Others),
            ("shop__shadow_20250725_170206", "CREATE PROCEDURE p() SELECT 1", Concern::Ours),
            ("shop_shadow", "CREATE PROCEDURE p() SELECT 1", Concern::Others),
            ("shop", "TRUNCATE t", Concern::Tables),
            ("shop", "CREATE SPATIAL INDEX i ON t (g)", Concern::Tables),
            ("shop", "CREATE OR REPLACE SPATIAL REFERENCE SYSTEM 9999 NAME 'x'", Concern::Others),
            ("shop", "CREATE DEFINER=user@localhost PROCEDURE p() SELECT 1", Concern::Ours),
            ("shop", "ALTER DEFINER = event@server EVENT e DISABLE", Concern::Ours),
            ("shop", "CREATE DEFINER=CURRENT_USER VIEW v AS SELECT 1", Concern::Tables),
            (
                "shop",
                "SET STATEMENT lock_wait_timeout=1, sql_mode='' FOR ALTER TABLE t ADD b INT",
                Concern::Tables,
            ),
            ("shop", "set statement max_statement_time=1 for CREATE PROCEDURE p() SELECT 1", Concern::Ours),
            ("shop", "SET STATEMENT max_statement_time=1 FOR DROP USER a@b", Concern::Others),
            ("shop", "CREATE PACKAGE BODY p AS x INT; END", Concern::Ours),
        ] {
            let default = Some(default).filter(|name| !name.is_empty());
            assert_eq!(subject.concern(default, sql.as_bytes()), expected, "{sql}");
        }
    }
}
