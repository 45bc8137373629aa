//! Which server it is: the flavor decides what statements there are, the version which of them it knows.

use std::fmt;

/// The two families that speak the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// MariaDB.
    MariaDb,
    /// MySQL, and what is built from it (Percona Server).
    MySql,
}

/// A server's version, as it says it at the beginning of a connection. Versions of one flavor are ordered by their
/// numbers; those of two flavors are not comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// The flavor.
    pub flavor: Flavor,
    /// The three numbers: major, minor, patch.
    pub number: (u32, u32, u32),
    /// All of it: `10.11.6-MariaDB-log`.
    pub text: String,
}

impl ServerVersion {
    /// Reads what the server says. MariaDB's servers up to 10.11 put `5.5.5-` in front, for old replicas of MySQL
    /// (MariaDB's manual, "Connection: Initial Handshake Packet").
    pub fn parse(said: &str) -> Self {
        let flavor = if said.contains("MariaDB") { Flavor::MariaDb } else { Flavor::MySql };
        let text = said.strip_prefix("5.5.5-").filter(|_| flavor == Flavor::MariaDb).unwrap_or(said);
        let mut parts = text.splitn(4, |c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        Self { flavor, number: (next(), next(), next()), text: text.to_owned() }
    }

    /// Whether it is a MariaDB server of this version or a later one.
    pub fn is_mariadb(&self, major: u32, minor: u32) -> bool {
        self.flavor == Flavor::MariaDb && (self.number.0, self.number.1) >= (major, minor)
    }

    /// Whether it is a MySQL server of this version or a later one.
    pub fn is_mysql(&self, major: u32, minor: u32) -> bool {
        self.flavor == Flavor::MySql && (self.number.0, self.number.1) >= (major, minor)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavor_and_numbers_are_read() {
        for (said, flavor, number, text) in [
            ("5.5.5-10.11.6-MariaDB-log", Flavor::MariaDb, (10, 11, 6), "10.11.6-MariaDB-log"),
            ("11.8.3-MariaDB-0+deb13u1", Flavor::MariaDb, (11, 8, 3), "11.8.3-MariaDB-0+deb13u1"),
            ("9.7.0", Flavor::MySql, (9, 7, 0), "9.7.0"),
            ("8.0.36-28", Flavor::MySql, (8, 0, 36), "8.0.36-28"),
            ("5.5.5-log", Flavor::MySql, (5, 5, 5), "5.5.5-log"),
            ("", Flavor::MySql, (0, 0, 0), ""),
        ] {
            let version = ServerVersion::parse(said);
            assert_eq!((version.flavor, version.number, version.text.as_str()), (flavor, number, text));
        }
    }

    #[test]
    fn what_one_flavor_knows_says_nothing_of_the_other() {
        let (maria, mysql) = (ServerVersion::parse("10.11.6-MariaDB"), ServerVersion::parse("9.7.0"));
        assert!(maria.is_mariadb(10, 6) && !maria.is_mariadb(11, 0) && !maria.is_mysql(5, 7));
        assert!(mysql.is_mysql(8, 0) && !mysql.is_mysql(9, 8) && !mysql.is_mariadb(5, 5));
    }
}
