//! Failures by the hundred. `make test` runs a bounded part, `make torture` the whole: `FWB_TORTURE=whole`.

mod commands;
mod corruption;
mod crash;
mod disk;
mod faults;
mod load;
mod restores;
mod scenes;
pub(crate) mod shim;

/// Whether all of it is wanted.
pub(crate) fn whole() -> bool {
    std::env::var_os("FWB_TORTURE").is_some_and(|wanted| wanted == "whole")
}

/// Says what was done, in one line. A run that did nothing proves nothing, and fails.
#[track_caller]
pub(crate) fn count(part: &str, what: &str, counts: &[(&str, u32)]) {
    assert!(counts.iter().any(|(_, count)| *count > 0), "{part}: {what}: nothing was done");
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    say(&format!("torture: {part}: {what}: {}", counts.join(", ")));
}

/// Writes a line on stderr, whatever becomes of it.
#[allow(clippy::print_stderr, reason = "the counts are for whoever runs the tests")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
