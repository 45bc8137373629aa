//! The option groups that the tools share, and what is the same for every tool's command line: the work group,
//! an empty environment variable counts as unset, and the exit status closes the long help.

mod databases;
mod exclude;
mod format;
mod keys;
mod limits;
mod pod;
mod retain;
mod server;
mod store;
mod tls;
mod work;

use clap::{Args as _, Command, CommandFactory};

use crate::exit::EXIT_STATUS;

pub use databases::DatabasesArgs;
pub use exclude::ExcludeArgs;
pub use format::{Format, FormatArgs};
pub use keys::{IdentityArgs, RecipientArgs};
pub use limits::LimitArgs;
pub use pod::PodArgs;
pub use retain::RetainArgs;
pub use server::ServerArgs;
pub(crate) use store::DEFAULT as DEFAULT_STORE;
pub use store::{LockArgs, StoreArgs, place};
pub use tls::TlsArgs;
pub use work::{LogFormat, ProgressMode, WorkArgs};

/// The full definition of a tool's command line, from which it is parsed and help, completions and manual pages
/// are made: `A` and [`WorkArgs`].
pub fn command<A: CommandFactory>() -> Command {
    let own = A::command();
    let (about, long_about) = (own.get_about().cloned(), own.get_long_about().cloned());
    let after = own.get_after_long_help().or(own.get_after_help()).map(|text| format!("{text}\n\n"));
    let mut command = WorkArgs::augment_args(own);
    // clap has taken the doc comment of the group for the tool's.
    command = command.about(about.unwrap_or_default());
    if let Some(long_about) = long_about {
        command = command.long_about(long_about);
    }
    let command = command.after_long_help(after.unwrap_or_default() + EXIT_STATUS).max_term_width(100);
    empty_is_unset(command.mut_args(|arg| arg.hide_env_values(true)))
}

/// A `CronJob` sets what it does not use to the empty string; clap would take that as a value.
fn empty_is_unset(command: Command) -> Command {
    command.mut_args(|arg| {
        if arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty()) {
            return arg.env(None::<&'static str>);
        }
        arg
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// Does something
    #[derive(Debug, Parser)]
    #[command(name = "fwb-test", version)]
    struct Args {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        server: ServerArgs,
    }

    #[test]
    fn the_definition_holds_together() {
        command::<Args>().debug_assert();
    }

    #[test]
    fn groups_do_not_replace_what_the_tool_says_of_itself() {
        let help = command::<Args>().render_long_help().to_string();
        assert!(help.starts_with("Does something\n"), "{help}");
        for heading in ["Store:", "Server:", "Work:", "Exit status:"] {
            assert!(help.contains(heading), "{help}");
        }
        assert!(help.contains("[env: FWB_STORE]"), "{help}");
    }
}
