//! What a statement does, from its first words: the few forms that mariadb-dump and mysqldump write.

use std::borrow::Cow;

use super::tokens::{QuoteMode, Reading, Token, Tokens};
use crate::manifest::ObjectKind;

/// A statement of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// `CREATE TABLE` or `DROP TABLE`.
    Table(Verb, Target),
    /// `CREATE VIEW` or `DROP VIEW`.
    View(Verb, Target),
    /// `CREATE SEQUENCE` or `DROP SEQUENCE`.
    Sequence(Verb, Target),
    /// `CREATE` or `DROP` of a trigger, an event or a routine.
    Program(Verb, ObjectKind, Target),
    /// `INSERT INTO` or `REPLACE INTO`.
    Insert(Target),
    /// `ALTER TABLE … DISABLE KEYS` or `ENABLE KEYS`.
    AlterKeys(Target),
    /// `LOCK TABLES` or `UNLOCK TABLES`.
    Lock,
    /// `DO SETVAL(…)`, `ALTER SEQUENCE … RESTART …`, and `SELECT SETVAL(…)` of older programs: a sequence's state.
    SetVal(Target),
    /// `SET …`: its assignments, as (what, to what).
    Set(Vec<(String, Value)>),
    /// `ALTER DATABASE … CHARACTER SET … COLLATE …`, around a program that was made under another collation.
    AlterDatabase(AlterDatabase),
    /// `CREATE DATABASE`.
    CreateDatabase(String),
    /// `USE`.
    Use(String),
    /// `COMMIT`, `START TRANSACTION`, `BEGIN` and `SET AUTOCOMMIT`.
    Transaction,
    /// Nothing but comments.
    Empty,
    /// Anything else; its first words.
    Other(String),
}

/// A database's default character set and collation, as a dump changes them for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlterDatabase {
    /// The database; none where it is the session's.
    pub(crate) name: Option<String>,
    /// The default character set.
    pub(crate) charset: String,
    /// The default collation.
    pub(crate) collation: String,
}

/// Whether something is made or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `CREATE`.
    Create,
    /// `DROP`.
    Drop,
}

/// The object that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name, unquoted.
    pub(crate) name: String,
    /// The database's name, where one stands before it.
    pub(crate) database: Option<String>,
}

/// The right side of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string literal.
    Text(String),
    /// A variable, with its at signs.
    Variable(String),
    /// A bare word or number.
    Word(String),
    /// Something that dumps do not contain: an expression, a subquery.
    Other,
}

/// Reads the head of a statement. `text` may end anywhere after it.
pub(crate) fn parse(text: &[u8], reading: Reading, mode: QuoteMode) -> Head {
    let mut tokens = Tokens::new(text, reading, mode);
    let Some(first) = tokens.next() else { return Head::Empty };
    let head = match &first {
        word if word.is("CREATE") => create(&mut tokens),
        word if word.is("DROP") => drop(&mut tokens),
        word if word.is("INSERT") || word.is("REPLACE") => insert(&mut tokens),
        word if word.is("ALTER") => alter(&mut tokens),
        word if word.is("SET") => Some(Head::Set(assignments(tokens))),
        word if word.is("LOCK") || word.is("UNLOCK") => {
            tokens.next().is_some_and(|word| word.is("TABLES") || word.is("TABLE")).then_some(Head::Lock)
        }
        word if word.is("DO") || word.is("SELECT") => setval(&mut tokens),
        word if word.is("USE") => tokens.next().and_then(|name| name.identifier()).map(Head::Use),
        word if word.is("COMMIT") || word.is("BEGIN") => tokens.next().is_none().then_some(Head::Transaction),
        word if word.is("START") => {
            (tokens.next().is_some_and(|word| word.is("TRANSACTION"))).then_some(Head::Transaction)
        }
        _ => None,
    };
    head.unwrap_or_else(|| Head::Other(first_words(text, reading, mode)))
}

/// The first words of a statement, for a message: no literal, so no data, is among them.
pub(crate) fn first_words(text: &[u8], reading: Reading, mode: QuoteMode) -> String {
    let words: Vec<String> = Tokens::new(text, reading, mode)
        .take(4)
        .map_while(|token| match token {
            Token::Word(word) => Some(shown(word).into_owned()),
            Token::Name(name) => Some(format!("`{}`", shown(&name))),
            _ => None,
        })
        .collect();
    if words.is_empty() { "a statement".into() } else { words.join(" ") }
}

