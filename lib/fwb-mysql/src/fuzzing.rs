//! A server that says anything at all: what the fuzz target `server` calls, and the tests with changes drawn by lot.

use std::io::{self, Read, Write};
use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};
use fwb::{
    Cancel, Cells, Column, Loaded, Password, Results, Role, Row, Session as _, SessionError, TlsMode,
    TlsOptions, ValueKind,
};

use crate::connect::over;
use crate::option_files;
use crate::session::Connection;
use crate::target::{Address, Target};
use crate::transport::Channel;

/// What the server says, whatever it is told; then it closes the connection.
struct Said {
    bytes: Vec<u8>,
    at: usize,
    /// How many bytes it sends at once. Those that come before anybody has asked end the conversation, so with one at a
    /// time it goes further.
    most: usize,
}

impl Read for Said {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.bytes.len() - self.at).min(self.most);
        buffer[..most].copy_from_slice(&self.bytes[self.at..self.at + most]);
        self.at += most;
        Ok(most)
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes results apart, and holds nothing of them.
struct Counted(u64);

impl Results for Counted {
    fn begin(&mut self, columns: &[Column]) -> fwb::Result<()> {
        self.0 += columns.len() as u64;
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> fwb::Result<()> {
        match row {
            Row::Whole(row) => self.0 += Cells::new(row).flatten().count() as u64,
            Row::Long(row) => {
                let mut some = [0; 100];
                self.0 += row.read(&mut some).unwrap_or_default() as u64;
            }
        }
        Ok(())
    }
}

/// Connects to a server that says `bytes`, asks, loads, and asks again. Whatever it says, that ends, and takes little
/// memory. Compression is asked for, so a greeting that offers it gets it.
pub fn hostile_server(bytes: &[u8]) {
    let most = if bytes.len().is_multiple_of(5) { 1000 } else { 1 };
    loaded_by(bytes, most);
    let Ok(mut connection) = connected(bytes.to_vec(), most, Role::Control) else { return };
    let mut counted = Counted(0);
    for _ in 0..2 {
        let _asked = connection.query(b"SELECT 1", &mut counted);
        for part in 0..20 {
            let _sent = connection.send(b"INSERT INTO t VALUES (1)", part % 3 == 0);
        }
        let _settled = connection.settle();
    }
}

/// Loads rows into a server that says `bytes`, so many at once, as often as it says that it has taken them.
fn loaded_by(bytes: &[u8], most: usize) -> Option<Loaded> {
    let mut connection = connected(bytes.to_vec(), most, Role::Load).ok()?;
    let mut last = None;
    for _ in 0..4 {
        let sent = if connection.takes_bulk() {
            connection.bulk(
                b"INSERT INTO t (a,b) VALUES (?,?)",
                &[ValueKind::Bytes, ValueKind::Text],
                b"\0\x01a\x01",
            )
        } else {
            connection.load(b"LOAD DATA LOCAL INFILE 'rows' INTO TABLE t", b"('a',NULL)")
        };
        if let Ok(loaded) = sent.and_then(|()| connection.loaded()) {
            last = Some(loaded);
        }
    }
    last
}

/// Logs in to a server that says `bytes`, so many at once.
fn connected(bytes: Vec<u8>, most: usize, role: Role) -> Result<Connection, SessionError> {
    let is_private = bytes.len().is_multiple_of(2);
    let channel = Channel {
        stream: Box::new(Said { bytes, at: 0, most }),
        stopper: Arc::new(|| {}),
        is_private,
        patience: Box::new(|_| Ok(())),
        carrier: None,
    };
    let target = Target {
        address: Address::Tcp { host: "localhost".into(), port: 3306 },
        port: 3306,
        user: "app".into(),
        password: Some(Password::new("secret".into())),
        tls: TlsOptions { mode: Some(TlsMode::Preferred), ..TlsOptions::default() },
        public_key: None,
        compress: true,
    };
    let patience = std::time::Duration::from_secs(1);
    over(channel, patience, &target, role, Some("shop"), &Cancel::default())
}

/// As [`hostile_server`], of a server that lets us in, and from then on sends `bytes` in compressed packets. Their first
/// byte says of which sizes those are, and whether the bytes are deflated or stored.
pub fn hostile_compressed_server(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let mut said = beginning(true);
    let mut number = 1;
    for part in bytes.chunks(1 + usize::from(first >> 1)) {
        said.extend(if first & 1 == 0 { stored(number, part) } else { deflated(number, part) });
        // A command's answer begins anew; which that is, only the bytes know.
        number = if part.ends_with(b"!") { 1 } else { number.wrapping_add(1) };
    }
    hostile_server(&said);
}

/// Reads any bytes as an option file.
pub fn option_file(bytes: &[u8]) {
    let _read = option_files::read_text(&String::from_utf8_lossy(bytes));
}

/// A packet of this number.
fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = payload.len().to_le_bytes()[..4].to_vec();
    packet[3] = number;
    packet.extend_from_slice(payload);
    packet
}

