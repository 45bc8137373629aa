//! How much memory a program takes.

use std::fs;
use std::process::Child;

/// The most memory that a program has had so far, in KiB (proc(5), `VmHWM`); none where it has ended, and where the child has
/// not become the program yet: until then its memory is that of the tests (vfork(2)).
pub(crate) fn peak_memory(child: &Child) -> Option<u64> {
    let of = |process: &str, name: &str| format!("/proc/{process}/{name}");
    let process = child.id().to_string();
    let program = fs::read_link(of(&process, "exe")).ok()?;
    if fs::read_link(of("self", "exe")).is_ok_and(|ours| ours == program) {
        return None;
    }
    let status = fs::read_to_string(of(&process, "status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse().ok()
}
