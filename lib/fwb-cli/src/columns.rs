//! Columns of text, as wide as what is in them.

use unicode_width::UnicodeWidthStr;

/// Blanks between two columns.
const GAP: usize = 2;

/// A table of columns with a header, without lines.
#[derive(Debug)]
pub(crate) struct Columns {
    rows: Vec<Vec<Cell>>,
    widths: Vec<usize>,
    /// Whether each is aligned to the right.
    right: Vec<bool>,
}

#[derive(Debug)]
struct Cell {
    text: String,
    /// In columns of a terminal: a Korean syllable takes two.
    width: usize,
}

impl Columns {
    /// A table that has nothing but its header; the columns of these titles are aligned to the right.
    pub(crate) fn new(header: &[&str], right: &[&str]) -> Self {
        let right = header.iter().map(|title| right.contains(title)).collect();
        let mut columns = Self { rows: Vec::new(), widths: vec![0; header.len()], right };
        columns.add(header.iter().map(|title| (*title).to_owned()));
        columns
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = String>) {
        let row: Vec<Cell> = row.into_iter().map(|text| Cell { width: width(&text), text }).collect();
        for (column, cell) in self.widths.iter_mut().zip(&row) {
            *column = (*column).max(cell.width);
        }
        self.rows.push(row);
    }

    /// The table: a line each, without blanks at its end.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        for row in &self.rows {
            let begin = lines.len();
            for ((cell, width), right) in row.iter().zip(&self.widths).zip(&self.right) {
                let blanks = std::iter::repeat_n(' ', width - cell.width);
                if *right {
                    lines.extend(blanks);
                    lines.push_str(&cell.text);
                } else {
                    lines.push_str(&cell.text);
                    lines.extend(blanks);
                }
                lines.extend([' '; GAP]);
            }
            let end = lines[begin..].trim_end().len();
            lines.truncate(begin + end);
            lines.push('\n');
        }
        lines
    }
}

fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut columns = Columns::new(&["NAME", "ROWS", "X"], &["ROWS"]);
        columns.add(["한글".into(), "7".into(), "x".into()]);
        columns.add(["a".into(), "10000".into(), String::new()]);
        assert_eq!(columns.lines(), "NAME   ROWS  X\n한글      7  x\na     10000\n");
    }
}
