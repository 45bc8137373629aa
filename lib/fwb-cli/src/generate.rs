//! `--generate man|bash|zsh|fish`: the manual page and shell completions, from the same definitions as `--help`.
//! It is for packagers, hidden from help, and stands alone on the command line.

use std::ffi::OsString;
use std::io;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use fwb::{Error, Result};

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
        "bash" => Ok(Some(completions(Shell::Bash, command))),
        "zsh" => Ok(Some(completions(Shell::Zsh, command))),
        "fish" => Ok(Some(completions(Shell::Fish, command))),
        _ => Err(Error::usage("--generate takes one of man, bash, zsh and fish")),
    }
}

fn manual(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    render(command, &mut page).map_err(|source| Error::Stream { action: "make the manual page", source })?;
    Ok(page)
}

/// The sections in the order of man-pages(7).
fn render(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone()).manual("fwb tools");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    environment(command).to_writer(page)?;
    closing_sections(command).to_writer(page)?;
    man.render_version_section(page)
}

fn environment(command: &Command) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["ENVIRONMENT"]);
    section.text([roman("A variable sets what its option does not. An empty one counts as unset.")]);
    for arg in command.get_arguments() {
        let (Some(variable), Some(option)) = (arg.get_env(), arg.get_long()) else { continue };
        section.control("TP", []);
        section.text([bold(variable.to_string_lossy())]);
        section.text([roman(format!("--{option}"))]);
    }
    section
}

/// What stands below the options in the long help: a line without indentation is a heading, the rest is shown
/// line by line.
fn closing_sections(command: &Command) -> Roff {
    let mut sections = Roff::new();
    let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with(' ') {
            sections.text([roman(line.trim_start())]);
            continue;
        }
        sections.control("fi", []);
        sections.control("SH", [line.trim_end_matches(':').to_uppercase().as_str()]);
        sections.control("nf", []);
    }
    sections.control("fi", []);
    sections
}

fn completions(shell: Shell, command: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command.clone(), name, &mut script);
    script
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
