//! Carrying out a chain: one stage after the other, each tried again while that makes sense.

use std::ffi::OsString;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fwb::{Cancel, Context, Error, Result, RunRetry, RunStep};
use fwb_cli::{Said, Session};
use fwb_process::Program;

use crate::chain::{Chain, Stage};

/// How long a stage may take to end once it was asked to, before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Retries that a record tells of one stage.
const RETRIES_TOLD: usize = 20;
/// Messages that are kept of one try of a stage, at its beginning and at its end.
const MESSAGES_KEPT: usize = 1000;
/// Variables that are ours alone: whoever has the URL of a notice can send one.
const OURS: [&str; 2] = ["FWB_NOTIFY", "FWB_NOTIFY_FILE"];

/// How long to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// No try begins later than this after the run's beginning.
    pub(crate) deadline: Duration,
    /// How long to wait before the first retry.
    pub(crate) first_wait: Duration,
}

/// What became of a chain.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// The stages that were begun, in their order.
    pub(crate) done: Vec<Done>,
    /// The first failure: the cause, where what fails after it is a consequence.
    pub(crate) failure: Option<Failure>,
}

/// A stage that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// How.
    pub(crate) step: RunStep,
    /// What it has printed.
    pub(crate) output: Vec<u8>,
    /// What tries before the last have printed: what they have deleted is deleted.
    pub(crate) earlier: Vec<u8>,
    /// What it has said in its last try.
    pub(crate) said: Vec<Said>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The stage; none where none was begun.
    pub(crate) stage: Option<String>,
    /// The exit status.
    pub(crate) exit: i32,
    /// Why.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The error's code.
    pub(crate) code: Option<String>,
}

/// One try of a stage.
struct Try {
    exit: i32,
    output: Vec<u8>,
    said: Vec<Said>,
}

impl Execution {
    /// Runs a chain. A failure is part of what is returned.
    pub(crate) fn of(
        chain: &Chain,
        patience: Patience,
        environment: &[(&str, OsString)],
        session: &Session,
    ) -> Self {
        let begun = Instant::now();
        let mut execution = Self::default();
        for stage in &chain.stages {
            let may_begin = |before: &String| {
                execution.ended_well(chain, before) || execution.hands_on(chain, stage, before)
            };
            if !stage.after.iter().all(may_begin) {
                continue;
            }
            if let Err(error) = check_before(stage, &session.context().cancel) {
                session.tell(&error);
                execution.failure.get_or_insert_with(|| Failure::of_error(&error, Some(&stage.name)));
                continue;
            }
            let input = stage.input.as_ref().and_then(|input| execution.of_stage(input));
            let input = input.map(|done| done.output.clone()).unwrap_or_default();
            let done = persist(stage, &input, patience, begun, environment, session);
            if done.step.exit != 0 {
                let failure = Failure::of(stage, &done, &session.context().cancel);
                execution.failure.get_or_insert(failure);
            }
            execution.done.push(done);
        }
        execution
    }

    /// What a stage has done, if it was begun.
    pub(crate) fn of_stage(&self, name: &str) -> Option<&Done> {
        self.done.iter().find(|done| done.step.stage == name)
    }

    /// Whether a stage reads the part of its input that is there.
    fn hands_on(&self, chain: &Chain, stage: &Stage, before: &str) -> bool {
        let hands_on = chain.stages.iter().any(|stage| stage.name == before && stage.hands_on_a_part);
        hands_on
            && stage.input.as_deref() == Some(before)
            && self.of_stage(before).is_some_and(|done| !done.output.is_empty())
    }

    fn ended_well(&self, chain: &Chain, name: &str) -> bool {
        let goes_on = chain.stages.iter().any(|stage| stage.name == name && stage.goes_on_after_damage);
        self.of_stage(name).is_some_and(|done| done.step.exit == 0 || (goes_on && done.step.exit == 3))
    }
}

/// Whether a stage may begin: no signal has come, and the volume that it writes to is mounted.
fn check_before(stage: &Stage, cancel: &Cancel) -> Result<()> {
    cancel.check()?;
    match stage.needs.as_deref().filter(|needed| !needed.is_dir()) {
        None => Ok(()),
        Some(missing) => Err(Error::Usage {
            message: format!("the store {} is not there, so nothing was copied", missing.display()),
            hint: Some("mount its volume, or make the directory".into()),
        }),
    }
}

/// Runs a stage, and again while its failure passes by itself and there is time.
fn persist(
    stage: &Stage,
    input: &[u8],
    patience: Patience,
    begun: Instant,
    environment: &[(&str, OsString)],
    session: &Session,
) -> Done {
    let since = Instant::now();
    let Context { cancel, progress, .. } = session.context();
    let (mut tries, mut retried, mut earlier) = (0, Vec::new(), Vec::new());
    loop {
        tries += 1;
        progress.begin(format!("{} at work", stage.program), 0);
        let Try { exit, output, said } = attempt(stage, input, environment, session);
        let wait = fwb::wait_before_retry(patience.first_wait, tries, fwb_cli::chance());
        let error = last_error(&said);
        let is_worth_it = error.is_some_and(|error| {
            fwb::is_worth_a_retry(exit, error.code.as_deref(), error.cause.as_deref(), error.number)
        });
        if is_worth_it && begun.elapsed() + wait <= patience.deadline && cancel.check().is_ok() {
            let (code, reason) =
                error.map(|error| (error.code.clone(), error.message.clone())).unwrap_or_default();
            log::warn!(code = fwb::notice::TRIES_AGAIN.code;
                "{} failed; trying again in {:.0} s (try {})", stage.program, wait.as_secs_f64().ceil(), tries + 1);
            if retried.len() < RETRIES_TOLD {
                retried.push(RunRetry { at: fwb::now(), code, reason: cut(&reason) });
            }
            progress.begin(format!("waiting to try {} again", stage.program), 0);
            if sleep(wait, cancel) {
                earlier.extend(output);
                continue;
            }
        }
        // However the stage has taken it, a signal ended this run.
        let exit = match cancel.check() {
            Err(Error::Interrupted(signal)) if exit != 0 => 128 + signal,
            _ => exit,
        };
        let step =
            RunStep { stage: stage.name.clone(), exit, seconds: fwb::seconds_since(since), tries, retried };
        return Done { step, output, earlier, said };
    }
}

