//! The two streams of a run, and the signs of life beside them.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::locked;
use super::proof::Tally;
use super::stderr::Said;
use crate::process::Killer;

/// How much of the program's stdin is one block, in bytes: the script starts two programs for each.
const BLOCK: usize = 1 << 20;

/// What both ends of a run share.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Open until the program has ended: the script in the pod watches it.
    stdin: Mutex<Option<PipeWriter>>,
    pub(super) sent: Mutex<Tally>,
    pub(super) received: Mutex<Tally>,
    /// Whether somebody waits for output; if not, the connection may well be stalled for that.
    listening: AtomicBool,
    /// Whether the end of the input was sent.
    pub(super) is_ended: AtomicBool,
    /// Whether the connection was given up for want of a sign of life.
    pub(super) is_silent: AtomicBool,
    pub(super) said: Arc<Said>,
}

impl Exchange {
    pub(super) fn new(stdin: PipeWriter, said: Arc<Said>) -> Self {
        Self {
            stdin: Mutex::new(Some(stdin)),
            sent: Mutex::default(),
            received: Mutex::default(),
            listening: AtomicBool::new(true),
            is_ended: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            said,
        }
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *locked(&self.stdin) {
            Some(stdin) => stdin.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Hands on a block of the program's stdin.
    fn send(&self, block: &[u8]) -> io::Result<()> {
        let mut stdin = locked(&self.stdin);
        let stdin = stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{}\n", block.len()).as_bytes())?;
        stdin.write_all(block)?;
        locked(&self.sent).add(block);
        Ok(())
    }

    /// Breaks the connection.
    pub(super) fn close(&self) {
        locked(&self.stdin).take();
    }

    /// A sign of life, where it would not have to wait: what is on its way is one too.
    fn greet(&self) {
        let Ok(mut stdin) = self.stdin.try_lock() else { return };
        let Some(stdin) = &mut *stdin else { return };
        let mut ready = [PollFd::new(&*stdin, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut ready, Some(&now)).is_ok() && ready[0].revents().contains(PollFlags::OUT) {
            // That the connection is gone shows elsewhere.
            stdin.write_all(b"alive\n").ok();
        }
    }
}

/// The program's stdin. Dropped before [`Input::finish`], it breaks the connection: the program is killed and does not
/// take what it has for the whole.
#[derive(Debug)]
pub(crate) struct Input {
    exchange: Arc<Exchange>,
    buffer: Vec<u8>,
}

impl Input {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, buffer: Vec::new() }
    }

    /// Ends the program's stdin.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.exchange.is_ended.store(true, Ordering::SeqCst);
        self.exchange.write(b"end\n")
    }
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == BLOCK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.exchange.send(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if !self.exchange.is_ended.load(Ordering::SeqCst) {
            self.exchange.close();
        }
    }
}

/// The program's stdout.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: PipeReader,
    exchange: Arc<Exchange>,
}

impl Output {
    pub(super) fn new(pipe: PipeReader, exchange: Arc<Exchange>) -> Self {
        Self { pipe, exchange }
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let exchange = &self.exchange;
        exchange.said.touch();
        exchange.listening.store(true, Ordering::SeqCst);
        let read = self.pipe.read(buffer);
        exchange.listening.store(false, Ordering::SeqCst);
        let read = read?;
        locked(&exchange.received).add(&buffer[..read]);
        Ok(read)
    }
}

/// Shows the other side signs of life, and ends kubectl when the connection has been without any for too long.
pub(super) struct Watch {
    pub(super) exchange: Arc<Exchange>,
    pub(super) silence: Duration,
    pub(super) beat: Duration,
    pub(super) killer: Killer,
}

impl Watch {
    /// Until the other end of `ended` is dropped.
    pub(super) fn run(self, ended: &Receiver<()>) {
        let mut is_suspect = false;
        loop {
            match ended.recv_timeout((self.silence / 4).min(self.beat)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
            self.exchange.greet();
            let is_silent =
                self.exchange.listening.load(Ordering::SeqCst) && self.exchange.said.since() > self.silence;
            // Twice: this process itself may have been stopped for a while.
            if is_silent && is_suspect {
                self.exchange.is_silent.store(true, Ordering::SeqCst);
                self.killer.kill();
                return;
            }
            is_suspect = is_silent;
        }
    }
}