/// As much of a word as a message needs.
fn shown(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&word[..word.len().min(64)])
}

fn create(tokens: &mut Tokens<'_>) -> Option<Head> {
    let mut word = tokens.next()?;
    loop {
        if word.is("OR") {
            tokens.next().filter(|word| word.is("REPLACE"))?;
        } else if word.is("ALGORITHM") {
            tokens.next().filter(|equals| *equals == Token::Symbol(b'='))?;
            tokens.next()?;
        } else if word.is("DEFINER") {
            tokens.next().filter(|equals| *equals == Token::Symbol(b'='))?;
            word = after_account(tokens)?;
            continue;
        } else if word.is("SQL") {
            tokens.next().filter(|word| word.is("SECURITY"))?;
            tokens.next()?;
        } else if word.is("JSON") {
            // MySQL's view of rows as documents.
            tokens.next().filter(|word| word.is("RELATIONAL"))?;
            tokens.next().filter(|word| word.is("DUALITY"))?;
        } else if !word.is("AGGREGATE") && !word.is("MATERIALIZED") {
            break;
        }
        word = tokens.next()?;
    }
    if word.is("DATABASE") || word.is("SCHEMA") {
        return target(tokens).map(|target| Head::CreateDatabase(target.name));
    }
    object(&word, tokens, Verb::Create)
}

/// Skips `user@host`, `CURRENT_USER()` or a role and returns the word after it.
fn after_account<'a>(tokens: &mut Tokens<'a>) -> Option<Token<'a>> {
    tokens.next()?;
    loop {
        match tokens.next()? {
            // `@` alone stands before a quoted host.
            Token::Variable(at) if at == b"@" => {
                tokens.next()?;
            }
            Token::Variable(_) | Token::Symbol(b'(' | b')') => {}
            word => return Some(word),
        }
    }
}

fn drop(tokens: &mut Tokens<'_>) -> Option<Head> {
    let word = tokens.next()?;
    let head = object(&word, tokens, Verb::Drop)?;
    // One object in a statement, as dumps have it.
    tokens.next().is_none().then_some(head)
}

fn object(word: &Token<'_>, tokens: &mut Tokens<'_>, verb: Verb) -> Option<Head> {
    if word.is("TABLE") {
        return target(tokens).map(|target| Head::Table(verb, target));
    }
    if word.is("VIEW") {
        return target(tokens).map(|target| Head::View(verb, target));
    }
    if word.is("SEQUENCE") {
        return target(tokens).map(|target| Head::Sequence(verb, target));
    }
    let kind = if word.is("TRIGGER") {
        ObjectKind::Trigger
    } else if word.is("EVENT") {
        ObjectKind::Event
    } else if word.is("PROCEDURE") {
        ObjectKind::Procedure
    } else if word.is("FUNCTION") {
        ObjectKind::Function
    } else if word.is("PACKAGE") {
        return package(tokens, verb);
    } else {
        return None;
    };
    target(tokens).map(|target| Head::Program(verb, kind, target))
}

fn package(tokens: &mut Tokens<'_>, verb: Verb) -> Option<Head> {
    let first = tokens.next()?;
    if first.is("BODY") {
        return target(tokens).map(|target| Head::Program(verb, ObjectKind::PackageBody, target));
    }
    named(first, tokens).map(|target| Head::Program(verb, ObjectKind::Package, target))
}

fn insert(tokens: &mut Tokens<'_>) -> Option<Head> {
    let mut word = tokens.next()?;
    if word.is("IGNORE") || word.is("DELAYED") {
        word = tokens.next()?;
    }
    if !word.is("INTO") {
        return None;
    }
    target(tokens).map(Head::Insert)
}

fn alter(tokens: &mut Tokens<'_>) -> Option<Head> {
    let what = tokens.next()?;
    if what.is("DATABASE") {
        return alter_database(tokens);
    }
    if what.is("SEQUENCE") {
        return restart(tokens);
    }
    if !what.is("TABLE") {
        return None;
    }
    let target = target(tokens)?;
    tokens.next().filter(|word| word.is("DISABLE") || word.is("ENABLE"))?;
    tokens.next().filter(|word| word.is("KEYS"))?;
    tokens.next().is_none().then_some(Head::AlterKeys(target))
}

