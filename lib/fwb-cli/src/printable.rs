//! Text from elsewhere made safe to show. File names, table names and server messages may hold line breaks that
//! forge log lines, and escape sequences that a terminal obeys; they are shown as what they are instead.

use std::borrow::Cow;

/// `text` with every character that a terminal or a log reader would act on written as an escape: `\n`, `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character does something other than being seen: control characters (C0, DEL, C1), line and paragraph
/// separators, and the marks that turn the reading direction (Unicode Standard Annex 9).
pub(crate) fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(printable("a\nb\x1b[2Jc\u{9b}d\u{202e}e\x7f"), r"a\nb\u{1b}[2Jc\u{9b}d\u{202e}e\u{7f}");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert!(matches!(printable("Käse 写真 \\ '"), Cow::Borrowed(_)));
    }
}
