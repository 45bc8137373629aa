//! How much a child writes at once. The C library writes to a pipe by 4096 bytes, whatever the pipe holds; for a dump of
//! a gigabyte that is a quarter of a million exchanges, and a sixth of the dump program's time. coreutils' stdbuf(1) has
//! a library that changes it, which is used here without the program: where it is missing or does not fit, everything is
//! as it was.

use std::env;
use std::ffi::OsString;
use std::path::Path;

/// Where distributions have the library.
const LIBRARIES: [&str; 3] = [
    "/usr/libexec/coreutils/libstdbuf.so",
    "/usr/lib/coreutils/libstdbuf.so",
    "/usr/lib64/coreutils/libstdbuf.so",
];
/// What is written at once, in bytes.
const SIZE: &str = "262144";
/// Libraries that are loaded before all others (ld.so(8)).
const PRELOAD: &str = "LD_PRELOAD";

/// The variables by which a child has a large buffer for its stdout.
pub(super) fn large_stdout() -> Vec<(&'static str, OsString)> {
    let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists());
    library.map_or_else(Vec::new, |library| {
        vec![(PRELOAD, preloading(env::var_os(PRELOAD), library)), ("_STDBUF_O", SIZE.into())]
    })
}

/// What is loaded already, and the library after it.
fn preloading(already: Option<OsString>, library: &str) -> OsString {
    let mut all = already.unwrap_or_default();
    if !all.is_empty() {
        all.push(":");
    }
    all.push(library);
    all
}

/// Whether a line is the loader's, who says so where the library does not fit the program, such as one of 32 bits.
pub(super) fn is_of_loader(line: &[u8]) -> bool {
    line.starts_with(b"ERROR: ld.so: object ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_already_stays() {
        assert_eq!(preloading(None, "/b.so"), "/b.so");
        assert_eq!(preloading(Some("/a.so".into()), "/b.so"), "/a.so:/b.so");
    }
}
