//! Bytes as literals of SQL: quoted text, hexadecimal digits. Every byte of a dump passes here.

/// What stands after the backslash, by the byte that it stands for; 0 for bytes that stand for themselves. As
/// `mysql_real_escape_string` has it (MariaDB's manual, "`mysql_real_escape_string`").
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    escapes[0] = b'0';
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[0x1A] = b'Z';
    escapes[b'"' as usize] = b'"';
    escapes[b'\'' as usize] = b'\'';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// How many bytes are looked at together.
const STEP: usize = 32;

/// Writes text as a literal between quotes.
#[inline]
pub(super) fn quoted(sql: &mut Vec<u8>, text: &[u8]) {
    sql.reserve(text.len() + 2);
    sql.push(b'\'');
    escaped(sql, text);
    sql.push(b'\'');
}

/// Writes a part of such a literal, without its quotes. A text may be cut anywhere.
#[inline]
pub(super) fn escaped(sql: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let plain = plain_length(rest);
        sql.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { return };
        sql.extend_from_slice(&[b'\\', ESCAPES[usize::from(*byte)]]);
        rest = &rest[plain + 1..];
    }
}

/// How many bytes stand for themselves, from the beginning.
#[inline]
fn plain_length(text: &[u8]) -> usize {
    let (chunks, _) = text.as_chunks::<STEP>();
    // Without a branch for each byte, the compiler compares all of a chunk at once.
    let is_plain = |chunk: &&[u8; STEP]| !chunk.iter().fold(false, |any, byte| any | needs_escape(*byte));
    let plain = STEP * chunks.iter().take_while(is_plain).count();
    let near = text[plain..].iter().position(|byte| ESCAPES[usize::from(*byte)] != 0);
    near.map_or(text.len(), |near| plain + near)
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0 | b'\n' | b'\r' | 0x1A | b'"' | b'\'' | b'\\')
}

/// Writes bytes as hexadecimal digits.
#[inline]
pub(super) fn digits(sql: &mut Vec<u8>, bytes: &[u8]) {
    let from = sql.len();
    sql.resize(from + 2 * bytes.len(), 0);
    let (pairs, _) = sql[from..].as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = pair_of(*byte);
    }
}

/// A byte's two digits. By arithmetic rather than by a table, so that the compiler makes many at once.
#[inline]
fn pair_of(byte: u8) -> [u8; 2] {
    let byte = u16::from(byte);
    let halves = (byte >> 4) | ((byte & 0x0F) << 8);
    let letters = ((halves + 0x0606) >> 4) & 0x0101;
    (halves + 0x3030 + letters * 7).to_le_bytes()
}

/// Writes a name, quoted.
pub(super) fn name(sql: &mut Vec<u8>, name: &str) {
    sql.push(b'`');
    for part in name.split_inclusive('`') {
        sql.extend_from_slice(part.as_bytes());
        if part.ends_with('`') {
            sql.push(b'`');
        }
    }
    sql.push(b'`');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut sql = Vec::new();
        quoted(&mut sql, bytes);
        String::from_utf8(sql).unwrap()
    }

    #[test]
    fn text_is_escaped_as_the_c_library_does_it() {
        for (bytes, literal) in [
            (&b""[..], "''"),
            (b"plain", "'plain'"),
            (b"it's", r"'it\'s'"),
            (b"\0\n\r\x1A\"'\\", r#"'\0\n\r\Z\"\'\\'"#),
            (b"\t\x08%_`", "'\t\x08%_`'"),
            ("한글😀".as_bytes(), "'한글😀'"),
        ] {
            assert_eq!(text(bytes), literal);
        }
    }

    /// Every byte at every place of what is compared together, alone and beside its like.
    #[test]
    fn no_escape_is_missed_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for length in [1, STEP - 1, STEP, STEP + 1, 3 * STEP + 5] {
                for at in 0..length {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    if at + 1 < length {
                        bytes[at + 1] = byte;
                    }
                    let mut sql = Vec::new();
                    escaped(&mut sql, &bytes);
                    let expected: Vec<u8> = bytes
                        .iter()
                        .flat_map(|byte| match ESCAPES[usize::from(*byte)] {
                            0 => vec![*byte],
                            escape => vec![b'\\', escape],
                        })
                        .collect();
                    assert_eq!(sql, expected, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_text_may_be_cut_anywhere() {
        let whole = b"a'b\\c\0d\n\"\x1A".repeat(9);
        for cut in 0..whole.len() {
            let (mut sql, mut joined) = (Vec::new(), Vec::new());
            escaped(&mut sql, &whole);
            escaped(&mut joined, &whole[..cut]);
            escaped(&mut joined, &whole[cut..]);
            assert_eq!(joined, sql);
        }
    }

    #[test]
    fn every_byte_has_its_digits() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let mut sql = b"0x".to_vec();
        digits(&mut sql, &all);
        assert_eq!(String::from_utf8(sql).unwrap(), format!("0x{}", hex::encode_upper(&all)));
    }

    #[test]
    fn names_are_quoted() {
        for (plain, expected) in
            [("a", "`a`"), ("", "``"), ("a`b", "`a``b`"), ("``", "``````"), ("한\n`", "`한\n```")]
        {
            let mut sql = Vec::new();
            name(&mut sql, plain);
            assert_eq!(String::from_utf8(sql).unwrap(), expected);
        }
    }
}