fn alter_database(tokens: &mut Tokens<'_>) -> Option<Head> {
    let first = tokens.next()?;
    let (name, words): (_, &[&str]) = if first.is("CHARACTER") {
        (None, &["SET"])
    } else {
        (Some(first.identifier()?), &["CHARACTER", "SET"])
    };
    let mut after = |words: &[&str]| {
        let follow = words.iter().all(|word| tokens.next().is_some_and(|token| token.is(word)));
        let plain = |token: Token<'_>| matches!(token, Token::Word(_)).then(|| token.identifier()).flatten();
        follow.then(|| tokens.next().and_then(plain)).flatten()
    };
    let (charset, collation) = (after(words)?, after(&["COLLATE"])?);
    let altered = AlterDatabase { name, charset, collation };
    tokens.next().is_none().then_some(Head::AlterDatabase(altered))
}

/// `ALTER SEQUENCE name RESTART number`: a state that `SETVAL` does not reach.
fn restart(tokens: &mut Tokens<'_>) -> Option<Head> {
    let target = target(tokens)?;
    tokens.next().filter(|word| word.is("RESTART"))?;
    let number = |token: &Token<'_>| match token {
        Token::Word(word) => word.iter().all(u8::is_ascii_digit),
        token => *token == Token::Symbol(b'-'),
    };
    let state: Vec<_> = tokens.collect();
    ((1..=2).contains(&state.len()) && state.iter().all(number)).then_some(Head::SetVal(target))
}

fn setval(tokens: &mut Tokens<'_>) -> Option<Head> {
    tokens.next().filter(|word| word.is("SETVAL"))?;
    tokens.next().filter(|symbol| *symbol == Token::Symbol(b'('))?;
    let target = target(tokens)?;
    let is_plain = |token: &Token<'_>| match token {
        Token::Word(word) => word.iter().all(u8::is_ascii_digit),
        token => matches!(token, Token::Symbol(b',' | b'-')),
    };
    let all_plain =
        tokens.by_ref().take_while(|token| *token != Token::Symbol(b')')).all(|token| is_plain(&token));
    (all_plain && tokens.next().is_none()).then_some(Head::SetVal(target))
}

/// A name, after `IF EXISTS` or `IF NOT EXISTS`, with its database where there is one.
fn target(tokens: &mut Tokens<'_>) -> Option<Target> {
    let first = tokens.next()?;
    named(first, tokens)
}

fn named(first: Token<'_>, tokens: &mut Tokens<'_>) -> Option<Target> {
    let name = if first.is("IF") { after_if(tokens)? } else { first }.identifier()?;
    if !tokens.take_symbol(b'.') {
        return Some(Target { name, database: None });
    }
    let database = Some(name);
    let name = tokens.next()?.identifier()?;
    Some(Target { name, database })
}

/// Skips `EXISTS` or `NOT EXISTS`.
fn after_if<'a>(tokens: &mut Tokens<'a>) -> Option<Token<'a>> {
    let mut word = tokens.next()?;
    if word.is("NOT") {
        word = tokens.next()?;
    }
    if word.is("EXISTS") { tokens.next() } else { None }
}

/// The assignments of a `SET` statement.
fn assignments(tokens: Tokens<'_>) -> Vec<(String, Value)> {
    let all: Vec<Token<'_>> = tokens.collect();
    all.split(|token| *token == Token::Symbol(b',')).map(assignment).collect()
}

