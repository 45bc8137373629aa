//! What an error quotes may be anybody's data: `Duplicate entry 'jane@example.org' for key 'email'`. Where words of a log leave
//! the machine or stand on a page, quoted values are blanked.

/// What stands before a name that may be told: names of a schema are in every manifest.
const NAMED: [&str; 12] = [
    "key",
    "index",
    "column",
    "table",
    "database",
    "view",
    "trigger",
    "constraint",
    "function",
    "procedure",
    "field",
    "engine",
];

/// The text with what it quotes as `'…'` or `"…"`, but for names after words such as `table` and `column`, where they look
/// like one. A quote that is never closed blanks the rest.
pub fn blank_quoted(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, quoted) = rest.split_at(at);
        blanked += before;
        let quote = if quoted.starts_with('"') { '"' } else { '\'' };
        if quote == '\'' && is_apostrophe(before, &quoted[1..]) {
            blanked.push(quote);
            rest = &quoted[1..];
            continue;
        }
        let (value, after) = value_of(&quoted[1..], quote);
        let keeps = after.is_some() && is_after_a_name(before) && is_name(value);
        blanked.push(quote);
        blanked += if keeps { value } else { "…" };
        blanked.push(quote);
        rest = after.unwrap_or_default();
    }
    blanked + rest
}

/// Whether a quote is the apostrophe of a word such as `server's`.
fn is_apostrophe(before: &str, after: &str) -> bool {
    let is_word = before.ends_with(|last: char| last.is_ascii_lowercase());
    let mut next = after.chars();
    let is_ending = matches!(next.next(), Some('s' | 't'))
        && !next.next().is_some_and(|second| second.is_alphanumeric() || second == '\'');
    is_word && is_ending
}

/// The value up to its closing quote, and what follows; a quote twice, or after a backslash, is one of the value. None where
/// it is never closed.
fn value_of(text: &str, quote: char) -> (&str, Option<&str>) {
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                // A value may hold quotes that nobody has doubled: its end is where no word goes on.
                Some((_, next)) if next.is_alphanumeric() => {}
                _ => return (&text[..at], Some(&text[at + quote.len_utf8()..])),
            }
        }
    }
    (text, None)
}

fn is_after_a_name(before: &str) -> bool {
    let word = before.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    before.ends_with(' ') && NAMED.iter().any(|named| named.eq_ignore_ascii_case(word))
}

/// Whether it can be a name, or one within another, and no value: no space, no `@`, at most 64 bytes a part, and not of digits
/// alone.
fn is_name(value: &str) -> bool {
    let is_part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        !part.is_empty()
            && part.len() <= 64
            && part.chars().all(fits)
            && !part.bytes().all(|byte| byte.is_ascii_digit())
    };
    value.split('.').count() <= 2 && value.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_blanked_and_names_stay() {
        let cases = [
            ("nothing is quoted", "nothing is quoted"),
            ("Duplicate entry 'jane@example.org' for key 'email'", "Duplicate entry '…' for key 'email'"),
            ("Duplicate entry 'O''Brien-7' for key 'shop.name'", "Duplicate entry '…' for key 'shop.name'"),
            (
                "Incorrect integer value: 'x' for column 'id' at row 1",
                "Incorrect integer value: '…' for column 'id' at row 1",
            ),
            ("Table 'shop.orders' doesn't exist", "Table 'shop.orders' doesn't exist"),
            (
                "Access denied for user 'root'@'10.0.0.1' (using password: YES)",
                "Access denied for user '…'@'…' (using password: YES)",
            ),
            ("for key 'a value with spaces'", "for key '…'"),
            ("for key '12345678'", "for key '…'"),
            ("it said \"secret \\\" more\" and \"again\"", "it said \"…\" and \"…\""),
            ("never closed 'secret", "never closed '…'"),
            ("value 'it's mine' was", "value '…' was"),
            ("the server's error log, by the table's end", "the server's error log, by the table's end"),
            ("", ""),
        ];
        for (text, blanked) in cases {
            assert_eq!(blank_quoted(text), blanked);
        }
    }
}
