//! Bytes a second, as people write them.

/// A number of bytes a second: `500k`, `10M`, `1.5G`; by 1024, as other tools take them. At least 1.
///
/// # Errors
/// What is wrong with it.
pub fn parse_bandwidth(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes a second is needed, such as 500k, 10M or 1.5G".to_owned();
    let text = text.trim();
    let unit = text.chars().last().map(|last| last.to_ascii_lowercase()).ok_or_else(wrong)?;
    let power = match unit {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        _ => 0,
    };
    let number = if power == 0 { text } else { &text[..text.len() - 1] };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 3 || !is_number(whole) || !is_number(part) {
        return Err(wrong());
    }
    let thousandths: u128 = format!("{whole}{part:0<3}").parse().map_err(|_| wrong())?;
    let bytes = thousandths.saturating_mul(1 << (10 * power)) / 1000;
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_are_read() {
        let cases = [("1", 1), ("500k", 512_000), ("10M", 10 << 20), ("1.5G", 3 << 29), (" 2m ", 2 << 20)];
        for (text, expected) in cases {
            assert_eq!(parse_bandwidth(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "k", "-1", "1.2345M", "1e6", "10MB", "999999999999999999999G"] {
            assert!(parse_bandwidth(text).is_err(), "{text}");
        }
    }
}
