//! A server in a pod. kubectl carries the protocol itself: to a relay in the pod, or to a port of this machine's. Nothing
//! is believed of kubectl: a packet has a length and a number, and a result ends with a packet of its own, so a stream that
//! is cut is an error of the protocol, whatever kubectl's exit code says.

mod carrier;
mod choice;
mod forward;
mod kept;
mod kubectl;
mod pipes;
mod relay;
mod survey;

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fwb::{
    Cancel, Cells, Column, DatabaseServer, Error, LogStart, LogStream, PodOptions, Result, Results, Role,
    Row, ServerOptions, Session, SessionError, Via,
};

use self::carrier::{ChildStdin, Running, without_urls};
use self::kept::Kept;
use self::kubectl::Kubectl;
use self::pipes::{Pipes, Waits};
use self::relay::Relay;
use self::survey::Survey;
use crate::connect;
use crate::follow::follow;
use crate::option_files::Options;
use crate::outage::{Outage, Refusal};
use crate::session::Connection;
use crate::target::{Address, Surroundings, Target};
use crate::transport::{Carrier, Channel, Transport};

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pod as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    name: String,
    container: String,
}

/// A server in a pod.
#[derive(Debug)]
pub(crate) struct PodServer(Arc<Pod>);

/// The pod, and what is known of it. It is looked up when it is first needed, and again after a connection broke: it may
/// have been replaced.
pub(crate) struct Pod {
    given: ServerOptions,
    /// Of the option file that the operator named, in the place of the pod's.
    files: Option<Options>,
    options: PodOptions,
    kubectl: Kubectl,
    known: Mutex<Option<Known>>,
    /// Names by which the server may still know connections that broke.
    lost: Mutex<Vec<String>>,
    outage: Outage,
}

/// What is known of a pod.
#[derive(Clone)]
struct Known {
    found: Found,
    survey: Arc<Survey>,
}

impl fmt::Debug for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pod").field("options", &self.options).finish_non_exhaustive()
    }
}

impl PodServer {
    /// Checks the options; nothing is contacted yet. `files` is the option file that the operator named.
    ///
    /// # Errors
    /// A name that is none, or there is no kubectl.
    pub(crate) fn new(given: &ServerOptions, options: &PodOptions, files: Option<Options>) -> Result<Self> {
        choice::check(options)?;
        let pod = Pod {
            given: given.clone(),
            files,
            kubectl: Kubectl::new(options.kubectl.as_deref())?,
            options: options.clone(),
            known: Mutex::new(None),
            lost: Mutex::default(),
            outage: Outage::new(given.wait.unwrap_or(ServerOptions::USUAL_WAIT)),
        };
        Ok(Self(Arc::new(pod)))
    }
}

impl DatabaseServer for PodServer {
    fn connect(
        &self,
        role: Role,
        database: Option<&str>,
        cancel: &Cancel,
    ) -> std::result::Result<Box<dyn Session>, SessionError> {
        let connection = self.0.outage.over(cancel, || self.0.connect(role, database, cancel))?;
        Ok(Box::new(Kept::new(connection)?))
    }

    fn follow(
        &self,
        start: &LogStart,
        cancel: &Cancel,
    ) -> std::result::Result<Box<dyn LogStream>, SessionError> {
        let connect = || self.0.connect(Role::Control, None, cancel);
        Ok(Box::new(follow(self.0.outage.over(cancel, connect)?, start, cancel)?))
    }
}

/// An error of the domain on its way through the port.
fn taken(error: Error) -> SessionError {
    SessionError::Taker(Box::new(error))
}

impl Pod {
    fn place(found: &Found) -> String {
        format!("pod {}", found.name)
    }

    /// The next connection looks the pod up again.
    fn forget(&self) {
        *locked(&self.known) = None;
    }

    /// A connection broke, and the server may not have noticed.
    fn lost(&self, mark: String) {
        locked(&self.lost).push(mark);
    }

    /// The pod and what it has told, as they were found before or are found now.
    fn known(&self, cancel: &Cancel) -> std::result::Result<Known, Refusal> {
        let mut known = locked(&self.known);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let listed = self.kubectl.pods(&self.options, cancel).map_err(taken)?;
        let found = choice::choose(&self.options, &listed).map_err(Refusal::from)?;
        log::debug!("the pod is {}, its container {}", found.name, found.container);
        let survey = Arc::new(self.survey(&found, cancel)?);
        Ok(known.insert(Known { found, survey }).clone())
    }

