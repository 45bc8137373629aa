//! Asking the person at the terminal, whatever the standard streams are: the question goes to /dev/tty, and the
//! answer comes from there.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};

use fwb::{Error, Result};

use crate::printable::printable;

/// Shows `text` and asks; only `y` or `yes` is a yes.
///
/// # Errors
/// A usage error where there is no terminal: nobody can say yes, and `flag` is how a script says it.
pub fn confirm(text: &str, question: &str, flag: &str) -> Result<bool> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| Error::Usage {
        message: format!("there is no terminal to ask for a confirmation on, and {flag} was not given"),
        hint: Some(format!("give {flag} if you mean it, or look first with --dry-run")),
    })?;
    let failed = |source| Error::Stream { action: "ask on the terminal", source };
    for line in text.lines() {
        writeln!(&terminal, "{}", printable(line)).map_err(failed)?;
    }
    write!(&terminal, "{} [y/N] ", printable(question)).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(&terminal).read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
