//! Any bytes as an artifact, and any bytes in one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb::fuzzing::read_artifact(bytes));