    /// Whether the operator has said who we are and what carries the connection, so that the pod need not be asked.
    fn needs_no_survey(&self) -> bool {
        let given = &self.given;
        let is_account_given = self.files.is_some() || given.user.is_some() && given.password.is_some();
        self.options.via == Via::PortForward && is_account_given
    }

    /// Asks the pod.
    fn survey(&self, found: &Found, cancel: &Cancel) -> std::result::Result<Survey, SessionError> {
        if self.needs_no_survey() {
            return Ok(Survey::default());
        }
        let nonce = nonce();
        let user = self.given.user.as_deref().unwrap_or_default();
        let program = self.kubectl.exec(&self.options, found, &["sh", "-s", &nonce, user]);
        let of_process = |error: fwb_process::Error| taken(error.into());
        let (stdin, stdout, child) = program.duplex(cancel, |_| true).map_err(of_process)?;
        let cut = |problem: String| SessionError::Cut { place: Self::place(found), problem };
        let killer = child.killer();
        let waits = Waits {
            patience: Arc::new(Mutex::new(Some(self.options.silence))),
            silence: self.options.silence,
            is_alive: Arc::new(|| false),
        };
        let (mut pipes, stdin) = Pipes::new(stdin, stdout, waits).map_err(|error| cut(error.to_string()))?;
        let written = pipes.write_all(survey::script().as_bytes());
        // The end of the script.
        locked(&stdin).take();
        let mut said = Vec::new();
        let read = (&mut pipes).take(survey::LARGEST as u64 + 1).read_to_end(&mut said);
        if read.is_err() || said.len() > survey::LARGEST {
            killer.kill();
        }
        drop(pipes);
        let ended = child.wait().map_err(of_process)?;
        cancel.check().map_err(taken)?;
        if said.len() > survey::LARGEST {
            return Err(cut(format!("the pod says more than {} bytes of itself", survey::LARGEST)));
        }
        if let Some(survey) = Survey::parse(&said, &nonce) {
            return Ok(survey);
        }
        // kubectl's own words say more than that a pipe broke.
        let words = ended.own_words("kubectl").map(|words| without_urls(&words));
        if has_no_shell(&ended.stderr()) && self.options.via != Via::Exec {
            log::debug!("nothing can be run in {}: {}", Self::place(found), words.unwrap_or_default());
            return Ok(Survey::default());
        }
        let problem = words
            .or_else(|| read.err().map(|error| error.to_string()))
            .or_else(|| written.err().map(|error| error.to_string()))
            .unwrap_or_else(|| "it ended before the pod had told how its server is reached".into());
        Err(cut(problem))
    }

    /// Who we are and where the server is, as seen from the pod.
    fn target(&self, survey: &Survey) -> Result<Target> {
        let mut given = self.given.clone();
        let own = survey.files();
        let files = self.files.as_ref().unwrap_or(&own);
        // What the operator says of an account goes before what the pod says, and somebody's file before the image.
        let is_given = self.files.is_some() || given.password.is_some();
        if let Some((user, password)) = survey.account.as_ref().filter(|_| !is_given)
            && (given.user.is_some() || !survey.home_names_account())
        {
            (given.user, given.password) = (Some(user.clone()), Some(password.clone()));
        }
        let surroundings = Surroundings {
            environment: &|name| survey.environment.get(name).cloned(),
            is_root: survey.is_root,
            sockets: &|path| survey.sockets.iter().any(|socket| socket == path),
        };
        Target::new(&given, files, &surroundings)
    }

    /// What carries a connection there, and where that one leads.
    fn way(&self, survey: &Survey, mut target: Target) -> std::result::Result<(Way, Target), SessionError> {
        if self.options.via != Via::PortForward {
            if let Some(relay) = survey.relays.iter().find(|relay| relay.reaches(&target.address)) {
                return Ok((Way::Relay(*relay), target));
            }
            let by_tcp = Address::Tcp { host: LOOPBACK.into(), port: target.port };
            if let Some(relay) = survey.relays.iter().find(|relay| relay.reaches(&by_tcp)) {
                target.address = by_tcp;
                return Ok((Way::Relay(*relay), target));
            }
        }
        if self.options.via == Via::Exec {
            return Err(SessionError::Refused {
                problem: "the pod's container has no program that can relay: perl, socat, python3 or bash"
                    .into(),
                remedy: "use --via port-forward, or name another container: --container".into(),
            });
        }
        match &target.address {
            Address::Tcp { host, .. } if host != "localhost" && host != LOOPBACK => {
                Err(SessionError::Refused {
                    problem: format!("a forwarded port leads to the pod itself, and not to {host}"),
                    remedy: "leave --host out, or use --via exec".into(),
                })
            }
            _ => {
                target.address = Address::Tcp { host: LOOPBACK.into(), port: target.port };
                Ok((Way::Port, target))
            }
        }
    }

