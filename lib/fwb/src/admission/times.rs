//! Columns whose values mean something else to a server on which TIMESTAMP reaches less far, or further.

use crate::scan::{Reading, Statement, Token, Tokens};

/// What definitions begin with that are none of columns.
const NO_COLUMNS: [&str; 11] = [
    "PRIMARY",
    "UNIQUE",
    "KEY",
    "INDEX",
    "CONSTRAINT",
    "FOREIGN",
    "FULLTEXT",
    "SPATIAL",
    "VECTOR",
    "CHECK",
    "PERIOD",
];

/// Such columns of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TimeColumns {
    /// All columns, in the table's order.
    pub(crate) all: Vec<String>,
    /// Those of type TIMESTAMP, but for the periods' of a system-versioned table.
    pub(crate) timestamps: Vec<String>,
    /// The one that says when a row has ceased to hold, where that is a time.
    pub(crate) row_end: Option<String>,
    /// Whether rows are inserted with that.
    pub(crate) has_ends: bool,
    /// Whether rows of the past are among them.
    pub(crate) has_history: bool,
}

impl TimeColumns {
    /// Those of the table that a `CREATE TABLE` of these words makes; none where it has no such columns.
    pub(super) fn of(tokens: &[Token<'_>]) -> Option<Self> {
        let mut found = Self::default();
        let mut by_transaction = false;
        for definition in definitions(tokens) {
            let [name @ (Token::Name(_) | Token::Word(_)), data_type, rest @ ..] = definition else {
                continue;
            };
            if NO_COLUMNS.iter().any(|word| name.is(word)) {
                continue;
            }
            let Some(name) = definition[0].identifier() else { continue };
            let has = |words: &[&str]| {
                rest.windows(words.len()).any(|at| at.iter().zip(words).all(|(token, word)| token.is(word)))
            };
            let is_timestamp = data_type.is("TIMESTAMP");
            let (start, end) = (has(&["AS", "ROW", "START"]), has(&["AS", "ROW", "END"]));
            by_transaction |= (start || end) && !is_timestamp;
            if end && is_timestamp {
                found.row_end = Some(name.clone());
            } else if is_timestamp && !start {
                found.timestamps.push(name.clone());
            }
            found.all.push(name);
        }
        let is_versioned = tokens.windows(3).any(|at| {
            let [with, system, versioning] = at else { return false };
            with.is("WITH") && system.is("SYSTEM") && versioning.is("VERSIONING")
        });
        if is_versioned && !by_transaction && found.row_end.is_none() {
            found.row_end = Some("row_end".into());
        }
        (found.row_end.is_some() || !found.timestamps.is_empty()).then_some(found)
    }

    /// Looks whether this `INSERT` says when rows cease to hold. One without a list of columns has all that are declared; it
    /// may be history where the session has the server take it for that (`system_versioning_insert_history`).
    pub(super) fn observe(&mut self, statement: &Statement<'_>, inserts_history: bool) {
        let (Some(end), false) = (&self.row_end, self.has_history) else { return };
        let tokens: Vec<Token<'_>> =
            Tokens::new(statement.text, Reading::Everything, statement.mode.quotes()).collect();
        let mut list = tokens.iter().skip_while(|token| **token != Token::Symbol(b'(')).peekable();
        let is_implied_by_order = list.peek().is_none() && self.all.contains(end);
        let is_listed = list.any(|token| token.identifier().is_some_and(|name| name == *end));
        self.has_ends |= is_listed || is_implied_by_order;
        self.has_history = is_listed || is_implied_by_order && inserts_history;
    }
}

/// What stands between the commas of a table's definition: columns, keys, constraints.
pub(super) fn definitions<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let open =
        tokens.iter().position(|token| *token == Token::Symbol(b'(')).map_or(tokens.len(), |at| at + 1);
    let mut depth = 0_usize;
    let end = tokens[open..].iter().position(|token| {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') if depth == 0 => return true,
            Token::Symbol(b')') => depth -= 1,
            _ => {}
        }
        false
    });
    let mut depth = 0_usize;
    tokens[open..end.map_or(tokens.len(), |end| open + end)].split(move |token| {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *token == Token::Symbol(b',')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::QuoteMode;

    /// All columns, those of type TIMESTAMP, the one that ends rows.
    type Found = (Vec<String>, Vec<String>, Option<String>);

    fn of(create: &str) -> Option<Found> {
        let tokens: Vec<_> =
            Tokens::new(create.as_bytes(), Reading::Everything, QuoteMode::default()).collect();
        TimeColumns::of(&tokens).map(|found| (found.all, found.timestamps, found.row_end))
    }

    fn found(all: &[&str], timestamps: &[&str], row_end: Option<&str>) -> Found {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        (owned(all), owned(timestamps), row_end.map(ToOwned::to_owned))
    }

    #[test]
    fn columns_of_times_are_found() {
        for (create, expected) in [
            ("CREATE TABLE `t` (`timestamp` int, `b` datetime COMMENT 'x timestamp') ENGINE=InnoDB", None),
            (
                "CREATE TABLE `t` (\n  `id` decimal(10,2),\n  `a``, b` timestamp NOT NULL DEFAULT current_timestamp(),\n \
                 `c` timestamp(6) NULL,\n KEY `timestamp` (`id`,`c`)\n) ENGINE=InnoDB",
                Some(found(&["id", "a`, b", "c"], &["a`, b", "c"], None)),
            ),
            (
                "CREATE TABLE t (id int, at timestamp NULL, PRIMARY KEY (id), KEY timestamp (at)) ENGINE=InnoDB",
                Some(found(&["id", "at"], &["at"], None)),
            ),
            (
                "CREATE TABLE `t` (`id` int) ENGINE=InnoDB WITH SYSTEM VERSIONING",
                Some(found(&["id"], &[], Some("row_end"))),
            ),
            (
                "CREATE TABLE `t` (`s` timestamp(6) GENERATED ALWAYS AS ROW START, `e` timestamp(6) GENERATED ALWAYS AS ROW END \
                 INVISIBLE, PERIOD FOR SYSTEM_TIME (`s`, `e`)) WITH SYSTEM VERSIONING",
                Some(found(&["s", "e"], &[], Some("e"))),
            ),
            (
                "CREATE TABLE `t` (`s` bigint(20) unsigned GENERATED ALWAYS AS ROW START, `e` bigint(20) unsigned GENERATED \
                 ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (`s`, `e`)) WITH SYSTEM VERSIONING",
                None,
            ),
            ("CREATE TABLE `t`", None),
        ] {
            assert_eq!(of(create), expected, "{create}");
        }
    }
}
