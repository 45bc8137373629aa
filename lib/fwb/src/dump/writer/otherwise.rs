//! What a restore makes otherwise than it was, as the definition tells: what a server keeps from other days, and makes no more.

use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// One sentence for each thing in a table's definition.
pub(super) fn of_table(name: &str, create: &[u8]) -> Vec<String> {
    let inert = inert_options(create);
    let inert = (!inert.is_empty()).then(|| {
        let options = inert.join(", ");
        format!("the server does not know options of table {name}, and a restore loses them: {options}")
    });
    let tokens = tokens(create);
    let keyless = foreign_keys_without_key(&tokens);
    let keyless = (!keyless.is_empty()).then(|| {
        let keys = keyless.join(", ");
        format!("foreign keys of table {name} have no key of their columns, and a restore makes one: {keys}")
    });
    let nameless = (longest_file_name(name, &tokens) > LONGEST_FILE_NAME).then(|| {
        format!(
            "the names of partitions of table {name} are too long for files: a restore makes it only on a server with innodb_file_per_table=OFF"
        )
    });
    inert.into_iter().chain(keyless).chain(nameless).collect()
}

fn tokens(create: &[u8]) -> Vec<Token<'_>> {
    Tokens::new(create, Reading::Everything, QuoteMode::default()).collect()
}

/// The longest name of a file on Linux, in bytes.
const LONGEST_FILE_NAME: usize = 255;

/// The most bytes that the name of a partition's file takes: `table#P#partition#SP#subpartition.ibd`. Names that a server gives
/// to subpartitions are not counted.
fn longest_file_name(table: &str, tokens: &[Token<'_>]) -> usize {
    let (mut partition, mut longest) = (0, 0);
    for pair in tokens.windows(2) {
        let [word, Token::Name(name)] = pair else { continue };
        let size = in_file_name(&String::from_utf8_lossy(name));
        if word.is("PARTITION") {
            partition = in_file_name(table) + "#P#".len() + size + ".ibd".len();
            longest = longest.max(partition);
        } else if word.is("SUBPARTITION") {
            longest = longest.max(partition + "#SP#".len() + size);
        }
    }
    longest
}

/// So many bytes a name takes in a file's (MariaDB's manual, "Identifier to File Name Mapping"): letters outside of ASCII at
/// least three, where nobody counts which.
fn in_file_name(name: &str) -> usize {
    let size = |char: char| match char {
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => 1,
        '\u{c0}'..='\u{5ff}' | '\u{1e00}'..='\u{1fff}' => 3,
        _ => 5,
    };
    name.chars().map(size).sum()
}

/// A sentence on a program that has no account: one from before MySQL 5.0.17.
pub(super) fn of_program(kind: &str, name: &str, create: &[u8], quotes: QuoteMode) -> Option<String> {
    let mut head = Tokens::new(create, Reading::Everything, quotes).take(HEAD);
    let has_account = head.any(|token| token.is("DEFINER"));
    (!has_account).then(|| {
        format!("{} {name} has no account, and a restore gives it the restoring one", kind.to_lowercase())
    })
}

/// In so many tokens, a program's definition has its account.
const HEAD: usize = 4;

/// The names of foreign keys whose columns no key begins with. A server makes such a key with them; it lets it be dropped under
/// `foreign_key_checks=0`.
fn foreign_keys_without_key(tokens: &[Token<'_>]) -> Vec<String> {
    let (mut keys, mut foreign) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let begins = depth == 1 && matches!(tokens[at - 1], Token::Symbol(b'(' | b','));
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            word if begins && ["PRIMARY", "UNIQUE", "KEY"].iter().any(|key| word.is(key)) => {
                keys.push(columns(&tokens[at..]));
            }
            word if begins && word.is("CONSTRAINT") => {
                if let [Token::Name(name), word, ..] = &tokens[at + 1..]
                    && word.is("FOREIGN")
                {
                    foreign.push((String::from_utf8_lossy(name).into_owned(), columns(&tokens[at..])));
                }
            }
            _ => {}
        }
    }
    let lacks = |(_, columns): &(String, Vec<&[u8]>)| !keys.iter().any(|key| key.starts_with(columns));
    foreign.into_iter().filter(lacks).map(|(name, _)| name).collect()
}

