//! A client of our own for what tests say to their servers, thousands of times: a `mariadb` process takes ten times the
//! processor's time of a connection. It speaks the text protocol over a socket and knows one account, without a password.
//! It has no line in common with `fwb-mysql`: what tests see of a server is not seen through the program under test.

use std::fs;
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::mariadb;
use super::tool::text;

/// Bits of what the client can do: a long password and column flags, a database in the greeting, the protocol of 4.1,
/// transactions, the long salt, several statements and results, and plugins for authentication.
const CAPABILITIES: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x8_0000;
const CONNECT_WITH_DATABASE: u32 = 0x8;
/// Bit of a status: another result follows.
const MORE_RESULTS: u8 = 0x8;
/// `utf8mb4_general_ci`, as clients say `utf8mb4`.
const UTF8MB4: u8 = 45;
const LARGEST_PACKET: usize = 0xff_ffff;

/// The values of a row, none for NULL.
pub(super) type Row = Vec<Option<Vec<u8>>>;

/// What a server answers: the rows of all results, or its refusal.
pub(super) type Answer = Result<Vec<Row>, String>;

/// Runs SQL; none where that takes the program itself: its own commands, files of the client's, another account.
pub(super) fn run(defaults_file: &Path, database: &str, sql: &[u8]) -> Option<Answer> {
    if ["delimiter", "local infile", "source "].iter().any(|word| contains(sql, word)) {
        return None;
    }
    let defaults = fs::read_to_string(defaults_file).ok()?;
    let socket = defaults.strip_prefix("[client]\nsocket=")?.strip_suffix("\nuser=root\n")?;
    let answer = Connection::open(socket, database).and_then(|mut connection| connection.query(sql));
    Some(answer.unwrap_or_else(|error| Err(format!("{socket}: {error}"))))
}

/// Runs SQL in a database, or in none; panics with what the server says when it fails.
#[track_caller]
pub(super) fn sql(defaults_file: &Path, database: &str, sql: &[u8]) {
    answer(defaults_file, database, sql);
}

/// What a query answers: a line a row, a tab between columns.
#[track_caller]
pub(super) fn query(defaults_file: &Path, database: &str, sql: &[u8]) -> String {
    text(&answer(defaults_file, database, sql)).trim_end_matches('\n').to_owned()
}

/// The same as bytes.
#[track_caller]
pub(super) fn answer(defaults_file: &Path, database: &str, sql: &[u8]) -> Vec<u8> {
    match run(defaults_file, database, sql) {
        Some(Ok(rows)) => printed(&rows),
        Some(Err(refusal)) => panic!("{refusal}, of {}", text(&sql[..sql.len().min(1000)])),
        None => {
            let database = format!("--database={database}");
            mariadb(defaults_file, &["-N", "-B", &database]).stdin(sql).run().ok().stdout
        }
    }
}

