//! A program that does one piece of work: it is given its input, what it prints is collected, and each line that it says on
//! stderr is shown as it comes. Asked to stop, it is told of the signal and has time to end in order.

use std::ffi::OsString;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::error::{Error, Result};
use crate::program::{Program, die_with_parent, no_thread};
use crate::stderr::next_line;
use crate::{Stopper, Stops};

/// The most that is collected of what a program prints, in bytes; the rest is discarded, and the work counts as failed.
const LARGEST_OUTPUT: u64 = 1 << 30;
/// How long the pipes of a program that has ended are read: what it has left running may hold them open.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a piece of work ended.
#[derive(Debug)]
pub struct Worked {
    /// The exit status; none where a signal ended the program.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it has printed.
    pub output: Vec<u8>,
}

impl Worked {
    /// The exit status as a shell has it: of what a signal ended, 128 and its number.
    pub fn exit(&self) -> i32 {
        self.code.unwrap_or_else(|| 128 + self.signal.unwrap_or_default())
    }
}

/// A program at work, as far as whoever stops it has to know: none once it has ended, when its id may be another's.
#[derive(Debug)]
struct AtWork {
    pid: Mutex<Option<Pid>>,
    ended: Condvar,
}

impl Program {
    /// Runs the program to its end, with these variables beside our own environment. When a signal asks us to stop, the program
    /// gets it too, and is killed if it has not ended `patience` later. What it leaves running ends with it.
    ///
    /// # Errors
    /// The program cannot be started, or what it prints cannot be read.
    pub fn work(
        &self,
        input: Vec<u8>,
        environment: &[(&str, OsString)],
        stops: &(impl Stops + Clone + Send + Sync + 'static),
        patience: Duration,
        mut each_line: impl FnMut(&[u8]) + Send + 'static,
    ) -> Result<Worked> {
        let mut command = Command::new(&self.name);
        command.args(&self.args).process_group(0);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        for name in &self.without {
            command.env_remove(name);
        }
        die_with_parent(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.spawn_error(source))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let at_work = Arc::new(AtWork { pid: Mutex::new(pid), ended: Condvar::new() });
        let registered = stops.register(at_work.stopper(stops.clone(), patience));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let _fed = beside(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&input)))?;
        let output = beside(move || collect(stdout))?;
        let said = beside(move || {
            let Some(stderr) = stderr else { return };
            let mut lines = BufReader::new(stderr);
            while let Ok(Some(line)) = next_line(&mut lines) {
                each_line(&line);
            }
        })?;
        at_work.wait();
        let status = child.wait().map_err(|source| self.spawn_error(source))?;
        drop(registered);
        // Their senders are gone where a thread has ended without a word; then there is nothing to wait for.
        let _silence = said.recv_timeout(LAST_WORDS);
        let unended = || io::Error::other("something that it has left running still writes there");
        let output = output.recv_timeout(LAST_WORDS).unwrap_or_else(|_| Err(unended()));
        let output =
            output.map_err(|source| Error::Stream { action: "read what a program prints", source })?;
        Ok(Worked { code: status.code(), signal: status.signal(), output })
    }
}

impl AtWork {
    /// What passes the signal on that asks us to stop.
    fn stopper(self: &Arc<Self>, stops: impl Stops + Send + Sync + 'static, patience: Duration) -> Stopper {
        let at_work = Arc::clone(self);
        Arc::new(move || {
            let signal = stops.signal().and_then(Signal::from_named_raw).unwrap_or(Signal::TERM);
            at_work.tell(|pid| rustix::process::kill_process(pid, signal));
            let at_work = Arc::clone(&at_work);
            let kill = move || at_work.kill_after(patience);
            if let Err(error) = Builder::new().spawn(kill) {
                log::debug!("a program that does not end is not killed: {error}");
            }
        })
    }

    fn tell(&self, tell: impl FnOnce(Pid) -> rustix::io::Result<()>) {
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = pid.map(tell) {
            log::debug!("a program cannot be sent a signal: {error}");
        }
    }

