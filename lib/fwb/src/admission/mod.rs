//! Which statements are loaded: those that a dump of one database consists of, and nothing else.
//!
//! A list of what is forbidden would be beaten by executable comments and `PREPARE`; this is the list of what is
//! allowed, and a statement must be on it under every reading that some server could give it. What a routine's or
//! a view's body holds is not examined: it runs when someone calls it, under its definer's rights.

mod accounts;
mod computed;
mod headers;
mod judge;
mod outside;
mod programs;
mod relations;
mod settings;
mod survey;
mod times;

use std::collections::BTreeSet;

use crate::manifest::ObjectKind;
use crate::scan::{
    Family, Feed, Head, QuoteMode, Reading, Statement, Target, Token, Tokens, Verb, VersionComment,
    first_words, parse_head,
};
pub(crate) use accounts::{AccountsAdmission, HEADER as ACCOUNTS_HEADER, TRAILER as ACCOUNTS_TRAILER};
pub(crate) use judge::Judge;
pub(crate) use outside::{Outside, without_directories};
pub(crate) use relations::{Relation, functions, relation_positions, relations};
pub(crate) use settings::PUT_ASIDE;
use settings::{ClientCharset, decides_quotes, set};
pub(crate) use survey::{Survey, is_collation_name};
pub(crate) use times::TimeColumns;

/// What is done with a statement that is no danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It is loaded.
    Load,
    /// It is left out: it concerns the server rather than the database, and the restore sees to that itself.
    Skip,
}

/// The oldest server whose reading counts: MySQL 5.5, MariaDB 5.5; the first with all that dump programs write for it.
const OLDEST: u32 = 50_503;
/// More versions in one statement than any dump has.
const MOST_VERSIONS: usize = 16;

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
    /// Whether tables may reach outside of their database.
    allows_outside: bool,
}

impl Admission {
    /// `database` is the one that was dumped.
    pub(crate) fn new(database: Option<&str>) -> Self {
        Self { own: database.map(ToOwned::to_owned), ..Self::default() }
    }

    /// Admits tables that reach outside of their database, too: their engine reads elsewhere, or their files lie elsewhere.
    pub(crate) fn allowing_outside(self, allows_outside: bool) -> Self {
        Self { allows_outside, ..self }
    }

