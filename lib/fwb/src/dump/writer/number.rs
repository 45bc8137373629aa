//! Floating-point numbers as literals that come back bit for bit.

use std::io::Write;

/// Writes a DOUBLE as the server prints it: with as many digits as tell it from its neighbours. A negative zero would be
/// read as an integer, which has no sign.
#[inline]
pub(super) fn double(sql: &mut Vec<u8>, printed: &[u8]) {
    sql.extend_from_slice(printed);
    if is_negative_zero(printed) {
        sql.extend_from_slice(b"e0");
    }
}

/// Writes a FLOAT. In the text protocol the server prints FLOAT with six digits; `printed` is the same number as DOUBLE,
/// so it is exact, and up to 17 digits long. The fewest digits that mean this FLOAT, nine at most, are written instead.
#[inline]
pub(super) fn float(sql: &mut Vec<u8>, printed: &[u8]) {
    let parsed = std::str::from_utf8(printed).ok().and_then(|text| text.parse::<f64>().ok());
    match parsed.and_then(shortest) {
        Some(single) if single == 0.0 || (1e-5..1e9).contains(&single.abs()) => {
            // Writing into memory does not fail.
            write!(sql, "{single}").ok();
            if single == 0.0 && single.is_sign_negative() {
                sql.extend_from_slice(b"e0");
            }
        }
        Some(single) => {
            write!(sql, "{single:e}").ok();
        }
        None => double(sql, printed),
    }
}

/// The FLOAT that a number is, if its shortest form is read back as the same. The server reads it as DOUBLE first, and
/// rounds that: close to the middle between two FLOATs, rounding twice could end at the wrong one.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the value of a FLOAT column is a FLOAT")]
fn shortest(exact: f64) -> Option<f32> {
    let single = exact as f32;
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    write!(rest, "{single:e}").ok()?;
    let left = rest.len();
    let text = std::str::from_utf8(&buffer[..32 - left]).ok()?;
    let read = text.parse::<f64>().ok()? as f32;
    let is_same = f64::from(single).to_bits() == exact.to_bits() && read.to_bits() == single.to_bits();
    (single.is_finite() && is_same).then_some(single)
}

fn is_negative_zero(printed: &[u8]) -> bool {
    printed.first() == Some(&b'-') && printed[1..].iter().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "that is what the server does")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: fn(&mut Vec<u8>, &[u8]), printed: &str) -> String {
        let mut sql = Vec::new();
        write(&mut sql, printed.as_bytes());
        String::from_utf8(sql).unwrap()
    }

    #[test]
    fn doubles_stay_as_they_are_printed() {
        for (printed, literal) in [
            ("0.1", "0.1"),
            ("1.7976931348623157e308", "1.7976931348623157e308"),
            ("-0", "-0e0"),
            ("-0.000", "-0.000e0"),
            ("-0.001", "-0.001"),
            ("0", "0"),
        ] {
            assert_eq!(written(double, printed), literal);
        }
    }

    #[test]
    fn floats_have_as_few_digits_as_they_need() {
        for (printed, literal) in [
            ("0.10000000149011612", "0.1"),
            ("16777216", "16777216"),
            ("16777218", "16777218"),
            ("1.401298464324817e-45", "1e-45"),
            ("3.4028234663852886e38", "3.4028235e38"),
            ("1234.5670166015625", "1234.567"),
            ("-1.2339999675750732", "-1.234"),
            ("0", "0"),
            ("-0", "-0e0"),
            ("0.000009999999747378752", "0.00001"),
            ("9.99999993922529e-9", "1e-8"),
            // No FLOAT, so it stays.
            ("0.1", "0.1"),
            ("nan", "nan"),
            ("", ""),
        ] {
            assert_eq!(written(float, printed), literal, "{printed}");
        }
    }

    proptest! {
        /// What the server makes of the literal: a DOUBLE, rounded to a FLOAT.
        #[test]
        fn every_float_comes_back(bits in any::<u32>()) {
            let single = f32::from_bits(bits);
            prop_assume!(single.is_finite());
            let literal = written(float, &format!("{}", f64::from(single)));
            let read = literal.parse::<f64>().unwrap() as f32;
            prop_assert_eq!(read.to_bits(), single.to_bits());
        }
    }
}
