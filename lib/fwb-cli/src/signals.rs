//! Signals become a request to stop: a thread waits for them and raises [`Cancel`], which ends the children; the
//! work then fails in its own place and cleans up on its way out. A repeated signal changes nothing. SIGPIPE is
//! ignored by Rust's runtime already, so that a reader who left is an error on writing.

use std::fs;
use std::sync::Arc;

use fwb::{Cancel, Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

/// Starts to listen for SIGTERM, SIGINT and SIGHUP, for the rest of the process's life.
///
/// # Errors
/// The operating system refuses the handlers or the thread.
pub(crate) fn watch(cancel: &Cancel) -> Result<()> {
    let refused = |source| Error::Stream { action: "listen for signals", source };
    let mut wanted = vec![SIGTERM, SIGINT];
    if !ignores_hangup(&fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        wanted.push(SIGHUP);
    }
    // A write beyond the limit on file sizes (setrlimit(2)) is an error to report, not a death without a word.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(refused)?;
    let mut signals = Signals::new(wanted).map_err(refused)?;
    let cancel = cancel.clone();
    let listen = move || {
        for signal in signals.forever() {
            cancel.raise(signal);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(refused)?;
    Ok(())
}

/// Whether this process was started with SIGHUP ignored, as nohup(1) does: then it is to survive its terminal.
/// `status` is the text of /proc/self/status (proc(5)), whose `SigIgn` is a mask with bit 0 for signal 1.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_recognised() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
