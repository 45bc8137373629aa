//! The words of a message. Whoever reads them was asleep a minute ago: first what failed, where and why, then since when
//! and what to do, and the log last.

use chrono::TimeDelta;
use fwb::Timestamp;

use crate::event::Event;
use crate::message::{Facts, NewestProved, Trouble};

/// How many messages of the log are told, and how many letters of each.
const LOG_LINES: usize = 20;
const LOG_LETTERS: usize = 500;
/// How many letters of a reason or a hint are told.
const REASON_LETTERS: usize = 1500;
/// The longest title, in letters.
const TITLE_LETTERS: usize = 200;

/// What happened, on one line: `Backup of shop failed (db1.example.org)`.
pub(crate) fn title(event: Event, facts: &Facts) -> String {
    let of = |verb: &str| format!("{} {verb}", capitalised(&subject(facts)));
    let title = match event {
        Event::Started => of("started"),
        Event::Succeeded => of("succeeded"),
        Event::Failed => of("failed"),
        Event::Recovered => of("works again"),
        Event::Trouble => match facts.troubles.as_slice() {
            [] => of("needs a person"),
            [only] => only.title.clone(),
            [first, others @ ..] => format!("{}, and {} more", first.title, others.len()),
        },
        Event::Test => "A test: notices arrive here".to_owned(),
    };
    let place = match event {
        Event::Test => facts.host.as_ref(),
        _ => facts.labels.server.as_ref().or(facts.host.as_ref()),
    };
    let title = place.map_or_else(|| title.clone(), |place| format!("{title} ({place})"));
    let line: Vec<&str> = title.split_whitespace().collect();
    cut(&line.join(" "), TITLE_LETTERS)
}

/// What happened, for a person: without troubles and log, and whole.
pub(crate) fn text(event: Event, facts: &Facts) -> (String, String) {
    let summary = paragraphs([
        happened(event, facts),
        reasons(event, facts),
        if event == Event::Test { String::new() } else { since(event, facts) },
        places(facts),
    ]);
    let troubles = match event {
        Event::Trouble => listed("", &facts.troubles),
        _ => listed("Something else needs a person:", &facts.troubles),
    };
    let whole = paragraphs([summary.clone(), troubles, over(&facts.over), log(facts)]);
    (summary, whole)
}

fn subject(facts: &Facts) -> String {
    let what = if facts.labels.what.is_empty() { "run" } else { &facts.labels.what };
    facts.labels.database.as_ref().map_or_else(|| what.to_owned(), |database| format!("{what} of {database}"))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn happened(event: Event, facts: &Facts) -> String {
    let (subject, at) = (subject(facts), moment(facts.at));
    match event {
        Event::Started => format!("The {subject} started at {at}."),
        Event::Succeeded => format!("The {subject} succeeded at {at}."),
        Event::Failed => {
            let stage = facts.stage.as_ref().map(|stage| format!(", in the stage {stage}"));
            let exit = facts.exit.map(|exit| format!("exit code {exit}"));
            let codes: Vec<String> = facts.code.clone().into_iter().chain(exit).collect();
            let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
            format!("The {subject} failed at {at}{}{codes}.", stage.unwrap_or_default())
        }
        Event::Recovered => format!("The {subject} succeeded at {at}, after it had failed."),
        Event::Trouble => format!("The {subject} succeeded at {at}, and something needs a person."),
        Event::Test => format!(
            "Somebody tried at {at} whether notices arrive. Nothing happened, and there is nothing to do."
        ),
    }
}

fn reasons(event: Event, facts: &Facts) -> String {
    if event != Event::Failed {
        return String::new();
    }
    lines([
        facts.reason.as_ref().map(|reason| format!("Why: {}", cut(reason, REASON_LETTERS))),
        facts.hint.as_ref().map(|hint| format!("What helps: {}", cut(hint, REASON_LETTERS))),
        facts.runbook.as_ref().map(|link| format!("What to do, step by step: {link}")),
    ])
}

fn since(event: Event, facts: &Facts) -> String {
    let when = |then: Timestamp| format!("{}, {} ago", moment(then), span(facts.at - then));
    let runs = |failures: u32| if failures == 1 { "one run".to_owned() } else { format!("{failures} runs") };
    let failing = match (event, facts.failing_since) {
        (Event::Failed, Some(since)) if facts.failures > 1 => {
            Some(format!("It fails since {}: {} in a row.", when(since), runs(facts.failures)))
        }
        (Event::Failed, _) if facts.failures == 1 => Some("The run before it succeeded.".to_owned()),
        (Event::Recovered, Some(since)) => {
            let runs =
                if facts.failures == 0 { String::new() } else { format!(": {}", runs(facts.failures)) };
            Some(format!("It had failed since {}{runs}.", when(since)))
        }
        _ => None,
    };
    let newest = match facts.newest_proved {
        NewestProved::Unknown => None,
        NewestProved::Missing => Some("There is no proved backup.".to_owned()),
        NewestProved::At(then) => Some(format!("The newest proved backup is of {}.", when(then))),
    };
    let backup = facts.backup.as_ref().map(|name| {
        let size = facts.size.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
        format!("Backup: {name}{size}")
    });
    lines([failing, newest, backup])
}

fn places(facts: &Facts) -> String {
    let labels = &facts.labels;
    let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}: {value}"));
    lines([
        named("Database", &labels.database),
        named("Server", &labels.server),
        named("Store", &labels.store),
        named("Host", &facts.host),
        named("Run", &facts.run),
    ])
}

