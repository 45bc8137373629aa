//! Any bytes as a dump that is restored: what is admitted harms no server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb::fuzzing::admit(bytes));
