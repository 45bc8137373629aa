//! What a dump's statements lose where they are run as they stand.

use crate::dump::without_counter;
use crate::scan::{Head, QuoteMode, Reading, Token, Tokens, Value, Verb};
use crate::server::quote_name;

/// The mode that dumps set for their rows, and the one beside it without which dates such as 2024-02-31 become zero.
const DUMP_MODE: &[u8] = b"NO_AUTO_VALUE_ON_ZERO";
const KEEP_ALL_DATES: &str = ",ALLOW_INVALID_DATES";

/// A statement and what is sent with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Amended {
    /// Comes before it.
    pub(super) before: Option<String>,
    /// Comes in its place.
    pub(super) instead: Option<Vec<u8>>,
}

/// Amends statements, in the dump's order.
#[derive(Debug, Default)]
pub(super) struct Amends {
    /// The sequence that was made last, and where it would begin if it had come round.
    sequence: Option<(String, String)>,
}

impl Amends {
    /// What to send for a statement.
    pub(super) fn amend(&mut self, head: &Head, text: &[u8], mode: QuoteMode) -> Amended {
        match head {
            Head::Sequence(Verb::Create, target) => {
                self.sequence = first_value(text, mode).map(|first| (target.name.clone(), first));
                Amended::default()
            }
            // SETVAL never goes back, and a sequence that has come round stands below its start.
            Head::SetVal(target) => {
                let last = self.sequence.as_ref().filter(|(name, _)| *name == target.name);
                let restart =
                    last.map(|(name, first)| format!("ALTER SEQUENCE {} RESTART {first}", quote_name(name)));
                Amended { before: restart, instead: None }
            }
            Head::Table(Verb::Create, _) => Amended { before: None, instead: without_counter(text, mode) },
            // A program's own mode may be the same, and is left as it is.
            Head::Set(assignments)
                if assignments.iter().any(sets_dump_mode) && assignments.iter().any(keeps_former_mode) =>
            {
                Amended { before: None, instead: Some(with_all_dates(text, mode)) }
            }
            _ => Amended::default(),
        }
    }
}

/// A sequence's lowest value, or its highest where it counts down.
fn first_value(text: &[u8], mode: QuoteMode) -> Option<String> {
    let tokens: Vec<Token<'_>> = Tokens::new(text, Reading::Everything, mode).collect();
    let number_after = |word: &str| {
        let rest = &tokens[tokens.iter().position(|token| token.is(word))? + 1..];
        let rest = if rest.first()?.is("BY") { &rest[1..] } else { rest };
        match rest {
            [Token::Symbol(b'-'), Token::Word(digits), ..] => {
                Some(format!("-{}", String::from_utf8_lossy(digits)))
            }
            [Token::Word(digits), ..] => Some(String::from_utf8_lossy(digits).into_owned()),
            _ => None,
        }
    };
    let down = number_after("INCREMENT")?.starts_with('-');
    number_after(if down { "MAXVALUE" } else { "MINVALUE" })
}

fn sets_dump_mode((what, to): &(String, Value)) -> bool {
    what.eq_ignore_ascii_case("SQL_MODE") && matches!(to, Value::Text(modes) if modes.as_bytes() == DUMP_MODE)
}

/// `@OLD_SQL_MODE=@@SQL_MODE`, as a dump's header has it.
fn keeps_former_mode((what, _): &(String, Value)) -> bool {
    what.eq_ignore_ascii_case("@OLD_SQL_MODE")
}

fn with_all_dates(text: &[u8], mode: QuoteMode) -> Vec<u8> {
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    let mode_at = std::iter::from_fn(|| tokens.spanned())
        .find(|(token, _)| matches!(token, Token::Text(modes) if *modes == DUMP_MODE));
    let mut amended = text.to_vec();
    if let Some((_, span)) = mode_at {
        let quote = span.end - 1;
        amended.splice(quote..quote, KEEP_ALL_DATES.bytes());
    }
    amended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::parse_head;

    fn amend(amends: &mut Amends, sql: &str) -> Amended {
        let mode = QuoteMode::default();
        amends.amend(&parse_head(sql.as_bytes(), Reading::Everything, mode), sql.as_bytes(), mode)
    }

    #[test]
    fn a_sequence_can_be_set_to_any_value_it_may_have() {
        let mut amends = Amends::default();
        let cases = [
            ("start with 8 minvalue 1 maxvalue 10 increment by 1 cache 5 cycle", "1"),
            ("start with 1 minvalue -5 maxvalue 10 increment by 0 nocache", "-5"),
            ("start with -8 minvalue -9223372036854775807 maxvalue -1 increment by -1", "-1"),
        ];
        for (definition, first) in cases {
            assert_eq!(
                amend(&mut amends, &format!("CREATE SEQUENCE `s``1` {definition}")),
                Amended::default()
            );
            let before = amend(&mut amends, "DO SETVAL(`s``1`, 2, 0)").before;
            assert_eq!(before, Some(format!("ALTER SEQUENCE `s``1` RESTART {first}")));
        }
        assert_eq!(amend(&mut amends, "DO SETVAL(`other`, 2, 0)"), Amended::default());
    }

    #[test]
    fn an_archive_counts_its_rows_itself() {
        let mut amends = Amends::default();
        let table = "CREATE TABLE `a` (`id` int AUTO_INCREMENT) ENGINE=ARCHIVE AUTO_INCREMENT=3 COMMENT='x'";
        let plain = "CREATE TABLE `a` (`id` int AUTO_INCREMENT) ENGINE=ARCHIVE  COMMENT='x'";
        assert_eq!(amend(&mut amends, table).instead.as_deref(), Some(plain.as_bytes()));
        let other = table.replace("ARCHIVE", "InnoDB");
        assert_eq!(amend(&mut amends, &other), Amended::default());
    }

    #[test]
    fn dates_that_no_calendar_has_are_kept() {
        let mut amends = Amends::default();
        let set = "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */";
        let instead = amend(&mut amends, set).instead.unwrap();
        assert_eq!(
            instead,
            b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES' */"
        );
        for other in ["SET sql_mode = 'ANSI_QUOTES'", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"] {
            assert_eq!(amend(&mut amends, other), Amended::default());
        }
    }
}
