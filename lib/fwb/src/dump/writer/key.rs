//! The columns of a table's primary key: how their values are told to the server, and which value lies between two.

use super::form::Column;

/// What a key's column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// A whole number, or one with decimals.
    Number,
    /// Bytes.
    Bytes,
    /// Text of a character set, ordered by a collation.
    Text { charset: String, collation: String },
    /// A date, with or without a time of day.
    Date,
    /// A UUID.
    Uuid,
}

/// A column of a primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) kind: KeyKind,
}

impl KeyColumn {
    /// The column, where ranges of its values can be told exactly: not FLOAT, nor what is compared by its number but read
    /// by its name (ENUM, SET), nor text that does not come whole from UTF-8.
    pub(super) fn of(column: &Column) -> Option<Self> {
        let kind = match column.data_type.as_str() {
            // One of two digits is ordered by the four that it keeps, and compared by those that it shows.
            "year" if column.is_short_year() => return None,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => KeyKind::Number,
            "binary" | "varbinary" => KeyKind::Bytes,
            "date" | "datetime" | "timestamp" => KeyKind::Date,
            "uuid" => KeyKind::Uuid,
            "char" | "varchar" if column.is_in_unicode() => {
                KeyKind::Text { charset: column.charset.clone(), collation: column.collation.clone() }
            }
            _ => return None,
        };
        Some(Self { name: column.name.clone(), kind })
    }

    /// A value as a literal that is compared as the column's own values are; none where it is no such value.
    pub(super) fn literal(&self, value: &[u8]) -> Option<String> {
        let digits = |value: &[u8]| {
            if value.is_empty() { "''".to_owned() } else { format!("0x{}", hex::encode_upper(value)) }
        };
        match &self.kind {
            KeyKind::Number => number(value),
            KeyKind::Bytes => Some(digits(value)),
            // What the character set lacks becomes a question mark, and not an error.
            KeyKind::Text { charset, collation } => {
                Some(format!("CONVERT(_utf8mb4 {} USING {charset}) COLLATE {collation}", digits(value)))
            }
            KeyKind::Date | KeyKind::Uuid => {
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" -:.".contains(byte);
                let text = std::str::from_utf8(value).ok().filter(|_| value.iter().all(is_plain))?;
                Some(format!("'{text}'"))
            }
        }
    }

    /// A value that is about in the middle of two, as the server may order them; none where there is no telling. It need
    /// not be one that the column can hold.
    pub(super) fn middle(&self, low: &[u8], high: &[u8]) -> Option<Vec<u8>> {
        match &self.kind {
            KeyKind::Number => {
                let whole = |value: &[u8]| -> Option<i128> {
                    std::str::from_utf8(value).ok()?.split('.').next()?.parse().ok()
                };
                let (low, high) = (whole(low)?, whole(high)?);
                // Towards the higher one: the lower one is no new value.
                Some((high - (high - low) / 2).to_string().into_bytes())
            }
            KeyKind::Bytes => {
                let width = low.len().max(high.len()).max(1);
                middle(
                    &units(low.iter().map(|byte| u32::from(*byte)), width),
                    &units(high.iter().map(|byte| u32::from(*byte)), width),
                    256,
                )
                .into_iter()
                .map(|unit| u8::try_from(unit).ok())
                .collect()
            }
            KeyKind::Text { .. } => {
                // Case counts for little in most collations.
                let fold = |value: &[u8]| -> Option<Vec<u32>> {
                    Some(std::str::from_utf8(value).ok()?.to_lowercase().chars().map(u32::from).collect())
                };
                let (low, high) = (fold(low)?, fold(high)?);
                // Digits of the characters that there are: 0 is the end of a text.
                let least = low.iter().chain(&high).min().copied().unwrap_or_default();
                let most = low.iter().chain(&high).max().copied().unwrap_or_default();
                let digits = |text: Vec<u32>| text.into_iter().map(move |char| char - least + 1);
                let width = low.len().max(high.len()).max(1);
                let between =
                    middle(&units(digits(low), width), &units(digits(high), width), most - least + 2);
                let text: String = between
                    .into_iter()
                    .take_while(|digit| *digit > 0)
                    .map_while(|digit| char::from_u32(digit - 1 + least))
                    .collect();
                Some(text.into_bytes())
            }
            KeyKind::Date => {
                let time = |value: &[u8]| {
                    let text = std::str::from_utf8(value).ok()?;
                    let date = text.split(' ').next()?;
                    let day = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
                    let clock = text.split(' ').nth(1).unwrap_or("00:00:00");
                    let clock = chrono::NaiveTime::parse_from_str(clock, "%H:%M:%S%.f").ok()?;
                    Some(day.and_time(clock))
                };
                let (low, high) = (time(low)?, time(high)?);
                let between = high - (high - low) / 2;
                Some(between.format("%Y-%m-%d %H:%M:%S").to_string().into_bytes())
            }
            KeyKind::Uuid => {
                let number = |value: &[u8]| {
                    let digits: String = std::str::from_utf8(value).ok()?.split('-').collect();
                    u128::from_str_radix(&digits, 16).ok()
                };
                let (low, high) = (number(low)?, number(high)?);
                let digits = format!("{:032x}", low.midpoint(high));
                let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits[part].to_owned());
                Some(parts.join("-").into_bytes())
            }
        }
    }
}

