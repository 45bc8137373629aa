//! What every event begins with.

use crate::fields::{Fields, Malformed};

/// Bytes of an event's header (binary log version 4).
pub const HEADER_SIZE: usize = 19;

/// Set while the log file is open; part of the format description alone.
pub(crate) const IN_USE: u16 = 0x1;
/// Whoever does not know the event may pass over it (`LOG_EVENT_IGNORABLE_F`).
pub(crate) const IGNORABLE: u16 = 0x80;
/// The sender has made the event up: it stands in no file.
const ARTIFICIAL: u16 = 0x20;

/// An event's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since 1970. A session may forge it (`SET timestamp`), and it does not only grow.
    pub timestamp: u32,
    /// What the event is.
    pub kind: EventKind,
    /// The `server_id` of the server that the change was made on.
    pub server_id: u32,
    /// The event's size in bytes: this header, the body, and the checksum.
    pub size: u32,
    /// Where the event ends in its file. 0 where the server does not say: inside of transactions since MariaDB 11.7, and in what
    /// is made up. It wraps around in a file of more than 4 GiB.
    pub end: u32,
    /// Its flags.
    pub flags: u16,
}

impl EventHeader {
    /// Reads one.
    ///
    /// # Errors
    /// Bytes are missing, or its size is less than its own.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes);
        let header = Self {
            timestamp: fields.u32()?,
            kind: EventKind(fields.u8()?),
            server_id: fields.u32()?,
            size: fields.u32()?,
            end: fields.u32()?,
            flags: fields.u16()?,
        };
        if (header.size as usize) < HEADER_SIZE {
            return Err(Malformed("an event that is shorter than its header"));
        }
        Ok(header)
    }

    /// Whether the sender has made the event up: it stands in no file, and takes no room there.
    pub fn is_artificial(&self) -> bool {
        self.flags & ARTIFICIAL != 0 || self.kind.is_heartbeat()
    }
}

/// What an event is, by its number (`Log_event_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKind(pub u8);

#[expect(missing_docs, reason = "the names are those of the manuals")]
impl EventKind {
    pub const QUERY: Self = Self(2);
    pub const STOP: Self = Self(3);
    pub const ROTATE: Self = Self(4);
    pub const INTVAR: Self = Self(5);
    pub const RAND: Self = Self(13);
    pub const USER_VAR: Self = Self(14);
    pub const APPEND_BLOCK: Self = Self(9);
    pub const FORMAT_DESCRIPTION: Self = Self(15);
    pub const XID: Self = Self(16);
    pub const BEGIN_LOAD_QUERY: Self = Self(17);
    pub const EXECUTE_LOAD_QUERY: Self = Self(18);
    pub const TABLE_MAP: Self = Self(19);
    pub const INCIDENT: Self = Self(26);
    pub const HEARTBEAT: Self = Self(27);
    pub const IGNORABLE: Self = Self(28);
    pub const ROWS_QUERY: Self = Self(29);
    pub const GTID_OF_MYSQL: Self = Self(33);
    pub const ANONYMOUS_GTID: Self = Self(34);
    pub const PREVIOUS_GTIDS: Self = Self(35);
    pub const XA_PREPARE: Self = Self(38);
    pub const PARTIAL_UPDATE_ROWS: Self = Self(39);
    pub const TRANSACTION_PAYLOAD: Self = Self(40);
    pub const HEARTBEAT_V2: Self = Self(41);
    pub const TAGGED_GTID: Self = Self(42);
    pub const ANNOTATE_ROWS: Self = Self(160);
    pub const BINLOG_CHECKPOINT: Self = Self(161);
    pub const GTID: Self = Self(162);
    pub const GTID_LIST: Self = Self(163);
    pub const START_ENCRYPTION: Self = Self(164);
    pub const QUERY_COMPRESSED: Self = Self(165);
}

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsKind {
    Insert,
    Update,
    Delete,
}

impl EventKind {
    /// Whether it only says that the server lives.
    pub fn is_heartbeat(self) -> bool {
        matches!(self, Self::HEARTBEAT | Self::HEARTBEAT_V2)
    }

    /// Whether it is about the file, and not about what was changed.
    pub fn is_of_file(self) -> bool {
        matches!(
            self,
            Self::STOP
                | Self::ROTATE
                | Self::FORMAT_DESCRIPTION
                | Self::PREVIOUS_GTIDS
                | Self::BINLOG_CHECKPOINT
                | Self::GTID_LIST
                | Self::START_ENCRYPTION
        ) || self.is_heartbeat()
    }

    /// Whether it begins a group and says its GTID.
    pub fn is_gtid(self) -> bool {
        matches!(self, Self::GTID | Self::GTID_OF_MYSQL | Self::ANONYMOUS_GTID | Self::TAGGED_GTID)
    }

    /// What it does to rows, and whether it is of version 2, and compressed.
    pub(crate) fn rows(self) -> Option<(RowsKind, bool, bool)> {
        Some(match self.0 {
            20 | 23 => (RowsKind::Insert, false, false),
            21 | 24 => (RowsKind::Update, false, false),
            22 | 25 => (RowsKind::Delete, false, false),
            30 => (RowsKind::Insert, true, false),
            31 | 39 => (RowsKind::Update, true, false),
            32 => (RowsKind::Delete, true, false),
            166 => (RowsKind::Insert, false, true),
            167 => (RowsKind::Update, false, true),
            168 => (RowsKind::Delete, false, true),
            169 => (RowsKind::Insert, true, true),
            170 => (RowsKind::Update, true, true),
            171 => (RowsKind::Delete, true, true),
            _ => return None,
        })
    }

    /// Whether it belongs to what follows it, so that it ends no group (`Log_event::is_part_of_group`).
    pub(crate) fn goes_before(self) -> bool {
        matches!(
            self,
            Self::INTVAR
                | Self::RAND
                | Self::USER_VAR
                | Self::TABLE_MAP
                | Self::ANNOTATE_ROWS
                | Self::ROWS_QUERY
                | Self::BEGIN_LOAD_QUERY
        ) || self.is_gtid()
            || self == Self::APPEND_BLOCK
    }
}
