//! What a tool's function is handed beside its arguments: the context for the library, and the standard streams.

use fwb::{Context, ErrorClass, Result};

use crate::console::Console;
use crate::exit::Outcome;
use crate::manifests::{FromRecord, Manifests, read_manifests};
use crate::records::RecordWriter;
use crate::standard::{Stdin, Stdout, stdin_is_terminal, stdout_is_terminal};

/// One run of a tool.
#[derive(Debug)]
pub struct Session {
    context: Context,
    console: Console,
    command: clap::Command,
}

impl Session {
    pub(crate) fn new(context: Context, console: Console, command: clap::Command) -> Self {
        Self { context, console, command }
    }

    /// What every operation of the library is handed.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The manifests on standard input, or what of them is wanted, or nothing where a person sits there: then [`Session::short_help`] is the
    /// answer.
    ///
    /// # Errors
    /// Standard input cannot be read.
    pub fn manifests<T: FromRecord>(&self) -> Result<Option<Manifests<T>>> {
        if stdin_is_terminal() {
            return Ok(None);
        }
        Ok(Some(read_manifests(Stdin::open(&self.context.cancel)?, &self.context.cancel)))
    }

    /// Where records go.
    ///
    /// # Errors
    /// Standard output cannot be opened.
    pub fn records(&self) -> Result<RecordWriter> {
        RecordWriter::open(&self.console, &self.context.cancel)
    }

    /// Standard output for bytes: an artifact or SQL.
    ///
    /// # Errors
    /// Standard output cannot be opened.
    pub fn stdout(&self) -> Result<Stdout> {
        Stdout::open_for_bytes(&self.context.cancel)
    }

    /// Whether a person reads standard output.
    pub fn stdout_is_terminal(&self) -> bool {
        stdout_is_terminal()
    }

    /// Whether a person sits at standard input.
    pub fn stdin_is_terminal(&self) -> bool {
        stdin_is_terminal()
    }

    /// Prints the short help on standard error: the answer to a call that names nothing to work on. The outcome is
    /// that of a usage error.
    pub fn short_help(&self) -> Outcome {
        self.console.write(&self.command.clone().render_help().to_string());
        Outcome::Failed(ErrorClass::Usage)
    }
}
