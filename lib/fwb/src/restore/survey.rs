//! What a dump needs of the server that it is restored to, noted while it is verified.

use std::collections::BTreeSet;

use super::admission::{Admission, engine_after, name_of};
use crate::error::{Error, Result};
use crate::scan::{Head, Reading, Statement, Token, Tokens, Verb};

/// The most accounts, and the most engines, that are noted: nobody reads a longer list of those that a server lacks.
const MOST: usize = 10_000;

/// What the statements ask for.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    admission: Admission,
    name: String,
    /// The database whose name triggers have, where it was not known yet which one was dumped.
    supposed: Option<String>,
    /// Accounts that stored programs and views run as: `user@host`.
    pub(crate) definers: BTreeSet<(String, String)>,
    /// Engines of tables, in upper case.
    pub(crate) engines: BTreeSet<String>,
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
        Self { name: name.to_owned(), admission: Admission::new(database), ..Self::default() }
    }

    /// Takes note of a statement.
    ///
    /// # Errors
    /// The statement is one that no dump contains.
    pub(crate) fn observe(&mut self, statement: &Statement<'_>) -> Result<()> {
        if let Head::Program(Verb::Create, crate::ObjectKind::Trigger, target) = statement.head
            && let Some(database) = &target.database
            && self.admission.suppose(database)
        {
            self.supposed = Some(database.clone());
        }
        self.admission.judge(statement).map_err(|why| Error::Inadmissible {
            name: self.name.clone(),
            statement: name_of(statement),
            offset: statement.offset,
            why,
        })?;
        match statement.head {
            Head::Program(Verb::Create, kind, target) => {
                if *kind == crate::ObjectKind::Event && is_passing(statement) {
                    self.passing_events.insert(target.name.clone());
                }
                self.functions |= matches!(kind, crate::ObjectKind::Function | crate::ObjectKind::Trigger);
                if *kind == crate::ObjectKind::Function && is_loose(statement) {
                    self.loose_functions.insert(target.name.clone());
                }
                self.note_definer(statement);
            }
            Head::View(Verb::Create, _) => self.note_definer(statement),
            Head::Table(Verb::Create, _) => self.note_engine(statement),
            _ => {}
        }
        Ok(())
    }

    /// Checks what had to be supposed, now that it is known which database was dumped.
    ///
    /// # Errors
    /// It is another one.
    pub(crate) fn settle(&self, database: Option<&str>) -> Result<()> {
        match &self.supposed {
            Some(supposed) if database != Some(supposed) => Err(Error::Inadmissible {
                name: self.name.clone(),
                statement: "CREATE TRIGGER".into(),
                offset: 0,
                why: format!(
                    "it names the database {supposed}, and the dump does not say that it is of that one"
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

    fn note_engine(&mut self, statement: &Statement<'_>) {
        let tokens: Vec<_> =
            Tokens::new(statement.text, Reading::Everything, statement.mode.quotes()).collect();
        let engines = (0..tokens.len()).filter_map(|index| engine_after(&tokens[index..]));
        for engine in engines {
            if self.engines.len() < MOST && engine.len() <= 64 {
                self.engines.insert(engine.to_ascii_uppercase());
            }
        }
    }
}

/// `ON SCHEDULE AT …`, or an interval with `ENDS`, without `ON COMPLETION PRESERVE`. What stands after `DO` is the
/// body.
fn is_passing(statement: &Statement<'_>) -> bool {
    let tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
    let schedule: Vec<Token<'_>> = tokens.take_while(|token| !token.is("DO")).collect();
    let has = |words: &[&str]| {
        schedule.windows(words.len()).any(|at| at.iter().zip(words).all(|(token, word)| token.is(word)))
    };
    (has(&["SCHEDULE", "AT"]) || has(&["ENDS"])) && !has(&["COMPLETION", "PRESERVE"])
}

/// Neither `DETERMINISTIC` nor `NO SQL` nor `READS SQL DATA` stands before the body (MariaDB's manual, "Binary Logging
/// of Stored Routines"). In Oracle mode, `RETURN` stands before the type and `AS` or `IS` before the body.
fn is_loose(statement: &Statement<'_>) -> bool {
    let tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
    let mut plain = false;
    let mut begins_body = |token: &Token<'_>| {
        plain |= token.is("RETURNS");
        token.is("BEGIN") || token.is(if plain { "RETURN" } else { "AS" }) || !plain && token.is("IS")
    };
    let before_body: Vec<Token<'_>> = tokens.take_while(|token| !begins_body(token)).collect();
    let mut harmless = false;
    for pair in before_body.windows(2) {
        let [before, word] = pair else { continue };
        harmless |= word.is("DETERMINISTIC") && !before.is("NOT");
        harmless |= word.is("SQL") && (before.is("NO") || before.is("READS"));
    }
    !harmless
}
