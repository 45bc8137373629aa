//! Where an `INSERT`'s rows begin, and the rows. `code` says of each byte whether it stands outside of quotes and
//! comments.

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte > 0x7f
}

pub(super) fn begins_with_insert(text: &[u8]) -> bool {
    let word: Vec<u8> = text.iter().take_while(|byte| is_word(**byte)).map(u8::to_ascii_lowercase).collect();
    word == b"insert" || word == b"replace"
}

/// The end of the word `VALUES` outside of parentheses.
pub(super) fn end_of_values(text: &[u8], code: &[bool]) -> Option<usize> {
    let mut depth = 0_u32;
    let mut word = Vec::new();
    for at in 0..=text.len() {
        if at < text.len() && code[at] && is_word(text[at]) {
            word.push(text[at].to_ascii_lowercase());
            continue;
        }
        if depth == 0 && (word == b"values" || word == b"value") {
            return Some(at);
        }
        word.clear();
        match text.get(at) {
            Some(b'(') if code[at] => depth += 1,
            Some(b')') if code[at] => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// A row is what stands between parentheses after `VALUES`.
pub(super) fn rows_of<'a>(text: &'a [u8], code: &[bool]) -> Vec<&'a [u8]> {
    let (mut depth, mut from) = (0_u32, 0);
    let mut rows = Vec::new();
    for at in (0..text.len()).filter(|at| code[*at]) {
        match text[at] {
            b'(' => {
                from = if depth == 0 { at } else { from };
                depth += 1;
            }
            b')' => {
                if depth == 1 {
                    rows.push(&text[from..=at]);
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    rows
}
