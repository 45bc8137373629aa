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
}

/// The socket; it goes with this value.
pub(crate) struct Proxy {
    dir: TempDir,
    passed: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn new(server: &Server, fault: Fault) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-proxy-").tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let (socket, passed) = (server.socket(), Arc::new(AtomicUsize::new(0)));
        let (count, asked) = (Arc::clone(&passed), Arc::<AtomicUsize>::default());
        let asks = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&socket)) else { return };
                let (mut up, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let asks = Arc::clone(&asks);
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = up.read(&mut buffer) {
                        asks.fetch_add(read, Ordering::SeqCst);
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
                let (fault, count) = (fault.clone(), Arc::clone(&count));
                std::thread::spawn(move || answers(server, client, &fault, &count));
            }
        });
        Self { dir, passed, asked }
    }

    /// Where to connect.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// How many bytes the server was sent.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many bytes the server has sent.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }
}

fn answers(mut from: UnixStream, mut to: UnixStream, fault: &Fault, count: &AtomicUsize) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let before = count.fetch_add(read, Ordering::SeqCst);
        let mut end = read;
        match fault {
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
