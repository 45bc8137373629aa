//! A second reading of what was admitted or divided, for tests and fuzz targets: slow, plain, and knowing nothing of the
//! first.

use crate::admission::{Admission, Admitted};
use crate::load::{Candidate, divide};
use crate::scan::{Feed, Head, QuoteMode, Reading, Statement, Tokens, Verb};

/// Servers that read executable comments in different ways: their versions, and whether they are MySQL.
const SERVERS: [(u32, bool); 7] = [
    (50_500, true),
    (50_799, true),
    (80_036, true),
    (50_568, false),
    (100_339, false),
    (101_106, false),
    (120_001, false),
];
/// What they take for blanks beyond ASCII, by the session's character set (MariaDB's `strings/ctype-extra.c`): nothing, or
/// in latin1, koi8r and cp850 some of these.
const BLANKS: [&[u8]; 2] = [&[], &[0x9a, 0xa0, 0xff]];
/// Judges the statements of any SQL, as a restore does. What is loaded means nothing else to any server.
///
/// # Panics
/// Where a statement was admitted that should not have been.
pub(crate) fn admit(sql: &[u8]) -> usize {
    let mut admission = Admission::new(Some("own"));
    let mut admitted = 0;
    let mut observer = |statement: &Statement<'_>| {
        if admission.judge(statement) == Ok(Admitted::Load) {
            admitted += 1;
            let program = matches!(statement.head, Head::Program(Verb::Create, ..));
            for (server, blanks) in
                SERVERS.into_iter().flat_map(|server| BLANKS.map(|blanks| (server, blanks)))
            {
                let words = words(statement.text, server, blanks, statement.mode.quotes());
                let verdict = is_harmless(&words, program);
                assert_eq!(verdict, Ok(()), "for {server:?}: {}", String::from_utf8_lossy(statement.text));
            }
        }
        Ok(())
    };
    let mut feed = Feed::new();
    for chunk in sql.chunks(4096) {
        assert!(feed.push(chunk, &mut observer).is_ok());
    }
    assert!(feed.finish(&mut observer).is_ok());
    admitted
}

fn is_harmless(words: &[String], program: bool) -> Result<(), &'static str> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let has = |what: &str| words.iter().any(|word| word == what);
    if has(";") && !program {
        return Err("a second statement");
    }
    if word(0).starts_with(|first: char| first.is_ascii_digit()) {
        // What was left of a version: no server understands it.
        return Ok(());
    }
    if has("SONAME") && program {
        return Err("a shared library");
    }
    let writes_files = ["OUTFILE", "DUMPFILE", "INFILE"].into_iter().any(has);
    if writes_files && word(0) != "CREATE" {
        return Err("a file of the server");
    }
    let objects = ["TABLE", "VIEW", "SEQUENCE", "TRIGGER", "EVENT", "PROCEDURE", "FUNCTION", "PACKAGE"];
    match word(0) {
        // Nothing but comments, for this server.
        "" => Ok(()),
        "CREATE" => {
            let what = words.iter().position(|word| objects.contains(&word.as_str()));
            let before = &words[..what.unwrap_or(words.len())];
            if before.iter().any(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
                return Ok(());
            }
            let outside =
                ["DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "TABLESPACE", "TEMPORARY", "INDEX"];
            if what.is_none() || before.iter().any(|word| outside.contains(&word.as_str())) {
                return Err("it makes something else");
            }
            let reads = word(what.unwrap_or(0)) == "TABLE" && (has("SELECT") || has("DIRECTORY"));
            if reads { Err("a table of something else") } else { Ok(()) }
        }
        "DROP" if objects.contains(&word(1)) && !has(".") && !has(",") => Ok(()),
        "INSERT" | "REPLACE" if !has("SELECT") && !has(".") && !has("SET") => Ok(()),
        "ALTER" if word(1) == "DATABASE" => Ok(()),
        "ALTER" if word(1) == "TABLE" && words.last().is_some_and(|word| word == "KEYS") && !has(".") => {
            Ok(())
        }
        "SET" if !has("GLOBAL") && !has("PASSWORD") && !has("PERSIST") && !has("(") && !has("SELECT") => {
            Ok(())
        }
        "DO" | "SELECT" if word(1) == "SETVAL" && !has(".") && !has("FROM") => Ok(()),
        _ => Err("it is something else"),
    }
}