fn assignment(tokens: &[Token<'_>]) -> (String, Value) {
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match tokens {
        [Token::Word(names), rest @ ..] if names.eq_ignore_ascii_case(b"NAMES") => match rest {
            [Token::Word(charset) | Token::Text(charset)] => ("NAMES".into(), Value::Word(plain(charset))),
            _ => ("NAMES".into(), Value::Other),
        },
        [Token::Word(what) | Token::Variable(what), Token::Symbol(b':'), Token::Symbol(b'='), to @ ..]
        | [Token::Word(what) | Token::Variable(what), Token::Symbol(b'='), to @ ..] => {
            let value = match to {
                [Token::Text(text)] => Value::Text(plain(text)),
                [Token::Variable(variable)] => Value::Variable(plain(variable)),
                [Token::Word(word)] | [Token::Symbol(b'+' | b'-'), Token::Word(word)] => {
                    Value::Word(plain(word))
                }
                _ => Value::Other,
            };
            (plain(what), value)
        }
        [Token::Word(scope), ..] => (plain(scope), Value::Other),
        _ => (String::new(), Value::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        parse(text.as_bytes(), Reading::Everything, QuoteMode::default())
    }

    fn target(name: &str) -> Target {
        Target { name: name.into(), database: None }
    }

    #[test]
    fn the_statements_of_a_dump() {
        let cases = [
            ("CREATE TABLE `a``b` (", Head::Table(Verb::Create, target("a`b"))),
            ("DROP TABLE IF EXISTS `files`", Head::Table(Verb::Drop, target("files"))),
            ("/*!50001 CREATE VIEW `v` AS SELECT\n 1 */", Head::View(Verb::Create, target("v"))),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
                Head::View(Verb::Create, target("v")),
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `t` BEFORE",
                Head::Program(Verb::Create, ObjectKind::Trigger, target("t")),
            ),
            (
                "CREATE DEFINER=`r`@`%` PACKAGE BODY `pk` as",
                Head::Program(Verb::Create, ObjectKind::PackageBody, target("pk")),
            ),
            (
                "/*!50003 DROP PACKAGE IF EXISTS `pk` */",
                Head::Program(Verb::Drop, ObjectKind::Package, target("pk")),
            ),
            (
                "CREATE DEFINER=CURRENT_USER() FUNCTION f() RETURNS",
                Head::Program(Verb::Create, ObjectKind::Function, target("f")),
            ),
            (
                "CREATE DEFINER=admin PROCEDURE `p`()",
                Head::Program(Verb::Create, ObjectKind::Procedure, target("p")),
            ),
            ("INSERT INTO `t` (`a`) VALUES (1)", Head::Insert(target("t"))),
            (
                "INSERT INTO `mysql`.`user` VALUES (1)",
                Head::Insert(Target { name: "user".into(), database: Some("mysql".into()) }),
            ),
            ("/*!40000 ALTER TABLE `t` DISABLE KEYS */", Head::AlterKeys(target("t"))),
            (
                "ALTER DATABASE `d` CHARACTER SET latin1 COLLATE latin1_swedish_ci ",
                Head::AlterDatabase(AlterDatabase {
                    name: Some("d".into()),
                    charset: "latin1".into(),
                    collation: "latin1_swedish_ci".into(),
                }),
            ),
            (
                "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin",
                Head::AlterDatabase(AlterDatabase {
                    name: None,
                    charset: "latin1".into(),
                    collation: "latin1_bin".into(),
                }),
            ),
            (
                "ALTER DATABASE `d` UPGRADE DATA DIRECTORY NAME",
                Head::Other("ALTER DATABASE `d` UPGRADE".into()),
            ),
            ("ALTER TABLE `t` ADD COLUMN x int", Head::Other("ALTER TABLE `t` ADD".into())),
            ("DO SETVAL(`s1`, 1001, 0)", Head::SetVal(target("s1"))),
            ("ALTER SEQUENCE `s1` RESTART -7", Head::SetVal(target("s1"))),
            ("ALTER SEQUENCE `s1` RESTART 7 ENGINE=x", Head::Other("ALTER SEQUENCE `s1` RESTART".into())),
            (
                "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `d` /*!40100 DEFAULT CHARACTER SET utf8mb4 */",
                Head::CreateDatabase("d".into()),
            ),
            ("USE `mysql`", Head::Use("mysql".into())),
            ("DROP DATABASE x", Head::Other("DROP DATABASE x".into())),
            ("/*!99999 DROP */ /*!99999 DATABASE x */", Head::Other("DROP DATABASE x".into())),
            ("-- nothing\n", Head::Empty),
            ("COMMIT", Head::Transaction),
        ];
        for (text, expected) in cases {
            assert_eq!(head(text), expected, "{text}");
        }
    }

    #[test]
    fn assignments_are_split() {
        let Head::Set(found) =
            head("/*!40014 SET @OLD_U=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0, sql_mode='A,B' */")
        else {
            panic!("not SET")
        };
        assert_eq!(
            found,
            [
                ("@OLD_U".into(), Value::Variable("@@UNIQUE_CHECKS".into())),
                ("UNIQUE_CHECKS".into(), Value::Word("0".into())),
                ("sql_mode".into(), Value::Text("A,B".into())),
            ]
        );
        let Head::Set(found) = head("SET GLOBAL general_log=1") else { panic!("not SET") };
        assert_eq!(found, [("GLOBAL".into(), Value::Other)]);
        let Head::Set(found) = head("SET @x=(SELECT 1)") else { panic!("not SET") };
        assert_eq!(found[0].1, Value::Other);
    }
}
