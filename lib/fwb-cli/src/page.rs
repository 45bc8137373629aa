//! Lines for people on standard output: how they are painted, and where they are broken. Every name in them is made
//! [`printable`] here, so that a caller cannot forget it.

use unicode_width::UnicodeWidthStr;

use crate::paint::{Paint, Tone};
use crate::printable::printable;

/// Blanks before what belongs to the line above.
const INDENT: usize = 2;
/// No line is broken into pieces narrower than this, in columns: a path alone is wider.
const NARROWEST: usize = 20;

/// How lines are laid out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page {
    paint: Paint,
    /// In columns of the terminal; none: lines are not broken.
    width: Option<usize>,
}

impl Page {
    pub(crate) fn new(paint: Paint, width: Option<usize>) -> Self {
        Self { paint, width }
    }

    /// The same without colours, for text that goes on through [`printable`].
    #[must_use]
    pub fn unpainted(self) -> Self {
        Self { paint: Paint::NONE, ..self }
    }

    /// Its colours.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// How many columns a line may take; none: as many as it needs.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// A line that begins with a word in a tone, which says what became of the rest.
    pub fn line(&self, tone: Tone, word: &str, text: &str) -> String {
        let broken = self.broken(&format!("{word} {text}"), 0);
        let rest = broken.strip_prefix(word).unwrap_or(&broken);
        format!("{}{rest}", self.paint.of(tone, word))
    }

    /// A line of its own that no word begins, such as a sum.
    pub fn text(&self, text: &str) -> String {
        self.broken(text, 0)
    }

    /// What belongs to the line above.
    pub fn detail(&self, text: &str) -> String {
        self.broken(text, INDENT)
    }

    /// What to do next, or what is of less importance.
    pub fn hint(&self, text: &str) -> String {
        self.broken(text, INDENT).lines().map(|line| self.paint.of(Tone::Dim, line) + "\n").collect()
    }

    /// A detail that should be looked at.
    pub fn warning(&self, text: &str) -> String {
        self.broken(text, INDENT).lines().map(|line| self.paint.of(Tone::Warn, line) + "\n").collect()
    }

    /// `text` on as many lines as the width asks for, each after `indent` blanks, and those after the first after
    /// [`INDENT`] more. It is broken between words alone: a name must be whole to be copied.
    fn broken(&self, text: &str, indent: usize) -> String {
        let text = printable(text);
        let width = self.width.unwrap_or(usize::MAX).max(NARROWEST);
        let mut lines = " ".repeat(indent);
        let mut column = indent;
        let mut is_first = true;
        for word in text.split(' ') {
            let taken = word.width();
            if !is_first && column + 1 + taken > width {
                lines.push('\n');
                lines.push_str(&" ".repeat(indent + INDENT));
                column = indent + INDENT;
            } else if !is_first {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(word);
            column += taken;
            is_first = false;
        }
        lines.push('\n');
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(width: usize) -> Page {
        Page::new(Paint::NONE, Some(width))
    }

    #[test]
    fn lines_are_broken_between_words() {
        let page = wide(24);
        assert_eq!(page.line(Tone::Good, "dumped", "shop into /backup/x"), "dumped shop into\n  /backup/x\n");
        assert_eq!(page.detail("12 tables, 3 views, 1 trigger"), "  12 tables, 3 views, 1\n    trigger\n");
        assert_eq!(page.detail("한글한글 한글한글 한글한글"), "  한글한글 한글한글\n    한글한글\n");
        let long = "x".repeat(50);
        assert_eq!(page.detail(&long), format!("  {long}\n"), "a name is whole");
        assert_eq!(Page::default().detail(&"word ".repeat(99)).lines().count(), 1, "a file has no width");
    }

    #[test]
    fn a_name_can_neither_paint_nor_break_a_line() {
        let page = Page::new(Paint::COLOURS, None);
        for shown in [page.line(Tone::Bad, "FAILED", "a\nb\x1b[2J"), page.hint("a\nb\x1b[2J")] {
            assert_eq!(shown.lines().count(), 1, "{shown:?}");
            assert!(shown.contains("a\\nb\\u{1b}[2J"), "{shown:?}");
        }
    }

    #[test]
    fn the_word_alone_is_painted() {
        let page = Page::new(Paint::COLOURS, None);
        assert_eq!(page.line(Tone::Good, "kept", "x"), "\x1b[32mkept\x1b[0m x\n");
    }
}
