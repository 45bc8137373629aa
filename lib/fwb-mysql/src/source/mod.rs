//! A source of replication for one throwaway replica: what a server says to a replica, and the events of a feed (MariaDB's
//! manual, "Replication Protocol"; MySQL's, "Replication Protocol"). It listens on 127.0.0.1 at a random port, lets one account in,
//! and serves no data but the feed.

mod files;
mod login;
mod packets;
mod questions;

use std::fmt;
use std::io::{self, BufWriter};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use fwb::{Error, Feed, ReplicationSource, Result, ServerVersion};
use fwb_binlog::{Checksum, EventKind, Events, FormatDescription};

use crate::packet::Packets;
use crate::wire::Fields;
use files::{Files, Place, Unsent};
use login::Account;
use packets::EventPackets;
use questions::Says;

/// How long the replica may take for each step until it asks for the log.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many connections there may be at a time: that of the replica, and one that it has given up and we have not noticed.
const MOST_CONNECTIONS: usize = 4;
/// Bytes of events that are written at once.
const CHUNK: usize = 256 << 10;

/// A source that listens.
pub(crate) struct Source {
    serves: Arc<Serves>,
    port: u16,
    listening: Option<JoinHandle<()>>,
}

/// What connections share.
struct Serves {
    feed: Arc<dyn Feed>,
    version: ServerVersion,
    account: Account,
    says: Says,
    /// Where in the feed each file begins, as far as they were sent.
    begins: Mutex<Vec<u64>>,
    /// The number of the file after all events; 0 while it is not known.
    last_file: AtomicU32,
    failure: Mutex<Option<Error>>,
    has_ended: AtomicBool,
    /// The sockets of connections, to end them.
    sockets: Mutex<Vec<TcpStream>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("port", &self.port).finish_non_exhaustive()
    }
}

fn failed(source: io::Error) -> Error {
    Error::Stream { action: "listen for the replica", source }
}

