//! Which statements are loaded: those that a dump of one database consists of, and nothing else.
//!
//! A list of what is forbidden would be beaten by executable comments and `PREPARE`; this is the list of what is
//! allowed, and a statement must be on it under every reading that some server could give it. What a routine's or
//! a view's body holds is not examined: it runs when someone calls it, under its definer's rights.

mod settings;

use std::collections::BTreeSet;

use crate::manifest::ObjectKind;
use crate::scan::{
    Family, Head, Mark, QuoteMode, Reading, Statement, Target, Token, Tokens, Verb, first_words, parse_head,
};
pub(super) use settings::PUT_ASIDE;
use settings::{ClientCharset, set};

/// What is done with a statement that is no danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It is loaded.
    Load,
    /// It is left out: it concerns the server rather than the database, and the restore sees to that itself.
    Skip,
}

/// The oldest server whose reading counts: MySQL 5.5, MariaDB 5.5.
const OLDEST: u32 = 50_500;
/// More versions in one statement than any dump has.
const MOST_VERSIONS: usize = 16;
/// Engines whose tables lie outside of the server.
const OUTSIDE_ENGINES: [&str; 5] = ["CONNECT", "FEDERATED", "FEDERATEDX", "SPIDER", "S3"];
/// The judge of one stream of statements.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// The database that was dumped, where it is known.
    own: Option<String>,
    /// The database that the header creates and uses, as `mysqldump --databases` writes it.
    created: Option<String>,
    past_header: bool,
    /// The table that was created last, while rows may follow.
    filling: Option<String>,
    views: BTreeSet<String>,
    charset: ClientCharset,
}

impl Admission {
    /// `database` is the one that was dumped.
    pub(crate) fn new(database: Option<&str>) -> Self {
        Self { own: database.map(ToOwned::to_owned), ..Self::default() }
    }

    /// The database whose name triggers may have, where [`Admission::new`] was told none: whoever says so must look
    /// later whether it was the one that was dumped.
    pub(crate) fn suppose(&mut self, database: &str) -> bool {
        let unknown = self.own.is_none();
        if unknown {
            self.own = Some(database.to_owned());
        }
        unknown
    }

    /// From here on, rows of this table follow, whose definition was judged before.
    pub(crate) fn fill(&mut self, table: Option<&str>) {
        self.filling = table.map(ToOwned::to_owned);
    }

