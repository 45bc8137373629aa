//! The pipes of a kubectl as a stream of bytes: reads and writes wait for a limited time.

use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::locked;

/// How long a read or a write waits.
#[derive(Clone)]
pub(super) struct Waits {
    /// So long until we are logged in; none afterwards.
    pub(super) patience: Arc<Mutex<Option<Duration>>>,
    /// So long without any sign of life before somebody asks for one.
    pub(super) silence: Duration,
    /// Asks whether the server still works for this connection; no other answer than yes is a sign of life.
    pub(super) is_alive: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// How long what is already on its way may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Waits {
    /// Waits until the stream is ready.
    fn ready(&self, fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        let timed_out = |what: &str| io::Error::new(io::ErrorKind::TimedOut, what.to_owned());
        loop {
            let patience = *locked(&self.patience);
            if is_ready(fd, flags, patience.unwrap_or(self.silence))? {
                return Ok(());
            }
            if patience.is_some() {
                return Err(timed_out("it does not answer"));
            }
            if !(self.is_alive)() && !is_ready(fd, flags, LAST_WORDS)? {
                return Err(timed_out(&format!(
                    "there was no sign of life for {} s",
                    self.silence.as_secs()
                )));
            }
        }
    }
}

/// Waits until a stream is ready, or has ended; not for longer than `time`.
pub(super) fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags, time: Duration) -> io::Result<bool> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&fd, flags)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The way in, which is closed to say that nothing more comes.
pub(super) type Closable<W> = Arc<Mutex<Option<W>>>;
/// kubectl's stdin.
pub(super) type Stdin = Closable<PipeWriter>;

/// The way in and the way out: the pipes of a kubectl, or a connection to a port of its.
pub(super) struct Pipes<R, W> {
    stdin: Closable<W>,
    stdout: R,
    waits: Waits,
}

impl<R: Read + AsFd, W: Write + AsFd> Pipes<R, W> {
    /// Takes the pipes, whose other ends are a child's.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(super) fn new(stdin: W, stdout: R, waits: Waits) -> io::Result<(Self, Closable<W>)> {
        for fd in [stdin.as_fd(), stdout.as_fd()] {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        let stdin: Closable<W> = Arc::new(Mutex::new(Some(stdin)));
        Ok((Self { stdin: Arc::clone(&stdin), stdout, waits }, stdin))
    }
}

impl<R: Read + AsFd, W> Read for Pipes<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stdout.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waits.ready(self.stdout.as_fd(), PollFlags::IN)?;
                }
                read => return read,
            }
        }
    }
}

impl<R, W: Write + AsFd> Write for Pipes<R, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            // Whoever closes it must not have to wait for a write that waits.
            let fd = match &mut *locked(&self.stdin) {
                None => return Err(io::ErrorKind::BrokenPipe.into()),
                Some(stdin) => match stdin.write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        stdin.as_fd().try_clone_to_owned()?
                    }
                    written => return written,
                },
            };
            self.waits.ready(fd.as_fd(), PollFlags::OUT)?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn waits(alive: u32) -> (Waits, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let waits = Waits {
            patience: Arc::default(),
            silence: Duration::from_millis(20),
            is_alive: Arc::new(move || counted.fetch_add(1, Ordering::SeqCst) < alive),
        };
        (waits, asked)
    }

    #[test]
    fn silence_is_asked_about_and_then_given_up() {
        let ((_reader, stdin), (stdout, _writer)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let (waits, asked) = waits(3);
        let (mut pipes, _) = Pipes::new(stdin, stdout, waits).unwrap();
        assert_eq!(pipes.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(asked.load(Ordering::SeqCst), 4);
        // So is a write that nobody takes.
        assert_eq!(pipes.write_all(&vec![0; 4 << 20]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn an_end_is_an_end_on_either_side() {
        let ((reader, stdin), (stdout, mut writer)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let (mut pipes, closer) = Pipes::new(stdin, stdout, waits(0).0).unwrap();
        writer.write_all(b"ab").unwrap();
        drop(writer);
        let mut read = Vec::new();
        pipes.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"ab");
        pipes.write_all(b"x").unwrap();
        locked(&closer).take();
        assert!(pipes.write(b"y").is_err());
        assert_eq!(io::read_to_string(reader).unwrap(), "x");
    }
}
