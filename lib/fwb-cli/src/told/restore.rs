//! What `fwb-restore` tells, and what it asks.

use fwb::{Forgotten, MomentPlan, Plan, Report, Strategy, TimeForecast, Undone, WholePlan};

use super::local;
use crate::count::counted;
use crate::duration::human_seconds;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// A restore that was made.
pub fn restored(report: &Report, page: &Page) -> String {
    let Report { backup, database, .. } = report;
    let mut text = page.line(Tone::Good, "restored", &format!("{database} from {backup}"));
    if let Some(chosen) = &report.chosen {
        text += &page.detail(&format!("these alone, and nothing else of {database}: {}", chosen.join(", ")));
    }
    if !report.stayed.is_empty() {
        text += &page.detail(&format!("these stayed as they were: {}", report.stayed.join(", ")));
    }
    let how = match report.strategy {
        Strategy::Swap => "swapped in",
        Strategy::InPlace => "loaded in place",
    };
    let (tables, rows) = (counted(count(report.tables), "table"), counted(report.rows, "row"));
    let took = human_seconds(report.seconds);
    text += &page.detail(&format!("{tables}, {rows}, checked and {how}; {took} in all"));
    for recovered in &report.recovered {
        text += &page.warning(recovered);
    }
    if let Some(safety) = &report.safety_backup {
        let what = if report.chosen.is_some() { "what they replaced" } else { "what was there before" };
        text += &page.detail(&format!("{what} is backed up: {safety}"));
    }
    if let Some(before) = &report.before {
        text += &page.detail(&format!("and is kept in the database {before}"));
        text += &page.hint(&format!("to take it back: fwb-restore --undo -B {}", shell_word(database)));
        text += &page
            .hint(&format!("to remove what is kept: fwb-restore --drop-before -B {}", shell_word(database)));
    }
    text
}

/// What a restore would do: the same as the question says, with what was found.
pub fn planned(plan: &Plan, page: &Page) -> String {
    described(plan).into_iter().map(|part| part.laid_out(page)).collect()
}

/// What a restore of a whole server would do.
pub fn whole_planned(plan: &WholePlan, page: &Page) -> String {
    let count = counted(count(plan.databases.len()), "database");
    let moment = if plan.of_one_moment { ", all of one moment" } else { "" };
    let mut text = page.line(Tone::Strong, "restore", &format!("{count} from {}{moment}", plan.store));
    if let Some(accounts) = &plan.accounts {
        text += &page.detail(&format!("first the accounts that do not exist, from {accounts}"));
    }
    for one in &plan.databases {
        let replaces = if one.exists { "; what is there gives way" } else { "" };
        text += &page.detail(&format!(
            "{} as of {}, from {}{replaces}",
            one.database,
            local(one.started_at),
            one.backup
        ));
    }
    for one in &plan.databases {
        if let Some(newer) = &one.newer {
            text += &page.hint(&format!(
                "{} has a newer backup, which is not of the moment of the others: {newer}",
                one.database
            ));
        }
    }
    if !plan.of_one_moment {
        text += &page.warning("they are not all of one moment");
    }
    if !plan.without.is_empty() {
        text += &page.warning(&format!("no backup is whole and proved of {}", plan.without.join(", ")));
    }
    text
}

/// What reaching a moment would take.
pub fn moment_planned(plan: &MomentPlan, page: &Page) -> String {
    let MomentPlan { moment, base, database, log, .. } = plan;
    let mut text = page.line(Tone::Strong, "reach", &format!("{moment} of {database}, from {base}"));
    let from = match &plan.chain {
        Some(chain) => format!("{} of the chain {chain}", counted(plan.pieces, "segment")),
        None => counted(plan.pieces, "log file"),
    };
    text += &page.detail(&format!(
        "{} of the log, {}, from {from}",
        counted(log.groups, "group"),
        human_size(log.bytes)
    ));
    if log.skipped > 0 {
        text += &page.detail(&format!("{} left out", counted(log.skipped, "group")));
    }
    text += &page.detail(&match plan.seconds {
        Some(TimeForecast { expected, least, most }) => format!(
            "expected to take {} ({} to {})",
            human_seconds(expected),
            human_seconds(least),
            human_seconds(most)
        ),
        None => "how long it takes is not known: no drill and no replay of the database was timed yet".into(),
    });
    text += &page.detail(&format!("the throwaway server may need {} of disk", human_size(plan.room)));
    for unknown in &plan.unknown {
        text += &page.warning(unknown);
    }
    text
}

/// An undo that was made.
pub fn undone(undone: &Undone, page: &Page) -> String {
    let Undone { database, swapped_at, .. } = undone;
    let mut text = page.line(
        Tone::Good,
        "undone",
        &format!("{database} is again what the restore at {swapped_at} replaced"),
    );
    text += &page.detail(&format!("in {}", human_seconds(undone.seconds)));
    if !undone.not_brought_back.is_empty() {
        let tables = undone.not_brought_back.join(", ");
        text +=
            &page.warning(&format!("not brought back, because damaged when they were replaced: {tables}"));
    }
    if let Some(before) = &undone.before {
        text += &page.detail(&format!("what it took away is kept in the database {before}"));
    }
    text
}

