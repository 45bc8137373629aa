//! How the one replica logs in: the server's side of a handshake (MariaDB's manual, "Connection: Connecting").

use std::io;

use fwb::{Flavor, ServerVersion};

use crate::auth;
use crate::handshake::capability;
use crate::packet::Packets;
use crate::wire::{Fields, put_nul};

/// What we can do as a server.
const CAPABILITIES: u64 = capability::LONG_PASSWORD
    | capability::LONG_FLAG
    | capability::CONNECT_WITH_DB
    | capability::PROTOCOL_41
    | capability::TRANSACTIONS
    | capability::SECURE_CONNECTION
    | capability::PLUGIN_AUTH
    | capability::PLUGIN_AUTH_LENENC;

/// The collation `utf8mb4_general_ci`.
const UTF8MB4: u8 = 45;
/// The status of a server at rest: every statement commits by itself.
const AUTOCOMMIT: u16 = 2;
/// Bytes of a nonce.
const NONCE: usize = 20;

/// The account of the one replica. Both words are made up at random.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: String,
}

impl Account {
    /// Makes one up. User names have room for 32 characters (MySQL).
    ///
    /// # Errors
    /// There are no random numbers.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { user: word::<12>()?, password: word::<16>()? })
    }
}

/// `N` random bytes as hexadecimal digits.
fn word<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let digits = bytes.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}

/// Lets the replica in, or tells it that it may not come in.
///
/// # Errors
/// What came is no answer to a greeting, or comes from somebody else.
pub(super) fn log_in(packets: &mut Packets, version: &ServerVersion, account: &Account) -> io::Result<()> {
    // The other flavor's method of old is gone from MySQL 9.
    let method = match version.flavor {
        Flavor::MariaDb => "mysql_native_password",
        Flavor::MySql => "caching_sha2_password",
    };
    // A nonce is a text: neither NUL nor a byte beyond ASCII is in it.
    let nonce = word::<{ NONCE / 2 }>()?;
    packets.write(&greeting(version, method, nonce.as_bytes()))?;
    packets.flush()?;
    let answer = Answer::parse(packets.short()?)?;
    let proof = if answer.method == method {
        answer.proof
    } else {
        let mut switch = vec![0xFE];
        put_nul(&mut switch, method.as_bytes());
        put_nul(&mut switch, nonce.as_bytes());
        packets.write(&switch)?;
        packets.flush()?;
        packets.short()?.to_vec()
    };
    let expected = match version.flavor {
        Flavor::MariaDb => auth::native(account.password.as_bytes(), nonce.as_bytes()),
        Flavor::MySql => auth::caching_sha2(account.password.as_bytes(), nonce.as_bytes()),
    };
    if answer.user != account.user || proof != expected {
        packets.write(b"\xFF\x15\x04#28000only the replica of this replay is let in")?;
        packets.flush()?;
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else tried to log in"));
    }
    if version.flavor == Flavor::MySql {
        // The password is remembered: nothing more is asked.
        packets.write(&[1, 3])?;
    }
    packets.write(&super::questions::OK)?;
    packets.flush()
}

fn greeting(version: &ServerVersion, method: &str, nonce: &[u8]) -> Vec<u8> {
    let (major, minor, patch) = version.number;
    let name = match version.flavor {
        Flavor::MariaDb => format!("5.5.5-{major}.{minor}.{patch}-MariaDB"),
        Flavor::MySql => format!("{major}.{minor}.{patch}"),
    };
    let [low_first, low_second, high_first, high_second, ..] = CAPABILITIES.to_le_bytes();
    let (first, second) = nonce.split_at(8.min(nonce.len()));
    let mut packet = vec![10];
    put_nul(&mut packet, name.as_bytes());
    packet.extend_from_slice(&1_u32.to_le_bytes());
    put_nul(&mut packet, first);
    packet.extend_from_slice(&[low_first, low_second]);
    packet.push(UTF8MB4);
    packet.extend_from_slice(&AUTOCOMMIT.to_le_bytes());
    packet.extend_from_slice(&[high_first, high_second]);
    packet.push(u8::try_from(nonce.len() + 1).unwrap_or(u8::MAX));
    packet.extend_from_slice(&[0; 10]);
    put_nul(&mut packet, second);
    put_nul(&mut packet, method.as_bytes());
    packet
}

/// What a client answers to a greeting.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    user: String,
    proof: Vec<u8>,
    method: String,
}

impl Answer {
    fn parse(packet: &[u8]) -> io::Result<Self> {
        let mut fields = Fields::new(packet);
        let capabilities = u64::from(fields.u32()?);
        fields.bytes(4 + 1 + 23)?;
        let user = String::from_utf8_lossy(fields.until_nul()).into_owned();
        let proof = if capabilities & capability::PLUGIN_AUTH_LENENC != 0 {
            fields.lenenc_bytes()?
        } else {
            let size = fields.u8()?;
            fields.bytes(size.into())?
        };
        let proof = proof.to_vec();
        if capabilities & capability::CONNECT_WITH_DB != 0 {
            fields.until_nul();
        }
        let method = String::from_utf8_lossy(fields.until_nul()).into_owned();
        Ok(Self { user, proof, method })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwb::Role;

    use crate::handshake::{self, Greeting};

    #[test]
    fn a_client_reads_the_greeting_and_its_answer_is_read() {
        for (text, method) in
            [("10.11.6-MariaDB", "mysql_native_password"), ("9.7.0", "caching_sha2_password")]
        {
            let version = ServerVersion::parse(text);
            let packet = greeting(&version, method, b"abcdefghijklmnopqrst");
            let read = Greeting::parse(&packet).unwrap();
            assert_eq!(read.version, version);
            assert_eq!((read.nonce.as_slice(), read.method.as_str()), (&b"abcdefghijklmnopqrst"[..], method));
            let capabilities = handshake::capabilities(read.capabilities, false, Role::Single, false);
            let answer =
                handshake::Answer { capabilities, user: "u", proof: b"proof", database: None, method };
            let expected = Answer { user: "u".into(), proof: b"proof".into(), method: method.into() };
            assert_eq!(Answer::parse(&answer.packet()).unwrap(), expected);
        }
    }

    #[test]
    fn an_answer_that_ends_anywhere_does_no_harm() {
        let packet = [&[0xFF; 4][..], &[0; 28], b"user\0", &[250], b"proof"].concat();
        for size in 0..packet.len() {
            let _read = Answer::parse(&packet[..size]);
        }
    }
}