    fn kill_after(&self, patience: Duration) {
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(pid, patience, |pid| pid.is_some());
        let (pid, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out()
            && let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process_group(pid, Signal::KILL))
        {
            log::debug!("a program cannot be killed: {error}");
        }
    }

    /// Waits until the program has ended, and ends what it has left running. It is not reaped: until then nobody else has its id.
    fn wait(&self) {
        let pid = *self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = pid else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(rustix::process::waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        // Usually there is nothing left, and so no such group.
        let _nothing_left = rustix::process::kill_process_group(pid, Signal::KILL);
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.ended.notify_all();
    }
}

/// Does something in a thread of its own, which may outlive whoever waits for it.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<Receiver<T>> {
    let (sender, receiver) = channel();
    // Whoever waited may have gone.
    let work = move || sender.send(work()).unwrap_or_default();
    Builder::new().spawn(work).map_err(no_thread)?;
    Ok(receiver)
}

/// What a program prints.
fn collect(stream: Option<impl Read>) -> io::Result<Vec<u8>> {
    let Some(mut stream) = stream else { return Ok(Vec::new()) };
    let mut output = Vec::new();
    stream.by_ref().take(LARGEST_OUTPUT).read_to_end(&mut output)?;
    if io::copy(&mut stream, &mut io::sink())? > 0 {
        return Err(io::Error::other(format!("it has more than {LARGEST_OUTPUT} bytes")));
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;

    /// A request to stop that comes once the program has said something.
    #[derive(Clone, Default)]
    struct Later(Arc<(Mutex<Option<Stopper>>, AtomicI32)>);

    impl Stops for Later {
        fn register(&self, stop: Stopper) -> Box<dyn std::any::Any + Send + Sync> {
            *self.0.0.lock().unwrap() = Some(stop);
            Box::new(())
        }

        fn signal(&self) -> Option<i32> {
            Some(self.0.1.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
        }
    }

    fn bash(script: &str, input: &[u8], stops: &Later, patience: Duration) -> (Worked, Vec<String>) {
        let (lines, said) = channel();
        let later = stops.clone();
        let each_line = move |line: &[u8]| {
            lines.send(String::from_utf8_lossy(line).trim().to_owned()).unwrap();
            if line.starts_with(b"ready") {
                later.0.0.lock().unwrap().clone().unwrap()();
            }
        };
        let program = Program::new("bash").args(["-c", script]);
        let worked =
            program.work(input.into(), &[("SAID", "it".into())], stops, patience, each_line).unwrap();
        (worked, said.try_iter().collect())
    }

    #[test]
    fn input_goes_in_and_output_and_words_come_out() {
        let long = "x".repeat(300_000);
        let script = "tr a-z A-Z; echo $SAID >&2; exit 3";
        let (worked, said) = bash(script, long.as_bytes(), &Later::default(), LAST_WORDS);
        assert_eq!((worked.code, worked.signal), (Some(3), None));
        assert_eq!((worked.output.len(), said), (300_000, vec!["it".to_owned()]));
        let (worked, _) = bash("exit 0", long.as_bytes(), &Later::default(), LAST_WORDS);
        assert_eq!(worked.code, Some(0), "a program need not read its input");
    }

    #[test]
    fn what_a_program_leaves_running_delays_nothing() {
        let (worked, said) = bash("sleep 600 & echo done >&2", b"", &Later::default(), LAST_WORDS);
        assert_eq!((worked.code, said), (Some(0), vec!["done".to_owned()]));
    }

    #[test]
    fn a_request_to_stop_is_passed_on() {
        let ends = "trap 'exit 7' TERM; echo ready >&2; while :; do sleep 0.05; done";
        let (worked, _) = bash(ends, b"", &Later::default(), Duration::from_secs(600));
        assert_eq!(worked.code, Some(7));
        let stays = "trap '' TERM; echo ready >&2; while :; do sleep 0.05; done";
        let (worked, _) = bash(stays, b"", &Later::default(), Duration::from_millis(200));
        assert_eq!(worked.signal, Some(9));
    }
}
