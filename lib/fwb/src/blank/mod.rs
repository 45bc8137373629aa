//! Quoted values, blanked. MariaDB and MySQL quote both the values of rows and the names of columns in their messages:
//! `Duplicate entry 'bob@example.org' for key 'email'`. Values may be personal data, which is nobody's business outside of
//! this host. Where it is not plain what a quote holds, it counts as a value, and where it is not plain how far it
//! reaches, it reaches to the end of the text.

use std::collections::HashMap;

use serde_json::Value;

/// What stands in the place of a value.
const BLANK: &str = "'…'";
/// The longest identifier: database, table and column of 64 letters each.
const LONGEST_NAME: usize = 3 * 64 + 2;
/// What stands before a quoted name.
const NAMES_FOLLOW: [&str; 21] = [
    "charset",
    "collation",
    "column",
    "columns",
    "constraint",
    "database",
    "engine",
    "event",
    "field",
    "function",
    "index",
    "partition",
    "plugin",
    "procedure",
    "schema",
    "table",
    "tables",
    "trigger",
    "variable",
    "view",
    "character set",
];
/// What a key of a table is called. What follows any other key may be a secret, such as an access key.
const KEYS: [&str; 5] = ["for key", "foreign key", "unknown key", "duplicate key", "unique key"];
/// How many letters before a quote are looked at.
const LONGEST_WORDS: usize = 40;
/// Messages that quote a value as it is, quotes in it included: what stands before, and the last place where it may end.
const VALUES: [(&str, &str); 3] =
    [("duplicate entry", "' for key "), ("value:", "' for column "), ("near", "' at line ")];

/// Where the quotes that open close, as far as it is known.
type Pairs = HashMap<usize, usize>;

/// A text in which the values in `'…'` and `"…"` are blanked. Identifiers stay: those in backticks, and those that follow
/// such words as `column`, `for key` or `table`.
///
/// It is meant for one message at a time: a quote without an end blanks the rest of the text.
pub fn blank_quoted(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut told = String::with_capacity(text.len());
    let mut pairs = Pairs::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        match letter {
            '`' => {
                let end = end_of_identifier(&letters, at);
                told.extend(&letters[at..end]);
                at = end;
            }
            '\'' | '"' if opens(&letters, at) => {
                let end = end_of_quote(&letters, at, &told, &mut pairs);
                let inside = letters.get(at + 1..end).unwrap_or_default();
                if end < letters.len() && is_name_next(&told) && is_name(inside) {
                    told.extend(&letters[at..=end]);
                } else {
                    told.push_str(BLANK);
                }
                at = end + 1;
            }
            _ => {
                told.push(letter);
                at += 1;
            }
        }
    }
    told
}

