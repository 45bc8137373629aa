//! How a run ended, and whether its end is to be believed.

use std::time::Duration;

use super::exec::Exec;
use super::proof::{Proof, Tally};
use crate::error::{Error, Result};
use crate::process;

/// The exit status of a program that a signal has ended is this and the signal's number.
const KILLED: u8 = 128;

/// How a program in the pod ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(super) exec: Exec,
    pub(super) place: String,
    pub(super) kubectl: process::Ended,
    pub(super) proof: Option<Proof>,
    pub(super) received: Tally,
    pub(super) sent: Tally,
    pub(super) silence: Option<Duration>,
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
            let signal = proof.status.checked_sub(KILLED).filter(|signal| *signal > 0).map(i32::from);
            let code = signal.is_none().then_some(i32::from(proof.status));
            return Err(self.kubectl.failure_of(program, doing, (code, signal)));
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
        // So it is where the cut itself has ended the program, which then says nothing of its own.
        if proof.is_output_cut() {
            return Some(format!("{program} could not get rid of its output"));
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
}
