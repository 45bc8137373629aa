//! Any bytes as what a server says, as they are and in compressed packets, and as an option file: a connection ends, and takes little memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fwb_mysql::fuzzing::hostile_server(bytes);
    fwb_mysql::fuzzing::hostile_compressed_server(bytes);
    fwb_mysql::fuzzing::option_file(bytes);
});
