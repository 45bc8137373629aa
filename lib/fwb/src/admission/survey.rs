//! What a dump needs of the server that it is restored to, noted while it is verified.

use std::collections::{BTreeMap, BTreeSet};

use super::outside::{Outside, outside};
use super::relations::{Relation, relations};
use super::{Admission, engines, name_of};
use crate::error::{Error, Result};
use crate::scan::{Head, Reading, Statement, Token, Tokens, Verb};

/// The most accounts, engines, tables and views that are noted: nobody reads a longer list of those that a server lacks.
const MOST: usize = 10_000;

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
    /// How many views, and relations of them, were noted.
    relations: usize,
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
            Head::View(Verb::Create, target) => {
                self.note_definer(statement);
                if self.relations < MOST {
                    let tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
                    // The stand-in of a view selects from nothing, and its definition comes later.
                    let found = relations(tokens);
                    self.relations += 1 + found.len();
                    self.views.insert(target.name.clone(), found);
                }
            }
            Head::Table(Verb::Create, target) => self.note_table(&target.name, statement),
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

    fn note_table(&mut self, table: &str, statement: &Statement<'_>) {
        let tokens: Vec<_> =
            Tokens::new(statement.text, Reading::Everything, statement.mode.quotes()).collect();
        if let (Ok(Some(outside)), true) = (outside(&tokens), self.outside.len() < MOST) {
            self.outside.insert(table.to_owned(), Outside { offset: statement.offset, ..outside });
        }
        for engine in engines(&tokens) {
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
