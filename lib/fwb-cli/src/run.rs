//! The frame of every tool: reads the command line, sets up logs, signals and progress, calls the tool's one
//! function, reports how it ended and turns that into the exit code.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches, Parser};
use fwb::{Cancel, Context, Error, ErrorClass, Progress, Result};

use crate::console::{Console, Fields};
use crate::exit::{Outcome, of_class, of_outcome, tolerate_broken_pipe};
use crate::options::{LogFormat, WorkArgs, command};
use crate::session::Session;
use crate::standard::Stdout;
use crate::{candidates, generate, logging, progress, signals, usage};

/// Runs a tool: its `main` is `fn main() -> ExitCode { fwb_cli::run(dump) }`. The work group is added to `A`,
/// which must carry the tool's name and version: `#[command(name = "fwb-dump", version)]`.
pub fn run<A: Parser>(tool: impl FnOnce(A, &Session) -> Result<Outcome>) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = command::<A>();
    let wished = LogFormat::wished(&arguments, std::env::var_os("FWB_LOG_FORMAT").as_deref());
    let console = Console::new(command.get_name(), wished);
    match candidates::requested(&arguments, std::env::var_os("FWB_STORE")) {
        Ok(None) => {}
        Ok(Some(names)) => return end(&console, tolerate_broken_pipe(print(&names))),
        Err(error) => return end(&console, Err(error)),
    }
    match generate::requested(&arguments, &command) {
        Ok(None) => {}
        Ok(Some(text)) => return end(&console, print(&text)),
        Err(error) => return end(&console, Err(error)),
    }
    let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| {
        let args = A::from_arg_matches(&matches)?;
        Ok((args, WorkArgs::from_arg_matches(&matches)?, given(&matches)))
    });
    let (args, work, given) = match parsed {
        Ok(parsed) => parsed,
        Err(answer) if !answer.use_stderr() => {
            if let Some(host) = usage::host_behind_help(&arguments) {
                return end(&console, Err(usage::not_by_h(&host, &command)));
            }
            let printed = print(answer.render().to_string().as_bytes());
            return end(&console, tolerate_broken_pipe(printed));
        }
        Err(error) => {
            let (message, hint) = usage::squeeze(&error, &command, &arguments);
            let fields = Fields { code: Some(fwb::notice::USAGE.code), ..Fields::default() };
            console.error(&message, Some(&hint), &fields);
            return of_class(ErrorClass::Usage);
        }
    };
    logging::install(&console, work.level());
    let context = Context { jobs: work.jobs(), progress: Progress::default(), cancel: Cancel::default() };
    let session = Session::new(context, console.clone(), command, given);
    end(&console, attend(tool, args, &work, &session, &console))
}

/// The arguments that stand on the command line, by their ids.
fn given(matches: &ArgMatches) -> Vec<String> {
    let is_given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    matches.ids().map(clap::Id::as_str).filter(is_given).map(ToOwned::to_owned).collect()
}

/// The tool's function between signals and progress.
fn attend<A>(
    tool: impl FnOnce(A, &Session) -> Result<Outcome>,
    args: A,
    work: &WorkArgs,
    session: &Session,
    console: &Console,
) -> Result<Outcome> {
    let Context { progress, cancel, .. } = session.context();
    signals::watch(cancel)?;
    let display = progress::show(work.progress(), progress, console)
        .map_err(|source| Error::Stream { action: "show progress", source })?;
    // The panic hook has said what happened; this keeps the exit code among the documented ones.
    let ended = catch_unwind(AssertUnwindSafe(|| tool(args, session)));
    drop(display);
    ended.unwrap_or(Ok(Outcome::Failed(ErrorClass::Failure))).map_err(|error| told_by_signal(error, cancel))
}

/// What broke because a signal ended a child or a stream is told as the interruption that it is. Errors that say
/// what state something was left in stay.
fn told_by_signal(error: Error, cancel: &Cancel) -> Error {
    match error {
        Error::Child { .. }
        | Error::Server { .. }
        | Error::Lost { .. }
        | Error::Unreachable { .. }
        | Error::Stream { .. }
        | Error::IncompleteDump { .. } => cancel.explain(error),
        other => other,
    }
}

fn print(bytes: &[u8]) -> Result<Outcome> {
    Stdout::open(&Cancel::default())?.put(bytes)?;
    Ok(Outcome::Done)
}

fn end(console: &Console, result: Result<Outcome>) -> ExitCode {
    match result {
        Ok(outcome) => of_outcome(outcome),
        Err(error) => {
            let usage = error.class() == ErrorClass::Usage;
            let hint = error.hint().or_else(|| usage.then(|| usage::try_help(console.tool())));
            console.error(&error.to_string(), hint.as_deref(), &Fields::of(&error));
            of_class(error.class())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_a_signal_ended_is_an_interruption() {
        let cancel = Cancel::default();
        let child = || Error::Child { program: "x".into(), doing: "y".into(), reason: "z".into() };
        assert_eq!(told_by_signal(child(), &cancel).class(), ErrorClass::Failure);
        cancel.raise(15);
        assert_eq!(told_by_signal(child(), &cancel).class(), ErrorClass::Interrupted(15));
    }

    #[test]
    fn an_interruption_does_not_hide_a_failed_rollback() {
        let cancel = Cancel::default();
        cancel.raise(15);
        let error = Error::RollbackFailed {
            cause: Box::new(Error::Interrupted(15)),
            safety: "x".into(),
            rollback: "y".into(),
        };
        assert!(matches!(told_by_signal(error, &cancel), Error::RollbackFailed { .. }));
    }
}
