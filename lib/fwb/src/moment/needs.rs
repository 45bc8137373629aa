//! What statements of the log need on the throwaway server, and the base does not bring: the accounts as which programs run, time
//! zones by name, databases that tables move to. Each is made before the statement is handed on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use fwb_binlog::Query;

use super::passage::Prepare;
use crate::binlog::tokens_of;
use crate::drill::Furnished;
use crate::error::Result;
use crate::progress::Cancel;
use crate::scan::{Token, Tokens};
use crate::server::{Sql, quote_name};

/// The most things that are remembered as made. Whatever comes after them is made again each time, which changes nothing.
const MOST: usize = 10_000;

/// What a statement needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// An account, or a role where the host is empty.
    Account(String, String),
    /// A time zone by its name.
    TimeZone(String),
    /// A database, if only an empty one.
    Database(String),
}

/// Sees to it that this server has what statements need.
pub(super) fn provided_by(server: Arc<Furnished>, cancel: Cancel) -> Prepare {
    let made: Mutex<BTreeSet<Need>> = Mutex::default();
    Arc::new(move |query| {
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = created_database(query) {
            // The log makes it: what reads the log here may be far ahead of what replays it.
            made.insert(Need::Database(name));
        }
        for need in needs(query) {
            if made.contains(&need) {
                continue;
            }
            provide(&server, &need, &cancel)?;
            if made.len() < MOST {
                made.insert(need);
            }
        }
        Ok(())
    })
}

fn provide(server: &Furnished, need: &Need, cancel: &Cancel) -> Result<()> {
    log::debug!("the replay needs {need:?}");
    match need {
        Need::Account(user, host) => server.lend_accounts(&[(user.clone(), host.clone())].into(), cancel),
        Need::TimeZone(zone) => server.load_time_zone(zone, cancel),
        Need::Database(name) => {
            let sql = format!("CREATE DATABASE IF NOT EXISTS {};\n", quote_name(name));
            server
                .server()
                .query(None, Sql::Write(&sql), "making a database that tables move to", cancel)
                .map(drop)
        }
    }
}

/// What a statement needs beside what it names of its own database.
fn needs(query: &Query) -> Vec<Need> {
    let mut needs = Vec::new();
    // An offset, or the server's own, needs nothing.
    let by_name =
        |zone: &&String| zone.starts_with(|first: char| first.is_ascii_alphabetic()) && *zone != "SYSTEM";
    needs.extend(query.time_zone.iter().filter(by_name).map(|zone| Need::TimeZone(zone.clone())));
    if let Some((user, host)) = &query.invoker {
        needs.push(Need::Account(user.clone(), host.clone()));
    }
    let mut tokens = tokens_of(&query.text);
    let Some(Token::Word(verb)) = tokens.next() else { return needs };
    if verb.eq_ignore_ascii_case(b"CREATE") || verb.eq_ignore_ascii_case(b"ALTER") {
        needs.extend(definer(tokens));
    } else if verb.eq_ignore_ascii_case(b"DROP") {
        // One that a restore had left before the base is not there.
        let mut words = tokens;
        let is_database = words.next().is_some_and(|word| word.is("DATABASE") || word.is("SCHEMA"));
        let mut names = words.skip_while(|token| token.is("IF") || token.is("EXISTS"));
        needs.extend(
            names.next().filter(|_| is_database).and_then(|name| name.identifier()).map(Need::Database),
        );
    } else if verb.eq_ignore_ascii_case(b"RENAME") {
        needs.extend(databases(tokens).map(Need::Database));
    }
    needs
}

/// The account as which what a statement makes is executed.
fn definer(tokens: Tokens<'_>) -> Option<Need> {
    // It stands before what is made.
    let mut tokens = tokens.take(12).skip_while(|token| !token.is("DEFINER"));
    tokens.next()?;
    tokens.next().filter(|token| *token == Token::Symbol(b'='))?;
    let word = |token: Token<'_>| match token {
        Token::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        other => other.identifier(),
    };
    let user = tokens.next().and_then(word)?;
    if user.eq_ignore_ascii_case("CURRENT_USER") || user.eq_ignore_ascii_case("CURRENT_ROLE") {
        return None;
    }
    let host = match tokens.next() {
        Some(Token::Variable(b"@")) => tokens.next().and_then(word)?,
        Some(Token::Variable(host)) => String::from_utf8_lossy(host.get(1..)?).into_owned(),
        _ => String::new(),
    };
    Some(Need::Account(user, host))
}

/// The database that a statement makes.
fn created_database(query: &Query) -> Option<String> {
    let mut tokens = tokens_of(&query.text);
    tokens.next().filter(|token| token.is("CREATE"))?;
    let mut words = tokens.skip_while(|token| token.is("OR") || token.is("REPLACE"));
    words.next().filter(|token| token.is("DATABASE") || token.is("SCHEMA"))?;
    let is_word = |token: &Token<'_>| ["IF", "NOT", "EXISTS"].iter().any(|word| token.is(word));
    words.find(|token| !is_word(token))?.identifier()
}

/// The databases of qualified names.
fn databases(tokens: Tokens<'_>) -> impl Iterator<Item = String> {
    let tokens: Vec<Token<'_>> = tokens.collect();
    let names: Vec<String> = tokens
        .windows(3)
        .filter(|triple| triple[1] == Token::Symbol(b'.') && triple[2].identifier().is_some())
        .filter_map(|triple| triple[0].identifier())
        .collect();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_needs_is_found() {
        let account = |user: &str, host: &str| Need::Account(user.into(), host.into());
        for (sql, zone, expected) in [
            ("INSERT INTO t VALUES (NOW())", "Europe/Berlin", vec![Need::TimeZone("Europe/Berlin".into())]),
            ("INSERT INTO t VALUES (NOW())", "+01:00", vec![]),
            ("INSERT INTO t VALUES (NOW())", "SYSTEM", vec![]),
            (
                "CREATE DEFINER=`a b`@`%` TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @a=1",
                "",
                vec![account("a b", "%")],
            ),
            (
                "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=bob@localhost SQL SECURITY DEFINER VIEW v AS SELECT 1",
                "",
                vec![account("bob", "localhost")],
            ),
            ("CREATE DEFINER=`staff` PROCEDURE p() SELECT 1", "", vec![account("staff", "")]),
            ("ALTER DEFINER='x'@'h' EVENT e DISABLE", "", vec![account("x", "h")]),
            ("CREATE DEFINER=CURRENT_USER PROCEDURE p() SELECT 1", "", vec![]),
            ("DROP DATABASE IF EXISTS `shop__before_1`", "", vec![Need::Database("shop__before_1".into())]),
            ("DROP TABLE a", "", vec![]),
            ("RENAME TABLE a TO `o`.b, c TO d", "", vec![Need::Database("o".into())]),
        ] {
            let query = Query {
                thread: 1,
                database: None,
                text: sql.into(),
                error: 0,
                time_zone: Some(zone.to_owned()).filter(|zone| !zone.is_empty()),
                invoker: None,
            };
            assert_eq!(needs(&query), expected, "{sql}");
        }
    }
}
