//! The first packets of a connection (MariaDB's manual, "Connection: Connecting").

use std::io;

use fwb::{Role, ServerError, ServerVersion};

use crate::wire::{Fields, malformed, put_lenenc, put_nul};

/// What both sides can do, as bits of the handshake. The upper half is what MariaDB has added ("extended capabilities").
pub(crate) mod capability {
    /// Long passwords. A MariaDB server that has extended capabilities does not set it, and reads ours from whoever does not either.
    pub(crate) const LONG_PASSWORD: u64 = 1;
    /// All flags of columns.
    pub(crate) const LONG_FLAG: u64 = 1 << 2;
    /// The answer names a database.
    pub(crate) const CONNECT_WITH_DB: u64 = 1 << 3;
    /// Compressed packets, once we are logged in.
    pub(crate) const COMPRESS: u64 = 1 << 5;
    /// The server may ask for rows that a statement of ours says that we have.
    pub(crate) const LOCAL_FILES: u64 = 1 << 7;
    /// The protocol of version 4.1 and later.
    pub(crate) const PROTOCOL_41: u64 = 1 << 9;
    /// TLS.
    pub(crate) const TLS: u64 = 1 << 11;
    /// The state of transactions in answers.
    pub(crate) const TRANSACTIONS: u64 = 1 << 13;
    /// Authentication of version 4.1 and later.
    pub(crate) const SECURE_CONNECTION: u64 = 1 << 15;
    /// Several statements in a text.
    pub(crate) const MULTI_STATEMENTS: u64 = 1 << 16;
    /// Several results of a text.
    pub(crate) const MULTI_RESULTS: u64 = 1 << 17;
    /// Methods of authentication by name.
    pub(crate) const PLUGIN_AUTH: u64 = 1 << 19;
    /// Attributes of the connection, as `performance_schema` shows them.
    pub(crate) const CONNECT_ATTRS: u64 = 1 << 20;
    /// Proofs of any length.
    pub(crate) const PLUGIN_AUTH_LENENC: u64 = 1 << 21;
    /// Results end with an OK packet.
    pub(crate) const DEPRECATE_EOF: u64 = 1 << 24;
    /// Rows for a prepared statement, many at a time (MariaDB 10.2).
    pub(crate) const BULK: u64 = 1 << 34;
}

/// The status bit that says that another result follows.
pub(crate) const MORE_RESULTS: u16 = 8;

/// The collation `utf8mb4_general_ci`, which both flavors have.
const UTF8MB4: u8 = 45;
/// The largest packet that we announce to take, in bytes.
const MAX_PACKET: u32 = 1 << 30;

/// What a server says first.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) version: ServerVersion,
    pub(crate) connection: u32,
    /// What a proof of the password is made for.
    pub(crate) nonce: Vec<u8>,
    pub(crate) capabilities: u64,
    /// The method of authentication.
    pub(crate) method: String,
}

impl Greeting {
    /// Reads it.
    ///
    /// # Errors
    /// It is no greeting of version 10.
    pub(crate) fn parse(packet: &[u8]) -> io::Result<Self> {
        let mut fields = Fields::new(packet);
        if fields.u8()? != 10 {
            return Err(malformed("no greeting of a MariaDB or MySQL server"));
        }
        let version = ServerVersion::parse(&String::from_utf8_lossy(fields.until_nul()));
        let connection = fields.u32()?;
        let mut nonce = fields.bytes(8)?.to_vec();
        fields.bytes(1)?;
        let low = fields.u16()?;
        fields.bytes(3)?; // collation and status
        let high = fields.u16()?;
        let mut capabilities = u64::from(high) << 16 | u64::from(low);
        let nonce_size = usize::from(fields.u8()?);
        fields.bytes(6)?;
        let extended = fields.u32()?;
        if capabilities & capability::LONG_PASSWORD == 0 {
            capabilities |= u64::from(extended) << 32;
        }
        if capabilities & capability::SECURE_CONNECTION != 0 {
            let rest = fields.bytes(nonce_size.saturating_sub(8).max(13))?;
            nonce.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
        }
        let method = String::from_utf8_lossy(fields.until_nul()).into_owned();
        Ok(Self { version, connection, nonce, capabilities, method })
    }
}

/// How we answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) capabilities: u64,
    pub(crate) user: &'a str,
    pub(crate) proof: &'a [u8],
    pub(crate) database: Option<&'a str>,
    pub(crate) method: &'a str,
}

/// What we can do, of what the server can.
pub(crate) fn capabilities(server: u64, database: bool, role: Role, compress: bool) -> u64 {
    use capability::{
        BULK, COMPRESS, CONNECT_ATTRS, CONNECT_WITH_DB, DEPRECATE_EOF, LOCAL_FILES, LONG_FLAG, LONG_PASSWORD,
        MULTI_RESULTS, MULTI_STATEMENTS, PLUGIN_AUTH, PLUGIN_AUTH_LENENC, PROTOCOL_41, SECURE_CONNECTION,
        TRANSACTIONS,
    };
    let mut ours = LONG_FLAG
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | MULTI_RESULTS
        | PLUGIN_AUTH
        | PLUGIN_AUTH_LENENC
        | CONNECT_ATTRS
        | DEPRECATE_EOF;
    if database {
        ours |= CONNECT_WITH_DB;
    }
    match role {
        Role::Control => ours |= MULTI_STATEMENTS,
        Role::Single => {}
        // A server that takes rows so need not ask for a file.
        Role::Load => ours |= if server & BULK != 0 { BULK } else { LOCAL_FILES },
    }
    if compress {
        ours |= COMPRESS;
    }
    let agreed = ours & server;
    if agreed & BULK != 0 { agreed } else { agreed | LONG_PASSWORD }
}