fn attempt(stage: &Stage, input: &[u8], environment: &[(&str, OsString)], session: &Session) -> Try {
    let mut program = found(&stage.program).args(&stage.args).without_variables(&OURS);
    if log::max_level() >= log::LevelFilter::Info && stage.program.starts_with("fwb-") {
        program = program.arg("--verbose");
    }
    let said = Arc::new(Mutex::new(Vec::new()));
    let (pass_on, heard, name) = (session.pass_on(), Arc::clone(&said), stage.program.clone());
    let each_line = move |line: &[u8]| {
        let Some(message) = Said::read(line) else { return };
        pass_on(&name, &message);
        hear(&mut heard.lock().unwrap_or_else(PoisonError::into_inner), message);
    };
    let worked = program.work(input.to_vec(), environment, &session.context().cancel, PATIENCE, each_line);
    let mut said = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
    match worked {
        Ok(worked) => Try { exit: worked.exit(), output: worked.output, said },
        Err(error) => {
            let error = Error::from(error);
            log::error!(code = error.code().code; "{error}");
            said.push(Said::of_error(&error));
            // As a shell reports a program that is not there.
            Try { exit: if matches!(error, Error::Spawn { .. }) { 2 } else { 1 }, output: Vec::new(), said }
        }
    }
}

/// Keeps a message: a hint as that of the error before it, and of a flood its beginning and its end.
fn hear(said: &mut Vec<Said>, message: Said) {
    if let (Some(hint), Some(last)) = (message.as_hint(), said.last_mut())
        && last.level == Some(log::Level::Error)
    {
        last.hint = Some(hint.into());
        return;
    }
    if said.len() >= 2 * MESSAGES_KEPT {
        said.remove(MESSAGES_KEPT);
    }
    said.push(message);
}

fn last_error(said: &[Said]) -> Option<&Said> {
    said.iter().rev().find(|said| said.level == Some(log::Level::Error))
}

impl Failure {
    fn of(stage: &Stage, done: &Done, cancel: &Cancel) -> Self {
        let exit = done.step.exit;
        let error = last_error(&done.said);
        let words =
            || done.said.iter().rev().map(|said| said.message.clone()).find(|words| !words.trim().is_empty());
        let interruption = fwb::notice::INTERRUPTED.code;
        let reason = match (error, cancel.check()) {
            (Some(error), Err(interrupted)) if error.code.as_deref() != Some(interruption) => {
                format!("{interrupted}; before that: {}", error.message)
            }
            (Some(error), _) => error.message.clone(),
            (None, Err(interrupted)) => interrupted.to_string(),
            _ if exit > 128 => format!("{} was killed by signal {}", stage.program, exit - 128),
            _ => words()
                .unwrap_or_else(|| format!("{} ended with exit code {exit} and said nothing", stage.program)),
        };
        Self {
            stage: Some(stage.name.clone()),
            exit,
            reason: cut(&reason),
            hint: error.and_then(|error| error.hint.as_deref()).map(cut),
            code: error.and_then(|error| error.code.clone()),
        }
    }

    /// A stage that was not begun, or nothing at all where none is named.
    pub(crate) fn of_error(error: &Error, stage: Option<&str>) -> Self {
        let exit = fwb_cli::exit_code(error.class()).into();
        let code = Some(error.code().code.into());
        Self { stage: stage.map(Into::into), exit, reason: cut(&error.to_string()), hint: error.hint(), code }
    }
}

/// Waits, until a signal comes; whether it did not.
fn sleep(wait: Duration, cancel: &Cancel) -> bool {
    let (wake, woken) = channel();
    let _stops = cancel.stops(Arc::new(move || wake.send(()).unwrap_or_default()));
    woken.recv_timeout(wait).is_err() && cancel.check().is_ok()
}

/// A message as records have it: at most 500 letters.
pub(crate) fn cut(text: &str) -> String {
    cut_to(text, 500)
}

/// The beginning of a text, with as many letters.
pub(crate) fn cut_to(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// Whether the programs of a chain are there.
///
/// # Errors
/// A usage error that names the first that is not.
pub(crate) fn check_programs(chain: &Chain) -> Result<()> {
    match chain.stages.iter().find(|stage| !found(&stage.program).exists()) {
        None => Ok(()),
        Some(missing) => Err(Error::Usage {
            message: format!("{} is not installed", missing.program),
            hint: Some("put it where PATH leads".into()),
        }),
    }
}

/// A program: on PATH, or a tool beside this one, which a timer or a person may have called by its path.
fn found(name: &str) -> Program {
    let program = Program::new(name);
    let beside = std::env::current_exe().ok().and_then(|this| Some(this.parent()?.join(name)));
    match beside {
        Some(beside) if name.starts_with("fwb-") && !program.exists() => {
            Program::new(beside.to_string_lossy())
        }
        _ => program,
    }
}
