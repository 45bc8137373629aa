//! Where binary values stand in SQL: runs of the hexadecimal digits that a dump writes, upper case.

/// As many digits in a row are taken for a binary value.
const LEAST_RUN: usize = 32;
/// What is smaller, in bytes, does not count as binary: there is little to gain.
const LEAST_SIZE: usize = 16 << 10;
/// A place is looked at in so many bytes.
const STRIDE: usize = 2 << 10;

/// Whether this looks like mostly binary values, by a look at some places: that costs next to nothing.
pub(super) fn looks_binary(raw: &[u8]) -> bool {
    let places = raw.chunks(STRIDE).filter_map(|chunk| chunk.first_chunk());
    let (all, binary) =
        places.fold((0, 0), |(all, binary), place| (all + 1, binary + usize::from(is_all_digits(place))));
    raw.len() >= LEAST_SIZE && binary * 5 >= all * 4
}

pub(super) fn is_digit(byte: u8) -> bool {
    (byte.wrapping_sub(b'0') < 10) | (byte.wrapping_sub(b'A') < 6)
}

/// Without a branch, so that the compiler makes vectors of it.
fn is_all_digits(place: &[u8; LEAST_RUN]) -> bool {
    place.iter().fold(true, |all, &byte| all & is_digit(byte))
}

/// Where the next binary value begins, or the end.
pub(super) fn next_value(raw: &[u8], mut at: usize) -> usize {
    while let Some(window) = raw.get(at..at + LEAST_RUN) {
        match window.iter().rposition(|&byte| !is_digit(byte)) {
            Some(other) => at += other + 1,
            None => return at,
        }
    }
    raw.len()
}

/// Where the digits end that stand here.
pub(super) fn end_of_digits(raw: &[u8], mut at: usize) -> usize {
    while raw[at..].first_chunk().is_some_and(is_all_digits) {
        at += LEAST_RUN;
    }
    at + raw[at..].iter().take_while(|&&byte| is_digit(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_begin_and_end_where_their_digits_do() {
        let digits = "0123456789ABCDEF".repeat(20);
        for size in [0, 1, 31, 32, 33, 63, 64, 65, 320] {
            for before in ["", "x", "(1,0x", "(1,'a0b1c2d3e4f5'0x", "(12345678901234567890,g"] {
                for after in ["", ")", "a", "),\n(2,0x00"] {
                    let sql = format!("{before}{}{after}", &digits[..size]);
                    let at = next_value(sql.as_bytes(), 0);
                    let binary = size >= LEAST_RUN;
                    assert_eq!(at, if binary { before.len() } else { sql.len() }, "{sql}");
                    assert!(!binary || end_of_digits(sql.as_bytes(), at) == before.len() + size, "{sql}");
                }
            }
        }
    }

    #[test]
    fn only_large_members_of_digits_look_binary() {
        let value = "0".repeat(64 << 10);
        let text = "lower case is text: 0a1b2c3d4e5f; ".repeat(2 << 10);
        let cases = [
            (value.clone(), true),
            (value[..LEAST_SIZE - 1].to_owned(), false),
            (format!("{}{value}", &text[..8 << 10]), true),
            (format!("{text}{value}"), false),
            (text, false),
            (String::new(), false),
        ];
        for (sql, expected) in cases {
            assert_eq!(looks_binary(sql.as_bytes()), expected, "{}", sql.len());
        }
    }
}
