//! A connection over which the server sends its binary log, as it sends it to a replica (MariaDB's manual, "Replication
//! Protocol": "Replica Registration", "`COM_BINLOG_DUMP`", "Semi-Sync Protocol"; MySQL's, "Replication Protocol").

use std::fmt;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use fwb::{Cancel, Flavor, LogPlace, LogStart, LogStream, SentEvent, Session as _, SessionError, StopsWith};

use crate::handshake::server_error;
use crate::packet::{Next, Packets};
use crate::session::{Connection, Discard};
use crate::wire::malformed;

/// `COM_REGISTER_SLAVE`, `COM_BINLOG_DUMP` and `COM_BINLOG_DUMP_GTID`.
const REGISTER: u8 = 21;
const DUMP: u8 = 18;
const DUMP_BY_GTID: u8 = 30;
/// `BINLOG_DUMP_NON_BLOCK`: end at the end. `BINLOG_SEND_ANNOTATE_ROWS_EVENT`: leave nothing out.
const ENDS: u16 = 1;
const WITH_ANNOTATIONS: u16 = 2;
/// What the packets of a semi-synchronous connection have before each event, and answers begin with.
const SEMI_SYNC: u8 = 0xEF;
/// What the server shows as our host among its replicas.
const NAME: &[u8] = b"fwb-follow";
/// Bytes of a long event that are held as a whole.
const HELD: u64 = 1 << 20;
/// The least silence that counts as an end.
const LEAST_SILENCE: Duration = Duration::from_secs(10);

/// A log on its way.
pub(crate) struct Followed {
    connection: Connection,
    semi_sync: bool,
    /// How long is waited before more is read.
    stride: Duration,
    /// When it was waited last.
    waited: Instant,
    /// The beginning of a long event.
    held: Vec<u8>,
    _stops: StopsWith,
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Has the server send its log over a connection, which is of no other use from then on.
pub(crate) fn follow(
    mut connection: Connection,
    start: &LogStart,
    cancel: &Cancel,
) -> Result<Followed, SessionError> {
    let stops = cancel.stops(connection.stopper());
    let is_mariadb = connection.version().flavor == Flavor::MariaDb;
    for setting in settings(start, is_mariadb) {
        connection.query(setting.as_bytes(), &mut Discard)?;
    }
    let silence = (start.heartbeat * 3).max(LEAST_SILENCE);
    connection.wait_at_most(silence).map_err(SessionError::Lost)?;
    connection.command(REGISTER, &registration(start.server_id))?;
    let (command, argument) = request(start, is_mariadb)?;
    connection.begin_command(command, &argument)?;
    let (semi_sync, stride) = (start.semi_sync, start.stride);
    Ok(Followed { connection, semi_sync, stride, waited: Instant::now(), held: Vec::new(), _stops: stops })
}

/// What a replica tells of itself in its session.
fn settings(start: &LogStart, is_mariadb: bool) -> Vec<String> {
    // In nanoseconds; the servers allow a month.
    let heartbeat = start.heartbeat.as_nanos().clamp(1_000_000, 2_592_000_000_000_000);
    let mut settings = vec![
        format!("SET @master_heartbeat_period={heartbeat}"),
        "SET @master_binlog_checksum=@@global.binlog_checksum".to_owned(),
    ];
    if is_mariadb {
        // It knows MariaDB's GTIDs, so that nothing is made up in their place.
        settings.push("SET @mariadb_slave_capability=4".into());
    } else {
        settings.push(format!("SET @source_heartbeat_period={heartbeat}"));
        settings.push("SET @source_binlog_checksum=@@global.binlog_checksum".into());
        // The server ends the older of two replicas of one UUID.
        let id = start.server_id;
        settings.push(format!("SET @replica_uuid='66776200-0000-4000-8000-0000{id:08x}'"));
        settings.push(format!("SET @slave_uuid='66776200-0000-4000-8000-0000{id:08x}'"));
    }
    if let (true, LogPlace::After(position)) = (is_mariadb, &start.place) {
        settings.push(format!("SET @slave_connect_state='{position}'"));
        settings.push("SET @slave_gtid_strict_mode=0".into());
    }
    if start.semi_sync {
        settings.push("SET @rpl_semi_sync_slave=1".into());
        if !is_mariadb {
            settings.push("SET @rpl_semi_sync_replica=1".into());
        }
    }
    settings
}

fn registration(server_id: u32) -> Vec<u8> {
    let mut argument = server_id.to_le_bytes().to_vec();
    argument.push(u8::try_from(NAME.len()).unwrap_or(0));
    argument.extend_from_slice(NAME);
    // No user, no password, no port, no rank, and no source that we would know.
    argument.extend([0; 2 + 2 + 4 + 4]);
    argument
}

fn request(start: &LogStart, is_mariadb: bool) -> Result<(u8, Vec<u8>), SessionError> {
    let ends = if start.ends { ENDS } else { 0 };
    let (file, position) = match &start.place {
        LogPlace::At { file, position } => (file.as_bytes(), *position),
        // Where no file is named, the server begins with its oldest, or with what GTIDs say.
        LogPlace::Oldest | LogPlace::After(_) => (&b""[..], 4),
    };
    if let (false, LogPlace::After(groups)) = (is_mariadb, &start.place) {
        let groups = groups.to_mysql();
        let mut argument = ends.to_le_bytes().to_vec();
        argument.extend(start.server_id.to_le_bytes());
        argument.extend(0_u32.to_le_bytes());
        argument.extend(4_u64.to_le_bytes());
        argument.extend(u32::try_from(groups.len()).unwrap_or(u32::MAX).to_le_bytes());
        argument.extend(groups);
        return Ok((DUMP_BY_GTID, argument));
    }
    let position = u32::try_from(position).map_err(|_| SessionError::Refused {
        problem: format!(
            "the server is to go on at byte {position} of its log, and the protocol counts to 4 GiB"
        ),
        remedy: "begin a new chain: its base is the next backup".into(),
    })?;
    let annotations = if is_mariadb { WITH_ANNOTATIONS } else { 0 };
    let mut argument = position.to_le_bytes().to_vec();
    argument.extend((ends | annotations).to_le_bytes());
    argument.extend(start.server_id.to_le_bytes());
    argument.extend_from_slice(file);
    Ok((DUMP, argument))
}

impl LogStream for Followed {
    fn next(&mut self) -> Result<Option<SentEvent<'_>>, SessionError> {
        let semi_sync = self.semi_sync;
        self.pause();
        let held = &mut self.held;
        let (packets, carrier) = self.connection.packets();
        let lost = |source: io::Error| match &carrier {
            Some(carrier) => carrier.cut(silent(source)),
            None => SessionError::Lost(silent(source)),
        };
        match Packets::next(packets).map_err(lost)? {
            Next::Whole(packet) => match packet.first() {
                Some(0) => {
                    let (wants_word, event) = unwrapped(&packet[1..], semi_sync);
                    Ok(Some(SentEvent { bytes: event, rest: None, wants_word }))
                }
                Some(0xFE) if packet.len() < 9 => Ok(None),
                Some(0xFF) => Err(SessionError::Server(server_error(packet))),
                _ => Err(SessionError::Lost(malformed("no event where one must be"))),
            },
            Next::Long(mut long) => {
                held.clear();
                let before = if semi_sync { 3 } else { 1 };
                (&mut long).take(HELD + before).read_to_end(held).map_err(lost)?;
                if held.first() != Some(&0) {
                    return Err(SessionError::Lost(malformed("no event where one must be")));
                }
                let (wants_word, event) = unwrapped(&held[1..], semi_sync);
                Ok(Some(SentEvent { bytes: event, rest: Some(Box::new(long)), wants_word }))
            }
        }
    }

