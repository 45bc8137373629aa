//! What a tool's function is handed beside its arguments: the context for the library, and the standard streams.

use std::fs::File;
use std::sync::Arc;

use fwb::{AskPassphrase, Context, ErrorClass, Result};

use crate::confirm::{confirm, secret};
use crate::console::Console;
use crate::exit::Outcome;
use crate::manifests::{Manifests, read_manifests};
use crate::options::FormatArgs;
use crate::page::Page;
use crate::records::{Answers, RecordWriter};
use crate::said::Said;
use crate::standard::{Stdin, Stdout, is_stdout, stdin_is_terminal, stdin_may_bring, stdout_is_terminal};
use crate::terminal::{stdout_paint, stdout_width};

/// One run of a tool.
#[derive(Debug)]
pub struct Session {
    context: Context,
    console: Console,
    command: clap::Command,
    /// The arguments that the command line itself has given, by their ids.
    given: Vec<String>,
}

impl Session {
    pub(crate) fn new(
        context: Context,
        console: Console,
        command: clap::Command,
        given: Vec<String>,
    ) -> Self {
        Self { context, console, command, given }
    }

    /// Which of these arguments stand on the command line, as options are written. What a variable says is a setting for
    /// many calls, and does no harm in one that has no use for it; an option that would be ignored is a mistake.
    pub fn given(&self, ids: &[&str]) -> Vec<String> {
        let is_given = |id: &&&str| self.given.iter().any(|given| given == *id);
        ids.iter().filter(is_given).map(|id| format!("--{}", id.replace('_', "-"))).collect()
    }

    /// What every operation of the library is handed.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The manifests on standard input, or nothing where a person sits there: then [`Session::short_help`] is the answer.
    ///
    /// # Errors
    /// Standard input cannot be read.
    pub fn manifests(&self) -> Result<Option<Manifests>> {
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

    /// Where records go, in the form that `--format` and the terminal ask for.
    ///
    /// # Errors
    /// Standard output cannot be opened.
    pub fn answers(&self, format: FormatArgs) -> Result<Answers> {
        Ok(Answers::new(self.records()?, format.chosen(self.stdout_is_terminal()), self.page()))
    }

    /// How lines for people are laid out on standard output.
    pub fn page(&self) -> Page {
        Page::new(stdout_paint(), stdout_width())
    }

    /// Standard output for bytes: an artifact or SQL.
    ///
    /// # Errors
    /// Standard output cannot be opened.
    pub fn stdout(&self) -> Result<Stdout> {
        Stdout::open_for_bytes(&self.context.cancel)
    }

    /// The same for a device, a pipe or a socket that was opened by its path.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn stream(&self, file: File) -> Result<Stdout> {
        Stdout::to(file, &self.context.cancel)
    }

    /// Whether a stream that was opened by its path is standard output, as `/dev/stdout` is.
    pub fn is_stdout(&self, file: &File) -> bool {
        is_stdout(file)
    }

    /// Asks the person at the terminal whether to go on, after showing `text`. No bar and no message is drawn until the
    /// answer is there.
    ///
    /// # Errors
    /// There is no terminal, and `flag` is how a script says yes; or a signal arrived.
    pub fn confirm(&self, text: &str, question: &str, flag: &str) -> Result<bool> {
        self.console.beside_bar(|| confirm(text, question, flag, &self.context.cancel))
    }

    /// How a person at the terminal is asked for the passphrase of a key, or the PIN of a token: with these words.
    pub fn passphrases(&self) -> AskPassphrase {
        let (console, cancel) = (self.console.clone(), self.context.cancel.clone());
        Arc::new(move |words| console.beside_bar(|| secret(&format!("{words}: "), &cancel)))
    }

    /// Says what failed and what to do about it, where the work goes on.
    pub fn tell(&self, error: &fwb::Error) {
        self.console.error(&error.to_string(), error.hint().as_deref(), &crate::console::Fields::of(error));
    }

    /// Says again what a program has said on its standard error, in the form that was asked for.
    pub fn pass_on(&self) -> impl Fn(&str, &Said) + Send + use<> {
        let console = self.console.clone();
        move |program, said| crate::said::pass_on(&console, program, said)
    }

    /// Whether a person reads standard output.
    pub fn stdout_is_terminal(&self) -> bool {
        stdout_is_terminal()
    }

    /// Whether records may come on standard input: it is a pipe, a socket or a file, and not a terminal or /dev/null.
    pub fn stdin_may_bring(&self) -> bool {
        stdin_may_bring()
    }

    /// Prints the short help on standard error: the answer to a call that names nothing to work on. The outcome is
    /// that of a usage error.
    pub fn short_help(&self) -> Outcome {
        self.console.write(&self.command.clone().render_help().to_string());
        Outcome::Failed(ErrorClass::Usage)
    }
}
