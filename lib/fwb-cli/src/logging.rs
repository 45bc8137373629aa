//! The backend of the `log` crate: what the library and the tools log goes to the console, at the level that
//! `-q` and `-v` choose. Other crates are heard from warnings up only. Panics become one line as well.

use log::{LevelFilter, Log, Metadata, Record};

use crate::console::{Console, Fields};

struct Logger {
    console: Console,
    level: LevelFilter,
}

/// Sends log records and panics to `console` from now on.
pub(crate) fn install(console: &Console, level: LevelFilter) {
    let logger = Logger { console: console.clone(), level };
    // It fails only where a logger is installed already, and then that one does the work.
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
    let console = console.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let told = panic.to_string().replace('\n', " ");
        console.error(&format!("a bug in this program: {told}"), None, &Fields::default());
    }));
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What a certificate lacks is told once, by the error that ends the work.
        let is_repeated = metadata.target().starts_with("rustls_platform_verifier");
        metadata.level() <= self.level
            && !is_repeated
            && (metadata.level() <= LevelFilter::Warn || metadata.target().starts_with("fwb"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let code = record.key_values().get("code".into());
            let code = code.as_ref().and_then(log::kv::Value::to_borrowed_str);
            let fields = Fields { code, ..Fields::default() };
            self.console.say(record.level(), &record.args().to_string(), &fields);
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;
    use crate::options::LogFormat;

    #[test]
    fn other_crates_speak_up_for_warnings_only() {
        let logger = Logger { console: Console::new("fwb-ls", LogFormat::Text), level: LevelFilter::Debug };
        let heard = |target, level| logger.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(heard("fwb::store", Level::Debug));
        assert!(heard("fwb_dump", Level::Info));
        assert!(heard("duct", Level::Warn));
        assert!(!heard("duct", Level::Info));
        assert!(!heard("fwb::store", Level::Trace));
    }
}
