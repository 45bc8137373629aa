//! What is known of the terminal behind standard output: how wide it is, and whether colours are wanted there.

#![allow(
    clippy::disallowed_methods,
    reason = "this module asks what stdout and stderr are, and writes nothing"
)]

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

use rustix::termios::tcgetwinsize;

use crate::paint::Paint;

/// How many columns a line on standard output may take. None: nobody knows, and a file has no width.
pub(crate) fn stdout_width() -> Option<usize> {
    let window = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    width(window, env::var_os("COLUMNS"))
}

/// The colours for standard output.
pub(crate) fn stdout_paint() -> Paint {
    paint(io::stdout().is_terminal(), |name| env::var_os(name))
}

/// The colours for standard error.
pub(crate) fn stderr_paint() -> Paint {
    paint(io::stderr().is_terminal(), |name| env::var_os(name))
}

/// What the terminal says comes first; a terminal on a serial line says 0, which is nothing.
fn width(window: Option<usize>, columns: Option<OsString>) -> Option<usize> {
    let columns = || columns?.to_str()?.trim().parse().ok();
    window.filter(|width| *width > 0).or_else(columns).filter(|width| *width > 0)
}

/// Colours by the usual variables: `NO_COLOR` (no-color.org) forbids them, `CLICOLOR_FORCE` asks for them anywhere,
/// `CLICOLOR=0` and `TERM=dumb` switch them off on a terminal.
fn paint(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Paint {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, word: &str| variable(name).is_some_and(|value| value == word);
    if is_set("NO_COLOR") {
        return Paint::NONE;
    }
    if is_set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") {
        return Paint::COLOURS;
    }
    if is_terminal && !is("TERM", "dumb") && !is("CLICOLOR", "0") { Paint::COLOURS } else { Paint::NONE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_says_its_width_and_columns_only_where_it_does_not() {
        let cases = [
            (Some(60), Some("100"), Some(60)),
            (Some(0), Some("100"), Some(100)),
            (None, Some(" 72 "), Some(72)),
            (None, Some("0"), None),
            (None, Some("wide"), None),
            (None, None, None),
        ];
        for (window, columns, expected) in cases {
            assert_eq!(width(window, columns.map(OsString::from)), expected, "{window:?} {columns:?}");
        }
    }

    /// Whether it is a terminal, the variables that are set, and whether there are colours.
    type Case<'a> = (bool, &'a [(&'a str, &'a str)], bool);

    #[test]
    fn colours_are_for_terminals_and_for_whoever_asks() {
        let cases: [Case<'_>; 10] = [
            (true, &[], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (true, &[("TERM", "dumb")], false),
            (true, &[("TERM", "xterm")], true),
            (true, &[("CLICOLOR", "0")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ];
        for (is_terminal, variables, expected) in cases {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            let expected = if expected { Paint::COLOURS } else { Paint::NONE };
            assert_eq!(paint(is_terminal, variable), expected, "{is_terminal} {variables:?}");
        }
    }
}
