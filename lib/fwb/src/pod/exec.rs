//! One run of a client program in the pod: its streams, and the proof that they arrived.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Pod;
use super::proof::{Proof, Tally};
use super::stderr::Said;
use crate::error::{Error, Result};
use crate::process::{self, Child, Killer};
use crate::progress::Cancel;

/// What `sh -c` is given: it reads so many lines of the script from stdin. As an argument, the script would be part of
/// the URL of every call, and of the cluster's audit log.
const BOOT: &str = include_str!("boot.sh");
/// The script.
const SCRIPT: &str = include_str!("run.sh");

/// How much of the program's stdin is one block, in bytes: the script starts two programs for each.
const BLOCK: usize = 1 << 20;
/// Signs of life that may be missed.
const MISSED: u32 = 12;
/// The exit status of a program that a signal has ended is this and the signal's number.
const KILLED: u8 = 128;

/// Who the program is to the server.
#[derive(Debug, Clone)]
pub(crate) enum Header {
    /// Nobody: it is not to connect.
    Nobody,
    /// As the pod's environment says, where it does.
    Environment,
    /// As this option file says, which is read beside the usual ones, or instead of them.
    File { content: Vec<u8>, only: bool },
}

impl Header {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Nobody => b"none\n".to_vec(),
            Self::Environment => b"env\n".to_vec(),
            Self::File { content, only } => {
                let content = content.strip_suffix(b"\n").unwrap_or(content);
                let lines = memchr::memchr_iter(b'\n', content).count() + 1;
                let word = if *only { "only" } else { "file" };
                [format!("{word} {lines}\n").as_bytes(), content, b"\n"].concat()
            }
        }
    }
}

/// How client programs are run in a pod.
#[derive(Debug, Clone)]
pub(crate) struct Exec {
    pub(crate) pod: Arc<Pod>,
    pub(crate) header: Header,
    pub(crate) user: Option<String>,
    /// Names of the program; the first that the container has is run.
    pub(crate) programs: &'static [&'static str],
}

impl Exec {
    /// Starts the program.
    ///
    /// # Errors
    /// The pod is not to be had, or kubectl cannot be started.
    pub(crate) fn start(&self, args: &[OsString], cancel: &Cancel) -> Result<(Input, Output, Running)> {
        let found = self.pod.find(cancel)?;
        let script: Vec<&str> = SCRIPT.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let nonce = nonce();
        let silence = self.pod.options.silence;
        let beat = (silence / MISSED).as_secs().max(1);
        let kubectl = self.pod.kubectl.exec(&self.pod.options, &found, BOOT);
        let kubectl = kubectl
            .args([script.len().to_string().as_str(), &nonce, &beat.to_string()])
            .args([self.user.as_deref().unwrap_or_default(), &self.programs.join(" ")])
            .args(args);

        let said = Arc::new(Said::new(nonce));
        let heard = Arc::clone(&said);
        let (stdin, stdout, child) = kubectl.duplex(cancel, move |line| heard.hear(line))?;
        let exchange = Arc::new(Exchange {
            stdin: Mutex::new(Some(stdin)),
            sent: Mutex::default(),
            received: Mutex::default(),
            listening: AtomicBool::new(true),
            is_ended: AtomicBool::new(false),
            said,
        });
        let mut opening = script.join("\n").into_bytes();
        opening.push(b'\n');
        opening.extend(self.header.to_bytes());
        // That it could not be written shows at the end.
        exchange.write(&opening).ok();

        let silent = Arc::new(AtomicBool::new(false));
        let (alive, ended) = channel();
        let watch = Watch {
            exchange: Arc::clone(&exchange),
            silence,
            silent: Arc::clone(&silent),
            killer: child.killer(),
        };
        std::thread::spawn(move || watch.run(&ended));
        let running = Running {
            exec: self.clone(),
            place: format!("pod {}", found.name),
            child,
            exchange: Arc::clone(&exchange),
            silent,
            sink: None,
            _alive: alive,
        };
        let output = Output { pipe: stdout, exchange: Arc::clone(&exchange) };
        Ok((Input { exchange, buffer: Vec::new(), is_finished: false }, output, running))
    }
}

/// A word that nothing in the streams holds by chance or by design.
fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// What both ends of a run share.
#[derive(Debug)]
struct Exchange {
    /// Open until the program has ended: the script in the pod watches it.
    stdin: Mutex<Option<PipeWriter>>,
    sent: Mutex<Tally>,
    received: Mutex<Tally>,
    /// Whether somebody waits for output; if not, the connection may well be stalled for that.
    listening: AtomicBool,
    /// Whether the end of the input was sent.
    is_ended: AtomicBool,
    said: Arc<Said>,
}