fn contains(sql: &[u8], word: &str) -> bool {
    sql.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

struct Connection {
    stream: BufReader<UnixStream>,
    /// The number of the next packet.
    number: u8,
}

impl Connection {
    fn open(socket: &str, database: &str) -> io::Result<Self> {
        let mut connection = Self { stream: BufReader::new(UnixStream::connect(socket)?), number: 0 };
        let greeting = connection.read()?;
        if greeting.first() != Some(&10) {
            return Err(io::Error::other(refusal(&greeting)));
        }
        let wanted = if database.is_empty() { 0 } else { CONNECT_WITH_DATABASE };
        let mut reply = (CAPABILITIES | wanted).to_le_bytes().to_vec();
        reply.extend(0x4000_0000_u32.to_le_bytes()); // the largest packet that we take
        reply.push(UTF8MB4);
        reply.extend([0; 23]);
        reply.extend(b"root\0\0"); // and an empty password
        if !database.is_empty() {
            reply.extend(database.as_bytes());
            reply.push(0);
        }
        reply.extend(b"mysql_native_password\0");
        connection.write(&reply)?;
        loop {
            let packet = connection.read()?;
            match packet.first() {
                Some(0) => return Ok(connection),
                // Another plugin, to which an empty password is as empty.
                Some(0xfe) => connection.write(&[])?,
                _ => return Err(io::Error::other(refusal(&packet))),
            }
        }
    }

    fn query(&mut self, sql: &[u8]) -> io::Result<Answer> {
        let mut rows = Vec::new();
        self.number = 0;
        self.write(&[b"\x03", sql].concat())?;
        loop {
            let first = self.read()?;
            let status = match first.first() {
                Some(0xff) => return Ok(Err(refusal(&first))),
                Some(0) => {
                    let mut rest = &first[1..];
                    length(&mut rest);
                    length(&mut rest);
                    rest.first().copied().unwrap_or(0)
                }
                _ => {
                    while !is_end(&self.read()?) {} // the columns
                    loop {
                        let packet = self.read()?;
                        if packet.first() == Some(&0xff) {
                            return Ok(Err(refusal(&packet)));
                        }
                        if is_end(&packet) {
                            break packet[3];
                        }
                        rows.push(row(&packet));
                    }
                }
            };
            if status & MORE_RESULTS == 0 {
                return Ok(Ok(rows));
            }
        }
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut packet = Vec::new();
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head)?;
            self.number = head[3].wrapping_add(1);
            let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
            self.stream.by_ref().take(length as u64).read_to_end(&mut packet)?;
            if length < LARGEST_PACKET {
                return Ok(packet);
            }
        }
    }

    fn write(&mut self, mut payload: &[u8]) -> io::Result<()> {
        loop {
            let (now, later) = payload.split_at(payload.len().min(LARGEST_PACKET));
            let length = u32::try_from(now.len()).map_err(io::Error::other)?.to_le_bytes();
            let head = [length[0], length[1], length[2], self.number];
            self.number = self.number.wrapping_add(1);
            self.stream.get_mut().write_all(&[&head, now].concat())?;
            if now.len() < LARGEST_PACKET {
                return Ok(());
            }
            payload = later;
        }
    }
}

fn is_end(packet: &[u8]) -> bool {
    packet.len() < 9 && packet.first() == Some(&0xfe)
}

/// `ERROR 1146 (42S02): …`, as the program writes it but for the line.
fn refusal(packet: &[u8]) -> String {
    let [0xff, low, high, message @ ..] = packet else { return format!("not understood: {packet:?}") };
    let message = String::from_utf8_lossy(message);
    let (state, message) =
        message.strip_prefix('#').and_then(|it| it.split_at_checked(5)).unwrap_or(("", &message));
    format!("ERROR {} ({state}): {message}", u16::from_le_bytes([*low, *high]))
}

/// An integer of the protocol's own length, taken from the front; none for NULL.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let (&first, after) = rest.split_first()?;
    let bytes = match first {
        0xfb => 0,
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        small => {
            *rest = after;
            return Some(small.into());
        }
    };
    let (number, after) = after.split_at(bytes);
    *rest = after;
    (bytes > 0).then(|| number.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

fn row(mut packet: &[u8]) -> Row {
    let mut values = Row::new();
    while !packet.is_empty() {
        values.push(length(&mut packet).map(|length| {
            let (value, after) = packet.split_at(length);
            packet = after;
            value.to_vec()
        }));
    }
    values
}

/// Rows as `mariadb -N -B` prints them: a line each, a tab between columns, and a backslash where that would not be told.
fn printed(rows: &[Row]) -> Vec<u8> {
    let mut text = Vec::new();
    for row in rows {
        for (number, value) in row.iter().enumerate() {
            text.extend(if number == 0 { &b""[..] } else { b"\t" });
            for byte in value.as_deref().unwrap_or(b"NULL") {
                match byte {
                    0 => text.extend(b"\\0"),
                    b'\t' => text.extend(b"\\t"),
                    b'\n' => text.extend(b"\\n"),
                    b'\\' => text.extend(b"\\\\"),
                    _ => text.push(*byte),
                }
            }
        }
        text.push(b'\n');
    }
    text
}