    fn has_taken_all(&self) -> bool {
        self.connection.has_taken_all()
    }

    fn acknowledge(&mut self, file: &str, position: u64) -> Result<(), SessionError> {
        let mut word = vec![SEMI_SYNC];
        word.extend(position.to_le_bytes());
        word.extend_from_slice(file.as_bytes());
        let (packets, _) = self.connection.packets();
        packets.set_number(0);
        packets.write(&word).and_then(|()| packets.flush()).map_err(SessionError::Lost)
    }
}

impl Followed {
    /// Waits a little where all was read that had come: what comes next is read no sooner than a stride after what came last.
    fn pause(&mut self) {
        let (packets, _) = self.connection.packets();
        if self.stride.is_zero() || !packets.is_drained() {
            return;
        }
        if let Some(left) = self.stride.checked_sub(self.waited.elapsed()) {
            std::thread::sleep(left);
        }
        self.waited = Instant::now();
    }
}

/// An event without what a semi-synchronous server says before it: whether it waits for our word. A server whose
/// semi-synchronous replication is off says nothing, and then the first byte is one of the event's time: where a whole packet
/// is as long as its event says, nothing is before it.
fn unwrapped(packet: &[u8], semi_sync: bool) -> (bool, &[u8]) {
    let size = packet.get(9..13).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
    match packet {
        [SEMI_SYNC, wants @ (0 | 1), event @ ..]
            if semi_sync && size.is_none_or(|size| size as usize != packet.len()) =>
        {
            (*wants == 1, event)
        }
        event => (false, event),
    }
}

/// A wait that was too long, in words.
fn silent(source: io::Error) -> io::Error {
    match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::new(
            io::ErrorKind::TimedOut,
            "the server is silent, and does not say that it lives either",
        ),
        _ => source,
    }
}
