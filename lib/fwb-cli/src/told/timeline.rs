//! What `fwb-ls` tells of what can be reached, and of transactions.

use fwb::{ChainReport, ChangedTable, FollowState, Timeline, Timestamp, Transaction};

use super::local;
use crate::count::{counted, grouped};
use crate::duration::human_duration;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// What can be reached of a database.
pub fn timeline(timeline: &Timeline, now: Timestamp, page: &Page) -> String {
    let server = timeline.server.as_ref().map_or(String::new(), |server| format!(" of {server}"));
    let mut told = page.text(&format!("{}{server}", timeline.database));
    for span in &timeline.spans {
        let backups = counted(span.bases.len() as u64, "backup");
        let text = format!("{} to {}, from {backups}", local(span.from), local(span.until));
        told += &page.detail(&format!("reachable {text}"));
    }
    if timeline.spans.is_empty() {
        told += &page.warning("no moment but those of its backups can be reached");
    }
    for hole in &timeline.holes {
        let until = hole.until.map_or("now".to_owned(), local);
        told += &page.warning(&format!("hole {} to {until}: {}", local(hole.from), hole.why));
    }
    if let Some(follower) = &timeline.follower {
        let ago = (now - follower.at).to_std().map(human_duration).unwrap_or_default();
        let state = match follower.state {
            FollowState::Following => "follows",
            FollowState::Waiting => "waits",
            FollowState::Ended => "has ended",
        };
        let why = follower.problem.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        let text = format!("the follower on {} {state}{why}, said {ago} ago", follower.host);
        told +=
            &if follower.state == FollowState::Following { page.detail(&text) } else { page.warning(&text) };
    }
    told
}

/// A transaction.
pub fn transaction(transaction: &Transaction, page: &Page) -> String {
    let name =
        transaction.gtid.clone().unwrap_or_else(|| format!("{}:{}", transaction.file, transaction.position));
    let tables: Vec<String> = transaction.tables.iter().map(changed).collect();
    let at = transaction.at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S%.3f");
    let mut told = page.text(format!("{at}  {name}  {}", tables.join(", ")).trim_end());
    for statement in &transaction.statements {
        told += &page.detail(&statement.replace('\n', " "));
    }
    let more = transaction.statement_count.saturating_sub(transaction.statements.len() as u64);
    if more > 0 {
        told += &page.detail(&format!("and {} more", counted(more, "statement")));
    }
    told
}

/// `shop.files +3 ~1 -2`: rows inserted, updated and deleted.
fn changed(table: &ChangedTable) -> String {
    let mut text = format!("{}.{}", table.database, table.table);
    for (sign, count) in [("+", table.inserted), ("~", table.updated), ("-", table.deleted)] {
        if count > 0 {
            text += &format!(" {sign}{}", grouped(count));
        }
    }
    if table.at_least {
        text += " or more";
    }
    text
}

/// What was found out about a chain of the log.
pub fn checked_chain(report: &ChainReport, page: &Page) -> String {
    let span = match report.from.zip(report.until) {
        Some((from, until)) => format!(", {} to {}", local(from), local(until)),
        None => String::new(),
    };
    let text = format!(
        "{}: {} in {} ({}){span}",
        report.chain,
        counted(report.groups, "transaction"),
        counted(report.segments, "segment"),
        human_size(report.raw_size)
    );
    let (tone, word) = if report.ok { (Tone::Good, "whole") } else { (Tone::Bad, "broken") };
    let mut told = page.line(tone, word, &text);
    for problem in &report.problems {
        told += &page.warning(&format!("{}: {}", problem.segment, problem.problem));
    }
    told
}
