//! A socket between the tools and a server: what the server sends is cut off, or changed, on its way.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::Server;

/// What becomes of what the server sends.
#[derive(Clone)]
pub(crate) enum Fault {
    /// After so many bytes, over all connections, they are cut.
    Cut(usize),
    /// These bytes become those, of which there are as many.
    Change(&'static [u8], &'static [u8]),
    /// The connection is cut at this command, counted from 1 over all connections.
    Command(usize, At),
}

/// What becomes of a command at which a connection is cut, and of other connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// It does not reach the server.
    Before,
    /// The server carries it out, and its answer is lost.
    After,
    /// As before; and nobody is answered any more.
    AndAll,
}

/// The socket; it goes with this value.
pub(crate) struct Proxy {
    dir: TempDir,
    passed: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    commands: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn new(server: &Server, fault: Fault) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-proxy-").tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let (socket, passed) = (server.socket(), Arc::new(AtomicUsize::new(0)));
        let (count, asked) = (Arc::clone(&passed), Arc::<AtomicUsize>::default());
        let commands = Arc::<AtomicUsize>::default();
        let (asks, sent) = (Arc::clone(&asked), Arc::clone(&commands));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&socket)) else { return };
                let (up, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (asks, sent, wanted) = (Arc::clone(&asks), Arc::clone(&sent), fault.clone());
                std::thread::spawn(move || questions(up, to, &wanted, &asks, &sent));
                let (fault, count) = (fault.clone(), Arc::clone(&count));
                std::thread::spawn(move || answers(server, client, &fault, &count));
            }
        });
        Self { dir, passed, asked, commands }
    }

    /// Where to connect.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// How many bytes the server was sent.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many commands clients have sent, where they are counted: for [`Fault::Command`].
    pub(crate) fn commands(&self) -> usize {
        self.commands.load(Ordering::SeqCst)
    }

    /// How many bytes the server has sent.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }
}

fn questions(
    mut from: UnixStream,
    mut to: UnixStream,
    fault: &Fault,
    asked: &AtomicUsize,
    sent: &AtomicUsize,
) {
    if let &Fault::Command(at, how) = fault {
        commands(&mut from, &mut to, at, how, sent);
    } else {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            asked.fetch_add(read, Ordering::SeqCst);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Reads one packet, with its head: three bytes of length and one of sequence, which is zero where a command begins
/// (MariaDB's manual, "0 - Packet").
pub(crate) fn read_packet(from: &mut impl Read, packet: &mut Vec<u8>) -> std::io::Result<()> {
    packet.resize(4, 0);
    from.read_exact(packet)?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]);
    packet.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut packet[4..])
}

/// Passes commands on up to the one at which the connection is cut.
fn commands(from: &mut UnixStream, to: &mut UnixStream, at: usize, how: At, sent: &AtomicUsize) {
    let mut packet = Vec::new();
    while read_packet(from, &mut packet).is_ok() {
        let is_command = packet[3] == 0;
        let number = sent.fetch_add(usize::from(is_command), Ordering::SeqCst) + usize::from(is_command);
        let cut = is_command && number == at || how == At::AndAll && number > at;
        if cut {
            // Nobody sees the answer.
            let _ = from.shutdown(Shutdown::Both);
        }
        let passes = !cut || number == at && how != At::Before;
        if passes && to.write_all(&packet).is_err() || cut {
            return;
        }
    }
}

fn answers(mut from: UnixStream, mut to: UnixStream, fault: &Fault, count: &AtomicUsize) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let before = count.fetch_add(read, Ordering::SeqCst);
        let mut end = read;
        match fault {
            Fault::Command(..) => {}
            Fault::Cut(at) => end = at.saturating_sub(before).min(read),
            Fault::Change(from_text, to_text) => {
                for at in 0..read.saturating_sub(from_text.len()) {
                    if buffer[at..].starts_with(from_text) {
                        buffer[at..at + to_text.len()].copy_from_slice(to_text);
                    }
                }
            }
        }
        if to.write_all(&buffer[..end]).is_err() || end < read {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
