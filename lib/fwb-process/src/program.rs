//! A program, and the child that it becomes.

use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};
use crate::stderr::{drain, failure, own_words};
use crate::{Stopper, Stops};

/// What a pipe holds, in bytes: fewer, longer exchanges with the child. Linux's limit without privileges.
const PIPE_SIZE: usize = 1 << 20;

/// What any pipe holds, in bytes (pipe(7)): so much can be written before anyone reads.
const LEAST_PIPE: usize = 4096;

/// Where programs for administrators lie (Filesystem Hierarchy Standard, `/usr/sbin`).
const SYSTEM_DIRS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// A program and its arguments. No secret is ever among them.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name of the executable, found on `PATH`.
    pub name: String,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables of our own environment that it does not get.
    pub(crate) without: Vec<String>,
}

impl Program {
    /// A program without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), args: Vec::new(), without: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Leaves variables out of its environment.
    #[must_use]
    pub fn without_variables(mut self, names: &[&str]) -> Self {
        self.without.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    fn expression(&self) -> duct::Expression {
        let expression = duct::cmd(&self.name, &self.args).unchecked().before_spawn(|command| {
            command.process_group(0);
            die_with_parent(command);
            Ok(())
        });
        self.without.iter().fold(expression, |expression, name| expression.env_remove(name))
    }

    pub(crate) fn spawn_error(&self, source: io::Error) -> Error {
        Error::Spawn { program: self.name.clone(), source }
    }

    /// The first of these programs that is installed: on `PATH`, or where a server's own programs lie, which a
    /// user's `PATH` often lacks.
    pub fn find(names: &[&str]) -> Option<Self> {
        let beside = |name: &&str| {
            SYSTEM_DIRS.iter().map(|dir| Self::new(format!("{dir}/{name}"))).collect::<Vec<_>>()
        };
        let programs = names.iter().flat_map(|name| std::iter::once(Self::new(*name)).chain(beside(name)));
        programs.into_iter().find(Self::exists)
    }

    /// Whether the program is to be found on `PATH`.
    pub fn exists(&self) -> bool {
        if self.name.contains('/') {
            return std::path::Path::new(&self.name).is_file();
        }
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(&self.name).is_file()))
    }

    /// Runs the program to its end with `input` on its stdin and returns its stdout. `doing` says what for, in
    /// the error.
    ///
    /// # Errors
    /// The program cannot be started, or does not exit with 0, or a signal asked us to stop.
    pub fn run(&self, input: &[u8], doing: &str, stops: &dyn Stops) -> Result<Vec<u8>> {
        let (stdin, mut stdout, child) = self.duplex(stops, |_| true)?;
        let mut out = Vec::new();
        let read = std::thread::scope(|scope| {
            let killer = child.killer();
            let feed = move || feed(stdin, input, &killer);
            if input.len() <= LEAST_PIPE {
                feed();
            } else {
                Builder::new().spawn_scoped(scope, feed).map_err(no_thread)?;
            }
            let failed = |source| Error::Stream { action: "read what a program says", source };
            stdout.read_to_end(&mut out).map_err(failed)
        });
        if read.is_err() {
            child.kill();
        }
        let ended = child.wait()?;
        if let Some(signal) = stops.signal() {
            return Err(Error::Interrupted(signal));
        }
        read?;
        ended.success(doing).map(|()| out)
    }

    /// Starts the program, with these variables beside our own environment, and its stdout as a stream. Each line of its
    /// stderr is shown to `keep`, which says whether it is kept for an error.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn reader(
        &self,
        stops: &dyn Stops,
        environment: &[(&str, OsString)],
        keep: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> Result<(PipeReader, Child)> {
        let (reader, writer) = self.pipe()?;
        let expression = self.expression().stdin_null().stdout_file(writer);
        let expression = environment.iter().fold(expression, |child, (name, value)| child.env(name, value));
        Ok((reader, self.watched(expression, stops, keep)?))
    }

    /// Starts the program with its stdin as a stream; its stdout is discarded.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn writer(&self, stops: &dyn Stops) -> Result<(PipeWriter, Child)> {
        let (reader, writer) = self.pipe()?;
        let child = self.start(self.expression().stdin_file(reader).stdout_null(), stops)?;
        Ok((writer, child))
    }

    /// Starts the program as a service: nothing to read, its stdout is discarded.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn service(&self, stops: &dyn Stops) -> Result<Child> {
        self.start(self.expression().stdin_null().stdout_null(), stops)
    }

    /// Starts the program with its stdin and its stdout as streams. Each line of its stderr is shown to `keep`, which
    /// says whether it is the program's own.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn duplex(
        &self,
        stops: &dyn Stops,
        keep: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> Result<(PipeWriter, PipeReader, Child)> {
        let (stdin, input) = self.pipe()?;
        let (output, stdout) = self.pipe()?;
        let child = self.watched(self.expression().stdin_file(stdin).stdout_file(stdout), stops, keep)?;
        Ok((input, output, child))
    }

    fn pipe(&self) -> Result<(PipeReader, PipeWriter)> {
        let (reader, writer) = io::pipe().map_err(|source| self.spawn_error(source))?;
        if let Err(error) = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_SIZE) {
            log::debug!("the pipe to {} keeps its size: {error}", self.name);
        }
        Ok((reader, writer))
    }

    fn start(&self, expression: duct::Expression, stops: &dyn Stops) -> Result<Child> {
        self.watched(expression, stops, |_| true)
    }

    fn watched(
        &self,
        expression: duct::Expression,
        stops: &dyn Stops,
        keep: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> Result<Child> {
        let (errors, error_writer) = io::pipe().map_err(|source| self.spawn_error(source))?;
        let started =
            expression.stderr_file(error_writer).start().map_err(|source| self.spawn_error(source))?;
        let handle = Arc::new(started);
        let killed = Arc::clone(&handle);
        let stopper: Stopper = Arc::new(move || kill(&killed));
        let mut child =
            Child { program: self.clone(), handle, stderr: None, _registered: stops.register(stopper) };
        // Without anyone who listens to it, it is ended.
        let listener = Builder::new().spawn(move || drain(errors, keep)).map_err(no_thread)?;
        child.stderr = Some(listener);
        Ok(child)
    }

    fn failure(&self, doing: &str, status: ExitStatus, stderr: &[u8]) -> Error {
        failure(&self.name, doing, (status.code(), status.signal()), stderr)
    }
}

