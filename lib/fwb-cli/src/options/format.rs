//! The form of what a tool prints on standard output: lines for people, or records for programs.

use clap::ValueEnum;

/// The format option, of every tool whose result is a record.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct FormatArgs {
    /// Form of the output [default: text on a terminal, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Jsonl,
}

impl FormatArgs {
    /// What was chosen, else what suits whoever reads.
    pub(crate) fn chosen(self, is_terminal: bool) -> Format {
        self.format.unwrap_or(if is_terminal { Format::Text } else { Format::Jsonl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_records_and_a_terminal_has_lines() {
        assert_eq!(FormatArgs::default().chosen(true), Format::Text);
        assert_eq!(FormatArgs::default().chosen(false), Format::Jsonl);
        assert_eq!(FormatArgs { format: Some(Format::Jsonl) }.chosen(true), Format::Jsonl);
        assert_eq!(FormatArgs { format: Some(Format::Text) }.chosen(false), Format::Text);
    }
}
