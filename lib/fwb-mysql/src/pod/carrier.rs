//! One kubectl that carries one connection: how it ends, and what its end means.

use std::io::{self, PipeReader};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use fwb::SessionError;
use fwb_process::{Child, Killer};
use rustix::event::PollFlags;

use super::pipes::{Stdin, is_ready};
use super::{Pod, forward, locked};
use crate::transport::Carrier;

/// How long a connection may take to end by itself after our last word.
const FAREWELL: Duration = Duration::from_secs(2);
/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// How the connection goes into kubectl.
pub(super) enum ChildStdin {
    /// Through its stdin.
    Pipe(Stdin),
    /// Through a port, over this connection; kubectl's stdout stays open as long, because it writes there when somebody
    /// connects.
    Port { socket: TcpStream, _stdout: PipeReader },
}

/// A running kubectl.
pub(super) struct Running {
    pod: Weak<Pod>,
    /// Where the connection leads, for messages.
    place: String,
    child: Mutex<Option<Child>>,
    killer: Killer,
    input: ChildStdin,
    /// By which name the server knows the connection; none before it is logged in.
    mark: Arc<Mutex<Option<String>>>,
    /// Whether the server has said anything yet.
    is_greeted: AtomicBool,
    /// Whether it has ended as it should.
    is_closed: AtomicBool,
}

impl Running {
    pub(super) fn new(
        pod: &Arc<Pod>,
        place: String,
        child: Child,
        input: ChildStdin,
        mark: Arc<Mutex<Option<String>>>,
    ) -> Self {
        Self {
            pod: Arc::downgrade(pod),
            place,
            killer: child.killer(),
            child: Mutex::new(Some(child)),
            input,
            mark,
            is_greeted: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        self.killer.kill();
        self.close_input();
    }

    fn close_input(&self) {
        match &self.input {
            ChildStdin::Pipe(stdin) => drop(locked(stdin).take()),
            ChildStdin::Port { socket, .. } => socket.shutdown(Shutdown::Write).unwrap_or_default(),
        }
    }

    /// From here on we are logged in, and the server knows the connection by this name, where it gives names.
    pub(super) fn known_as(&self, mark: Option<String>) {
        *locked(&self.mark) = mark;
        self.is_greeted.store(true, Ordering::SeqCst);
    }

    /// Waits for the end of it, and returns what it has said; nothing where it does not end.
    fn ended(&self, time: Duration) -> Option<fwb_process::Ended> {
        let mut child = locked(&self.child);
        let until = Instant::now() + time;
        while child.as_ref().is_some_and(Child::is_running) {
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
        child.take()?.wait().ok()
    }
}

impl Carrier for Running {
    fn cut(&self, source: io::Error) -> SessionError {
        let is_silent = source.kind() == io::ErrorKind::TimedOut;
        let ended = if is_silent { None } else { self.ended(FAREWELL) };
        self.kill();
        let said = ended.as_ref().map(fwb_process::Ended::stderr).unwrap_or_default();
        if !self.is_greeted.load(Ordering::SeqCst)
            && let Some(kind) = not_listening(&said)
        {
            return SessionError::Unreachable { place: self.place.clone(), source: kind.into() };
        }
        if let Some(pod) = self.pod.upgrade() {
            pod.forget();
        }
        let words = ended.and_then(|ended| ended.own_words("kubectl")).map(|words| without_urls(&words));
        SessionError::Cut { place: self.place.clone(), problem: words.unwrap_or_else(|| source.to_string()) }
    }

    fn check_peer(&self) -> Result<(), String> {
        match &self.input {
            ChildStdin::Pipe(_) => Ok(()),
            ChildStdin::Port { socket, .. } => forward::is_ours(socket),
        }
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.close_input();
        let has_ended = match &self.input {
            ChildStdin::Pipe(_) => self.ended(FAREWELL).is_some(),
            // kubectl goes on listening.
            ChildStdin::Port { socket, .. } => {
                is_ready(socket.as_fd(), PollFlags::IN, FAREWELL).unwrap_or(false)
            }
        };
        if !has_ended {
            log::debug!("the connection to {} does not end by itself", self.place);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if self.is_closed.load(Ordering::SeqCst) {
            return;
        }
        if let (Some(pod), Some(mark)) = (self.pod.upgrade(), locked(&self.mark).take()) {
            pod.lost(mark);
        }
    }
}

/// Whether the relay has found that no server listens.
fn not_listening(said: &str) -> Option<io::ErrorKind> {
    // kubectl writes the same in small letters where it does not reach its cluster.
    if said.contains("Connection refused") {
        return Some(io::ErrorKind::ConnectionRefused);
    }
    said.contains("No such file or directory").then_some(io::ErrorKind::NotFound)
}

/// kubectl repeats the URL of a call that failed, and the whole command is a part of it.
pub(super) fn without_urls(reason: &str) -> String {
    let mut parts = reason.split("?command=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(['"', ' ']).unwrap_or(part.len());
        text + &part[end..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_no_part_of_an_error() {
        let said = "error: sending request: Post \"https://10.0.0.1:10250/exec/ns/pod/db?command=sh&command=-c&error=1\": \
                    dial tcp 10.0.0.1:10250: connect: connection refused";
        let kept = "error: sending request: Post \"https://10.0.0.1:10250/exec/ns/pod/db\": \
                    dial tcp 10.0.0.1:10250: connect: connection refused";
        assert_eq!(without_urls(said), kept);
        assert_eq!(without_urls("error: no"), "error: no");
        assert_eq!(without_urls("x?command=a"), "x");
    }
}
