//! Any bytes as tables whose keys are put off: the parts are the whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb::fuzzing::divide_tables(bytes));
