//! Exit codes: the one place where a class of errors becomes a number.

use std::io;
use std::process::ExitCode;

use fwb::{Error, ErrorClass, Result};

use crate::standard::WRITE_STDOUT;

/// The exit status section of every manual page and long help text: what the numbers below mean.
pub(crate) const EXIT_STATUS: &str = "\
Exit status:
  0    success
  1    failure: I/O, a child program, the database, a cut stream; try again
  2    wrong usage or configuration; refused: a missing right, SQL that no dump contains
  3    proof failed: a backup is damaged, missing or too old, a restore differs
  4    the store is locked by another run
  130  interrupted by SIGINT (143: SIGTERM, 129: SIGHUP)";

/// How a tool ended that has nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// The work was finished and every failure reported: records or log lines say which, the exit code only that.
    Failed(ErrorClass),
    /// The same, with the exit code of a program that was run.
    Exit(u8),
}

/// The exit code of an outcome.
pub(crate) fn of_outcome(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::Failed(class) => of_class(class),
        Outcome::Exit(code) => ExitCode::from(code),
    }
}

/// The exit code of a class of errors.
pub(crate) fn of_class(class: ErrorClass) -> ExitCode {
    ExitCode::from(exit_code(class))
}

/// The number that the exit code of a class of errors is.
pub fn exit_code(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Failure => 1,
        ErrorClass::Usage => 2,
        ErrorClass::Proof => 3,
        ErrorClass::Locked => 4,
        // As shells report a program that a signal ended.
        ErrorClass::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    }
}

/// Makes a broken pipe on stdout a success: for a tool whose only result is what it prints, a reader that has
/// seen enough (`fwb-ls | head`) is no failure.
///
/// # Errors
/// Any other error of `result`.
pub fn tolerate_broken_pipe(result: Result<Outcome>) -> Result<Outcome> {
    match result {
        Err(Error::Stream { action: WRITE_STDOUT, source }) if source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Outcome::Done)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_documented_numbers() {
        let cases = [
            (ErrorClass::Failure, 1),
            (ErrorClass::Usage, 2),
            (ErrorClass::Proof, 3),
            (ErrorClass::Locked, 4),
            (ErrorClass::Interrupted(1), 129),
            (ErrorClass::Interrupted(2), 130),
            (ErrorClass::Interrupted(15), 143),
        ];
        for (class, expected) in cases {
            assert_eq!(exit_code(class), expected, "{class:?}");
        }
    }

    #[test]
    fn only_a_reader_that_left_is_tolerated() {
        let stream = |action, kind: io::ErrorKind| Err(Error::Stream { action, source: kind.into() });
        assert!(tolerate_broken_pipe(stream(WRITE_STDOUT, io::ErrorKind::BrokenPipe)).is_ok());
        assert!(tolerate_broken_pipe(stream(WRITE_STDOUT, io::ErrorKind::StorageFull)).is_err());
        assert!(tolerate_broken_pipe(stream("write to the client", io::ErrorKind::BrokenPipe)).is_err());
    }
}
