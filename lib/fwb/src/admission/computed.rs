//! What a server computes or checks while rows come in: under the settings of the session that loads them, which need not be
//! those that the rows were made under.

use super::times::{TimeColumns, definitions};
use crate::scan::Token;

/// What of it a table has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Computed {
    /// Generated columns.
    pub(crate) generated: bool,
    /// Checks.
    pub(crate) checked: bool,
    /// Generated columns that depend on the session's time zone: they are made of a TIMESTAMP, or are one.
    pub(crate) by_zone: Vec<String>,
}

impl Computed {
    /// Of the table that a `CREATE TABLE` of these words makes; none where it has nothing of the kind.
    pub(super) fn of(tokens: &[Token<'_>], times: Option<&TimeColumns>) -> Option<Self> {
        let mut found = Self::default();
        let timestamps = times.map_or(&[][..], |times| &times.timestamps);
        for definition in definitions(tokens) {
            let begins =
                |word: &str| definition.windows(2).any(|at| at[0].is(word) && at[1] == Token::Symbol(b'('));
            found.checked |= begins("CHECK");
            if !begins("AS") {
                continue;
            }
            found.generated = true;
            let Some(name) = definition.first().and_then(Token::identifier) else { continue };
            let is_timestamp =
                |token: &Token<'_>| token.identifier().is_some_and(|name| timestamps.contains(&name));
            if definition.iter().any(is_timestamp) {
                found.by_zone.push(name);
            }
        }
        (found != Self::default()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{QuoteMode, Reading, Tokens};

    #[test]
    fn what_depends_on_the_session_is_found() {
        let of = |create: &str| {
            let tokens: Vec<_> =
                Tokens::new(create.as_bytes(), Reading::Everything, QuoteMode::default()).collect();
            Computed::of(&tokens, TimeColumns::of(&tokens).as_ref())
        };
        assert_eq!(of("CREATE TABLE `t` (`as` int COMMENT 'CHECK (x) AS (y)', `at` timestamp)"), None);
        let found = of(
            "CREATE TABLE `t` (`at` timestamp NULL, `made` datetime, `day` date GENERATED ALWAYS AS (cast(`at` as date)) \
            STORED, `ts` timestamp GENERATED ALWAYS AS (`made`) VIRTUAL, `n` int AS (1), UNIQUE KEY (`day`))",
        );
        let by_zone = vec!["day".to_owned(), "ts".to_owned()];
        assert_eq!(found, Some(Computed { generated: true, checked: false, by_zone }));
        let found = of("CREATE TABLE `t` (`a` int CHECK (`a` > 0), CONSTRAINT `c` CHECK (`a` < 9))");
        assert_eq!(found, Some(Computed { checked: true, ..Computed::default() }));
    }
}