    /// Assumes that this database was dumped, where [`Admission::new`] was given none, so that names of triggers may be
    /// qualified with it. The caller must confirm it later: [`Survey::confirm_database`] does.
    pub(crate) fn assume_database(&mut self, database: &str) -> bool {
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
        // The bodies of stored programs are not inspected.
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
        let mut is_one = true;
        let mut decides = matches!(statement.head, Head::Set(all) if decides_quotes(all));
        for reading in readings {
            let head = parse_head(statement.text, reading, mode);
            // A server that reads fewer digits of `/*!NNNNNN` sees a digit first, and no server executes that.
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
            is_one &= head == *statement.head && !is_number;
            decides |= matches!(&head, Head::Set(all) if decides_quotes(all));
        }
        // Where a string ends must not depend on who reads it.
        if decides && !is_one {
            return Err("it changes how quotes are read, and not on every server".into());
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
                    let outside = plain_table(Tokens::new(text, reading, mode))?;
                    if let (Some(outside), false) = (outside, self.allows_outside) {
                        return Err(outside.why);
                    }
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
                    return Err("its rows do not follow the table's definition; of a dump whose structure and rows were made apart, load both with \
                                the server's own client into a new database, and dump that".into());
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
                Err("it would leave the database that is restored; of a dump of several databases, load one with the server's own \
                     client (mariadb --one-database) into a new database, and dump that".into())
            }
            Head::Other(_) if self.is_of_the_server(Tokens::new(text, reading, mode)) => Ok(Admitted::Skip),
            Head::Other(words) => Err(format!("{words:?} is not allowed in a restore: no dump contains it")),
        }
    }

    /// What dump programs write for a whole server when they are asked to, and a restore of one database leaves out:
    /// `--add-drop-database` before the database is made, `--master-data=1`, MySQL's histograms.
    fn is_of_the_server(&self, tokens: Tokens<'_>) -> bool {
        let tokens: Vec<Token<'_>> = tokens.collect();
        let begins = |words: &[&str]| {
            tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.is(word))
        };
        let in_header = !self.past_header && self.created.is_none();
        // A position in the log alone: no dump names a server.
        let is_position = |token: &Token<'_>| {
            const WORDS: [&str; 11] = [
                "CHANGE",
                "MASTER",
                "REPLICATION",
                "SOURCE",
                "TO",
                "MASTER_LOG_FILE",
                "MASTER_LOG_POS",
                "SOURCE_LOG_FILE",
                "SOURCE_LOG_POS",
                "MASTER_USE_GTID",
                "SLAVE_POS",
            ];
            match token {
                Token::Text(_) | Token::Symbol(b'=' | b',') => true,
                Token::Word(word) if word.iter().all(u8::is_ascii_digit) => true,
                token => WORDS.iter().any(|word| token.is(word)),
            }
        };
        let is_change =
            begins(&["CHANGE", "MASTER", "TO"]) || begins(&["CHANGE", "REPLICATION", "SOURCE", "TO"]);
        is_change && tokens.iter().all(is_position)
            || begins(&["ANALYZE", "TABLE"]) && tokens.iter().any(|token| token.is("HISTOGRAM"))
            || in_header
                && tokens.len() == 5
                && begins(&["DROP", "DATABASE", "IF", "EXISTS"])
                && matches!(tokens[4], Token::Name(_))
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
fn readings(text: &[u8], mode: QuoteMode) -> Result<(Vec<Reading>, BTreeSet<VersionComment>), String> {
    let mut marks: BTreeSet<VersionComment> =
        Tokens::marks(text, Reading::Everything, mode).into_iter().collect();
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

/// A table that is made of its columns alone. Says how it reaches outside of this database, where it does.
fn plain_table(tokens: Tokens<'_>) -> Result<Option<Outside>, String> {
    let tokens: Vec<Token<'_>> = tokens.collect();
    for (index, token) in tokens.iter().enumerate() {
        if token.is("SELECT") {
            return Err("a table with SELECT reads or writes elsewhere".into());
        }
        // `CREATE TABLE name LIKE`, and `IF NOT EXISTS`, which would leave what is there.
        if index < 4 && (token.is("LIKE") || token.is("IF") || token.is("TEMPORARY")) {
            return Err("it is not the plain CREATE TABLE that dumps contain".into());
        }
    }
    outside::outside(&tokens)
}

/// The engines that a definition names, however they are written: of the table, and of its partitions.
pub(crate) fn engines<'t>(tokens: &'t [Token<'t>]) -> impl DoubleEndedIterator<Item = String> + 't {
    (0..tokens.len()).filter_map(|at| engine_after(&tokens[at..]))
}

/// The engine's name, where these tokens begin with `ENGINE`.
fn engine_after(tokens: &[Token<'_>]) -> Option<String> {
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

/// Why a restore refuses one of these statements, which a dump of `database` would hold; none where it takes all.
pub(crate) fn refused(sql: &[u8], database: &str) -> Option<String> {
    let mut admission = Admission::new(Some(database)).allowing_outside(true);
    let mut why = None;
    let mut observer = |statement: &Statement<'_>| {
        why = why.take().or_else(|| admission.judge(statement).err());
        Ok(())
    };
    let mut feed = Feed::new();
    let ended = feed.push(sql, &mut observer).and_then(|()| feed.finish(&mut observer));
    why.or_else(|| ended.err().map(|error| error.to_string()))
}

/// What a statement is about, for a message: the kind of an object and its name, or else the statement's first words.
pub(crate) fn object_of(statement: &Statement<'_>) -> String {
    let (kind, target) = match statement.head {
        Head::Table(_, target) => ("table", target),
        Head::Insert(target) => ("a row of table", target),
        Head::View(_, target) => ("view", target),
        Head::Sequence(_, target) | Head::SetVal(target) => ("sequence", target),
        Head::Program(_, kind, target) => return format!("{} {}", kind.as_sql().to_lowercase(), target.name),
        _ => return name_of(statement),
    };
    format!("{kind} {}", target.name)
}

/// The statement's first words, for a message.
pub(crate) fn name_of(statement: &Statement<'_>) -> String {
    first_words(statement.text, Reading::Everything, statement.mode.quotes())
}

#[cfg(test)]
mod tests;