    fn connect(
        self: &Arc<Self>,
        role: Role,
        database: Option<&str>,
        cancel: &Cancel,
    ) -> std::result::Result<Connection, Refusal> {
        let mut connection = self.open(None, role, database, cancel).inspect_err(|refusal| {
            // It may be another pod by now.
            if refusal.may_pass {
                self.forget();
            }
        })?;
        self.end_lost(&mut connection);
        Ok(connection)
    }

    /// Opens a connection. One that has a limit never waits longer than that for an answer.
    fn open(
        self: &Arc<Self>,
        limit: Option<Duration>,
        role: Role,
        database: Option<&str>,
        cancel: &Cancel,
    ) -> std::result::Result<Connection, Refusal> {
        cancel.check().map_err(taken)?;
        let known = self.known(cancel)?;
        let (way, target) = self.way(&known.survey, self.target(&known.survey).map_err(taken)?)?;
        log::debug!("{} is reached by {way}", Self::place(&known.found));
        let carried = match way {
            Way::Relay(relay) => self.relay(relay, &known.found, &target.address, cancel)?,
            Way::Port => self.forward(&known.found, target.port, cancel)?,
        };
        let (kubectl, patience) = (carried.kubectl, carried.patience);
        let first = limit.unwrap_or(self.options.silence);
        let logged_in = connect::over(carried.channel, first, &target, role, database, cancel);
        let mut connection = logged_in.map_err(|error| match (error, &target.address) {
            (SessionError::Server(error), Address::Tcp { .. }) => SessionError::Server(over_tcp(error)),
            (other, _) => other,
        })?;
        if limit.is_some() {
            *locked(&patience) = limit;
        } else {
            kubectl.known_as(begin(&mut connection)?);
        }
        Ok(connection)
    }

    /// Whether the server works for a connection, so that its silence means nothing.
    fn works_for(self: &Arc<Self>, mark: &str) -> bool {
        let limit = self.options.silence.min(connect::PATIENCE);
        let asked = self.open(Some(limit), Role::Control, None, &Cancel::default());
        let sql =
            format!("SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = IS_USED_LOCK('{mark}')");
        let answer =
            asked.map_err(|refusal| refusal.error).and_then(|mut connection| cells(&mut connection, &sql));
        match answer {
            Ok(commands) => commands.iter().any(|command| command != "Sleep"),
            // It has no room for another connection: it is there.
            Err(SessionError::Server(error)) => [1040, 1203, 1226].contains(&error.number),
            Err(_) => false,
        }
    }

    /// Ends the connections that broke and that the server still has. Their names are as good as random, and the server
    /// says whose they are, so they are nobody else's.
    fn end_lost(&self, connection: &mut Connection) {
        let lost = std::mem::take(&mut *locked(&self.lost));
        for mark in lost {
            let ended =
                cells(connection, &format!("SELECT IS_USED_LOCK('{mark}')")).and_then(|ids| {
                    match ids.first().and_then(|id| id.parse::<u64>().ok()) {
                        Some(id) => {
                            log::debug!("ending connection {id}, which broke");
                            cells(connection, &format!("KILL {id}")).map(drop)
                        }
                        None => Ok(()),
                    }
                });
            match ended {
                // It has ended by itself.
                Ok(()) | Err(SessionError::Server(fwb::ServerError { number: 1094, .. })) => {}
                Err(error) => log::debug!("{}", error.doing("ending a connection that broke")),
            }
        }
    }

    /// Starts a relay in the pod.
    fn relay(
        self: &Arc<Self>,
        relay: Relay,
        found: &Found,
        address: &Address,
        cancel: &Cancel,
    ) -> std::result::Result<Carried, SessionError> {
        let command = relay.command(address);
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let program = self.kubectl.exec(&self.options, found, &words);
        let (stdin, stdout, child) = program.duplex(cancel, |_| true).map_err(|error| taken(error.into()))?;
        let mark = Arc::new(Mutex::new(None));
        let waits = self.waits(&mark);
        let patience = Arc::clone(&waits.patience);
        let failed = |source| SessionError::Unreachable { place: Self::place(found), source };
        let (pipes, stdin) = Pipes::new(stdin, stdout, waits).map_err(failed)?;
        let kubectl = Arc::new(Running::new(self, Self::place(found), child, ChildStdin::Pipe(stdin), mark));
        Ok(Carried::new(kubectl, Box::new(pipes), matches!(address, Address::Socket(_)), patience))
    }