fn listed(heading: &str, troubles: &[Trouble]) -> String {
    if troubles.is_empty() {
        return String::new();
    }
    let one = |trouble: &Trouble| {
        let code = if trouble.code.is_empty() { String::new() } else { format!(" ({})", trouble.code) };
        let text = Some(&trouble.text)
            .filter(|text| !text.is_empty())
            .map(|text| format!("  {}", cut(text, REASON_LETTERS)));
        let runbook = trouble.runbook.as_ref().map(|link| format!("  What to do, step by step: {link}"));
        lines([Some(format!("- {}{code}", trouble.title)), text, runbook])
    };
    let heading = Some(heading.to_owned()).filter(|heading| !heading.is_empty());
    lines(heading.into_iter().chain(troubles.iter().map(one)).map(Some))
}

fn over(troubles: &[Trouble]) -> String {
    if troubles.is_empty() {
        return String::new();
    }
    let one = |trouble: &Trouble| Some(format!("- {}", trouble.title));
    lines([Some("No trouble any more:".to_owned())].into_iter().chain(troubles.iter().map(one)))
}

fn log(facts: &Facts) -> String {
    if facts.log.is_empty() {
        return String::new();
    }
    let last = facts.log.iter().skip(facts.log.len().saturating_sub(LOG_LINES));
    let said = last.map(|words| Some(format!("  {}", cut(words, LOG_LETTERS).replace('\n', "\n  "))));
    lines([Some("Last words of the log:".to_owned())].into_iter().chain(said))
}

fn lines(all: impl IntoIterator<Item = Option<String>>) -> String {
    all.into_iter().flatten().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn paragraphs(all: impl IntoIterator<Item = String>) -> String {
    all.into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// At most so many letters of a text.
pub(crate) fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// At most so many bytes of a text, and whole letters.
pub(crate) fn cut_bytes(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

/// A moment, as it is written beside others: `2026-12-01 02:05 UTC`.
fn moment(at: Timestamp) -> String {
    let zone =
        if at.offset().local_minus_utc() == 0 { "UTC".to_owned() } else { at.format("%:z").to_string() };
    format!("{} {zone}", at.format("%Y-%m-%d %H:%M"))
}

/// How long something takes, in its largest unit.
fn span(long: TimeDelta) -> String {
    let (number, unit) = match long.num_minutes() {
        minutes if minutes < 1 => return "less than a minute".to_owned(),
        minutes if minutes < 120 => (minutes, "minute"),
        minutes if minutes < 48 * 60 => (minutes / 60, "hour"),
        minutes => (minutes / (24 * 60), "day"),
    };
    if number == 1 { format!("one {unit}") } else { format!("{number} {unit}s") }
}

#[allow(clippy::cast_precision_loss, reason = "three digits are told")]
fn size(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{number:.1} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}

#[cfg(test)]
mod tests;
