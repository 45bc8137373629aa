//! clap's answers to a wrong command line, brought into the two lines of every other error: what is wrong, and
//! what to do. A value that came from the environment is traced to its variable.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use fwb::Error;

/// What is wrong with the command line, and a hint.
pub(crate) fn squeeze(error: &clap::Error, command: &Command, arguments: &[OsString]) -> (String, String) {
    let rendered = error.render().to_string();
    let lines = rendered.lines().map(str::trim).filter(|line| !line.is_empty());
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let (tips, facts): (Vec<&str>, Vec<&str>) = told.partition(|line| line.starts_with("tip:"));
    let message = facts.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let mut hints: Vec<String> =
        tips.iter().map(|tip| tip.trim_start_matches("tip:").trim().to_owned()).collect();
    hints.extend(variable_behind(error, command, arguments).map(|name| format!("{name} holds that value")));
    hints.push(try_help(command.get_name()));
    (message, hints.join("; "))
}

/// Where to read on.
pub(crate) fn try_help(tool: &str) -> String {
    format!("try '{tool} --help'")
}

/// The host that `-h` seems to be followed by, as it is for the servers' own programs. Here it asks for help, and a schedule that nobody
/// watches would have that instead of a backup, and the exit code of success.
pub(crate) fn host_behind_help(arguments: &[OsString]) -> Option<String> {
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    let joined = rest.find_map(|argument| Some(argument.strip_prefix("-h")?.to_owned()))?;
    let host = if joined.is_empty() { rest.next()?.into_owned() } else { joined };
    (!host.starts_with('-')).then_some(host)
}

/// That a host is named otherwise.
pub(crate) fn not_by_h(host: &str, command: &Command) -> Error {
    let has_option = command.get_arguments().any(|arg| arg.get_long() == Some("host"));
    let named = if has_option { format!("--host {host}") } else { format!("FWB_HOST={host}") };
    Error::Usage {
        message: format!("-h asks for help, and {host} stands behind it"),
        hint: Some(format!("a server is named by {named}; ask for help by -h alone")),
    }
}

/// The environment variable that the refused value came from.
fn variable_behind(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else { return None };
    let arg = command.get_arguments().find(|arg| arg.to_string() == *named)?;
    let variable = arg.get_env().filter(|variable| std::env::var_os(variable).is_some())?;
    (!is_given(arg, arguments)).then(|| variable.to_string_lossy().into_owned())
}

/// Whether an option stands on the command line.
fn is_given(arg: &Arg, arguments: &[OsString]) -> bool {
    let long = arg.get_long().map(|name| format!("--{name}"));
    arguments.iter().skip(1).any(|argument| {
        let argument = argument.to_string_lossy();
        let is_long = long.as_ref().is_some_and(|long| {
            argument.strip_prefix(long.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        let is_cluster = argument.starts_with('-') && !argument.starts_with("--");
        is_long || is_cluster && arg.get_short().is_some_and(|short| argument.contains(short))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{ServerArgs, command};

    #[derive(Debug, Parser)]
    #[command(name = "fwb-test")]
    struct Args {
        #[command(flatten)]
        server: ServerArgs,
        #[arg(short = 'B', long)]
        database: String,
    }

    fn said(arguments: &[&str]) -> (String, String) {
        let mut command = command::<Args>();
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let error = command.try_get_matches_from_mut(&arguments).unwrap_err();
        squeeze(&error, &command, &arguments)
    }

    #[test]
    fn every_error_is_a_line_and_a_hint() {
        let (message, hint) = said(&["fwb-test", "-B", "x", "--log-format", "xml"]);
        assert_eq!(message, "invalid value 'xml' for '--log-format <FORMAT>' [possible values: text, json]");
        assert_eq!(hint, "try 'fwb-test --help'");
        let (message, _) = said(&["fwb-test"]);
        assert_eq!(message, "the following required arguments were not provided: --database <DATABASE>");
        let (message, hint) = said(&["fwb-test", "-B", "x", "--prot", "1"]);
        assert_eq!(message, "unexpected argument '--prot' found");
        assert_eq!(hint, "a similar argument exists: '--port'; try 'fwb-test --help'");
        let (message, _) = said(&["fwb-test", "-B", "x", "--port", "0"]);
        assert_eq!(message, "invalid value '0' for '--port <PORT>': 0 is not in 1..=65535");
    }

    #[test]
    fn a_host_behind_help_is_noticed() {
        let behind = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            host_behind_help(&arguments)
        };
        assert_eq!(behind(&["fwb-test", "-B", "x", "-h", "db"]).as_deref(), Some("db"));
        assert_eq!(behind(&["fwb-test", "-hdb"]).as_deref(), Some("db"));
        assert_eq!(behind(&["fwb-test", "-h"]), None);
        assert_eq!(behind(&["fwb-test", "-B", "x", "-h", "--quiet"]), None);
        assert_eq!(behind(&["fwb-test", "--help", "db"]), None);
    }

    #[test]
    fn an_option_is_found_in_all_its_forms() {
        let arg = Arg::new("jobs").short('j').long("jobs");
        let given = |argument: &str| is_given(&arg, &["fwb-test".into(), argument.into()]);
        assert!(given("-j") && given("-j4") && given("-qj4") && given("--jobs") && given("--jobs=4"));
        assert!(!given("--jobsite") && !given("j") && !given("-q"));
    }
}
