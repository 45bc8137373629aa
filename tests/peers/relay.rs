//! A socket between a test case and its server, which holds the case before it drops what it has made.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::support::proxy::read_packet;

/// What is called before a statement that drops something.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The socket; it goes with this value.
pub(crate) struct Relay {
    dir: TempDir,
    over: Arc<AtomicBool>,
}

/// Whether anything has been made since the last look.
type Dirty = Arc<Mutex<bool>>;

impl Relay {
    pub(crate) fn new(server: PathBuf, hook: &Hook) -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-peers-").tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let (hook, dirty) = (Arc::clone(hook), Dirty::default());
        let over = Arc::<AtomicBool>::default();
        let is_over = Arc::clone(&over);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&server)) else { return };
                let (from, to) =
                    (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                let (hook, dirty) = (Arc::clone(&hook), Arc::clone(&dirty));
                std::thread::spawn(move || questions(from, to, &hook, &dirty));
                std::thread::spawn(move || copy(server, client));
            }
        });
        Self { dir, over }
    }

    /// Where to connect.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

impl Drop for Relay {
    /// What its thread holds, a server above all, is not to stay.
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        UnixStream::connect(self.socket()).ok();
    }
}

fn copy(mut from: UnixStream, mut to: UnixStream) {
    std::io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Both).ok();
    from.shutdown(Shutdown::Both).ok();
}

/// A bit of what a client can do, in the first packet that it sends: it compresses what follows.
const COMPRESS: u8 = 0x20;
/// The command that carries a statement.
const QUERY: u8 = 3;

/// Passes packets on, and holds those that drop something.
fn questions(mut from: UnixStream, mut to: UnixStream, hook: &Hook, dirty: &Dirty) {
    let mut packet = Vec::new();
    let mut is_login = true;
    while read_packet(&mut from, &mut packet).is_ok() {
        if packet[3] == 0 && packet.get(4) == Some(&QUERY) {
            look(&packet[5..], hook, dirty);
        }
        if to.write_all(&packet).is_err() {
            break;
        }
        if std::mem::take(&mut is_login) && packet.get(4).is_some_and(|flags| flags & COMPRESS != 0) {
            return copy(from, to);
        }
    }
    to.shutdown(Shutdown::Both).ok();
}

fn look(sql: &[u8], hook: &Hook, dirty: &Dirty) {
    let word: Vec<u8> = sql
        .trim_ascii_start()
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .map(u8::to_ascii_uppercase)
        .collect();
    let mut dirty = dirty.lock().expect("a lock");
    match &word[..] {
        b"DROP" | b"TRUNCATE" if std::mem::take(&mut *dirty) => hook(),
        b"CREATE" | b"ALTER" | b"INSERT" | b"UPDATE" | b"REPLACE" | b"LOAD" | b"RENAME" | b"EXECUTE" => {
            *dirty = true
        }
        _ => {}
    }
}