impl Exchange {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *locked(&self.stdin) {
            Some(stdin) => stdin.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program's stdin. Dropped before [`Input::finish`], it breaks the connection: the program is killed and does not
/// take what it has for the whole.
#[derive(Debug)]
pub(crate) struct Input {
    exchange: Arc<Exchange>,
    buffer: Vec<u8>,
    is_finished: bool,
}

impl Input {
    /// Ends the program's stdin.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.exchange.is_ended.store(true, Ordering::SeqCst);
        self.is_finished = true;
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
        self.exchange.write(format!("{}\n", self.buffer.len()).as_bytes())?;
        self.exchange.write(&self.buffer)?;
        locked(&self.exchange.sent).add(&self.buffer);
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if !self.is_finished {
            locked(&self.exchange.stdin).take();
        }
    }
}

/// The program's stdout.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: PipeReader,
    exchange: Arc<Exchange>,
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

/// Ends kubectl when the connection has been without a sign of life for too long.
struct Watch {
    exchange: Arc<Exchange>,
    silence: Duration,
    silent: Arc<AtomicBool>,
    killer: Killer,
}

impl Watch {
    fn run(self, ended: &Receiver<()>) {
        let mut is_suspect = false;
        loop {
            match ended.recv_timeout((self.silence / 4).min(Duration::from_secs(5))) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
            let is_silent =
                self.exchange.listening.load(Ordering::SeqCst) && self.exchange.said.since() > self.silence;
            // Twice: this process itself may have been stopped for a while.
            if is_silent && is_suspect {
                self.silent.store(true, Ordering::SeqCst);
                self.killer.kill();
                return;
            }
            is_suspect = is_silent;
        }
    }
}

/// A program that runs in the pod.
#[derive(Debug)]
pub(crate) struct Running {
    exec: Exec,
    place: String,
    child: Child,
    exchange: Arc<Exchange>,
    silent: Arc<AtomicBool>,
    sink: Option<JoinHandle<()>>,
    _alive: Sender<()>,
}

impl Running {
    /// Reads the output to its end and throws it away.
    pub(crate) fn discard(&mut self, mut output: Output) {
        let sink = move || {
            if let Err(error) = io::copy(&mut output, &mut io::sink()) {
                log::debug!("cannot read what a client program says: {error}");
            }
        };
        self.sink = Some(std::thread::spawn(sink));
    }

    /// Waits for the program to end.
    ///
    /// # Errors
    /// The operating system does not say how kubectl ended.
    pub(crate) fn wait(mut self) -> Result<Ended> {
        let kubectl = self.child.wait()?;
        if let Some(sink) = self.sink.take() {
            sink.join().ok();
        }
        let received = locked(&self.exchange.received).clone();
        let sent = locked(&self.exchange.sent).clone();
        Ok(Ended {
            proof: self.exchange.said.proof(),
            kubectl,
            received,
            sent,
            was_fed: self.exchange.is_ended.load(Ordering::SeqCst),
            silence: self.silent.load(Ordering::SeqCst).then_some(self.exec.pod.options.silence),
            place: self.place,
            exec: self.exec,
        })
    }

    /// Whether kubectl has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// Breaks the connection, which ends the program.
    pub(crate) fn kill(&self) {
        // First of all: somebody may be writing, and end with it.
        self.child.kill();
        locked(&self.exchange.stdin).take();
    }
}

/// How a program in the pod ended.
#[derive(Debug)]
pub(crate) struct Ended {
    exec: Exec,
    place: String,
    kubectl: process::Ended,
    proof: Option<Proof>,
    received: Tally,
    sent: Tally,
    was_fed: bool,
    silence: Option<Duration>,
}

impl Ended {
    /// The program's error lines.
    pub(crate) fn stderr(&self) -> String {
        self.kubectl.stderr()
    }

    /// An error unless the program exited with 0 and its streams went through whole.
    pub(crate) fn success(&self, doing: &str) -> Result<()> {
        let program = self.exec.programs.first().copied().unwrap_or_default();
        let Some(problem) = self.problem(program) else {
            let Some(proof) = self.proof.as_ref().filter(|proof| proof.status != 0) else { return Ok(()) };
            let reason = self.kubectl.own_words(program).unwrap_or_else(|| match proof.status {
                status if status > KILLED => format!("it was killed by signal {}", status - KILLED),
                status => format!("it exited with {status} and gave no reason"),
            });
            return Err(Error::Child { program: program.into(), doing: doing.into(), reason });
        };
        self.exec.pod.forget();
        Err(Error::Channel { place: self.place.clone(), doing: doing.into(), problem })
    }

    /// What is wrong with the connection.
    fn problem(&self, program: &str) -> Option<String> {
        if let Some(silence) = self.silence {
            return Some(format!("there was no sign of life for {} s", silence.as_secs()));
        }
        let Some(proof) = &self.proof else {
            let reason = self.kubectl.own_words("kubectl").map(|reason| without_urls(&reason));
            return Some(
                reason
                    .unwrap_or_else(|| format!("it ended before the pod could tell how {program} had ended")),
            );
        };
        // A program that the cut itself has ended says nothing of its own.
        if proof.is_output_cut() {
            return Some(format!("{program} could not get rid of its output"));
        }
        if proof.status > KILLED && self.was_fed && proof.is_input_cut() {
            return Some(format!("the input of {program} was cut"));
        }
        if proof.status != 0 {
            return None;
        }
        proof.difference(&self.received, &self.sent).or_else(|| {
            self.kubectl.success("").err().map(|_| format!("kubectl failed after {program} had ended well"))
        })
    }
}

/// kubectl repeats the URL of a call that failed, and the whole command is a part of it.
fn without_urls(reason: &str) -> String {
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

    #[test]
    fn an_option_file_goes_line_by_line() {
        let header = |text: &str, only| {
            String::from_utf8(Header::File { content: text.into(), only }.to_bytes()).unwrap()
        };
        assert_eq!(header("[client]\nuser=x\n", false), "file 2\n[client]\nuser=x\n");
        assert_eq!(header("[client]\nuser=x", true), "only 2\n[client]\nuser=x\n");
        assert_eq!(header("", true), "only 1\n\n");
    }
}
