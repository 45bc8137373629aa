//! What stored programs say of themselves before their body, and a restore must know.

use crate::scan::{Reading, Statement, Token, Tokens};

/// `ON SCHEDULE AT …`, or an interval with `ENDS`, without `ON COMPLETION PRESERVE`. What stands after `DO` is the
/// body.
pub(super) fn is_passing(statement: &Statement<'_>) -> bool {
    let tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
    let schedule: Vec<Token<'_>> = tokens.take_while(|token| !token.is("DO")).collect();
    let has = |words: &[&str]| {
        schedule.windows(words.len()).any(|at| at.iter().zip(words).all(|(token, word)| token.is(word)))
    };
    (has(&["SCHEDULE", "AT"]) || has(&["ENDS"])) && !has(&["COMPLETION", "PRESERVE"])
}

/// Whether an event is not disabled, neither everywhere nor on replicas.
pub(super) fn runs(statement: &Statement<'_>) -> bool {
    let tokens = Tokens::new(statement.text, Reading::Everything, statement.mode.quotes());
    !tokens.take_while(|token| !token.is("DO")).any(|token| token.is("DISABLE"))
}

/// Neither `DETERMINISTIC` nor `NO SQL` nor `READS SQL DATA` stands before the body (MariaDB's manual, "Binary Logging
/// of Stored Routines"). In Oracle mode, `RETURN` stands before the type and `AS` or `IS` before the body.
pub(super) fn is_loose(statement: &Statement<'_>) -> bool {
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
