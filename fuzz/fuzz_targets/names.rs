//! Any bytes as names and secrets: they stay what they were, and alone.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb::fuzzing::write_names(bytes));
