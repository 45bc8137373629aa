//! Columns of text, as wide as what is in them, and no wider together than the terminal: columns of less importance
//! are left out, then long cells are cut. A line is never broken.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::page::Page;
use crate::paint::Tone;

/// Blanks between two columns.
const GAP: usize = 2;
/// The width that cells are cut to before names are, in columns: a word such as `unproved`.
const WORD: usize = 8;
/// What stands for what was cut off: one column wide.
const ELLIPSIS: char = '…';

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    is_right: bool,
    /// Columns with larger numbers are left out first; those of 0 stay.
    leaves: u8,
    /// The width that its cells may be cut to while other columns could be left out instead.
    least: usize,
    /// Whether a cell is cut in its middle, as names are, whose ends tell them apart.
    is_cut_inside: bool,
}

impl Column {
    /// A column that stays, aligned to the left.
    pub fn new(title: &'static str) -> Self {
        Self { title, is_right: false, leaves: 0, least: usize::MAX, is_cut_inside: false }
    }

    /// What stands above it.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Aligned to the right, as numbers are.
    #[must_use]
    pub fn right(self) -> Self {
        Self { is_right: true, ..self }
    }

    /// Left out where there is no room, those with larger numbers first.
    #[must_use]
    pub fn leaves(self, order: u8) -> Self {
        Self { leaves: order, ..self }
    }

    /// Its cells are cut to this width before another column is left out.
    #[must_use]
    pub fn shrinks_to(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// Its cells are cut in their middle.
    #[must_use]
    pub fn cut_inside(self) -> Self {
        Self { is_cut_inside: true, ..self }
    }
}

/// A table of columns with a header, without rules.
#[derive(Debug)]
pub struct Columns {
    header: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    widths: Vec<usize>,
}

/// What stands in a row under a title. It must be [`crate::printable()`].
#[derive(Debug)]
pub struct Cell {
    text: String,
    /// In columns of a terminal: a Korean syllable takes two.
    width: usize,
    tone: Option<Tone>,
}

impl Cell {
    /// The same in a tone.
    #[must_use]
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { width: width(&text), text, tone: None }
    }
}

impl From<std::borrow::Cow<'_, str>> for Cell {
    fn from(text: std::borrow::Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Columns {
    /// A table that has nothing but its header.
    pub fn new(columns: &[Column]) -> Self {
        let widths = columns.iter().map(|column| column.title.len()).collect();
        Self { header: columns.to_vec(), rows: Vec::new(), widths }
    }

    /// Adds a row.
    pub fn add<C: Into<Cell>>(&mut self, row: impl IntoIterator<Item = C>) {
        let row: Vec<Cell> = row.into_iter().map(Into::into).collect();
        for (column, cell) in self.widths.iter_mut().zip(&row) {
            *column = (*column).max(cell.width);
        }
        self.rows.push(row);
    }

    /// The table: a line each, without blanks at its end. Where columns were left out or names cut, a last line says so.
    pub fn lines(&self, page: &Page) -> String {
        let shown = shown(&self.header, &self.widths, page.width());
        let mut lines = String::new();
        let header: Vec<Cell> = self.header.iter().map(|column| column.title.into()).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            self.line(row, &shown, page, &mut lines);
        }
        lines + &self.remark(&shown, page)
    }

    fn line(&self, row: &[Cell], shown: &[(usize, usize)], page: &Page, lines: &mut String) {
        let mut gap = 0;
        for (place, width) in shown {
            let (Some(cell), Some(column)) = (row.get(*place), self.header.get(*place)) else { continue };
            let cut = cut(cell, *width, column.is_cut_inside);
            let (text, taken) =
                cut.as_ref().map_or((&*cell.text, cell.width), |(text, taken)| (text, *taken));
            let blanks = width - taken;
            let before = gap + if column.is_right { blanks } else { 0 };
            if !text.is_empty() {
                lines.extend(std::iter::repeat_n(' ', before));
                match cell.tone {
                    Some(tone) => lines.push_str(&page.paint().of(tone, text)),
                    None => lines.push_str(text),
                }
            }
            // What follows an empty cell comes after its blanks; nothing follows the last one.
            gap = GAP
                + if text.is_empty() {
                    before + blanks * usize::from(!column.is_right)
                } else if column.is_right {
                    0
                } else {
                    blanks
                };
        }
        lines.push('\n');
    }

    fn remark(&self, shown: &[(usize, usize)], page: &Page) -> String {
        let is_shown = |place: usize| shown.iter().any(|(shown, _)| *shown == place);
        let places = 0..self.header.len();
        let missing: Vec<&str> =
            places.filter(|place| !is_shown(*place)).map(|place| self.header[place].title).collect();
        let is_cut = |(place, width): &(usize, usize)| {
            self.widths[*place] > *width && self.header[*place].is_cut_inside
        };
        let mut remark = Vec::new();
        if !missing.is_empty() {
            remark.push(format!("no room for {}", missing.join(", ")));
        }
        if shown.iter().any(is_cut) {
            remark.push("names are cut".to_owned());
        }
        if remark.is_empty() { String::new() } else { page.hint(&format!("({})", remark.join("; "))) }
    }
}

