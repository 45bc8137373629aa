//! Everything that is logged while the tests run, at the finest level.

use std::sync::{Mutex, Once};

static SAID: Mutex<String> = Mutex::new(String::new());

struct Everything;

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        let line = format!("{} {}\n", record.target(), record.args());
        SAID.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}

/// Keeps what is logged from now on.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Everything).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// What was logged.
pub(crate) fn said() -> String {
    SAID.lock().unwrap().clone()
}