/// The words and signs outside of quotes and comments, in upper case, as a server reads them; a quoted name is `?`.
fn words(text: &[u8], (version, mysql): (u32, bool), blanks: &[u8], mode: QuoteMode) -> Vec<String> {
    let (mut words, mut at) = (Vec::new(), 0);
    let after = |from: usize, what: &[u8]| {
        let rest = text.get(from..).unwrap_or_default();
        rest.windows(what.len())
            .position(|window| window == what)
            .map_or(text.len(), |found| from + found + what.len())
    };
    while at < text.len() {
        let rest = &text[at..];
        let is_mark = rest.starts_with(b"/*!") || (!mysql && rest.starts_with(b"/*M!"));
        match rest[0] {
            // A variable is known by its name.
            b' ' | 9..=13 | b'@' => at += 1,
            blank if blanks.contains(&blank) => at += 1,
            quote @ (b'\'' | b'"' | b'`') => {
                let escapes = quote != b'`' && !mode.no_backslash && !(quote == b'"' && mode.ansi);
                at += 1;
                while at < text.len() && (text[at] != quote || text.get(at + 1) == Some(&quote)) {
                    at += if text[at] == quote || text[at] == b'\\' && escapes { 2 } else { 1 };
                }
                at += 1;
                words.push("?".into());
            }
            b'#' => at = after(at, b"\n"),
            b'-' if rest.starts_with(b"--")
                && rest.get(2).is_none_or(|byte| *byte <= b' ' || *byte == 127 || blanks.contains(byte)) =>
            {
                at = after(at, b"\n");
            }
            b'*' if rest.starts_with(b"*/") => at += 2,
            b'/' if is_mark => {
                at += if rest.starts_with(b"/*!") { 3 } else { 4 };
                let digits = text[at..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
                let digits = if digits < 5 {
                    0
                } else if mysql {
                    5
                } else {
                    digits
                };
                let needed: u32 = String::from_utf8_lossy(&text[at..at + digits]).parse().unwrap_or_default();
                let foreign = !mysql && rest.starts_with(b"/*!") && (50_700..=99_999).contains(&needed);
                at += digits;
                if needed > version || foreign {
                    at = unexecuted(text, at);
                }
            }
            b'/' if rest.starts_with(b"/*") => at = after(at + 2, b"*/"),
            byte if byte.is_ascii_alphanumeric() || b"_$".contains(&byte) || byte >= 128 => {
                let of_word = |byte: &u8| {
                    byte.is_ascii_alphanumeric()
                        || b"_$".contains(byte)
                        || *byte >= 128 && !blanks.contains(byte)
                };
                let length = rest.iter().take_while(|byte| of_word(byte)).count();
                words.push(String::from_utf8_lossy(&rest[..length]).to_ascii_uppercase());
                at += length;
            }
            sign => {
                words.push(char::from(sign).to_string());
                at += 1;
            }
        }
    }
    words
}

/// Where an executable comment ends that is not executed: comments in it count, one level deep.
fn unexecuted(text: &[u8], mut at: usize) -> usize {
    let mut inner = false;
    while at < text.len() {
        if text[at..].starts_with(b"*/") {
            at += 2;
            if !inner {
                return at;
            }
            inner = false;
        } else if text[at..].starts_with(b"/*") && !inner {
            at += 2;
            inner = true;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Divides the tables of any SQL: what is put off and what stays are the definition, no more and no less. Returns how many
/// were divided.
///
/// # Panics
/// Where something is lost, added or told twice.
pub(crate) fn divide_tables(sql: &[u8]) -> usize {
    let mut tables: Vec<(Vec<u8>, QuoteMode)> = Vec::new();
    let mut observer = |statement: &Statement<'_>| {
        if matches!(statement.head, Head::Table(Verb::Create, _)) {
            tables.push((statement.text.to_vec(), statement.mode.quotes()));
        }
        Ok(())
    };
    let mut feed = Feed::new();
    assert!(feed.push(sql, &mut observer).is_ok());
    assert!(feed.finish(&mut observer).is_ok());
    let candidates: Vec<Candidate<'_>> =
        tables.iter().map(|(create, mode)| Candidate { create, mode: *mode, large: true }).collect();
    let all = divide(&candidates);
    assert_eq!(all.len(), tables.len());
    let pairs = all.iter().zip(&tables).filter_map(|(divided, table)| Some((divided.as_ref()?, table)));
    let mut count = 0;
    for (divided, (create, mode)) in pairs {
        count += 1;
        let bag = |text: &[u8]| {
            let tokens = Tokens::new(text, Reading::Everything, *mode);
            let mut bag: Vec<String> = tokens.map(|token| format!("{token:?}")).collect();
            bag.retain(|token| token != "Symbol(44)");
            bag.sort_unstable();
            bag
        };
        let name = Tokens::new(create, Reading::Everything, *mode).nth(2).map(|name| format!("{name:?}"));
        let mut parts = [bag(&divided.create), bag(&divided.keys)].concat();
        parts.extend(divided.references.as_deref().map(bag).unwrap_or_default());
        parts.sort_unstable();
        let mut rest = parts.into_iter().peekable();
        let mut added = Vec::new();
        for token in bag(create) {
            added.extend(std::iter::from_fn(|| rest.next_if(|other| *other < token)));
            assert_eq!(rest.next(), Some(token), "{}", String::from_utf8_lossy(create));
        }
        added.extend(rest);
        let of_alter =
            ["ALTER", "TABLE", "ADD"].map(|word| format!("{:?}", crate::scan::Token::Word(word.as_bytes())));
        assert!(
            added.iter().all(|token| of_alter.contains(token) || Some(token) == name.as_ref()),
            "{added:?}: {}",
            String::from_utf8_lossy(create)
        );
    }
    count
}