    /// How a connection waits. It is known to the server by `mark` once that holds something.
    fn waits(self: &Arc<Self>, mark: &Arc<Mutex<Option<String>>>) -> Waits {
        let (pod, mark) = (Arc::downgrade(self), Arc::clone(mark));
        let is_alive = move || {
            let mark = locked(&mark).clone();
            match (pod.upgrade(), mark) {
                (Some(pod), Some(mark)) => pod.works_for(&mark),
                _ => false,
            }
        };
        Waits { patience: Arc::default(), silence: self.options.silence, is_alive: Arc::new(is_alive) }
    }
}

/// The pod's own address, as seen from there.
const LOOPBACK: &str = "127.0.0.1";

/// What carries a connection.
#[derive(Debug, Clone, Copy)]
enum Way {
    Relay(Relay),
    Port,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay(relay) => write!(f, "a relay of {}", relay.name()),
            Self::Port => f.write_str("a forwarded port"),
        }
    }
}

/// A kubectl that carries a connection.
struct Carried {
    channel: Channel,
    kubectl: Arc<Running>,
    patience: Arc<Mutex<Option<Duration>>>,
}

impl Carried {
    fn new(
        kubectl: Arc<Running>,
        stream: Box<dyn Transport>,
        is_private: bool,
        patience: Arc<Mutex<Option<Duration>>>,
    ) -> Self {
        let (killed, timed) = (Arc::downgrade(&kubectl), Arc::clone(&patience));
        let channel = Channel {
            stream,
            stopper: Arc::new(move || {
                if let Some(kubectl) = killed.upgrade() {
                    kubectl.kill();
                }
            }),
            is_private,
            patience: Box::new(move |time| {
                *locked(&timed) = time;
                Ok(())
            }),
            carrier: Some(Arc::clone(&kubectl) as Arc<dyn Carrier>),
        };
        Self { channel, kubectl, patience }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { may_pass: matches!(error, Error::NoPod { .. }), error: taken(error) }
    }
}

/// How long the server waits for us, in seconds: for the next statement, in the middle of a packet of ours, and of one of
/// its own. Then it ends the connection, and with it the locks that it holds: what carries the connection may have died
/// without telling the server. A connection that is idle is pinged meanwhile.
const TIME_LIMITS: &str =
    "SET SESSION wait_timeout=600, SESSION net_read_timeout=600, SESSION net_write_timeout=3600";

/// Gives a session a short life without us, and a name by which it can be found again. Returns the name, where the server
/// gives names.
fn begin(connection: &mut Connection) -> std::result::Result<Option<String>, SessionError> {
    let mut none = Texts(Vec::new());
    connection.begin_with(TIME_LIMITS.into(), &mut none)?;
    let mark = format!("fwb-tunnel-{}", nonce());
    match connection.begin_with(format!("SELECT GET_LOCK('{mark}', 0)"), &mut none) {
        Ok(()) => Ok(Some(mark)),
        // Some clusters have no such locks.
        Err(SessionError::Server(error)) => {
            log::debug!("the connection has no name: {error}");
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The cells of all results as text, without those that are NULL.
fn cells(connection: &mut Connection, sql: &str) -> std::result::Result<Vec<String>, SessionError> {
    let mut texts = Texts(Vec::new());
    connection.query(sql.as_bytes(), &mut texts)?;
    Ok(texts.0)
}

struct Texts(Vec<String>);

impl Results for Texts {
    fn begin(&mut self, _columns: &[Column]) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        if let Row::Whole(row) = row {
            let cells = Cells::new(row).filter_map(|cell| cell.ok().flatten());
            self.0.extend(cells.map(|cell| String::from_utf8_lossy(cell).into_owned()));
        }
        Ok(())
    }
}

/// A server knows who comes over TCP by another name than who comes over its socket.
fn over_tcp(error: fwb::ServerError) -> fwb::ServerError {
    const NOT_LET_IN: [u16; 3] = [1045, 1130, 1698];
    if !NOT_LET_IN.contains(&error.number) {
        return error;
    }
    let message = error.message
        + "; the connection came over TCP inside the pod, where accounts for localhost and unix_socket may not match";
    fwb::ServerError { message, ..error }
}

/// Whether kubectl says that nothing can be run there, or that we may not.
fn has_no_shell(said: &str) -> bool {
    ["executable file not found", "no such file or directory", "orbidden"]
        .iter()
        .any(|words| said.contains(words))
}

/// A word that nothing holds by chance or by design.
fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
