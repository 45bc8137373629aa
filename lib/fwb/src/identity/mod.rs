//! Which server a backup is of: the operator's name for it, or how it is addressed. What a server says of itself decides
//! nothing: MariaDB's `server_uid` is equal in two copies of a data directory, and changes with a pod.

mod address;
mod belonging;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::{Connector, ServerOptions};

pub use belonging::Owner;
pub(crate) use belonging::{Belonging, Facts, belongings};

/// The longest name of a server, in bytes; what is longer is refused, in a manifest too.
const LONGEST: usize = 255;

/// The name or the address of a server: 1 to 255 bytes without white space and without anything that a terminal acts on.
/// It is only ever compared and shown, and never becomes part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(String);

impl ServerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name made of any text: what cannot stand in one is written as `%` and two digits for each byte, and what is too
    /// long ends with a hash of the whole. None of an empty text.
    fn of_text(text: &str) -> Option<Self> {
        let mut name = String::with_capacity(text.len());
        for character in text.chars() {
            if is_allowed(character) {
                name.push(character);
            } else {
                let mut bytes = [0; 4];
                name.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
            }
        }
        if name.len() > LONGEST {
            let hash = format!("…{:032x}", xxhash_rust::xxh3::xxh3_128(name.as_bytes()));
            let end = (0..=LONGEST - hash.len()).rev().find(|end| name.is_char_boundary(*end));
            name.truncate(end.unwrap_or_default());
            name += &hash;
        }
        (!name.is_empty()).then_some(Self(name))
    }
}

/// Whether a character may stand in a name: it is seen, and neither turns the reading direction nor looks like nothing.
fn is_allowed(character: char) -> bool {
    let is_hidden = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !character.is_whitespace() && !character.is_control() && !is_hidden
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServerName {
    type Err = Error;

    /// Reads a name as an operator gives it.
    fn from_str(text: &str) -> Result<Self> {
        Self::try_from(text.to_owned()).map_err(Error::usage)
    }
}

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(is_allowed) {
            return Err(format!(
                "a server's name has 1 to {LONGEST} bytes, without spaces and control characters"
            ));
        }
        Ok(Self(text))
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0
    }
}

/// What is known of which server a backup is of, or which one a tool works on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The operator's name for the server.
    pub id: Option<ServerName>,
    /// How the server is addressed.
    pub address: Option<ServerName>,
}

impl ServerIdentity {
    /// Of the server that the options lead to. The server itself is not asked.
    ///
    /// # Errors
    /// A signal arrived.
    pub fn of(
        id: Option<ServerName>,
        options: &ServerOptions,
        connector: &dyn Connector,
        cancel: &Cancel,
    ) -> Result<Self> {
        let address = address::address_of(options, connector, cancel);
        cancel.check()?;
        Ok(Self { id, address })
    }

    /// Whether two identities are certainly of two servers: two names that differ, or two addresses where neither has a
    /// name. A name beside an address tells nothing.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let differ = |a: &Option<ServerName>, b: &Option<ServerName>| a.is_some() && b.is_some() && a != b;
        match (&self.id, &other.id) {
            (None, None) => differ(&self.address, &other.address),
            (one, another) => differ(one, another),
        }
    }

    /// By what it is told: the operator's name, else the address.
    pub(crate) fn label(&self) -> Option<&ServerName> {
        self.id.as_ref().or(self.address.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_and_short() {
        for good in ["shop", "shop-primary.eu:3306", "ns/app=mariadb", "가게", "../x", &"x".repeat(255)] {
            assert_eq!(good.parse::<ServerName>().unwrap().as_str(), good);
        }
        let bad =
            ["", " ", "a b", "a\nb", "\u{1b}[2J", "a\u{202e}b", "a\u{200b}", "a\u{2028}", &"x".repeat(256)];
        for bad in bad {
            assert!(bad.parse::<ServerName>().is_err(), "{bad:?}");
            assert!(serde_json::from_value::<ServerName>(bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn any_address_becomes_a_name_of_its_own() {
        let name = |text: &str| ServerName::of_text(text).unwrap();
        assert_eq!(name("/run/a b\n.sock").as_str(), "/run/a%20b%0A.sock");
        let long = |last: char| format!("{}{last}", "가".repeat(200));
        for text in [long('a'), long('b')] {
            let made = name(&text);
            assert_eq!(made.as_str().parse::<ServerName>().unwrap(), made);
        }
        assert_ne!(name(&long('a')), name(&long('b')));
        assert_eq!(ServerName::of_text(""), None);
    }

    #[test]
    fn only_what_is_certain_is_another_server() {
        let identity =
            |id: &str, address: &str| ServerIdentity { id: id.parse().ok(), address: address.parse().ok() };
        let cases = [
            ("a", "x", "a", "y", false),
            ("a", "x", "b", "x", true),
            ("a", "x", "", "y", false),
            ("", "x", "", "y", true),
            ("", "x", "", "x", false),
            ("", "x", "", "", false),
            ("", "", "", "", false),
        ];
        for (id, address, other_id, other_address, differ) in cases {
            let (one, other) = (identity(id, address), identity(other_id, other_address));
            assert_eq!(one.differs(&other), differ, "{one:?} {other:?}");
            assert_eq!(other.differs(&one), differ, "{one:?} {other:?}");
        }
    }
}