/// What a server says that lets us in, and that offers compression or not.
fn beginning(compresses: bool) -> Vec<u8> {
    beginning_with(compresses, 0)
}

/// As [`beginning`], with MariaDB's extended capabilities.
fn beginning_with(compresses: bool, extended: u32) -> Vec<u8> {
    let mut greeting = vec![10];
    greeting.extend(b"5.5.5-10.11.6-MariaDB\0\x07\0\0\x0012345678\0");
    greeting.push(if compresses { 0xFE } else { 0xDE });
    greeting.extend(b"\xF7\x2D\x02\0\xFF\x81\x15");
    greeting.extend([0; 6]);
    greeting.extend(extended.to_le_bytes());
    greeting.extend(b"abcdefghijkl\0mysql_native_password\0");
    [
        packet(0, &greeting),
        packet(2, b"\xFEmysql_native_password\0abcdefghijklmnopqrst\0"),
        packet(4, b"\0\0\0\x02\0\0\0"),
    ]
    .concat()
}

/// A compressed packet with these bytes as they are.
fn stored(number: u8, bytes: &[u8]) -> Vec<u8> {
    compressed_packet(number, bytes, 0)
}

/// A compressed packet with these bytes deflated.
fn deflated(number: u8, bytes: &[u8]) -> Vec<u8> {
    compressed_packet(number, &zlib_stream(bytes), bytes.len())
}

/// Bytes as a zlib stream.
pub(crate) fn zlib_stream(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(bytes.len() + 100);
    let _status =
        Compress::new(Compression::fast(), true).compress_vec(bytes, &mut stream, FlushCompress::Finish);
    stream
}

