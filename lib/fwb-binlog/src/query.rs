//! Events that hold a statement.

use std::io::Read;

use crate::fields::{Fields, Malformed};

/// The most bytes of a compressed statement that are made plain.
const MOST_PLAIN: u64 = 1 << 20;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The session's number on the server.
    pub thread: u32,
    /// The default database; none where the session had none.
    pub database: Option<String>,
    /// Its text, or the beginning of it where the event's beginning is all that was given.
    pub text: Vec<u8>,
    /// The number of the error that it ended with; 0 where it ended well.
    pub error: u16,
    /// The session's time zone, where the statement depends on it: an offset, a name, or `SYSTEM`.
    pub time_zone: Option<String>,
    /// The account that executed it, as user and host, where the statement depends on it.
    pub invoker: Option<(String, String)>,
}

/// What stands beside a statement of the session that executed it (MariaDB's `log_event.h`, `Q_FLAGS2_CODE` and those after it).
#[derive(Debug, Default)]
struct Variables {
    time_zone: Option<String>,
    invoker: Option<(String, String)>,
}

impl Variables {
    /// Reads them up to the first that is not known, or that ends early: what is needed stands before.
    fn parse(bytes: &[u8]) -> Self {
        let mut variables = Self::default();
        let _ended: Result<(), Malformed> = variables.read(Fields::new(bytes));
        variables
    }

    fn read(&mut self, mut fields: Fields<'_>) -> Result<(), Malformed> {
        let text = |fields: &mut Fields<'_>| -> Result<String, Malformed> {
            let size = fields.u8()?;
            Ok(String::from_utf8_lossy(fields.bytes(size.into())?).into_owned())
        };
        while !fields.is_empty() {
            match fields.u8()? {
                // Flags, increments, the catalog's name without its end, the default character set of the database.
                0 | 3 | 10 => drop(fields.bytes(4)?),
                1 | 9 => drop(fields.bytes(8)?),
                4 => drop(fields.bytes(6)?),
                5 => self.time_zone = Some(text(&mut fields)?),
                6 => drop(text(&mut fields)?),
                7 | 8 => drop(fields.bytes(2)?),
                11 => self.invoker = Some((text(&mut fields)?, text(&mut fields)?)),
                2 => {
                    text(&mut fields)?;
                    fields.u8()?;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Query {
    /// Reads one; `body` is the event's, or its beginning.
    ///
    /// # Errors
    /// Bytes are missing before the statement.
    pub(crate) fn parse(body: &[u8], is_compressed: bool) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let thread = fields.u32()?;
        fields.u32()?;
        let name = usize::from(fields.u8()?);
        let error = fields.u16()?;
        let variables = usize::from(fields.u16()?);
        let variables = Variables::parse(fields.bytes(variables)?);
        let name = fields.bytes(name)?;
        fields.u8()?;
        let text = fields.rest();
        let text = if is_compressed { plain(text)? } else { text.to_vec() };
        let database = Some(String::from_utf8_lossy(name).into_owned()).filter(|name| !name.is_empty());
        let Variables { time_zone, invoker } = variables;
        Ok(Self { thread, database, text, error, time_zone, invoker })
    }

    /// Reads the statement of `LOAD DATA`; its fixed part is longer.
    pub(crate) fn of_load(body: &[u8]) -> Result<Self, Malformed> {
        // The file's number, where its name begins and ends in the text, and what happens to duplicates.
        const MORE: usize = 4 + 4 + 4 + 1;
        let (fixed, rest) = body.split_at_checked(13 + MORE).ok_or(Malformed("an event that ends early"))?;
        Self::parse(&[&fixed[..13], rest].concat(), false)
    }

    /// Whether it ends a transaction by itself, as the servers see it.
    pub fn ends_transaction(&self) -> bool {
        self.is(b"COMMIT") || self.is(b"ROLLBACK")
    }

    /// Whether it begins a transaction.
    pub(crate) fn begins_transaction(&self) -> bool {
        self.is(b"BEGIN") || self.text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"XA START "))
    }

    /// Whether it is about a transaction, and about nothing in it.
    pub fn is_of_transactions(&self) -> bool {
        const WORDS: [&[u8]; 7] =
            [b"BEGIN", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"RELEASE", b"START", b"XA"];
        let end = self.text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(self.text.len());
        WORDS.iter().any(|word| self.text[..end].eq_ignore_ascii_case(word))
    }

    fn is(&self, word: &[u8]) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// A text that MariaDB has compressed: a byte with the algorithm and the width of the length, the length, and zlib's bytes.
fn plain(compressed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = Vec::new();
    // What is cut off gives what it has.
    let _ = inflated(compressed)?.take(MOST_PLAIN).read_to_end(&mut text);
    Ok(text)
}

/// What MariaDB's compression of events gives, as a stream.
pub(crate) fn inflated(compressed: &[u8]) -> Result<impl Read + '_, Malformed> {
    let mut fields = Fields::new(compressed);
    let head = fields.u8()?;
    // The upper bit is always set; the next three are the algorithm, of which there is one.
    if head & 0xF0 != 0x80 {
        return Err(Malformed("a compression that is not known"));
    }
    fields.number(usize::from(head & 0x07))?;
    Ok(flate2::read::ZlibDecoder::new(fields.rest()))
}
