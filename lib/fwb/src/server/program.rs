//! A client program and its arguments: here, or in a pod. Where it runs makes no difference to who uses it.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use crate::error::{Error, Result};
use crate::pod;
use crate::process::{self, Program};
use crate::progress::Cancel;
use crate::thread;

/// A program that is ready to run. No secret is ever among its arguments.
#[derive(Debug, Clone)]
pub(crate) struct ClientProgram {
    name: &'static str,
    args: Vec<OsString>,
    /// Where it runs, unless here.
    pod: Option<pod::Exec>,
}

impl ClientProgram {
    /// The first of these programs that is installed here.
    pub(super) fn here(names: &[&'static str]) -> Self {
        let found = names.iter().find(|name| Program::new(**name).exists());
        Self { name: found.unwrap_or(&names[0]), args: Vec::new(), pod: None }
    }

    /// The first of these programs that the pod has.
    pub(super) fn in_pod(exec: pod::Exec) -> Self {
        Self { name: exec.programs.first().copied().unwrap_or_default(), args: Vec::new(), pod: Some(exec) }
    }

    /// The same for nobody: it is told of no account.
    #[must_use]
    pub(super) fn without_account(mut self) -> Self {
        if let Some(exec) = &mut self.pod {
            exec.header = pod::Header::Nobody;
            exec.user = None;
        }
        self
    }

    /// Its name. Which of several a pod has shows when it runs.
    pub(crate) fn name(&self) -> &str {
        self.name
    }

    /// Adds an argument.
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    fn local(&self) -> Program {
        Program::new(self.name).args(&self.args)
    }

    /// Runs the program to its end with `input` on its stdin and returns its stdout. `doing` says what for, in the
    /// error.
    ///
    /// # Errors
    /// The program cannot be started, does not exit with 0, or its streams did not go through whole; or a signal asked
    /// us to stop.
    pub(crate) fn run(&self, input: &[u8], doing: &str, cancel: &Cancel) -> Result<Vec<u8>> {
        let Some(exec) = &self.pod else { return self.local().run(input, doing, cancel) };
        let (mut stdin, mut stdout, running) = exec.start(&self.args, cancel)?;
        let mut out = Vec::new();
        std::thread::scope(|scope| {
            // That the program took no more shows in how it ended.
            thread::start_in(scope, move || stdin.write_all(input).and_then(|()| stdin.finish()).ok())?;
            // What was not read is missing in the proof.
            stdout.read_to_end(&mut out).ok();
            Ok::<_, Error>(())
        })?;
        let ended = running.wait()?;
        cancel.check()?;
        ended.success(doing).map(|()| out)
    }

    /// Starts the program with its stdout as a stream.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn reader(&self, cancel: &Cancel) -> Result<(Output, Running)> {
        self.watched_reader(cancel, |_| true)
    }

    /// As [`ClientProgram::reader`]; here, each line of its stderr is shown to `keep`, which says whether it belongs to
    /// its words.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn watched_reader(
        &self,
        cancel: &Cancel,
        keep: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> Result<(Output, Running)> {
        let Some(exec) = &self.pod else {
            let (output, child) = self.local().reader(cancel, keep)?;
            return Ok((Output::Here(output), Running::Here(child)));
        };
        let (input, output, running) = exec.start(&self.args, cancel)?;
        // That it could not be written shows at the end.
        input.finish().ok();
        Ok((Output::Pod(output), Running::Pod(Box::new(running))))
    }

    /// Starts the program with both its stdin and its stdout as streams.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn duplex(&self, cancel: &Cancel) -> Result<(Input, Output, Running)> {
        let Some(exec) = &self.pod else {
            let (input, output, child) = self.local().duplex(cancel, |_| true)?;
            return Ok((Input::Here(input), Output::Here(output), Running::Here(child)));
        };
        let (input, output, running) = exec.start(&self.args, cancel)?;
        Ok((Input::Pod(input), Output::Pod(output), Running::Pod(Box::new(running))))
    }

    /// Starts the program with its stdin as a stream; its stdout is discarded.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn writer(&self, cancel: &Cancel) -> Result<(Input, Running)> {
        let Some(exec) = &self.pod else {
            let (input, child) = self.local().writer(cancel)?;
            return Ok((Input::Here(input), Running::Here(child)));
        };
        let (input, output, mut running) = exec.start(&self.args, cancel)?;
        running.discard(output)?;
        Ok((Input::Pod(input), Running::Pod(Box::new(running))))
    }
}

/// A program's stdin.
#[derive(Debug)]
pub(crate) enum Input {
    /// Of a child of ours, which takes its closing for the end.
    Here(PipeWriter),
    /// Of a program in a pod, which is killed where no end is sent.
    Pod(pod::Input),
}

impl Input {
    /// Ends the input.
    ///
    /// # Errors
    /// The program is gone.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Here(pipe) => {
                drop(pipe);
                Ok(())
            }
            Self::Pod(input) => input.finish(),
        }
    }
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Here(pipe) => pipe.write(bytes),
            Self::Pod(input) => input.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Here(pipe) => pipe.flush(),
            Self::Pod(input) => input.flush(),
        }
    }
}

/// A program's stdout.
#[derive(Debug)]
pub(crate) enum Output {
    /// Of a child of ours.
    Here(PipeReader),
    /// Of a program in a pod.
    Pod(pod::Output),
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Here(pipe) => pipe.read(buffer),
            Self::Pod(output) => output.read(buffer),
        }
    }
}

/// A running program.
#[derive(Debug)]
pub(crate) enum Running {
    /// A child of ours.
    Here(process::Child),
    /// A program in a pod.
    Pod(Box<pod::Running>),
}

impl Running {
    /// Waits for it to end.
    ///
    /// # Errors
    /// The operating system does not say how it ended.
    pub(crate) fn wait(self) -> Result<Ended> {
        match self {
            Self::Here(child) => child.wait().map(Ended::Here),
            Self::Pod(running) => running.wait().map(|ended| Ended::Pod(Box::new(ended))),
        }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        match self {
            Self::Here(child) => child.is_running(),
            Self::Pod(running) => running.is_running(),
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        match self {
            Self::Here(child) => child.kill(),
            Self::Pod(running) => running.kill(),
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A child of ours.
    Here(process::Ended),
    /// A program in a pod.
    Pod(Box<pod::Ended>),
}

impl Ended {
    /// The program's error lines.
    pub(crate) fn stderr(&self) -> String {
        match self {
            Self::Here(ended) => ended.stderr(),
            Self::Pod(ended) => ended.stderr(),
        }
    }

    /// An error unless it exited with 0 and, in a pod, its streams went through whole.
    pub(crate) fn success(&self, doing: &str) -> Result<()> {
        match self {
            Self::Here(ended) => ended.success(doing),
            Self::Pod(ended) => ended.success(doing),
        }
    }
}
