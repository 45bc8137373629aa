//! Any bytes as a binary log: whatever is read of them, nothing panics, and what is put together is read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fwb_binlog::fuzzing::log(bytes));
