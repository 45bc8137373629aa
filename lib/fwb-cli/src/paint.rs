//! Colours of text on a terminal (ECMA-48, SGR). What is painted must be [`crate::printable()`] already.

/// What a piece of text says of its matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well: green.
    Good,
    /// It failed: red.
    Bad,
    /// It should be looked at: yellow.
    Warn,
    /// It is of less importance, such as a hint: dim.
    Dim,
    /// It stands out, and judges nothing: bold.
    Strong,
}

/// Whether, and so how, text is painted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// Text stays as it is.
    pub const NONE: Self = Self { is_on: false };
    /// Colours of a terminal.
    pub const COLOURS: Self = Self { is_on: true };

    /// `text` in a tone.
    pub fn of(self, tone: Tone, text: &str) -> String {
        if !self.is_on || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_ends_where_its_text_ends() {
        for tone in [Tone::Good, Tone::Bad, Tone::Warn, Tone::Dim, Tone::Strong] {
            let painted = Paint::COLOURS.of(tone, "ok");
            assert!(painted.starts_with("\x1b[") && painted.ends_with("mok\x1b[0m"), "{painted:?}");
            assert_eq!(Paint::NONE.of(tone, "ok"), "ok");
        }
        assert_eq!(Paint::COLOURS.of(Tone::Bad, ""), "");
    }
}
