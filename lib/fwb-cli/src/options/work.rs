//! How to work and what to tell about it.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;

use clap::ValueEnum;
use log::LevelFilter;

/// The work group. [`crate::run()`] adds it to every tool.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WorkArgs {
    /// Threads or connections to work with [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "FWB_JOBS", help_heading = "Work")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Work")]
    pub quiet: bool,

    /// Say what is done; twice: in detail
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Work")]
    pub verbose: u8,

    /// Form of messages on standard error
    #[arg(long, value_name = "FORMAT", env = "FWB_LOG_FORMAT", value_enum, default_value_t)]
    #[arg(help_heading = "Work")]
    pub log_format: LogFormat,

    /// Progress on standard error: a bar on a terminal, else a line every 30 seconds
    #[arg(long, value_name = "WHEN", env = "FWB_PROGRESS", value_enum, default_value_t)]
    #[arg(help_heading = "Work")]
    pub progress: ProgressMode,
}

/// The form of messages on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// When to show progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, lines elsewhere
    #[default]
    Auto,
    /// A bar, wherever it goes
    Always,
    /// Nothing
    Never,
}

impl WorkArgs {
    /// Threads to work with: at least one.
    pub fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(cores, usize::from)
    }

    /// What to log.
    pub fn level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => LevelFilter::Warn,
            (false, 1) => LevelFilter::Info,
            (false, 2) => LevelFilter::Debug,
            (false, _) => LevelFilter::Trace,
        }
    }

    /// When to show progress.
    pub fn progress(&self) -> ProgressMode {
        if self.quiet { ProgressMode::Never } else { self.progress }
    }
}

impl LogFormat {
    /// The format wished for, as far as it can be told from arguments that may be wrong: an error about them is to
    /// have the right form too.
    pub(crate) fn wished(arguments: &[OsString], variable: Option<&OsStr>) -> Self {
        const OPTION: &str = "--log-format";
        let mut wish = variable.and_then(OsStr::to_str);
        let mut arguments = arguments.iter().skip(1).map(|argument| argument.to_str().unwrap_or_default());
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(OPTION) {
                _ if argument == "--" => break,
                Some("") => wish = arguments.next(),
                Some(value) if value.starts_with('=') => wish = value.get(1..),
                _ => {}
            }
        }
        wish.and_then(|wish| Self::from_str(wish, false).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(arguments: &[&str], variable: Option<&str>) -> LogFormat {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        LogFormat::wished(&arguments, variable.map(OsStr::new))
    }

    #[test]
    fn an_error_about_arguments_has_the_form_that_they_ask_for() {
        assert_eq!(wished(&["fwb-ls"], None), LogFormat::Text);
        assert_eq!(wished(&["fwb-ls"], Some("json")), LogFormat::Json);
        assert_eq!(wished(&["fwb-ls"], Some("")), LogFormat::Text);
        assert_eq!(wished(&["fwb-ls", "--log-format", "json", "--bad"], None), LogFormat::Json);
        assert_eq!(wished(&["fwb-ls", "--log-format=text"], Some("json")), LogFormat::Text);
        assert_eq!(wished(&["fwb-ls", "--log-format"], None), LogFormat::Text);
        assert_eq!(wished(&["fwb-ls", "--", "--log-format=json"], None), LogFormat::Text);
    }

    #[test]
    fn quiet_is_quiet() {
        let quiet = WorkArgs { quiet: true, progress: ProgressMode::Always, ..WorkArgs::default() };
        assert_eq!(quiet.progress(), ProgressMode::Never);
        assert_eq!(quiet.level(), LevelFilter::Error);
    }

    #[test]
    fn there_is_always_a_thread_to_work_with() {
        assert!(WorkArgs::default().jobs() >= 1);
    }
}