impl Source {
    /// Looks at the feed's beginning, and listens.
    ///
    /// # Errors
    /// The feed cannot be read, or the operating system refuses.
    pub(crate) fn start(feed: Arc<dyn Feed>, replica: &ServerVersion) -> Result<Self> {
        let (format, has_gtids) = beginning(&*feed)?;
        let says = Says {
            flavor: replica.flavor,
            server_id: server_id().map_err(failed)?,
            has_checksums: format.checksum == Checksum::Crc32,
            has_gtids,
        };
        let serves = Arc::new(Serves {
            feed,
            version: replica.clone(),
            account: Account::new().map_err(failed)?,
            says,
            begins: Mutex::default(),
            last_file: AtomicU32::new(0),
            failure: Mutex::new(None),
            has_ended: AtomicBool::new(false),
            sockets: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let listening = Arc::clone(&serves);
        let listening = Builder::new().spawn(move || listening.listen(&listener)).map_err(failed)?;
        Ok(Self { serves, port, listening: Some(listening) })
    }
}

impl ReplicationSource for Source {
    fn port(&self) -> u16 {
        self.port
    }

    fn user(&self) -> &str {
        &self.serves.account.user
    }

    fn password(&self) -> &str {
        &self.serves.account.password
    }

    fn first_file(&self) -> String {
        files::name(1)
    }

    fn last_file(&self) -> Option<String> {
        let last = self.serves.last_file.load(Ordering::SeqCst);
        (last > 0).then(|| files::name(last))
    }

    fn done(&self, file: &str, position: u64) -> Option<u64> {
        let file = Place::number(file)? as usize;
        Some(locked(&self.serves.begins).get(file - 1)?.saturating_add(position))
    }

    fn failure(&self) -> Option<Error> {
        locked(&self.serves.failure).take()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.serves.has_ended.store(true, Ordering::SeqCst);
        for socket in locked(&self.serves.sockets).iter() {
            socket.shutdown(Shutdown::Both).unwrap_or_default();
        }
        // The listener waits for somebody.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap_or_default();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A `server_id` of our own at random, which no server of the log's has; not 0.
fn server_id() -> io::Result<u32> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u32::from_le_bytes(bytes) | 1 << 31)
}

/// The first format description, and whether the first group has a GTID of MySQL's.
fn beginning(feed: &dyn Feed) -> Result<(FormatDescription, bool)> {
    let mut events = Events::of_file(feed.open()?)?;
    let mut has_gtids = false;
    while let Some(event) = events.next()? {
        if event.header.kind.is_gtid() {
            has_gtids = event.header.kind == EventKind::GTID_OF_MYSQL;
            break;
        }
    }
    events
        .format()
        .cloned()
        .map(|format| (format, has_gtids))
        .ok_or_else(|| fwb_binlog::ReadError::CutOff.into())
}

impl Serves {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for socket in listener.incoming() {
            if self.has_ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(socket) = socket else { continue };
            if let Err(error) = self.accept(socket) {
                log::debug!("the replica's connection is not taken: {error}");
            }
        }
    }

    fn accept(self: &Arc<Self>, socket: TcpStream) -> io::Result<()> {
        let mut sockets = locked(&self.sockets);
        if sockets.len() >= MOST_CONNECTIONS {
            return Err(io::Error::other("there are too many"));
        }
        let (kept, this) = (socket.try_clone()?, Arc::clone(self));
        let address = kept.peer_addr()?;
        sockets.push(kept);
        drop(sockets);
        let serve = move || {
            if let Err(error) = this.serve(socket) {
                log::debug!("the replica's connection has ended: {error}");
            }
            let is_other = |other: &TcpStream| other.peer_addr().is_ok_and(|other| other != address);
            locked(&this.sockets).retain(is_other);
        };
        Builder::new().spawn(serve).map(drop)
    }

    /// Serves one connection to its end.
    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        // Commands, by their numbers (MariaDB's manual, "Text Protocol").
        const QUIT: u8 = 0x01;
        const QUERY: u8 = 0x03;
        const PING: u8 = 0x0E;
        const BINLOG_DUMP: u8 = 0x12;
        const REGISTER_SLAVE: u8 = 0x15;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut packets = Packets::new(Box::new(socket.try_clone()?));
        login::log_in(&mut packets, &self.version, &self.account)?;
        loop {
            packets.set_number(0);
            let command = packets.short()?.to_vec();
            match command.split_first() {
                Some((&QUERY, sql)) => {
                    let sql = String::from_utf8_lossy(sql);
                    log::debug!("the replica asks: {sql}");
                    questions::answer(&mut packets, &sql, &self.says)?;
                }
                Some((&(PING | REGISTER_SLAVE), _)) => {
                    packets.write(&questions::OK)?;
                    packets.flush()?;
                }
                Some((&BINLOG_DUMP, asked)) => {
                    let Some(from) = asked_for(asked)? else {
                        return refuse(&mut packets, "there is no such place in the log");
                    };
                    return self.send(socket, from, packets.number());
                }
                Some((&QUIT, _)) | None => return Ok(()),
                _ => return refuse(&mut packets, "this source serves a replica alone"),
            }
        }
    }

    /// Sends the log, and waits for the replica to go.
    fn send(&self, mut socket: TcpStream, from: Place, number: u8) -> io::Result<()> {
        log::debug!("the replica reads from position {} of {}", from.position, files::name(from.file));
        let stream = BufWriter::with_capacity(CHUNK, socket.try_clone()?);
        let mut packets = EventPackets::new(stream, number, &self.begins);
        let sent = match self.feed.open() {
            Ok(feed) => Files::new(&mut packets, self.says.server_id, from).send(feed),
            Err(error) => Err(Unsent::Feed(error)),
        };
        match sent {
            Ok(last) => {
                packets.flush()?;
                self.last_file.store(last, Ordering::SeqCst);
            }
            Err(Unsent::Replica(error)) => return Err(error),
            Err(Unsent::Feed(error)) => {
                // The packets that are whole may go; the replica then waits for more, and is ended.
                packets.flush()?;
                log::debug!("the feed ended early, before packet {}: {error}", packets.number());
                locked(&self.failure).get_or_insert(error);
            }
        }
        socket.set_read_timeout(None)?;
        io::copy(&mut socket, &mut io::sink()).map(drop)
    }
}

/// The place that `COM_BINLOG_DUMP` asks for; none where there is no such place.
fn asked_for(asked: &[u8]) -> io::Result<Option<Place>> {
    let mut fields = Fields::new(asked);
    let position = fields.u32()?;
    fields.bytes(2 + 4)?;
    let name = String::from_utf8_lossy(fields.until_nul());
    Ok(if name.is_empty() { Some(Place::START) } else { Place::parse(&name, position.into()) })
}

/// Tells the replica that it cannot have what it asks for.
fn refuse(packets: &mut Packets, why: &str) -> io::Result<()> {
    packets.write(&[b"\xFF\xD4\x04#HY000", why.as_bytes()].concat())?;
    packets.flush()
}
