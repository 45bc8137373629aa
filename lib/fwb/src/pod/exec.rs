//! One run of a client program in the pod: how it begins and how it is waited for.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::ended::Ended;
use super::stderr::Said;
use super::streams::{Exchange, Input, Output, Watch};
use super::{Pod, locked};
use crate::error::Result;
use crate::process::Child;
use crate::progress::Cancel;
use crate::thread;

/// What `sh -c` is given: it reads so many lines of the script from stdin. As an argument, the script would be part of
/// the URL of every call, and of the cluster's audit log.
const BOOT: &str = include_str!("boot.sh");
/// The script.
const SCRIPT: &str = include_str!("run.sh");

/// Signs of life that may be missed.
const MISSED: u32 = 12;

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
        let beat = (silence / MISSED).max(Duration::from_secs(1));
        let kubectl = self.pod.kubectl.exec(&self.pod.options, &found, BOOT);
        let kubectl = kubectl
            .args([
                script.len().to_string().as_str(),
                &nonce,
                &beat.as_secs().to_string(),
                &MISSED.to_string(),
            ])
            .args([self.user.as_deref().unwrap_or_default(), &self.programs.join(" ")])
            .args(args);

        let said = Arc::new(Said::new(nonce));
        let heard = Arc::clone(&said);
        let (stdin, stdout, child) = kubectl.duplex(cancel, move |line| heard.hear(line))?;
        let exchange = Arc::new(Exchange::new(stdin, said));
        let mut opening = script.join("\n").into_bytes();
        opening.push(b'\n');
        opening.extend(self.header.to_bytes());
        // That it could not be written shows at the end.
        exchange.write(&opening).ok();

        let (alive, ended) = channel();
        let watch = Watch { exchange: Arc::clone(&exchange), silence, beat, killer: child.killer() };
        thread::start(move || watch.run(&ended))?;
        let running = Running {
            exec: self.clone(),
            place: format!("pod {}", found.name),
            child,
            exchange: Arc::clone(&exchange),
            sink: None,
            _alive: alive,
        };
        let output = Output::new(stdout, Arc::clone(&exchange));
        Ok((Input::new(exchange), output, running))
    }
}

/// A word that nothing in the streams holds by chance or by design.
fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// A program that runs in the pod.
#[derive(Debug)]
pub(crate) struct Running {
    exec: Exec,
    place: String,
    child: Child,
    exchange: Arc<Exchange>,
    sink: Option<JoinHandle<()>>,
    _alive: Sender<()>,
}

impl Running {
    /// Reads the output to its end and throws it away.
    ///
    /// # Errors
    /// The operating system refuses the thread that does it.
    pub(crate) fn discard(&mut self, mut output: Output) -> Result<()> {
        let sink = move || {
            if let Err(error) = io::copy(&mut output, &mut io::sink()) {
                log::debug!("cannot read what a client program says: {error}");
            }
        };
        self.sink = Some(thread::start(sink)?);
        Ok(())
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
            silence: self.exchange.is_silent.load(Ordering::SeqCst).then_some(self.exec.pod.options.silence),
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
        self.exchange.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
