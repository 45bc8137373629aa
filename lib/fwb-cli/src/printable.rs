//! Text from elsewhere made safe to show. File names, table names and server messages may hold line breaks that
//! forge log lines, and escape sequences that a terminal obeys; they are shown as what they are instead.

use std::borrow::Cow;

/// `text` with every character that a terminal or a log reader would act on written as an escape: `\n`, `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if is_inert(text) {
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

/// Whether no character of a text [`acts`].
pub(crate) fn is_inert(text: &str) -> bool {
    // Each of those characters begins with one of these bytes in UTF-8.
    let begins = |byte: u8| byte < 0x20 || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2);
    // Without an early end it is many bytes at a time.
    let chunks = || text.as_bytes().chunks(256);
    !chunks().any(|chunk| chunk.iter().fold(false, |found, byte| found | begins(*byte)))
        || !text.contains(acts)
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
    fn no_acting_character_is_overlooked() {
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            assert_eq!(is_inert(character.encode_utf8(&mut [0; 4])), !acts(character), "{character:?}");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert!(matches!(printable("Käse 写真 \\ '"), Cow::Borrowed(_)));
    }
}
