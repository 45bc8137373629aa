//! Any bytes as binary values: what is compressed comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb::fuzzing::compress_binary(bytes));
