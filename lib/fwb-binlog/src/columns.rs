//! How many bytes a value takes in a row event: what counting rows takes. The sizes are those of the servers'
//! `table_def::calc_field_size`.

use crate::fields::{Fields, Malformed};

/// A column, as a table map describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A whole number of so many bytes. Whether it has a sign, a table map does not say.
    Number(usize),
    /// So many bytes.
    Fixed(usize),
    /// A length of so many bytes, and what it says.
    Long(usize),
    /// One that is not known; its rows cannot be counted.
    Unknown,
}

impl Column {
    /// Takes the bytes of a value.
    pub(crate) fn value<'a>(self, fields: &mut Fields<'a>) -> Result<&'a [u8], Malformed> {
        let size = match self {
            Self::Number(size) | Self::Fixed(size) => size,
            Self::Long(width) => {
                usize::try_from(fields.number(width)?).map_err(|_| Malformed("a value that is too long"))?
            }
            Self::Unknown => return Err(Malformed("a column of a type that is not known")),
        };
        fields.bytes(size)
    }
}

/// The columns of a table map, by their types' numbers and what is said of each.
pub(crate) fn columns(types: &[u8], metadata: &[u8]) -> Result<Vec<Column>, Malformed> {
    let mut metadata = Fields::new(metadata);
    types.iter().map(|kind| column(*kind, &mut metadata)).collect()
}

fn column(kind: u8, metadata: &mut Fields<'_>) -> Result<Column, Malformed> {
    let fraction = |metadata: &mut Fields<'_>| Ok(usize::from(metadata.u8()?.div_ceil(2)));
    Ok(match kind {
        // TINY, SHORT, INT24, LONG, LONGLONG
        1 => Column::Number(1),
        2 => Column::Number(2),
        9 => Column::Number(3),
        3 => Column::Number(4),
        8 => Column::Number(8),
        // YEAR
        13 => Column::Fixed(1),
        // DATE, TIME of old
        10 | 11 | 14 => Column::Fixed(3),
        // TIMESTAMP of old
        7 => Column::Fixed(4),
        // DATETIME of old
        12 => Column::Fixed(8),
        // NULL
        6 => Column::Fixed(0),
        // FLOAT, DOUBLE say their size.
        4 | 5 => Column::Fixed(usize::from(metadata.u8()?)),
        // TIMESTAMP2, DATETIME2, TIME2
        17 => Column::Fixed(4 + fraction(metadata)?),
        18 => Column::Fixed(5 + fraction(metadata)?),
        19 => Column::Fixed(3 + fraction(metadata)?),
        // VARCHAR, and compressed
        15 | 141 => Column::Long(if metadata.u16()? < 256 { 1 } else { 2 }),
        // BIT
        16 => {
            let (bits, bytes) = (metadata.u8()?, metadata.u8()?);
            Column::Fixed(usize::from(bytes) + usize::from(bits > 0))
        }
        // NEWDECIMAL
        246 => {
            let (precision, scale) = (usize::from(metadata.u8()?), usize::from(metadata.u8()?));
            let whole =
                precision.checked_sub(scale).ok_or(Malformed("a number with more places than digits"))?;
            Column::Fixed(decimal(whole) + decimal(scale))
        }
        // BLOB, compressed, JSON, GEOMETRY, VECTOR
        252 | 140 | 245 | 255 | 242 => match metadata.u8()? {
            width @ 1..=4 => Column::Long(usize::from(width)),
            _ => return Err(Malformed("a length of a width that is none")),
        },
        // STRING, which ENUM and SET hide behind
        254 => {
            let (first, second) = (metadata.u8()?, metadata.u8()?);
            match first {
                247 | 248 => Column::Fixed(usize::from(second)),
                // Two bits of the length are in the type's.
                _ => {
                    let length = usize::from(second) | usize::from((first & 0x30) ^ 0x30) << 4;
                    Column::Long(if length < 256 { 1 } else { 2 })
                }
            }
        }
        // ENUM, SET by themselves
        247 | 248 => {
            metadata.u8()?;
            Column::Fixed(usize::from(metadata.u8()?))
        }
        _ => Column::Unknown,
    })
}

/// Bytes of so many decimal digits: four for each nine, and fewer for what is left.
fn decimal(digits: usize) -> usize {
    const LEFT: [usize; 9] = [0, 1, 1, 2, 2, 3, 3, 4, 4];
    digits / 9 * 4 + LEFT[digits % 9]
}
