//! `--generate man|bash|zsh|fish`: the manual page and shell completions, from the same definitions as `--help`; and
//! `--generate overview`, which is fwb(7).
//! It is for packagers, hidden from help, and stands alone on the command line.

mod completion;
mod manual;

use std::ffi::OsString;

use clap::Command;
use clap_complete::Shell;
use fwb::{Error, Result};

use self::completion::completions;
use self::manual::{manual, overview};

/// What `--generate` prints, where the command line asks for that.
///
/// # Errors
/// A usage error when it asks for something else to be generated.
pub(crate) fn requested(arguments: &[OsString], command: &Command) -> Result<Option<Vec<u8>>> {
    let arguments: Vec<_> = arguments.iter().skip(1).map(|argument| argument.to_string_lossy()).collect();
    let form = match arguments.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        ["--generate", form] => form,
        [argument] => match argument.strip_prefix("--generate") {
            Some(rest) => rest.trim_start_matches('='),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    match form {
        "man" => Ok(Some(manual(command)?)),
        "overview" => Ok(Some(overview(command.get_version().unwrap_or_default()))),
        "bash" => Ok(Some(completions(Shell::Bash, command))),
        "zsh" => Ok(Some(completions(Shell::Zsh, command))),
        "fish" => Ok(Some(completions(Shell::Fish, command))),
        _ => Err(Error::usage("--generate takes one of man, bash, zsh, fish and overview")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate(arguments: &[&str]) -> Result<Option<Vec<u8>>> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let command = Command::new("fwb-test").version("1.0").about("Tests").arg(clap::arg!(--store <DIR>));
        requested(&arguments, &command)
    }

    #[test]
    fn every_form_knows_the_options() {
        for form in ["man", "bash", "zsh", "fish"] {
            let text = String::from_utf8(generate(&["x", "--generate", form]).unwrap().unwrap()).unwrap();
            assert!(text.contains("store"), "{form}");
        }
        assert!(generate(&["x", "--generate=man"]).unwrap().is_some());
    }

    #[test]
    fn it_stands_alone() {
        assert!(generate(&["x"]).unwrap().is_none());
        assert!(generate(&["x", "--store", "--generate"]).unwrap().is_none());
        assert!(generate(&["x", "--generate", "pdf"]).is_err());
        assert!(generate(&["x", "--generate"]).is_err());
    }
}
