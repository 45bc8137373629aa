//! Which members hold little but hexadecimal digits, as a dump writes binary values: a look at some places tells.

/// So many digits in a row, in bytes, are taken for a part of a binary value.
const LEAST_RUN: usize = 32;
/// A member of fewer bytes never counts: there is little time to gain.
const LEAST_SIZE: usize = 32 << 10;
/// The distance of the places that are looked at, in bytes.
const STRIDE: usize = 2 << 10;
/// The size of a sample, in bytes: half of the smallest member that is tried.
const SAMPLE: usize = 16 << 10;

/// Whether digits stand at four of five places at least.
pub(in crate::artifact) fn are_most_of(raw: &[u8]) -> bool {
    let places = || raw.chunks(STRIDE).filter_map(|chunk| chunk.first_chunk());
    let of_digits = places().filter(|place| is_all_digits(place)).count();
    raw.len() >= LEAST_SIZE && of_digits * 5 >= places().count() * 4
}

/// A piece from the middle of a member, by which the whole is judged.
pub(super) fn sample(raw: &[u8]) -> &[u8] {
    let start = raw.len().saturating_sub(SAMPLE) / 2;
    &raw[start..raw.len().min(start + SAMPLE)]
}

/// A dump writes the letters in upper case. There is no branch, so that the compiler makes vectors of it.
fn is_all_digits(place: &[u8; LEAST_RUN]) -> bool {
    let is_digit = |byte: u8| (byte.wrapping_sub(b'0') < 10) | (byte.wrapping_sub(b'A') < 6);
    place.iter().fold(true, |all, &byte| all & is_digit(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_members_of_digits_count() {
        let value = "0".repeat(64 << 10);
        let text = "lower case is text: 0a1b2c3d4e5f; ".repeat(2 << 10);
        let rows = |size: usize| format!("(1,'a.png',0x{}),\n", "F".repeat(size)).repeat((256 << 10) / size);
        let cases = [
            ("digits", value.clone(), true),
            ("a small member", value[..LEAST_SIZE - 1].to_owned(), false),
            ("an eighth of text", format!("{}{value}", &text[..8 << 10]), true),
            ("half of text", format!("{text}{value}"), false),
            ("text", text, false),
            ("digits in lower case", "abcdef".repeat(64 << 10), false),
            ("values of 4 KiB", rows(8 << 10), true),
            ("values of 8 bytes", rows(16), false),
            ("nothing", String::new(), false),
        ];
        for (what, sql, expected) in cases {
            assert_eq!(are_most_of(sql.as_bytes()), expected, "{what}");
        }
    }

    #[test]
    fn a_sample_is_of_the_middle() {
        for (size, expected) in [
            (0, 0..0),
            (10, 0..10),
            (SAMPLE, 0..SAMPLE),
            (SAMPLE + 5, 2..SAMPLE + 2),
            (4 * SAMPLE, 24 << 10..40 << 10),
        ] {
            let raw: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
            assert_eq!(sample(&raw), &raw[expected], "{size}");
        }
    }
}
