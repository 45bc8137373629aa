//! Whether a run that is under way still lives: by its process where that is of this host, else by its last sign of life.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::manifest::{Timestamp, now};

/// How often a run gives a sign of life, in seconds.
pub const SIGN_OF_LIFE: u64 = 20;
/// Without a sign of life for so long, in seconds, a run is lost. Clocks of two hosts may differ by less than a minute of it.
const SILENCE: i64 = 120;

/// The process of a run that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProcess {
    /// What tells one start of one host from all others, as `/proc/sys/kernel/random/boot_id` says, with the process's
    /// own name space of processes (`/proc/self/ns/pid`); null where the host does not tell.
    #[serde(default)]
    pub host: Option<String>,
    /// Its process id there.
    pub pid: u32,
    /// When it was started, in the kernel's ticks since the host was: an id may be given anew.
    #[serde(default)]
    pub started: Option<u64>,
    /// Its last sign of life.
    pub seen_at: Timestamp,
}

impl RunProcess {
    /// This process, as it is now.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self { host: this_host(), pid, started: started(pid), seen_at: now() }
    }

    /// Whether the process has ended, as far as this host can tell.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.has_ended_by(now, this_host().as_deref(), started(self.pid))
    }

    /// The same from plain values: the reader's host, and when the process of this id there was started, if there is one.
    fn has_ended_by(&self, now: Timestamp, host: Option<&str>, started: Option<u64>) -> bool {
        if host.is_some() && self.host.as_deref() == host {
            return started.is_none() || started != self.started;
        }
        now - self.seen_at > TimeDelta::seconds(SILENCE)
    }
}

/// The name of this host: a container's is that of its pod.
pub fn host_name() -> Option<String> {
    let of_system = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let named = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    Some(named.unwrap_or_else(of_system)).filter(|name| !name.is_empty())
}

/// This start of this host, and the name space of this process.
fn this_host() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.to_str()?))
}

/// When the process of this id was started, in ticks (proc(5), `/proc/PID/stat`, field 22); none where there is none.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let is_zombie = matches!(fields.next(), Some("Z" | "X"));
    fields.nth(18).filter(|_| !is_zombie)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives() {
        let this = RunProcess::this();
        assert!(this.host.is_some() && this.started.is_some());
        assert!(!this.has_ended(now() + TimeDelta::days(1)), "a clock that is wrong does not end it");
        let another = RunProcess { started: Some(0), ..this.clone() };
        assert!(another.has_ended(now()), "its id was given anew");
    }

    #[test]
    fn a_process_of_another_host_is_judged_by_its_signs_of_life() {
        let now = now();
        let of = |seconds| RunProcess {
            host: Some("there".into()),
            pid: 1,
            started: Some(7),
            seen_at: now - TimeDelta::seconds(seconds),
        };
        for (seconds, host, has_ended) in
            [(5, Some("here"), false), (121, Some("here"), true), (121, None, true), (-500, None, false)]
        {
            assert_eq!(of(seconds).has_ended_by(now, host, Some(7)), has_ended, "{seconds} {host:?}");
        }
    }
}