/// Which columns are shown, by their places, each with its width.
fn shown(columns: &[Column], widths: &[usize], limit: Option<usize>) -> Vec<(usize, usize)> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let Some(limit) = limit else { return shown.into_iter().map(|place| (place, widths[place])).collect() };
    let least = |place: usize| widths[place].min(columns[place].least.max(columns[place].title.len()));
    let sum = |shown: &[usize], width: &dyn Fn(usize) -> usize| {
        let gaps = GAP * shown.len().saturating_sub(1);
        shown.iter().map(|place| width(*place)).sum::<usize>() + gaps
    };
    while sum(&shown, &least) > limit {
        let next = shown.iter().copied().filter(|place| columns[*place].leaves > 0);
        let Some(next) = next.max_by_key(|place| columns[*place].leaves) else { break };
        shown.retain(|place| *place != next);
    }
    // Those that may be cut are, the last one first; then, before a name, whatever is no name; then whatever is widest.
    let mut given: Vec<(usize, usize)> = shown.iter().map(|place| (*place, widths[*place])).collect();
    let mut surplus = sum(&shown, &|place| widths[place]).saturating_sub(limit);
    let word = |place: usize| if columns[place].is_cut_inside { usize::MAX } else { WORD };
    for floor in [&least as &dyn Fn(usize) -> usize, &word] {
        for (place, width) in given.iter_mut().rev() {
            let taken = surplus.min(width.saturating_sub(floor(*place)));
            *width -= taken;
            surplus -= taken;
        }
    }
    while surplus > 0 {
        let widest = given.iter_mut().max_by_key(|(_, width)| *width);
        let Some((_, widest)) = widest.filter(|(_, width)| *width > 1) else { break };
        *widest -= 1;
        surplus -= 1;
    }
    given
}

/// A cell that is wider than its column, cut, with the width that it then takes; none: it fits.
fn cut(cell: &Cell, width: usize, is_cut_inside: bool) -> Option<(String, usize)> {
    if cell.width <= width {
        return None;
    }
    let room = width.saturating_sub(1);
    let (front, back) = if is_cut_inside { (room - room * 2 / 3, room * 2 / 3) } else { (room, 0) };
    let begin: String = taken(cell.text.chars(), front);
    let end: String = taken(cell.text.chars().rev(), back).chars().rev().collect();
    let text = format!("{begin}{ELLIPSIS}{end}");
    let taken = text.width();
    Some((text, taken))
}

/// The first characters that fit into a width.
fn taken(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut left = width;
    let fits = |character: &char| {
        let needed = character.width().unwrap_or(0);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    };
    characters.take_while(fits).collect()
}

fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Paint;

    fn table() -> Columns {
        let columns = [
            Column::new("NAME").cut_inside(),
            Column::new("KIND").leaves(2),
            Column::new("ROWS").right().leaves(1),
            Column::new("STATE").shrinks_to(8),
        ];
        let mut table = Columns::new(&columns);
        table.add(["shop_backup_20250725.sql.gz", "full", "1000", "FAILED: the artifact is missing"]);
        table.add(["한글_backup_20250725.sql.gz", "full", "7", "proved"]);
        table
    }

    fn at(width: usize) -> String {
        table().lines(&Page::new(Paint::NONE, Some(width)))
    }

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut columns = Columns::new(&[Column::new("NAME"), Column::new("ROWS").right(), Column::new("X")]);
        columns.add(["한글", "7", "x"]);
        columns.add(["a", "10000", ""]);
        columns.add(["b", "", "y"]);
        assert_eq!(
            columns.lines(&Page::default()),
            "NAME   ROWS  X\n한글      7  x\na     10000\nb            y\n"
        );
    }

    #[test]
    fn what_fits_is_shown_whole() {
        assert!(at(200).contains("missing") && !at(200).contains("no room"), "{}", at(200));
        assert_eq!(at(200), table().lines(&Page::default()));
    }

    #[test]
    fn less_important_columns_go_first() {
        let cases = [
            (80, "NAME                         KIND  ROWS  STATE\n", "FAILED: the artifact is missing"),
            (60, "NAME                         KIND  ROWS  STATE\n", "FAILED: the artifa…"),
            (48, "NAME                         ROWS  STATE\n", "FAILED: the …"),
            (40, "NAME                         STATE\n", "FAILED: th…"),
        ];
        for (width, header, state) in cases {
            let shown = at(width);
            assert!(shown.starts_with(header), "{width}: {shown}");
            assert!(shown.contains(state), "{width}: {shown}");
        }
        assert!(at(48).ends_with("  (no room for KIND)\n"), "{}", at(48));
        assert!(at(40).ends_with("  (no room for KIND, ROWS)\n"), "{}", at(40));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 20..100 {
            for line in at(width).lines().filter(|line| !line.starts_with("  ")) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_name_is_cut_where_names_are_alike() {
        let shown = at(30);
        assert!(shown.contains("…50725.sql.gz"), "{shown}");
        assert!(shown.contains("no room for KIND, ROWS;\n    names are cut"), "{shown}");
    }

    #[test]
    fn colours_take_no_room() {
        let mut columns = Columns::new(&[Column::new("STATE"), Column::new("X")]);
        columns.add([Cell::from("ok").toned(Tone::Good), Cell::from("x")]);
        let shown = columns.lines(&Page::new(Paint::COLOURS, None));
        assert_eq!(shown, "STATE  X\n\x1b[32mok\x1b[0m     x\n");
    }
}