/// A number as it stands, where it is one.
fn number(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_number && digits.bytes().any(|byte| byte.is_ascii_digit())).then(|| text.to_owned())
}

fn units(units: impl Iterator<Item = u32>, width: usize) -> Vec<u32> {
    units.chain(std::iter::repeat(0)).take(width).collect()
}

/// The middle of two numbers of as many digits in a base, the highest first; a digit more, so that neighbours have one.
fn middle(low: &[u32], high: &[u32], base: u32) -> Vec<u32> {
    let (mut sum, mut carry) = (vec![0; low.len() + 1], 0);
    for (at, (low, high)) in low.iter().zip(high).enumerate().rev() {
        let digit = low + high + carry;
        sum[at + 1] = digit % base;
        carry = digit / base;
    }
    sum[0] = carry;
    let (mut half, mut rest) = (Vec::with_capacity(sum.len()), 0);
    for digit in sum {
        let digit = rest * base + digit;
        half.push(digit / 2);
        rest = digit % 2;
    }
    // The first digit is the sum's carry, halved: always 0.
    half.remove(0);
    half.push(rest * (base / 2));
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: KeyKind) -> KeyColumn {
        KeyColumn { name: "k".into(), kind }
    }

    fn text() -> KeyKind {
        KeyKind::Text { charset: "latin1".into(), collation: "latin1_swedish_ci".into() }
    }

    #[test]
    fn the_middle_lies_between() {
        for (kind, low, high, middle) in [
            (KeyKind::Number, "1", "100", "51"),
            (KeyKind::Number, "1", "2", "2"),
            (KeyKind::Number, "-9223372036854775808", "18446744073709551615", "4611686018427387904"),
            (KeyKind::Number, "-5", "-4", "-4"),
            (KeyKind::Number, "0.5", "9.25", "5"),
            (text(), "a", "c", "b"),
            (text(), "apple", "Banana", "b"),
            (text(), "0000", "ffff", "K"),
            (text(), "", "z", ""),
            (KeyKind::Date, "2020-01-01", "2020-01-03", "2020-01-02 00:00:00"),
            (KeyKind::Date, "2020-01-01 10:00:00.500000", "2020-01-01 12:00:00", "2020-01-01 11:00:00"),
            (
                KeyKind::Uuid,
                "00000000-0000-0000-0000-000000000000",
                "80000000-0000-0000-0000-000000000000",
                "40000000-0000-0000-0000-000000000000",
            ),
        ] {
            let found = column(kind).middle(low.as_bytes(), high.as_bytes()).unwrap();
            let found = String::from_utf8(found).unwrap();
            assert!(found.starts_with(middle), "{low:?} and {high:?}: {found:?}");
        }
        let bytes = column(KeyKind::Bytes).middle(&[0x00, 0xFF], &[0x02]).unwrap();
        assert_eq!(bytes, [0x01, 0x7F, 0x80]);
        assert_eq!(column(KeyKind::Bytes).middle(&[0xFF], &[0xFF, 0xFF]).unwrap(), [0xFF, 0x7F, 0x80]);
        assert_eq!(column(KeyKind::Date).middle(b"0000-00-00", b"2020-01-01"), None);
        assert_eq!(column(KeyKind::Number).middle(b"x", b"2"), None);
    }

    #[test]
    fn no_value_is_more_than_a_value() {
        assert_eq!(column(KeyKind::Number).literal(b"-12.50").as_deref(), Some("-12.50"));
        for odd in [&b"1 OR 1"[..], b"", b"-", b"0x10", b"1e5", b"\xFF"] {
            assert_eq!(column(KeyKind::Number).literal(odd), None, "{odd:?}");
        }
        assert_eq!(column(KeyKind::Bytes).literal(b"'\0").as_deref(), Some("0x2700"));
        assert_eq!(column(KeyKind::Bytes).literal(b"").as_deref(), Some("''"));
        assert_eq!(
            column(text()).literal(b"a'").as_deref(),
            Some("CONVERT(_utf8mb4 0x6127 USING latin1) COLLATE latin1_swedish_ci")
        );
        assert_eq!(column(KeyKind::Date).literal(b"2020-01-01' OR '").as_deref(), None);
    }
}