/// Blanks the quoted values in all texts of a record. Names of its fields stay.
pub fn blank_record(record: &mut Value) {
    match record {
        Value::String(text) => {
            if text.contains(['\'', '"']) {
                *text = blank_quoted(text);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(blank_record),
        Value::Object(fields) => fields.values_mut().for_each(blank_record),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Behind the identifier whose backtick is at `at`. A backtick that begins none is a letter like any other; one in whose
/// reach a quote begins is too.
fn end_of_identifier(letters: &[char], at: usize) -> usize {
    let inside = letters[at + 1..].iter().take(LONGEST_NAME);
    let length = inside.take_while(|letter| !matches!(letter, '`' | '\'' | '"' | '\n')).count();
    if letters.get(at + 1 + length) == Some(&'`') { at + length + 2 } else { at + 1 }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Whether the quote at `at`, which is in no other, opens one. An apostrophe does not.
fn opens(letters: &[char], at: usize) -> bool {
    let before: String = {
        let start = letters[..at].iter().rposition(|&letter| !is_word(letter)).map_or(0, |there| there + 1);
        letters[start..at].iter().collect()
    };
    if before.is_empty() || letters[at] == '"' {
        return true;
    }
    let after: String = letters[at + 1..].iter().take_while(|&&letter| is_word(letter)).collect();
    if matches!(after.to_lowercase().as_str(), "s" | "t" | "d" | "m" | "re" | "ve" | "ll") {
        // `it's`, but not `x's'`.
        return letters.get(at + 1 + after.chars().count()) == Some(&'\'');
    }
    // X'41', _utf8mb4'bob', LIKE'bob'.
    let is_keyword = before.len() > 1 && before.chars().all(|letter| letter.is_ascii_uppercase());
    before.starts_with('_') || matches!(before.as_str(), "x" | "X" | "b" | "B" | "n" | "N") || is_keyword
}

/// Where the quote that opens at `at` closes; the length of the text where it does not.
fn end_of_quote(letters: &[char], at: usize, told: &str, pairs: &mut Pairs) -> usize {
    let before = last_words(told);
    if let Some((_, end)) = VALUES.iter().find(|(words, _)| before.trim_end().ends_with(words)) {
        return end_of_value(letters, at, end);
    }
    if !pairs.contains_key(&at) {
        pair(letters, at, pairs);
    }
    pairs.get(&at).copied().unwrap_or(letters.len())
}

/// Pairs the quotes from the one that opens at `at` to the end of the text. Where they do not come in pairs, which one is
/// too many cannot be known, and this one has no end.
fn pair(letters: &[char], at: usize, pairs: &mut Pairs) {
    let quote = letters[at];
    let mut found = Vec::new();
    let mut open = at;
    while let Some(close) = next_close(letters, quote, open + 1) {
        found.push((open, close));
        let others = (close + 1..letters.len()).filter(|&place| letters[place] == quote);
        let next = others
            .map(|place| (place, opens(letters, place)))
            .find(|&(place, opens)| opens || is_stray(letters, place));
        match next {
            Some((next, true)) => open = next,
            Some((_, false)) => return,
            None => return pairs.extend(found),
        }
    }
}

/// Whether the quote at `at`, which opens none, stands at the end of a word.
fn is_stray(letters: &[char], at: usize) -> bool {
    !letters.get(at + 1).copied().is_some_and(is_word)
}

/// Where a value ends that a message quotes as it is.
fn end_of_value(letters: &[char], at: usize, end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    let rest = &letters[at + 1..];
    let last = rest.windows(end.len()).rposition(|window| window == end);
    last.map_or(letters.len(), |place| at + 1 + place)
}

/// The next quote that closes: neither escaped, nor doubled, nor in a word.
fn next_close(letters: &[char], quote: char, from: usize) -> Option<usize> {
    let mut at = from;
    while at < letters.len() {
        let next = letters.get(at + 1).copied();
        match letters[at] {
            '\\' => at += 1,
            letter if letter == quote => match next {
                Some(next) if next == quote && at > from => at += 1,
                Some(next) if is_word(next) => {}
                _ => return Some(at),
            },
            _ => {}
        }
        at += 1;
    }
    None
}

/// The end of a text, in lower case: enough of it for what may stand before a quote.
fn last_words(told: &str) -> String {
    let start = told.char_indices().rev().nth(LONGEST_WORDS).map_or(0, |(place, _)| place);
    told[start..].to_lowercase()
}

fn is_name_next(told: &str) -> bool {
    let told = last_words(told);
    let words = told.trim_end();
    let words = words.strip_suffix(':').unwrap_or(words);
    // What is before the last words, where these are the last.
    let before = |last: &str| words.strip_suffix(last).filter(|before| !before.ends_with(is_word));
    let is_of_a_key = before("key").is_some_and(|before| {
        let before = before.trim_end();
        before.is_empty() || before.ends_with([':', '.', ';', ',', '('])
    });
    told.ends_with(' ')
        && (is_of_a_key || NAMES_FOLLOW.iter().chain(&KEYS).any(|last| before(last).is_some()))
}

fn is_name(inside: &[char]) -> bool {
    let is_of_a_name =
        |letter: &char| letter.is_alphanumeric() || matches!(letter, '_' | '$' | '.' | '-' | '/');
    inside.len() <= LONGEST_NAME
        && inside.iter().all(is_of_a_name)
        && inside.iter().any(|letter| letter.is_alphabetic())
}

#[cfg(test)]
mod tests;
