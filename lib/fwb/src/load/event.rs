//! Whether an event runs: the word in its definition that says so.

use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// Whether an event runs (MariaDB's manual, "CREATE EVENT").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It runs.
    Enabled,
    /// It does not.
    Disabled,
    /// It does not, because it came from a primary server.
    DisabledOnReplica,
}

impl Status {
    fn as_sql(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLE",
            Self::Disabled => "DISABLE",
            Self::DisabledOnReplica => "DISABLE ON SLAVE",
        }
    }
}

/// The status that a `CREATE EVENT` gives, and the statement with another one. None where there is no `DO`.
pub(crate) fn with_status(text: &[u8], mode: QuoteMode, status: Status) -> Option<(Status, Vec<u8>)> {
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    while let Some(token) = tokens.next() {
        let Token::Word(word) = &token else { continue };
        let end = tokens.position();
        let at = end - word.len();
        if token.is("ENABLE") {
            return Some((Status::Enabled, replaced(text, at, end, status)));
        }
        if token.is("DISABLE") {
            let mut rest = Tokens::new(text.get(end..)?, Reading::Everything, mode);
            let on = rest.next().is_some_and(|word| word.is("ON"));
            if on && rest.next().is_some_and(|word| word.is("SLAVE") || word.is("REPLICA")) {
                let changed = replaced(text, at, end + rest.position(), status);
                return Some((Status::DisabledOnReplica, changed));
            }
            return Some((Status::Disabled, replaced(text, at, end, status)));
        }
        if token.is("DO") || token.is("COMMENT") {
            let mut changed = replaced(text, at, at, status);
            changed.insert(at + status.as_sql().len(), b' ');
            return Some((Status::Enabled, changed));
        }
    }
    None
}

fn replaced(text: &[u8], from: usize, to: usize, status: Status) -> Vec<u8> {
    [&text[..from], status.as_sql().as_bytes(), &text[to..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, status: Status) -> (Status, String) {
        let (before, text) = with_status(text.as_bytes(), QuoteMode::default(), status).unwrap();
        (before, String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_status_is_found_before_the_body_only() {
        let text = "CREATE EVENT `enable` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SET @a='DISABLE'";
        let (before, disabled) = changed(text, Status::Disabled);
        assert_eq!(before, Status::Enabled);
        assert_eq!(disabled, text.replace("PRESERVE ENABLE", "PRESERVE DISABLE"));
        let (before, replica) = changed(&disabled, Status::DisabledOnReplica);
        assert_eq!(before, Status::Disabled);
        assert_eq!(changed(&replica, Status::Enabled), (Status::DisabledOnReplica, text.into()));
        let bare = "CREATE EVENT e ON SCHEDULE AT '2037-01-01' COMMENT 'DO' DO SELECT 1";
        assert_eq!(
            changed(bare, Status::Disabled).1,
            "CREATE EVENT e ON SCHEDULE AT '2037-01-01' DISABLE COMMENT 'DO' DO SELECT 1"
        );
    }
}
