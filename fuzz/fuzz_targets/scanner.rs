//! Any bytes as a dump: the scanner finds what the slow reference finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb::fuzzing::scan_all(bytes));