/// Writes `input` to a program, which may end without reading all of it; that is judged by how it ends. A program
/// whose input cannot be written whole is killed: it would take half a statement for a whole one.
fn feed(mut stdin: PipeWriter, input: &[u8], program: &Killer) {
    if let Err(error) = stdin.write_all(input) {
        log::debug!("cannot write to a program: {error}");
        program.kill();
    }
}

pub(crate) fn no_thread(source: io::Error) -> Error {
    Error::Stream { action: "start a thread", source }
}

/// A running child.
#[derive(Debug)]
pub struct Child {
    program: Program,
    handle: Arc<duct::Handle>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    /// Until it is dropped, the child ends with the request to stop.
    _registered: Box<dyn Any + Send + Sync>,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    program: Program,
    status: ExitStatus,
    stderr: Vec<u8>,
}

impl Ended {
    /// The program's error lines.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The error lines, of this program, that the child has passed on.
    pub fn own_words(&self, program: &str) -> Option<String> {
        own_words(program, &self.stderr)
    }

    /// The failure of a program whose words the child has passed on, by its exit code or the signal that ended it.
    pub fn failure_of(&self, program: &str, doing: &str, end: (Option<i32>, Option<i32>)) -> Error {
        failure(program, doing, end, &self.stderr)
    }

    /// An error unless the child exited with 0.
    pub fn success(&self, doing: &str) -> Result<()> {
        if self.status.success() {
            return Ok(());
        }
        Err(self.program.failure(doing, self.status, &self.stderr))
    }
}

impl Child {
    /// Waits for the child to end.
    ///
    /// # Errors
    /// The operating system does not say how it ended.
    pub fn wait(mut self) -> Result<Ended> {
        let status = self.handle.wait().map_err(|source| self.program.spawn_error(source))?.status;
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(Ended { program: self.program.clone(), status, stderr })
    }

    /// Whether the child has not ended yet.
    pub fn is_running(&self) -> bool {
        matches!(self.handle.try_wait(), Ok(None))
    }

    /// Ends the child at once.
    pub fn kill(&self) {
        kill(&self.handle);
    }

    /// What ends the child from another thread.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.handle))
    }
}

/// Ends a child.
#[derive(Debug, Clone)]
pub struct Killer(Arc<duct::Handle>);

impl Killer {
    /// Ends it at once.
    pub fn kill(&self) {
        kill(&self.0);
    }
}

impl Drop for Child {
    /// A child that nobody waited for is not wanted any more.
    fn drop(&mut self) {
        kill(&self.handle);
    }
}

/// Ends a child and what it has started: each child leads a process group of its own.
fn kill(handle: &duct::Handle) {
    if !matches!(handle.try_wait(), Ok(None)) {
        return;
    }
    for pid in handle.pids() {
        let group = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        let killed =
            group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL));
        if let Some(Err(error)) = killed {
            log::debug!("cannot end a child process: {error}");
        }
    }
}

/// Asks the kernel to kill the child when the thread that starts it ends (prctl(2), `PR_SET_PDEATHSIG`), so that
/// even a SIGKILL to this process leaves no dump behind that holds its snapshot open on the server. Every child
/// is started from a thread that outlives it.
#[allow(unsafe_code)]
pub(crate) fn die_with_parent(command: &mut std::process::Command) {
    // SAFETY: between fork and exec only prctl is called, which is a plain system call: it allocates nothing and
    // takes no lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
                .map_err(io::Error::from)
        });
    }
}
