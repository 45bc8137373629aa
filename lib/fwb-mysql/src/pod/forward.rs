//! A port of this machine's that leads to the pod: `kubectl port-forward`. Any user of this machine can connect to it, and
//! whoever listens at it when kubectl has gone could answer in its place; so the kernel is asked whose process does.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fwb::{Cancel, SessionError};

use super::carrier::{ChildStdin, Running, without_urls};
use super::pipes::{Pipes, Waits};
use super::{Carried, Found, LOOPBACK, Pod, taken};

/// How long a connection to a port of this machine's may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest line that kubectl says it by, in bytes.
const LONGEST: usize = 4096;

impl Pod {
    /// Forwards a port and connects to it.
    pub(super) fn forward(
        self: &Arc<Self>,
        found: &Found,
        port: u16,
        cancel: &Cancel,
    ) -> Result<Carried, SessionError> {
        let program = self.kubectl.port_forward(&self.options, found, port);
        let (_, stdout, child) = program.duplex(cancel, |_| true).map_err(|error| taken(error.into()))?;
        let cut = |problem: String| SessionError::Cut { place: Self::place(found), problem };
        let failed = |source: std::io::Error| cut(source.to_string());
        let waits = Waits {
            patience: Arc::new(Mutex::new(Some(self.options.silence))),
            silence: self.options.silence,
            is_alive: Arc::new(|| false),
        };
        let own = stdout.try_clone().map_err(failed)?;
        let (mut said, _) = Pipes::new(std::io::pipe().map_err(failed)?.1, own, waits).map_err(failed)?;
        let mut line = Vec::new();
        let mut byte = [0];
        let forwarded = loop {
            match said.read(&mut byte) {
                Ok(1) if byte[0] == b'\n' => break listening(&line),
                Ok(1) if line.len() < LONGEST => line.push(byte[0]),
                Ok(_) => break None,
                Err(error) => {
                    child.kill();
                    return Err(failed(error));
                }
            }
        };
        let Some(forwarded) = forwarded else {
            child.kill();
            let ended = child.wait().map_err(|error| taken(error.into()))?;
            cancel.check().map_err(taken)?;
            let words = ended.own_words("kubectl").map(|words| without_urls(&words));
            return Err(cut(
                words.unwrap_or_else(|| "kubectl port-forward does not say where it listens".into())
            ));
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, forwarded));
        let socket = TcpStream::connect_timeout(&address, CONNECT).map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let mark = Arc::new(Mutex::new(None));
        let waits = self.waits(&mark);
        let patience = Arc::clone(&waits.patience);
        let (writes, held) = (socket.try_clone().map_err(failed)?, socket.try_clone().map_err(failed)?);
        let (pipes, _) = Pipes::new(writes, socket, waits).map_err(failed)?;
        let kubectl = Running::new(
            self,
            Self::place(found),
            child,
            ChildStdin::Port { socket: held, _stdout: stdout },
            mark,
        );
        Ok(Carried::new(Arc::new(kubectl), Box::new(pipes), false, patience))
    }
}

/// The port in `Forwarding from 127.0.0.1:40123 -> 3306`.
fn listening(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let (_, rest) = line.split_once(&format!("{LOOPBACK}:"))?;
    rest.split(' ').next()?.parse().ok()
}

/// Whether a process of ours, or of root's, has taken the connection (proc(5), `/proc/net/tcp`).
///
/// # Errors
/// Why that is not certain.
pub(super) fn is_ours(socket: &TcpStream) -> Result<(), String> {
    let addresses = socket.peer_addr().and_then(|peer| Ok((peer, socket.local_addr()?)));
    let (peer, own) = addresses.map_err(|error| error.to_string())?;
    let table =
        std::fs::read_to_string("/proc/net/tcp").map_err(|error| format!("/proc/net/tcp: {error}"))?;
    match owner(&table, peer, own) {
        Some(user) if user == 0 || user == rustix::process::geteuid().as_raw() => Ok(()),
        Some(user) => Err(format!("a process of user {user} does")),
        None => Err("the kernel does not say whose process does".into()),
    }
}

/// The user whose process has taken the connection from `remote` at `local`; a connection that nobody has taken yet has no
/// inode.
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let (local, remote) = (hexadecimal(local)?, hexadecimal(remote)?);
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (user, inode) = (words.get(7)?.parse().ok()?, *words.get(9)?);
        (words[1] == local && words[2] == remote && inode != "0").then_some(user)
    })
}

/// An address as the kernel prints it: bytes in the machine's order, in hexadecimal digits.
fn hexadecimal(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_port_is_the_one_that_kubectl_says() {
        assert_eq!(listening(b"Forwarding from 127.0.0.1:40123 -> 3306"), Some(40123));
        for other in
            ["Forwarding from [::1]:40123 -> 3306", "127.0.0.1:x -> 3306", "", "127.0.0.1:99999 -> 1"]
        {
            assert_eq!(listening(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_kernel_says_who_has_taken_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_ours(&client).is_err(), "nobody has taken it");
        let _taken = listener.accept().unwrap();
        is_ours(&client).unwrap();
        let (peer, own) = (client.peer_addr().unwrap(), client.local_addr().unwrap());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        assert_eq!(owner(&table, peer, own), Some(rustix::process::geteuid().as_raw()));
        assert_eq!(owner("", peer, own), None);
    }
}
