//! Numbers of things as people read them.

/// `1 backup`, `2 backups`, `1,234,567 rows`: `noun` is the word for one, whose plural has an s.
pub fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

/// A number with a comma before every three digits.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_plurals_read_well() {
        let cases = [
            (0, "0 backups"),
            (1, "1 backup"),
            (2, "2 backups"),
            (999, "999 backups"),
            (1000, "1,000 backups"),
            (1_234_567, "1,234,567 backups"),
        ];
        for (count, expected) in cases {
            assert_eq!(counted(count, "backup"), expected);
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }
}
