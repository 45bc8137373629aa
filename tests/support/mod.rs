//! What the tests stand on: a private server, databases and stores that go when their test ends, and the tools.

mod before;
mod client;
pub(crate) mod content;
mod database;
pub(crate) mod faulty_proxy;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod manifests;
mod memory;
mod numbers;
pub(crate) mod object_server;
mod pod;
pub(crate) mod proxy;
mod sample;
mod script;
mod server;
mod store;
mod terminal;
mod tool;

pub(crate) use before::{Before, definitions, digests, over_a_live_one, restore};
pub(crate) use database::{Database, quoted};
pub(crate) use memory::peak_memory;
pub(crate) use numbers::Numbers;
pub(crate) use pod::Pod;
pub(crate) use proxy::{At, Fault, Proxy};
pub(crate) use sample::sample;
pub(crate) use script::{Programs, script};
pub(crate) use server::{Server, unpacked, usual_unpacked};
pub(crate) use store::{Store, name};
pub(crate) use terminal::{Terminal, width_of};
pub(crate) use tool::{Output, TOOLS, Tool, bash, mariadb, mariadb_dump, mariadb_dump_of};

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A port of the loopback interface that nobody listens at: below those that connections get by themselves, and another
/// one each time.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let port = 10_000
            + (std::process::id().wrapping_mul(97) % 20_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let port = u16::try_from(port).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What `look` finds, looked for again and again, though not for ever.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..30_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not come");
}

/// A certificate of a name, which is its own authority, valid for so many days.
pub(crate) fn self_signed(name: &str, days: &str, key: &Path, certificate: &Path) {
    let made = Tool::program("openssl").args(["req", "-x509", "-newkey", "ec", "-nodes"]);
    let made =
        made.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-days", days, "-subj", &format!("/CN={name}")]);
    made.arg("-keyout").arg(key).arg("-out").arg(certificate).run().ok();
}

/// SHA-256 as `sha256sum` prints it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).expect("a digit")).collect()
}

/// Writes a program that can be run.
pub(crate) fn executable(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program that can be run");
}

/// All that gzip finds in a file of one or more members.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(bytes), &mut plain).expect("gunzip");
    plain
}

/// One gzip member, as `gzip -c` makes it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, bytes).expect("gzip");
    packer.finish().expect("gzip")
}

/// The bytes of `text` between `from` and `from + size`.
pub(crate) fn slice<'a>(bytes: &'a [u8], from: &Value, size: &Value) -> &'a [u8] {
    let at = |value: &Value| usize::try_from(value.as_u64().expect("a number")).unwrap();
    &bytes[at(from)..at(from) + at(size)]
}
