//! How far TIMESTAMP reaches on a server. It also says how a system-versioned table marks the rows that hold now.

use super::version::ServerVersion;

/// The last moment that a column of type TIMESTAMP holds, in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LastTimestamp {
    /// `2038-01-19 03:14:07`.
    #[default]
    In2038,
    /// `2106-02-07 06:28:15`: MariaDB from 11.5 on, where it is built for 64 bits (its manual, "TIMESTAMP").
    In2106,
}

impl LastTimestamp {
    /// That of a server of this version, built for 64 bits.
    pub(crate) fn of(version: &ServerVersion) -> Self {
        if version.is_mariadb(11, 5) { Self::In2106 } else { Self::In2038 }
    }

    /// When a row of a system-versioned table ends that holds now, as a literal. All are of one length.
    pub(crate) fn end_of_current_rows(self) -> &'static str {
        match self {
            Self::In2038 => "'2038-01-19 03:14:07.999999'",
            Self::In2106 => "'2106-02-07 06:28:15.999999'",
        }
    }

    /// What a server with another last moment has in its place.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::In2038 => Self::In2106,
            Self::In2106 => Self::In2038,
        }
    }
}
