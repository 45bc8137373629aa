//! How much a child writes at once. The C library writes to a pipe by 4096 bytes, whatever the pipe holds; for a dump of
//! a gigabyte that is a quarter of a million exchanges, and a sixth of the dump program's time. coreutils' stdbuf(1) has
//! a library that changes it, which is used here without the program: where it is missing or does not fit, everything is
//! as it was.

use std::env;
use std::ffi::OsString;
use std::path::Path;

/// Where distributions have the library.
const LIBRARIES: [&str; 4] = [
    "/usr/libexec/coreutils/libstdbuf.so",
    "/usr/lib/coreutils/libstdbuf.so",
    "/usr/lib64/coreutils/libstdbuf.so",
    "/usr/lib/x86_64-linux-gnu/coreutils/libstdbuf.so",
];
/// What is written at once, in bytes.
const SIZE: &str = "262144";
/// Libraries that are loaded before all others (ld.so(8)).
const PRELOAD: &str = "LD_PRELOAD";

/// The variables by which a child has a large buffer for its stdout.
pub(super) fn large_stdout() -> Vec<(&'static str, OsString)> {
    let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists()) else {
        return Vec::new();
    };
    let mut preload = env::var_os(PRELOAD).unwrap_or_default();
    if !preload.is_empty() {
        preload.push(":");
    }
    preload.push(library);
    vec![(PRELOAD, preload), ("_STDBUF_O", SIZE.into())]
}
