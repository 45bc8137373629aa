//! A calendar of runs: a square for each day, a column for each week; or, of many years, a square for each week and a line for each
//! year. A square says by its colour and by its mark how the day's runs ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate, TimeDelta};
use fwb::DayReport;

use super::markup::escaped;

/// The side of a square, and what it takes with the gap.
const SIDE: i64 = 12;
const STEP: i64 = 15;

/// The calendar from one day to another.
pub(super) fn calendar(
    what: &str,
    days: &[DayReport],
    by_week: bool,
    since: NaiveDate,
    until: NaiveDate,
) -> String {
    let known: BTreeMap<NaiveDate, &DayReport> = days.iter().map(|day| (day.date, day)).collect();
    let monday = |day: NaiveDate| day - TimeDelta::days(i64::from(day.weekday().num_days_from_monday()));
    let start = if by_week {
        days.first().map_or(until, |day| day.date)
    } else {
        since.max(until - TimeDelta::days(400))
    };
    let begin = monday(start);
    let place = |day: NaiveDate| {
        if by_week {
            let week = i64::from(day.iso_week().week()) - 1;
            (week * STEP, i64::from(day.iso_week().year() - begin.iso_week().year()) * STEP)
        } else {
            ((day - begin).num_days() / 7 * STEP, i64::from(day.weekday().num_days_from_monday()) * STEP)
        }
    };
    let step = TimeDelta::days(if by_week { 7 } else { 1 });
    let (mut squares, mut day, mut width, mut height) =
        (String::new(), if by_week { begin } else { start }, 0, 0);
    while day <= until {
        let (x, y) = place(day);
        (width, height) = (width.max(x + SIDE), height.max(y + SIDE));
        squares += &square(x, y, day, known.get(&day).copied());
        day += step;
    }
    let (bad, all) = days
        .iter()
        .fold((0, 0), |(bad, all), day| (bad + day.failed + day.lost, all + day.ok + day.failed + day.lost));
    let period = if by_week { "week" } else { "day" };
    let label =
        format!("{what} runs, a square for each {period}: {all} in all, {bad} of them failed or lost");
    format!(
        "<svg class=\"calendar\" role=\"img\" aria-label=\"{}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">{squares}</svg>",
        escaped(&label)
    )
}

fn square(x: i64, y: i64, day: NaiveDate, runs: Option<&DayReport>) -> String {
    let class = class(runs);
    let mut square =
        format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" rx=\"2\"");
    match runs.filter(|runs| runs.failed + runs.lost > 0) {
        None => square += "/>",
        Some(runs) => {
            let said = [("ok", runs.ok), ("failed", runs.failed), ("lost", runs.lost)];
            let said: Vec<String> = said
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(how, count)| format!("{count} {how}"))
                .collect();
            let _ = write!(square, "><title>{day}: {}</title></rect>{}", said.join(", "), mark(class, x, y));
        }
    }
    square
}

/// The gravest that happened.
fn class(runs: Option<&DayReport>) -> &'static str {
    match runs {
        Some(runs) if runs.failed > 0 => "failed",
        Some(runs) if runs.lost > 0 => "lost",
        Some(runs) if runs.ok > 0 => "ok",
        _ => "none",
    }
}

/// A cross for what failed, a bar for what was lost: colours are not all that tells them.
fn mark(class: &str, x: i64, y: i64) -> String {
    let (x, y) = (x + 3, y + 3);
    match class {
        "failed" => format!("<path class=\"mark\" d=\"M{x} {y}l6 6m0 -6l-6 6\"/>"),
        "lost" => format!("<path class=\"mark\" d=\"M{x} {}h6\"/>", y + 3),
        _ => String::new(),
    }
}

/// What squares mean.
pub(super) fn legend() -> String {
    let of = |class: &str, said: &str| {
        format!(
            "<span><svg aria-hidden=\"true\" viewBox=\"0 0 12 12\"><rect class=\"{class}\" width=\"12\" height=\"12\" rx=\"2\"/>{}</svg>{said}</span>",
            mark(class, 0, 0)
        )
    };
    format!(
        "<div class=\"legend\">{}{}{}{}</div>",
        of("ok", "ended well"),
        of("failed", "failed"),
        of("lost", "lost"),
        of("none", "no run")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn of(date: &str, ok: u64, failed: u64, lost: u64) -> DayReport {
        DayReport { date: day(date), ok, failed, lost, seconds: None }
    }

    #[test]
    fn every_day_has_a_square_and_bad_ones_a_mark() {
        let days = [of("2026-03-02", 1, 0, 0), of("2026-03-03", 1, 1, 0), of("2026-03-04", 0, 0, 1)];
        let svg = calendar("backup", &days, false, day("2026-03-01"), day("2026-03-10"));
        assert_eq!((svg.matches("<rect").count(), svg.matches("class=\"none\"").count()), (10, 7));
        assert!(svg.contains("2026-03-03: 1 ok, 1 failed"));
        assert!(svg.contains("4 in all, 2 of them failed or lost"), "{svg}");
    }

    #[test]
    fn many_years_are_lines_of_weeks() {
        let days = [of("2010-01-04", 7, 0, 0), of("2026-03-02", 6, 1, 0)];
        let svg = calendar("backup", &days, true, day("2010-01-01"), day("2026-03-10"));
        assert!(svg.matches("<rect").count() < 900 && svg.contains("viewBox=\"0 0 792 "), "{}", &svg[..200]);
    }
}