/// What an undo would do.
pub fn undo_planned(undone: &Undone, page: &Page) -> String {
    let Undone { database, swapped_at, undone, .. } = undone;
    let text =
        format!("what the restore of {database} at {swapped_at} has replaced, which is kept in {undone}");
    page.line(Tone::Strong, "put back", &text)
        + &page.detail(&format!(
            "If it fails, {database} is as it is now. What is there now is kept in its turn."
        ))
}

/// What was removed of what restores have kept, or would be.
pub fn forgotten(forgotten: &Forgotten, is_done: bool, page: &Page) -> String {
    let Forgotten { database, removed, kept } = forgotten;
    let names = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let word = if is_done { "removed" } else { "remove" };
    let mut text =
        page.line(Tone::Warn, word, &format!("{} of what restores of {database} have kept", names(removed)));
    if !kept.is_empty() {
        text += &page.detail(&format!("still there: {}", names(kept)));
    }
    text
}

/// A line of a plan.
enum Part {
    Head(&'static str, String),
    Detail(String),
    Warning(String),
}

impl Part {
    fn laid_out(self, page: &Page) -> String {
        match self {
            Self::Head(word, text) => page.line(Tone::Strong, word, &text),
            Self::Detail(text) => page.detail(&text),
            Self::Warning(text) => page.warning(&text),
        }
    }
}

/// What will be restored, over what, step by step; then what is kept, and what is lost if it fails.
fn described(plan: &Plan) -> Vec<Part> {
    let Plan { backup, database, started_at, .. } = plan;
    let began = local(*started_at);
    let (tables, rows) = (counted(count(plan.tables_restored), "table"), counted(plan.rows, "row"));
    let size = human_size(plan.raw_size);
    let mut parts = vec![
        Part::Head("Restore", format!("{backup}, begun {began}")),
        Part::Detail(format!("{tables}, {rows}, {size} of SQL")),
        Part::Detail(over(plan)),
    ];
    for (number, step) in plan.steps.iter().enumerate() {
        parts.push(Part::Detail(format!("{}. {step}", number + 1)));
    }
    for finding in &plan.findings {
        parts.push(Part::Warning(format!("! {} ({})", finding.message, finding.remedy)));
    }
    if plan.exists {
        parts.push(Part::Detail(format!(
            "What was written to {database} after {began} is not in this backup."
        )));
    }
    parts.push(Part::Detail(if_it_fails(plan)));
    if let Some(kept) = kept(plan) {
        parts.push(Part::Detail(kept));
    }
    parts
}

/// What gives way.
fn over(plan: &Plan) -> String {
    let database = &plan.database;
    match (plan.exists, &plan.tables) {
        (false, _) => format!("into {database}, which does not exist and will be created"),
        (true, None) => {
            format!("in place of what {database} holds now: {}", counted(count(plan.tables_now), "table"))
        }
        (true, Some(tables)) => format!("into {database}, where it replaces {}", tables.join(", ")),
    }
}

/// What is lost if the restore fails.
fn if_it_fails(plan: &Plan) -> String {
    let database = &plan.database;
    if plan.exists && plan.replaced.as_ref().is_some_and(Vec::is_empty) {
        return format!("If it fails, nothing is lost: {database} holds none of what is restored.");
    }
    match (plan.strategy, plan.exists && plan.tables_now > 0, plan.safety_backup) {
        (_, false, _) => "If it fails, nothing is lost: there is nothing there yet.".into(),
        (Strategy::Swap, ..) => {
            format!(
                "If it fails, nothing is lost: {database} stays as it is until the new tables are checked."
            )
        }
        (Strategy::InPlace, _, true) => format!(
            "If it fails, the safety backup is loaded back. What is written to {database} meanwhile is lost either way."
        ),
        (Strategy::InPlace, _, false) => {
            let what = match &plan.replaced {
                Some(replaced) => replaced.join(", "),
                None => format!("what {database} holds now"),
            };
            format!("If it fails, {what} is lost: no safety backup is made of it.")
        }
    }
}

/// What stays of what was there, once the restore is done.
fn kept(plan: &Plan) -> Option<String> {
    if !plan.exists || plan.tables_now == 0 || plan.replaced.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let what = if plan.tables.is_some() { "the replaced tables" } else { "what is there now" };
    match (plan.strategy, plan.safety_backup) {
        (Strategy::Swap, true) => Some(format!(
            "If it succeeds, {what} can be put back by --undo, and a safety backup is in the store."
        )),
        (Strategy::Swap, false) => Some(format!("If it succeeds, {what} can be put back by --undo.")),
        (Strategy::InPlace, true) => {
            Some(format!("If it succeeds, {what} can be restored from the safety backup."))
        }
        (Strategy::InPlace, false) => None,
    }
}

/// A name as a shell takes it for one word.
fn shell_word(name: &str) -> String {
    shlex::try_quote(name).map_or_else(|_| name.to_owned(), std::borrow::Cow::into_owned)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