/// A compressed packet with this payload, which is said to inflate to so many bytes.
pub(crate) fn compressed_packet(number: u8, payload: &[u8], inflated: usize) -> Vec<u8> {
    let mut packet = packet(number, payload);
    packet.splice(4..4, inflated.to_le_bytes()[..3].iter().copied());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says that lets us in and answers one question with two rows.
    pub(super) fn conversation() -> Vec<u8> {
        [beginning(false), answers().concat()].concat()
    }

    /// Its packets after it has let us in: the answer to a question, and to two statements.
    fn answers() -> Vec<Vec<u8>> {
        let mut column = vec![3];
        column.extend(b"def\0\0\0\x01a\0\x0C\x2D\0\x10\0\0\0\xFD\0\0\0\0\0");
        vec![
            packet(1, &[1]),
            packet(2, &column),
            packet(3, b"\x01x"),
            packet(4, b"\xFB"),
            packet(5, b"\xFE\0\0\x02\0\0\0"),
            packet(1, b"\0\0\0\x02\0\0\0"),
            packet(1, b"\xFF\x15\x04#28000no"),
        ]
    }

    /// The same conversation in compressed packets: of the question's answer, one is stored, one holds several packets, and
    /// two share one packet.
    fn compressed_conversation() -> Vec<u8> {
        let answers = answers();
        let end = &answers[4];
        [
            beginning(true),
            stored(1, &answers[0]),
            deflated(2, &answers[1..4].concat()),
            deflated(3, &end[..3]),
            deflated(4, &end[3..]),
            deflated(1, &answers[5]),
            stored(1, &answers[6]),
        ]
        .concat()
    }

    /// Connects to a server that says this, and returns what the first question answers.
    fn asked(said: Vec<u8>) -> Result<u64, SessionError> {
        let mut counted = Counted(0);
        connected(said, 1, Role::Control)?.query(b"SELECT 1", &mut counted).map(|()| counted.0)
    }

    /// What a server answers that prepares a statement of two placeholders, and takes a row for it.
    fn bulk_answers() -> Vec<Vec<u8>> {
        let column = &answers()[1][4..];
        vec![
            packet(1, b"\0\x07\0\0\0\0\0\x02\0\0\0\0"),
            packet(2, column),
            packet(3, column),
            packet(1, b"\0\x01\0\x02\0\0\0"),
        ]
    }

    fn bulk_conversation() -> Vec<u8> {
        [beginning_with(false, 4), bulk_answers().concat()].concat()
    }

    /// What a server answers that asks for rows, and takes one.
    fn load_answers() -> Vec<Vec<u8>> {
        vec![packet(1, b"\xFBrows"), packet(4, b"\0\x01\0\x02\0\0\0")]
    }

    fn load_conversation() -> Vec<u8> {
        [beginning(false), load_answers().concat()].concat()
    }

    #[test]
    fn rows_are_taken_either_way() {
        let one = Some(Loaded { rows: 1, warnings: 0 });
        assert_eq!(loaded_by(&bulk_conversation(), 1), one);
        assert_eq!(loaded_by(&load_conversation(), 1), one);
        // A server that offers the protocol is not told that it may ask for files, and gets none.
        let asks = [beginning_with(false, 4), load_answers().concat()].concat();
        assert_eq!(loaded_by(&asks, 1), None);
    }

    /// What a server may say of a statement that it is to prepare, and of rows for it.
    #[test]
    fn another_statement_than_was_prepared_gets_no_rows() {
        let [prepared, one, two, taken] = &bulk_answers()[..] else { panic!() };
        let definitions = [one.clone(), two.clone()].concat();
        for (what, says) in [
            (
                "three placeholders",
                [packet(1, b"\0\x07\0\0\0\0\0\x03\0\0\0\0"), definitions.clone(), taken.clone()],
            ),
            ("one placeholder", [packet(1, b"\0\x07\0\0\0\0\0\x01\0\0\0\0"), one.clone(), taken.clone()]),
            (
                "65,535 placeholders",
                [packet(1, b"\0\x07\0\0\0\0\0\xFF\xFF\0\0\0"), definitions.clone(), taken.clone()],
            ),
            ("results", [packet(1, b"\0\x07\0\0\0\x01\0\x02\0\0\0\0"), definitions.clone(), taken.clone()]),
            ("half an answer", [packet(1, b"\0\x07\0\0"), definitions.clone(), taken.clone()]),
            ("no definitions", [prepared.clone(), taken.clone(), Vec::new()]),
            ("a file for the answer", [prepared.clone(), definitions.clone(), packet(1, b"\xFB/etc/passwd")]),
            ("an error", [prepared.clone(), definitions.clone(), packet(1, b"\xFF\x26\x04#23000Duplicate")]),
        ] {
            assert_eq!(loaded_by(&[beginning_with(false, 4), says.concat()].concat(), 1), None, "{what}");
        }
        // One that is refused is prepared again.
        let refused = packet(1, b"\xFF\xB5\x05#42000too many");
        let says = [beginning_with(false, 4), refused, bulk_answers().concat()].concat();
        assert_eq!(loaded_by(&says, 1), Some(Loaded { rows: 1, warnings: 0 }));
    }

    #[test]
    fn a_conversation_is_the_same_in_compressed_packets() {
        let (plain, compressed) = (asked(conversation()), asked(compressed_conversation()));
        assert_eq!(plain.unwrap(), 3, "a column, and two cells");
        assert_eq!(compressed.unwrap(), 3, "a column, and two cells");
    }

    /// A server that has flushed a result numbers the packets of the next one as its compressed packets.
    #[test]
    fn packets_may_have_the_number_of_the_compressed_packet_that_they_begin() {
        let column = &answers()[1][4..];
        let result = |first: u8, status: u8| {
            let end = [0xFE, 0, 0, status, 0, 0, 0];
            let packets: [&[u8]; 4] = [&[1], column, b"\x01x", &end];
            (first..).zip(packets).map(|(number, payload)| packet(number, payload)).collect::<Vec<_>>()
        };
        let (one, two) = (result(1, 0x0A).concat(), result(2, 2).concat());
        let said = |packets: &[Vec<u8>]| [beginning(true), packets.concat()].concat();
        let cells = |packets: &[Vec<u8>]| asked(said(packets)).ok();
        assert_eq!(cells(&[deflated(1, &one), deflated(2, &two)]), Some(4), "two columns, two cells");
        assert_eq!(
            cells(&[deflated(1, &one), deflated(2, &result(5, 2).concat())]),
            Some(4),
            "without a flush"
        );
        // The number of another compressed packet; and of the one in whose middle the packet begins.
        assert_eq!(cells(&[deflated(1, &one), deflated(2, &result(3, 2).concat())]), None);
        assert_eq!(cells(&[stored(1, &one[..3]), deflated(2, &[&one[3..], &two].concat())]), None);
    }

    #[test]
    fn a_conversation_that_is_changed_anywhere_ends() {
        for whole in [conversation(), compressed_conversation(), bulk_conversation(), load_conversation()] {
            changed_anywhere(&whole);
        }
    }

    fn changed_anywhere(whole: &[u8]) {
        hostile_server(whole);
        for at in 0..whole.len() {
            hostile_server(&whole[..at]);
            for value in [0, 1, 2, 4, 0x7F, 0x80, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF, whole[at].wrapping_add(1)] {
                let mut changed = whole.to_vec();
                changed[at] = value;
                hostile_server(&changed);
            }
        }
    }

    /// What a server may try in the place of the answer to a question; and what is told then.
    #[test]
    fn attacks_end_with_an_error_that_says_which() {
        let answers = answers();
        let column = &answers[1];
        let file = |number| packet(number, b"\xFB/etc/passwd");
        let before = |size: usize| answers[..size].concat();
        let many = |first: u8, count: u32, payload: &[u8]| -> Vec<u8> {
            (0..count).flat_map(|at| packet(first.wrapping_add(at.to_le_bytes()[0]), payload)).collect()
        };
        for (what, says, words) in [
            ("a file, as the answer", file(1), "a request for a local file"),
            ("a file, as a column", [before(1), file(2)].concat(), "a length that is none"),
            (
                "a file, as the end of columns",
                [packet(1, &[2]), column.clone(), file(3)].concat(),
                "length that is none",
            ),
            ("no columns", packet(1, &[0xFC, 0, 0]), "no columns, or of too many"),
            ("2^24 columns", packet(1, &[0xFD, 0, 0, 0xFF]), "no columns, or of too many"),
            ("2^62 columns", packet(1, &[0xFE, 0, 0, 0, 0, 0, 0, 0, 0x40]), "no columns, or of too many"),
            ("a length that is none", packet(1, &[0xFC]), "a packet that ends early"),
            ("an empty answer", packet(1, &[]), "a packet that ends early"),
            // More than it has said: they are taken for rows, of which there is no end.
            (
                "endless columns",
                [packet(1, &[0xFC, 0, 32]), many(2, 9000, &column[4..])].concat(),
                "closed the connection",
            ),
            (
                "columns of megabytes",
                [packet(1, &[0xFC, 0, 32]), many(2, 40, &long_column())].concat(),
                "columns that are too long",
            ),
            ("rows without end", [before(2), many(3, 5000, b"\x01x")].concat(), "closed the connection"),
            (
                "an error among columns",
                [packet(1, &[2]), column.clone(), packet(3, b"\xFF\x15\x04#28000no")].concat(),
                "ERROR 1045",
            ),
            ("an error among rows", [before(3), packet(4, b"\xFF\x15\x04#28000no")].concat(), "ERROR 1045"),
            ("an error that ends early", [before(3), packet(4, b"\xFF")].concat(), "ERROR 0"),
            ("an end that ends early", [before(3), packet(4, b"\xFE\0")].concat(), "ends early"),
            ("a number that jumps", [before(2), packet(200, b"\x01x")].concat(), "out of turn"),
            ("a number that comes back", [before(3), packet(3, b"\x01x")].concat(), "out of turn"),
            ("the first number of another answer", packet(0, b"\0\0\0\x02\0\0\0"), "out of turn"),
            ("an OK that ends early", packet(1, b"\0\xFE"), "ends early"),
        ] {
            // Sent as they are; and in compressed packets of three sizes.
            let mut ways = vec![[beginning(false), says.clone()].concat()];
            for size in [3, 1000, 100_000] {
                let parts = says.chunks(size).enumerate().flat_map(|(at, part)| {
                    let number = (at + 1).to_le_bytes()[0];
                    if size == 1000 { stored(number, part) } else { deflated(number, part) }
                });
                // Not all that long in the smallest pieces.
                if says.len() / size < 10_000 {
                    ways.push(beginning(true).into_iter().chain(parts).collect());
                }
            }
            for (way, says) in ways.into_iter().enumerate() {
                match asked(says) {
                    Ok(cells) => panic!("{what}, {way}: {cells}"),
                    Err(error) => {
                        let error = error.doing("asking");
                        let told = format!("{error} {:?}", std::error::Error::source(&error));
                        assert!(told.contains(words), "{what}, {way}: {told}");
                    }
                }
            }
        }
    }

    /// A column whose name has a megabyte.
    fn long_column() -> Vec<u8> {
        let mut column = b"\x03def\0\0\0".to_vec();
        column.extend([0xFD, 0, 0, 0x0F]);
        column.resize(column.len() + (0x0F << 16), b'x');
        column.extend(b"\0\x0C\x2D\0\x10\0\0\0\xFD\0\0\0\0\0");
        column
    }

    /// Greetings that are absurd, and what may come before we are logged in.
    #[test]
    fn an_absurd_beginning_is_told_of() {
        let whole = beginning(true);
        let greeting_end = 4 + usize::from(whole[0]);
        let (greeting, rest) = whole.split_at(greeting_end);
        let switch_end = 4 + usize::from(rest[0]);
        let after = |packet: Vec<u8>| [greeting, &packet].concat();
        for (what, says, words) in [
            ("nothing", vec![], "closed the connection"),
            ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(9), "out of turn"),
            ("version 9", packet(0, b"\x09old\0"), "no greeting"),
            ("a greeting of 2 MiB", packet(0, &vec![10; 2 << 20]), "too long"),
            ("an empty greeting", packet(0, b""), "ends early"),
            (
                "no capabilities",
                packet(0, &[&b"\x0Ax\0\0\0\0\x0012345678\0"[..], &[0; 30]].concat()),
                "too old",
            ),
            ("an error", packet(0, b"\xFF\x10\x04Too many connections"), "ERROR 1040"),
            (
                "a file in the place of a welcome",
                after(packet(2, b"\xFB/etc/passwd")),
                "no answer to a proof",
            ),
            ("a method that nobody knows", after(packet(2, b"\xFEmagic\0x")), "is not known here"),
            ("the password in clear", after(packet(2, b"\xFEmysql_clear_password\0")), "in clear"),
            (
                "questions without end",
                after(
                    (0..40)
                        .flat_map(|at| {
                            packet(2 * at + 2, b"\xFEmysql_native_password\0abcdefghijklmnopqrst\0")
                        })
                        .collect(),
                ),
                "one question after the other",
            ),
            // What stands between the welcome and the first compressed packet would be taken for what was compressed.
            (
                "more behind the welcome",
                [&whole[..], &packet(4, b"\0\0\0\x02\0\0\0")].concat(),
                "before compression began",
            ),
            ("a second greeting", after([greeting, &rest[switch_end..]].concat()), "out of turn"),
        ] {
            let mut says = says;
            // Whether the connection is private follows from this; it must not be.
            if says.len().is_multiple_of(2) {
                says.push(0);
            }
            let error = connected(says, 1000, Role::Control).err().map(|error| error.doing("connecting"));
            let told = format!("{error:?} {}", error.as_ref().map(ToString::to_string).unwrap_or_default());
            assert!(told.contains(words), "{what}: {told}");
        }
    }

    /// What a server says of sizes is not believed before the bytes are there.
    #[test]
    fn a_server_that_promises_gigabytes_gets_no_memory() {
        let mut said = conversation();
        let rows = said.len() - packet(3, b"\x01x").len();
        said.truncate(rows);
        for _ in 0..3 {
            said.extend([0xFF, 0xFF, 0xFF, 1, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]);
        }
        hostile_server(&said);
    }
}
