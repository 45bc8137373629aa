//! What `fwb-verify` tells.

use fwb::{Level, Manifest};

use super::{chosen_alone, contents, left_out};
use crate::count::counted;
use crate::duration::human_seconds;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// A backup that was verified.
pub fn verified(manifest: &Manifest, page: &Page) -> String {
    let Some(outcome) = &manifest.verification else {
        return page.line(Tone::Warn, "unproved", &manifest.name);
    };
    let took = human_seconds(outcome.seconds);
    let how = format!("{} ({}, {took})", manifest.name, outcome.level.as_str());
    if !outcome.ok {
        let problem = outcome.problems.first().map_or("see the manifest", String::as_str);
        return page.line(Tone::Bad, "FAILED", &format!("{how}: {problem}"));
    }
    let is_whole = manifest.whole != Some(false) && manifest.chosen.is_none();
    let (tone, word) = match (is_whole, outcome.level) {
        (false, _) => (Tone::Warn, "intact"),
        (_, Level::Full | Level::Drill) => (Tone::Good, "proved"),
        (_, Level::Quick | Level::Stored) => (Tone::Good, "intact"),
    };
    let mut text = page.line(tone, word, &how);
    let size = human_size(manifest.size);
    text += &page.detail(&contents(manifest).map_or(size.clone(), |contents| format!("{contents}; {size}")));
    if let Some(left_out) = left_out(manifest) {
        text += &page.detail(&left_out);
    }
    if let Some(chosen) = &manifest.chosen {
        text += &page.detail(&chosen_alone(chosen));
    }
    if let Some(seconds) = outcome.restore_seconds {
        let on = outcome.server.as_ref().map_or(String::new(), |server| format!(" on {}", server.version));
        text += &page.detail(&format!("restored{on} in {}", human_seconds(seconds)));
    }
    for note in &outcome.notes {
        text += &page.warning(note);
    }
    if let Some(not_drilled) = &manifest.not_drilled {
        text += &page.warning(&format!("not drilled: {}", not_drilled.reason));
    }
    if word == "intact" && is_whole {
        text += &page.hint("proof takes --level full");
    }
    text
}

/// A backup that was held against the one before it and the log between them.
pub fn verified_by_chain(manifest: &Manifest, page: &Page) -> String {
    let Some(proof) = &manifest.chain_proof else {
        return page.line(Tone::Warn, "unproved", &format!("{} (chain)", manifest.name));
    };
    let took = human_seconds(proof.seconds);
    let how = format!("{} (chain, {took})", manifest.name);
    let mut text = match proof.problems.first() {
        None => page.line(Tone::Good, "proved", &how),
        Some(problem) => page.line(Tone::Bad, "FAILED", &format!("{how}: {problem}")),
    };
    let made = if proof.ok { "make it" } else { "do not make it" };
    text += &page.detail(&format!(
        "{} and {} of the log after it {made}",
        proof.base,
        counted(proof.groups, "group"),
    ));
    text += &page.detail(&replay_took(proof.base_seconds, proof.log_size, proof.replay_seconds));
    for note in &proof.notes {
        text += &page.warning(note);
    }
    text
}

/// How long a base took to load, and so many bytes of the log after it to replay.
fn replay_took(base_seconds: f64, log_size: u64, replay_seconds: f64) -> String {
    let (base, replay) = (human_seconds(base_seconds), human_seconds(replay_seconds));
    format!("the base took {base}, {} of log {replay}", human_size(log_size))
}

/// A database that was brought to one of its moments.
pub fn verified_at_moment(manifest: &Manifest, page: &Page) -> String {
    let Some(proof) = &manifest.moment_proof else {
        return page.line(Tone::Warn, "unproved", &manifest.name);
    };
    let how = format!("{} as of {} ({})", proof.database, proof.until, human_seconds(proof.seconds));
    if let Some(problem) = proof.problems.first() {
        return page.line(Tone::Bad, "FAILED", &format!("{how}: {problem}"));
    }
    let mut text = page.line(Tone::Good, "proved", &how);
    let base = proof.base.as_deref().unwrap_or_default();
    text += &page.detail(&format!("{base} and {} of the log after it", counted(proof.groups, "group")));
    text += &page.detail(&format!("{} at that moment", counted(proof.rows, "row")));
    text += &page.detail(&replay_took(proof.base_seconds, proof.log_size, proof.replay_seconds));
    text
}

/// The sum below several.
pub fn verified_in_all(held: u64, failed: u64, page: &Page) -> String {
    match (held, failed) {
        (_, 0) => page.line(Tone::Good, &counted(held, "backup"), "verified, and none failed"),
        _ => page.line(Tone::Bad, &format!("{failed} of {}", counted(held + failed, "backup")), "failed"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::told::tests::manifest;

    fn told(level: &str, more: &Value) -> String {
        let mut outcome = json!({"level": level, "ok": true, "at": "2025-07-25T10:00:09Z", "seconds": 3.21, "problems": []});
        for (field, value) in more.as_object().unwrap() {
            outcome[field] = value.clone();
        }
        verified(&manifest(&json!({ "verification": outcome })), &Page::default())
    }

    #[test]
    fn an_outcome_is_told() {
        assert_eq!(
            told("full", &json!({})),
            "proved shop_backup_20250725_100000.sql.gz (full, 3.2s)\n\
             \x20 2 tables, 1 view, 1 trigger; 1,235 rows; 2.0 KiB\n"
        );
        let quick = told("quick", &json!({}));
        assert!(quick.starts_with("intact ") && quick.contains("--level full"), "{quick}");
        let failed = told("full", &json!({"ok": false, "problems": ["cut short\nat 5", "more"]}));
        assert_eq!(failed, "FAILED shop_backup_20250725_100000.sql.gz (full, 3.2s): cut short\\nat 5\n");
        let drill = told(
            "drill",
            &json!({"restore_seconds": 61.0, "server": {"version": "10.11.6-MariaDB"}, "notes": ["a note"]}),
        );
        assert!(drill.contains("  restored on 10.11.6-MariaDB in 1m 1s\n  a note\n"), "{drill}");
    }

    #[test]
    fn several_are_summed_up() {
        let all = |held, failed| verified_in_all(held, failed, &Page::default());
        assert_eq!(all(2, 0), "2 backups verified, and none failed\n");
        assert_eq!(all(1, 2), "2 of 3 backups failed\n");
    }
}