/// The part that both packets begin with.
fn head(capabilities: u64) -> Vec<u8> {
    let [usual @ .., e, f, g, h] = capabilities.to_le_bytes();
    let mut packet = Vec::with_capacity(256);
    packet.extend_from_slice(&usual);
    packet.extend_from_slice(&MAX_PACKET.to_le_bytes());
    packet.push(UTF8MB4);
    packet.extend_from_slice(&[0; 19]);
    packet.extend_from_slice(&[e, f, g, h]);
    packet
}

/// The request for TLS.
pub(crate) fn tls_request(capabilities: u64) -> Vec<u8> {
    head(capabilities | capability::TLS)
}

impl Answer<'_> {
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut packet = head(self.capabilities);
        put_nul(&mut packet, self.user.as_bytes());
        if self.capabilities & capability::PLUGIN_AUTH_LENENC != 0 {
            put_lenenc(&mut packet, self.proof);
        } else {
            packet.push(u8::try_from(self.proof.len()).unwrap_or(0));
            packet.extend_from_slice(self.proof);
        }
        if let Some(database) = self.database {
            put_nul(&mut packet, database.as_bytes());
        }
        if self.capabilities & capability::PLUGIN_AUTH != 0 {
            put_nul(&mut packet, self.method.as_bytes());
        }
        if self.capabilities & capability::CONNECT_ATTRS != 0 {
            let mut attributes = Vec::new();
            for (name, value) in [
                ("_client_name", "fwb-mysql"),
                ("_client_version", env!("CARGO_PKG_VERSION")),
                ("_os", "Linux"),
                ("_pid", &std::process::id().to_string()),
            ] {
                put_lenenc(&mut attributes, name.as_bytes());
                put_lenenc(&mut attributes, value.as_bytes());
            }
            put_lenenc(&mut packet, &attributes);
        }
        packet
    }
}

/// Reads an error packet, whose first byte is `0xFF`.
pub(crate) fn server_error(packet: &[u8]) -> ServerError {
    let mut fields = Fields::new(packet.get(1..).unwrap_or_default());
    let number = fields.u16().unwrap_or(0);
    let rest = fields.rest();
    // Before the handshake is over, a server may leave the state out.
    let (sqlstate, message) = match rest.split_at_checked(6) {
        Some((state, message)) if state[0] == b'#' => (&state[1..], message),
        _ => (&b"HY000"[..], rest),
    };
    ServerError {
        number,
        sqlstate: String::from_utf8_lossy(sqlstate).into_owned(),
        message: String::from_utf8_lossy(message).into_owned(),
        statement: None,
    }
}

#[cfg(test)]
mod tests {
    use fwb::Flavor;

    use super::*;

    fn greeting(version: &str, method: &str) -> Vec<u8> {
        let mut packet = vec![10];
        put_nul(&mut packet, version.as_bytes());
        packet.extend(7_u32.to_le_bytes());
        packet.extend(b"12345678\0");
        packet.extend([0xFE, 0xF7, 45, 2, 0, 0xFF, 0x81, 21]);
        packet.extend([0; 10]);
        packet.extend(b"abcdefghijkl\0");
        put_nul(&mut packet, method.as_bytes());
        packet
    }

    #[test]
    fn a_greeting_is_read() {
        let read = Greeting::parse(&greeting("5.5.5-10.11.6-MariaDB", "mysql_native_password")).unwrap();
        assert_eq!(read.version.flavor, Flavor::MariaDb);
        assert_eq!(read.connection, 7);
        assert_eq!(read.nonce, b"12345678abcdefghijkl");
        assert_eq!(read.method, "mysql_native_password");
    }

    #[test]
    fn a_greeting_that_ends_anywhere_does_no_harm() {
        let whole = greeting("9.7.0", "caching_sha2_password");
        for size in 0..whole.len() {
            let _ended = Greeting::parse(&whole[..size]);
        }
        assert!(Greeting::parse(b"HTTP/1.1 400 Bad Request").is_err());
    }

    #[test]
    fn errors_are_read_with_and_without_a_state() {
        let error = server_error(b"\xFF\x15\x04#28000Access denied");
        assert_eq!(
            (error.number, error.sqlstate.as_str(), error.message.as_str()),
            (1045, "28000", "Access denied")
        );
        let error = server_error(b"\xFF\x10\x04Too many connections");
        assert_eq!(
            (error.number, error.sqlstate.as_str(), error.message.as_str()),
            (1040, "HY000", "Too many connections")
        );
        assert_eq!(server_error(b"\xFF").number, 0);
    }
}