    /// Judges a statement; the error says why it is refused.
    pub(crate) fn judge(&mut self, statement: &Statement<'_>) -> Result<Admitted, String> {
        if let Some(irregular) = statement.irregular {
            return Err(irregular.into());
        }
        if statement.truncated {
            return Err("it is too long to be examined".into());
        }
        // Rows are not in the text.
        let is_beyond = matches!(statement.head, Head::Insert(_)) || !statement.text.is_ascii();
        if self.charset.leads() && is_beyond {
            return Err(
                "rows or characters beyond ASCII come in a character set whose characters hold quotes".into(),
            );
        }
        let mode = statement.mode.quotes();
        let (readings, marks) = readings(statement.text, mode)?;
        // What a body holds is its own.
        let is_program = matches!(statement.head, Head::Program(..));
        if !is_program && marks.iter().any(|mark| mark.ambiguous) {
            return Err("servers read the version of its executable comment in two ways".into());
        }
        let has = |wanted: fn(&Token<'_>) -> bool| has(statement.text, mode, &readings, wanted);
        // The server splits what it is sent at semicolons; they belong into the bodies of stored programs only.
        if !is_program && has(|token| *token == Token::Symbol(b';')) {
            return Err("it holds more than one statement".into());
        }
        // Servers quote names when they say how something was made. Beyond ASCII some character sets have blanks, and so
        // there may be words and comments that do not show here.
        if !is_program && has(is_beyond_ascii) {
            return Err("characters beyond ASCII stand outside of quotes".into());
        }
        if let Head::Program(Verb::Create, ObjectKind::Trigger, Target { database: Some(_), .. }) =
            statement.head
            && marks.iter().any(|mark| mark.mariadb || mark.version > OLDEST)
        {
            return Err("its database's name may mean something else to another server".into());
        }
        let verdict = self.judge_head(statement.head, statement.text, Reading::Everything, mode)?;
        let mut everywhere = true;
        for reading in readings {
            let head = parse_head(statement.text, reading, mode);
            // What was left of a version begins no statement.
            let begun = Tokens::new(statement.text, reading, mode).next();
            let is_number =
                matches!(begun, Some(Token::Word(word)) if word.first().is_some_and(u8::is_ascii_digit));
            if head == Head::Empty || is_number {
                everywhere = false;
            } else if !is_same(&head, statement.head)
                || self.judge_head(&head, statement.text, reading, mode)? != verdict
            {
                return Err("it is another statement to another server".into());
            }
        }
        self.advance(statement.head, everywhere);
        Ok(verdict)
    }

    fn judge_head(
        &self,
        head: &Head,
        text: &[u8],
        reading: Reading,
        mode: QuoteMode,
    ) -> Result<Admitted, String> {
        match head {
            Head::Table(verb, target) => {
                here(target)?;
                if *verb == Verb::Create {
                    plain_table(Tokens::new(text, reading, mode))?;
                    if self.views.contains(&target.name) {
                        return Err("there is a view of this name".into());
                    }
                }
                Ok(Admitted::Load)
            }
            Head::Insert(target) => {
                here(target)?;
                plain_insert(Tokens::new(text, reading, mode))?;
                // A trigger or a view in between would send the rows elsewhere.
                if self.filling.as_ref() != Some(&target.name) {
                    return Err("its rows do not follow the table's definition".into());
                }
                Ok(Admitted::Load)
            }
            Head::Program(Verb::Create, ..)
                if Tokens::new(text, reading, mode).any(|token| token.is("SONAME")) =>
            {
                Err("a function of a shared library lies elsewhere".into())
            }
            // The server keeps a trigger's text as it was written, with its database or without.
            Head::Program(Verb::Create, ObjectKind::Trigger, Target { database: Some(database), .. })
                if self.own.as_ref() == Some(database) =>
            {
                Ok(Admitted::Load)
            }
            Head::View(_, target)
            | Head::Sequence(_, target)
            | Head::Program(_, _, target)
            | Head::AlterKeys(target)
            | Head::SetVal(target) => here(target).map(|()| Admitted::Load),
            Head::Lock | Head::Transaction | Head::Empty => Ok(Admitted::Skip),
            Head::Set(assignments) => set(assignments),
            // Whichever database it names, it is said of the one that is restored.
            Head::AlterDatabase(_) => Ok(Admitted::Load),
            Head::CreateDatabase(_) if !self.past_header && self.created.is_none() => Ok(Admitted::Skip),
            Head::Use(name) if self.created.as_ref() == Some(name) => Ok(Admitted::Skip),
            Head::CreateDatabase(_) | Head::Use(_) => {
                Err("it would leave the database that is restored".into())
            }
            Head::Other(words) => Err(format!("{words:?} is nothing that a dump contains")),
        }
    }

    /// Takes note of a statement that was admitted, and whether it is one `everywhere`: to a server that does not execute
    /// its comments it is none.
    fn advance(&mut self, head: &Head, everywhere: bool) {
        if let Head::Set(assignments) = head {
            self.charset.note(assignments, everywhere);
        }
        match head {
            Head::CreateDatabase(name) => self.created = Some(name.clone()),
            Head::Set(_)
            | Head::Use(_)
            | Head::Empty
            | Head::Transaction
            | Head::Insert(_)
            | Head::AlterKeys(_)
            | Head::AlterDatabase(_)
            | Head::Lock => {}
            _ => {
                self.past_header = true;
                self.filling = None;
            }
        }
        match head {
            Head::Table(Verb::Create, target) if everywhere => self.filling = Some(target.name.clone()),
            Head::View(Verb::Create, target) => {
                self.views.insert(target.name.clone());
            }
            Head::View(Verb::Drop, target) if everywhere => {
                self.views.remove(&target.name);
            }
            _ => {}
        }
    }
}

/// The readings that servers could give a statement, and the executable comments in it. Where one reading finds a quote,
/// another one may find a comment, and by its version there are more readings.
fn readings(text: &[u8], mode: QuoteMode) -> Result<(Vec<Reading>, BTreeSet<Mark>), String> {
    let mut marks: BTreeSet<Mark> = Tokens::marks(text, Reading::Everything, mode).into_iter().collect();
    if marks.is_empty() {
        return Ok((Vec::new(), marks));
    }
    loop {
        let versions: BTreeSet<u32> =
            marks.iter().map(|mark| mark.version).filter(|version| *version > OLDEST).collect();
        if versions.len() > MOST_VERSIONS {
            return Err("it has more executable comments than any dump".into());
        }
        let versions = std::iter::once(OLDEST).chain(versions);
        let readings: Vec<Reading> = versions
            .flat_map(|version| Family::ALL.map(|family| Reading::Server { version, family }))
            .collect();
        let before = marks.len();
        marks.extend(readings.iter().flat_map(|reading| Tokens::marks(text, *reading, mode)));
        if marks.len() == before {
            return Ok((readings, marks));
        }
    }
}

/// Whether a statement holds such a token, in any reading.
fn has(text: &[u8], mode: QuoteMode, readings: &[Reading], wanted: fn(&Token<'_>) -> bool) -> bool {
    readings
        .iter()
        .chain([&Reading::Everything])
        .any(|reading| Tokens::new(text, *reading, mode).any(|token| wanted(&token)))
}

fn is_beyond_ascii(token: &Token<'_>) -> bool {
    matches!(token, Token::Word(bare) | Token::Variable(bare) if !bare.is_ascii())
}

fn here(target: &Target) -> Result<(), String> {
    if target.database.is_some() { Err("it names another database".into()) } else { Ok(()) }
}

/// Whether two readings of a statement are about the same thing. What is set may differ: each reading of it is judged.
fn is_same(one: &Head, other: &Head) -> bool {
    one == other || matches!((one, other), (Head::Set(_), Head::Set(_)))
}

/// A table that lies in this database and is made of its columns alone.
fn plain_table(tokens: Tokens<'_>) -> Result<(), String> {
    let tokens: Vec<Token<'_>> = tokens.collect();
    for (index, token) in tokens.iter().enumerate() {
        if let Some(word) = ["SELECT", "DIRECTORY", "CONNECTION"].iter().find(|word| token.is(word)) {
            return Err(format!("a table with {word} reads or writes elsewhere"));
        }
        if token.is("UNION") && !merges_own_tables(&tokens[index + 1..]) {
            return Err("a table with UNION reads or writes elsewhere".into());
        }
        // `CREATE TABLE name LIKE`, and `IF NOT EXISTS`, which would leave what is there.
        if index < 4 && (token.is("LIKE") || token.is("IF") || token.is("TEMPORARY")) {
            return Err("it is not the plain CREATE TABLE that dumps contain".into());
        }
        let engine = engine_after(&tokens[index..]).unwrap_or_default();
        if let Some(engine) = OUTSIDE_ENGINES.iter().find(|outside| engine.eq_ignore_ascii_case(outside)) {
            return Err(format!("a table of engine {engine} lies elsewhere"));
        }
    }
    Ok(())
}

/// Whether `=(name, …)` follows, as a table of engine MERGE has it, without a database before any name.
fn merges_own_tables(after: &[Token<'_>]) -> bool {
    let [Token::Symbol(b'='), Token::Symbol(b'('), list @ ..] = after else { return false };
    let list: Vec<&Token<'_>> = list.iter().take_while(|token| **token != Token::Symbol(b')')).collect();
    list.chunks(2).all(|pair| matches!(pair, [Token::Name(_)] | [Token::Name(_), Token::Symbol(b',')]))
}

/// The engine's name, where these tokens begin with `ENGINE`, however it is written.
pub(super) fn engine_after(tokens: &[Token<'_>]) -> Option<String> {
    let rest = match tokens {
        [word, Token::Symbol(b'='), rest @ ..] | [word, rest @ ..] if word.is("ENGINE") => rest,
        _ => return None,
    };
    match rest.first()? {
        Token::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        token => token.identifier(),
    }
}

/// `INSERT INTO name (names) VALUES` and nothing else before the rows.
fn plain_insert(tokens: Tokens<'_>) -> Result<(), String> {
    let plain = |token: &Token<'_>| match token {
        Token::Name(_) | Token::Symbol(b'(' | b')' | b',') => true,
        Token::Word(_) => !["SELECT", "SET", "TABLE", "WITH", "ON", "AS"].iter().any(|word| token.is(word)),
        _ => false,
    };
    let tokens: Vec<Token<'_>> = tokens.collect();
    let open = tokens.iter().position(|token| *token == Token::Symbol(b'(')).unwrap_or(tokens.len());
    // INSERT IGNORE INTO name VALUES: that many words at most stand outside of the parentheses.
    let outside = open + usize::from(open < tokens.len());
    let ends = tokens.last().is_some_and(|token| token.is("VALUES") || token.is("VALUE"));
    let closes = tokens.iter().filter(|token| **token == Token::Symbol(b')')).count() <= 1;
    if outside <= 5 && ends && closes && tokens.iter().all(plain) {
        return Ok(());
    }
    Err("it is not the plain INSERT that dumps contain".into())
}

/// The statement's first words, for a message.
pub(crate) fn name_of(statement: &Statement<'_>) -> String {
    first_words(statement.text, Reading::Everything, statement.mode.quotes())
}

#[cfg(test)]
mod tests;
