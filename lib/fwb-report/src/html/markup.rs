//! Pieces of HTML. All text comes in through [`escaped`]: names and messages are anybody's.

use chrono::Local;
use fwb::Timestamp;
use fwb_cli::printable;

/// Text for content and attributes: what a reader would act on is written out, what a browser would act on is escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}

/// A moment for people and machines.
pub(super) fn time(at: Timestamp) -> String {
    let local = at.with_timezone(&Local);
    format!("<time datetime=\"{}\">{}</time>", local.to_rfc3339(), local.format("%Y-%m-%d %H:%M"))
}

/// How a table takes a narrow screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fits {
    /// Each line becomes a block: for few lines with many words.
    Stacked,
    /// It scrolls within its own place: for many lines of numbers.
    Scrolled,
}

/// A table; cells are HTML, and columns are to the right where their title begins with `>`.
pub(super) fn table(
    caption: &str,
    titles: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    fits: Fits,
) -> String {
    let is_number: Vec<bool> = titles.iter().map(|title| title.starts_with('>')).collect();
    let titles: Vec<&str> = titles.iter().map(|title| title.trim_start_matches('>')).collect();
    let class = |number: bool| if number { " class=\"n\"" } else { "" };
    let heads: Vec<String> = titles
        .iter()
        .zip(&is_number)
        .map(|(title, number)| format!("<th scope=\"col\"{}>{title}</th>", class(*number)))
        .collect();
    let mut lines = String::new();
    for row in rows {
        lines += "<tr>";
        for ((cell, number), title) in row.iter().zip(&is_number).zip(&titles) {
            // A line that becomes a block has each cell's title beside its content, which is one then.
            lines += &match fits {
                Fits::Stacked => {
                    format!("<td{} data-title=\"{title}\"><span>{cell}</span></td>", class(*number))
                }
                Fits::Scrolled => format!("<td{}>{cell}</td>", class(*number)),
            };
        }
        lines += "</tr>";
    }
    let (place, kind) =
        if fits == Fits::Stacked { ("scroll", " class=\"stacked\"") } else { ("scroll high", "") };
    format!(
        "<div class=\"{place}\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\"><table{kind}><caption>{caption}</caption>\
         <thead><tr>{}</tr></thead><tbody>{lines}</tbody></table></div>",
        heads.concat()
    )
}

/// Something that opens.
pub(super) fn details(summary: &str, content: &str) -> String {
    format!("<details><summary>{summary}</summary>{content}</details>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        let name = "</title><script>alert('x')</script>\u{202e}\" onload=&";
        let safe = escaped(name);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}']), "{safe}");
        assert_eq!(escaped("shop_2 · 가게"), "shop_2 · 가게");
    }
}
