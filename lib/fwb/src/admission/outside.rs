//! Tables that reach outside of their database: whose rows another server or a file has, whose rows are those of another
//! database, or whose files lie in a directory of their own. A restore makes such a table only where it is told so: a
//! dump that somebody has made up could read and write with it what the restoring account may, and the server's files.

use super::engines;
use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// How a table reaches outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outside {
    /// For messages.
    pub(crate) why: String,
    /// Where the statement that makes it begins in the SQL, in bytes; 0 where nobody needs to know.
    pub(crate) offset: u64,
    /// Whether it does so only by where its own files lie: then the same table can be made without.
    pub(crate) only_files: bool,
}

/// Engines whose tables lie outside of the server.
const OUTSIDE_ENGINES: [&str; 5] = ["CONNECT", "FEDERATED", "FEDERATEDX", "SPIDER", "S3"];
/// Engines that keep `CONNECTION='…'` with a table and do nothing with it.
const WITHOUT_CONNECTION: [&str; 8] =
    ["InnoDB", "MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV", "BLACKHOLE", "MRG_MyISAM"];

/// How the table that these tokens make reaches outside; none where it does not.
///
/// # Errors
/// It does so in a way that no dump contains.
pub(super) fn outside(tokens: &[Token<'_>]) -> Result<Option<Outside>, String> {
    let engines: Vec<String> = engines(tokens).collect();
    let is_one_of = |engine: &String, list: &[&str]| list.iter().any(|one| engine.eq_ignore_ascii_case(one));
    if let Some(engine) = engines.iter().find(|engine| is_one_of(engine, &OUTSIDE_ENGINES)) {
        let why = format!("a table of engine {} lies elsewhere", engine.to_ascii_uppercase());
        return Ok(Some(Outside { why, offset: 0, only_files: false }));
    }
    let connects = tokens.iter().any(|token| token.is("CONNECTION"));
    let keeps_alone =
        !engines.is_empty() && engines.iter().all(|engine| is_one_of(engine, &WITHOUT_CONNECTION));
    if connects && !keeps_alone {
        let why = "a table with CONNECTION reads or writes elsewhere".into();
        return Ok(Some(Outside { why, offset: 0, only_files: false }));
    }
    let mut merges = false;
    for at in (0..tokens.len()).filter(|at| tokens[*at].is("UNION")) {
        merges |= merges_others(&tokens[at + 1..]).ok_or("a table with UNION reads or writes elsewhere")?;
    }
    if merges {
        let why = "a table with UNION of another database's tables reads or writes elsewhere".into();
        return Ok(Some(Outside { why, offset: 0, only_files: false }));
    }
    let files = tokens.iter().any(|token| token.is("DIRECTORY"));
    let why = "a table with DIRECTORY reads or writes elsewhere".into();
    Ok(files.then_some(Outside { why, offset: 0, only_files: true }))
}

/// Whether `=(name, …)`, as a table of engine MERGE has it, names another database; none where something else follows.
fn merges_others(after: &[Token<'_>]) -> Option<bool> {
    let [Token::Symbol(b'='), Token::Symbol(b'('), list @ ..] = after else { return None };
    let end = list.iter().position(|token| *token == Token::Symbol(b')'))?;
    let mut qualified = false;
    for name in list[..end].split(|token| *token == Token::Symbol(b',')) {
        match name {
            [Token::Name(_)] => {}
            [Token::Name(_), Token::Symbol(b'.'), Token::Name(_)] => qualified = true,
            // `UNION=()` merges nothing.
            [] if end == 0 => {}
            _ => return None,
        }
    }
    Some(qualified)
}

/// A `CREATE TABLE` without `DATA DIRECTORY='…'` and `INDEX DIRECTORY='…'`; none where it has neither.
pub(crate) fn without_directories(text: &[u8], mode: QuoteMode) -> Option<Vec<u8>> {
    let mut tokens = Tokens::new(text, Reading::Everything, mode);
    let all: Vec<_> = std::iter::from_fn(|| tokens.spanned()).collect();
    let mut left = Vec::with_capacity(text.len());
    let mut from = 0;
    for (at, (token, span)) in all.iter().enumerate() {
        if !(token.is("DATA") || token.is("INDEX")) {
            continue;
        }
        let end = match &all[at + 1..] {
            [(word, _), (Token::Symbol(b'='), _), (Token::Text(_), path), ..]
            | [(word, _), (Token::Text(_), path), ..]
                if word.is("DIRECTORY") =>
            {
                path.end
            }
            _ => continue,
        };
        left.extend_from_slice(&text[from..span.start]);
        from = end;
    }
    if from == 0 {
        return None;
    }
    left.extend_from_slice(&text[from..]);
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(sql: &str) -> Result<Option<Outside>, String> {
        let tokens: Vec<_> = Tokens::new(sql.as_bytes(), Reading::Everything, QuoteMode::default()).collect();
        outside(&tokens)
    }

    #[test]
    fn a_table_that_reaches_outside_is_told_from_one_that_only_looks_so() {
        for (sql, expected) in [
            ("CREATE TABLE `a` (`directory` int, `x` int COMMENT 'CONNECTION') ENGINE=InnoDB", None),
            ("CREATE TABLE `a` (x int) ENGINE=InnoDB CONNECTION='server1'", None),
            ("CREATE TABLE `a` (x int) CONNECTION='server1'", Some(false)),
            ("CREATE TABLE `a` (x int) ENGINE=MROONGA CONNECTION='server1'", Some(false)),
            ("CREATE TABLE `a` (x int) ENGINE=FEDERATED CONNECTION='mysql://x'", Some(false)),
            ("CREATE TABLE `a` (x int) ENGINE=InnoDB ENGINE=`Connect`", Some(false)),
            ("CREATE TABLE `a` (x int) ENGINE=InnoDB DATA DIRECTORY='/d'", Some(true)),
            ("CREATE TABLE `a` (x int) ENGINE=FEDERATED DATA DIRECTORY='/d'", Some(false)),
            ("CREATE TABLE `a` (x int) ENGINE=MRG_MyISAM UNION=(`b`,`c`)", None),
            ("CREATE TABLE `a` (x int) ENGINE=MRG_MyISAM UNION=()", None),
            ("CREATE TABLE `a` (x int) ENGINE=MRG_MyISAM UNION=(`b`,`o`.`c`)", Some(false)),
        ] {
            assert_eq!(judged(sql).unwrap().map(|outside| outside.only_files), expected, "{sql}");
        }
        assert!(judged("CREATE TABLE `a` (x int) UNION SELECT 1").is_err());
        assert!(judged("CREATE TABLE `a` (x int) UNION=(`a`,f())").is_err());
    }

    #[test]
    fn a_table_is_made_in_the_servers_own_directory() {
        let without = |sql: &str| {
            without_directories(sql.as_bytes(), QuoteMode::default())
                .map(|sql| String::from_utf8(sql).unwrap())
        };
        assert_eq!(
            without("CREATE TABLE `a` (`data` int) ENGINE=MyISAM DATA DIRECTORY='/d''/' INDEX DIRECTORY '/e' COMMENT='x'")
                .unwrap(),
            "CREATE TABLE `a` (`data` int) ENGINE=MyISAM   COMMENT='x'"
        );
        assert_eq!(
            without("CREATE TABLE `a` (x int)\n PARTITION BY HASH (x)\n(PARTITION `p0` DATA DIRECTORY = '/d' ENGINE = InnoDB)")
                .unwrap(),
            "CREATE TABLE `a` (x int)\n PARTITION BY HASH (x)\n(PARTITION `p0`  ENGINE = InnoDB)"
        );
        assert_eq!(without("CREATE TABLE `a` (`b` int COMMENT 'DATA DIRECTORY=''/d''')"), None);
    }
}