/// The whole columns with which a key begins, or all of a foreign key.
fn columns<'t>(item: &'t [Token<'t>]) -> Vec<&'t [u8]> {
    let list = item.iter().position(|token| *token == Token::Symbol(b'(')).map_or(item.len(), |at| at + 1);
    let mut columns = Vec::new();
    for part in item[list..].split(|token| matches!(token, Token::Symbol(b',' | b')'))) {
        // A prefix, ``(`a`(10))``, is no whole column, and what is behind it does not count.
        let [Token::Name(name), rest @ ..] = part else { break };
        if rest.contains(&Token::Symbol(b'(')) {
            break;
        }
        columns.push(&**name);
    }
    columns
}

/// The names of options that the server shows in comments, as it does where it keeps and does not know them: those of
/// another engine, for one (MariaDB's manual, "Engine-defined New Table/Field/Index Attributes").
fn inert_options(create: &[u8]) -> Vec<String> {
    let mut tokens = Tokens::new(create, Reading::Everything, QuoteMode::default());
    let (mut names, mut from) = (Vec::new(), 0);
    let spans = std::iter::from_fn(|| tokens.spanned().map(|(_, span)| span))
        .chain(std::iter::once(create.len()..create.len()));
    for span in spans {
        let gap = &create[from..span.start.max(from)];
        for at in memchr::memmem::find_iter(gap, b"/* ") {
            // ``/* `foo`='bar' */``, or `/* TRANSACTIONAL=1 */`.
            let Some(equals) = memchr::memchr(b'=', &gap[at..]) else { continue };
            let name = String::from_utf8_lossy(&gap[at + 3..at + equals]);
            names.push(name.trim_matches('`').to_owned());
        }
        from = span.end;
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_a_server_does_not_know_are_found_in_comments_alone() {
        let create = b"CREATE TABLE `a /* `` */` (\n  `f` int /* `foo`='bar' */ COMMENT '/* `no`=1 */' CHECK (`f` > 0)\n) \
            ENGINE=InnoDB /* `baz`=1 */ /* TRANSACTIONAL=1 */ /*!50100 PARTITION BY HASH (`f`) */";
        assert_eq!(inert_options(create), ["TRANSACTIONAL", "baz", "foo"]);
        assert!(inert_options(b"CREATE TABLE `a` (`f` int)").is_empty());
    }

    #[test]
    fn partitions_whose_names_are_too_long_for_files_are_found() {
        let create = |partition: &str, below: &str| {
            format!(
                "CREATE TABLE `t` (\n  `partition` int\n) ENGINE=InnoDB\n PARTITION BY RANGE (`partition`)\n\
                 SUBPARTITION BY HASH (`partition`)\n(PARTITION `{partition}` VALUES LESS THAN (10)\n \
                 (SUBPARTITION `{below}` ENGINE = InnoDB,\n  SUBPARTITION `s` ENGINE = InnoDB))"
            )
        };
        let long = "p".repeat(64);
        for (partition, below, is_too_long) in [
            ("p", "s", false),
            (&*long, &*long, false),
            (&*"$".repeat(48), "s", false),
            (&*"$".repeat(64), "s", true),
            ("p", &*"가".repeat(64), true),
            ("p", &*"é".repeat(64), false),
        ] {
            let said = of_table("t", create(partition, below).as_bytes());
            assert_eq!(said.len(), usize::from(is_too_long), "{partition} {below}: {said:?}");
        }
        assert_eq!(longest_file_name("t", &tokens(b"CREATE TABLE `t` (\n  `a` int\n)")), 0);
    }

    #[test]
    fn foreign_keys_without_a_key_of_their_columns_are_found() {
        let create = |keys: &str| {
            format!(
                "CREATE TABLE `t` (\n  `a` int(11) NOT NULL DEFAULT (1 + (2)) COMMENT ', KEY',\n  `b` int,\n  {keys}\n  \
                 CONSTRAINT `fk` FOREIGN KEY (`a`, `b`) REFERENCES `p` (`a`, `b`) ON DELETE CASCADE,\n  \
                 CONSTRAINT `c` CHECK (`a` > 0)\n) ENGINE=InnoDB"
            )
        };
        for (keys, lacks) in [
            ("", true),
            ("KEY `k` (`a`),", true),
            ("KEY `k` (`b`,`a`),", true),
            ("KEY `k` (`a`,`b`(10)),", true),
            ("FULLTEXT KEY `k` (`a`,`b`),", true),
            ("KEY `k` (`a`,`b`),", false),
            ("KEY `k` (`a` DESC,`b`,`c`),", false),
            ("UNIQUE KEY `k` (`a`,`b`) USING BTREE,", false),
            ("PRIMARY KEY (`a`,`b`,`c`),", false),
        ] {
            let found = foreign_keys_without_key(&tokens(create(keys).as_bytes()));
            assert_eq!(found, if lacks { vec!["fk"] } else { vec![] }, "{keys}");
        }
    }
}
