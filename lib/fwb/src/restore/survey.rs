//! What a dump needs of the server that it is restored to, noted while it is verified.

use std::collections::BTreeSet;

use super::admission::{Admission, name_of};
use crate::error::{Error, Result};
use crate::scan::{Head, Reading, Statement, Token, Tokens, Verb};

/// What the statements ask for.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    admission: Admission,
    name: String,
    /// Accounts that stored programs and views run as: `user@host`.
    pub(crate) definers: BTreeSet<(String, String)>,
    /// Engines of tables, in upper case.
    pub(crate) engines: BTreeSet<String>,
    /// Whether there are functions or triggers, which a server with a binary log may refuse.
    pub(crate) functions: bool,
}

impl Survey {
    /// `name` is the backup's, for messages.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes note of a statement.
    ///
    /// # Errors
    /// The statement is one that no dump contains.
    pub(crate) fn observe(&mut self, statement: &Statement<'_>) -> Result<()> {
        self.admission.judge(statement).map_err(|why| Error::Inadmissible {
            name: self.name.clone(),
            statement: name_of(statement),
            offset: statement.offset,
            why,
        })?;
        match statement.head {
            Head::Program(Verb::Create, kind, _) => {
                self.functions |= matches!(kind, crate::ObjectKind::Function | crate::ObjectKind::Trigger);
                self.note_definer(statement);
            }
            Head::View(Verb::Create, _) => self.note_definer(statement),
            Head::Table(Verb::Create, _) => self.note_engine(statement),
            _ => {}
        }
        Ok(())
    }

    fn note_definer(&mut self, statement: &Statement<'_>) {
        let mut tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
        if !tokens.by_ref().take(8).any(|token| token.is("DEFINER")) || !tokens.take_symbol(b'=') {
            return;
        }
        let Some(user) = tokens.next().and_then(|token| token.identifier()) else { return };
        if tokens.next() != Some(Token::Variable(b"@")) {
            return;
        }
        if let Some(host) = tokens.next().and_then(|token| token.identifier()) {
            self.definers.insert((user, host));
        }
    }

    fn note_engine(&mut self, statement: &Statement<'_>) {
        let tokens: Vec<_> =
            Tokens::new(statement.text, Reading::Everything, statement.mode.quotes()).collect();
        for window in tokens.windows(3) {
            if let [word, Token::Symbol(b'='), Token::Word(engine)] = window {
                if word.is("ENGINE") {
                    self.engines.insert(String::from_utf8_lossy(engine).to_ascii_uppercase());
                }
            }
        }
    }
}
