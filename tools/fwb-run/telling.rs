//! Telling somebody: makes the message about a run of its record and of what the stores say.

use std::path::Path;
use std::time::Duration;

use fwb::{Cancel, Error, Result, RunRecord, RunTrouble};
use fwb_cli::{Outcome, Session};
use fwb_notify::{Event, Facts, Labels, Message, NewestProved, Sending, Targets, WITHIN};

use crate::aftermath::Aftermath;
use crate::execution::Execution;

/// How long a notice may take after a signal: whoever sent it waits for the end of this process.
const IN_A_HURRY: Duration = Duration::from_secs(5);
/// Messages of the log that are told.
const LAST_WORDS: usize = 20;
/// What sections are sections of.
const RUNBOOK: &str = "docs/RUNBOOK.md";

/// Who is told of this run.
pub(crate) struct Telling {
    targets: Targets,
    start: Option<Sending>,
}

impl Telling {
    /// Reads who is told, and tells them of the beginning. That a target cannot be used costs no backup: it is a warning.
    pub(crate) fn begin(record: &RunRecord, file: Option<&Path>, warnings: &mut Vec<String>) -> Self {
        let (targets, unusable) = Targets::usable(file);
        for error in unusable {
            let warning = format!("somebody is not told of this run: {error}");
            log::warn!(code = error.code().code; "{warning}");
            warnings.push(warning);
        }
        let started = Message::started(&Facts { at: record.at, ..facts(record) });
        let start = (!targets.hearers(&started).is_empty())
            .then(|| targets.begin(started, WITHIN, Cancel::default()));
        Self { targets, start }
    }

    /// Tells of the end. Whom it did not reach is a warning in the record.
    pub(crate) fn end(
        self,
        record: &mut RunRecord,
        execution: &Execution,
        aftermath: Aftermath,
        session: &Session,
    ) {
        if self.targets.is_empty() {
            return;
        }
        let hurries = session.context().cancel.check().is_err();
        let mut missed = self.start.map(Sending::finish).unwrap_or_default();
        let (message, keys) = (message(record, execution, &aftermath), aftermath.keys());
        let within = if hurries { IN_A_HURRY } else { WITHIN };
        // A signal to this process is one of the things to tell.
        let unheard = self.targets.send(&message, within, &Cancel::default());
        if self.targets.was_heard(&message, &unheard) {
            record.told.extend(keys);
        }
        missed.extend(unheard);
        for failure in missed {
            let warning = format!("a notice was not taken: {failure}");
            log::warn!(code = fwb::notice::NOTICE_FAILED.code; "{warning}");
            record.warnings.push(warning);
        }
    }
}

/// Tries whether notices arrive.
///
/// # Errors
/// Nobody is named, or a target cannot be used.
pub(crate) fn test(file: Option<&Path>, session: &Session) -> Result<Outcome> {
    let targets = Targets::of_environment(file)?;
    if targets.is_empty() {
        return Err(Error::Usage {
            message: "nobody is named who could be told".into(),
            hint: Some("set FWB_NOTIFY or --notify-file: docs/NOTICES.md".into()),
        });
    }
    let host = fwb::host_name();
    let message = Message::test(&Facts { host, at: fwb::now(), ..Facts::default() });
    let missed = targets.send(&message, WITHIN, &session.context().cancel);
    let names = targets.names();
    let mut out = session.records()?;
    out.write_text(&format!(
        "{} of {} took a test\n",
        names.len() - missed.len().min(names.len()),
        names.len()
    ))?;
    for failure in &missed {
        log::error!(code = fwb::notice::NOTICE_FAILED.code; "a notice was not taken: {failure}");
    }
    Ok(if missed.is_empty() { Outcome::Done } else { Outcome::Failed(fwb::ErrorClass::Failure) })
}

/// The message about the end of a run.
fn message(record: &RunRecord, execution: &Execution, aftermath: &Aftermath) -> Message {
    let Aftermath { new, standing, over, failures, .. } = aftermath;
    let has_failed = record.exit != Some(0);
    let trouble = |found: &fwb::Trouble| fwb_notify::Trouble {
        code: found.code.clone(),
        key: found.key.clone(),
        title: format!("{}: {}", found.subject, found.message),
        text: found.hint.clone(),
        runbook: Some(format!("{RUNBOOK}#{}", found.section)),
    };
    let troubles: Vec<_> = new.iter().map(trouble).collect();
    let event = Event::of_run(has_failed, !failures.is_empty(), !troubles.is_empty());
    let first_failed = failures.first().map(|run| run.finished_at.unwrap_or(run.at));
    let own = has_failed.then(|| record.finished_at.unwrap_or(record.at));
    let facts = Facts {
        at: record.finished_at.unwrap_or(record.at),
        failing_since: first_failed.or(own),
        failures: u32::try_from(failures.len()).unwrap_or(u32::MAX).saturating_add(has_failed.into()),
        failed_as: failures.iter().map(labels).collect(),
        troubles,
        standing: standing.iter().map(trouble).collect(),
        over: over.iter().map(of_record).collect(),
        log: last_words(execution),
        record: serde_json::to_value(record).unwrap_or_default(),
        ..facts(record)
    };
    Message::of(event, &facts)
}

/// What a record says by itself.
fn facts(record: &RunRecord) -> Facts {
    let newest_proved = match (record.newest_proved_at, record.backups) {
        (Some(at), _) => NewestProved::At(at),
        (None, Some(_)) => NewestProved::Missing,
        (None, None) => NewestProved::Unknown,
    };
    Facts {
        labels: labels(record),
        host: record.host.clone(),
        run: record.id.clone(),
        stage: record.stage.clone(),
        exit: record.exit,
        code: record.code.clone(),
        reason: record.reason.clone(),
        hint: record.hint.clone(),
        newest_proved,
        backup: record.name.clone(),
        size: record.size,
        runbook: Some(format!("{RUNBOOK}#{}", fwb::notice::RUN_FAILED.section().unwrap_or("alerts"))),
        ..Facts::default()
    }
}

fn labels(record: &RunRecord) -> Labels {
    Labels {
        what: record.what.clone(),
        database: record.database.clone(),
        server: record.server.clone(),
        store: record.store.clone(),
    }
}

fn of_record(trouble: &RunTrouble) -> fwb_notify::Trouble {
    fwb_notify::Trouble {
        code: trouble.code.clone(),
        key: trouble.key.clone(),
        title: trouble.message.clone(),
        text: trouble.hint.clone().unwrap_or_default(),
        runbook: None,
    }
}

/// What the stages have said last.
fn last_words(execution: &Execution) -> Vec<String> {
    let said =
        execution.done.iter().flat_map(|done| done.said.iter().map(move |said| (&done.step.stage, said)));
    let words: Vec<String> = said
        .map(|(stage, said)| {
            let level =
                said.level.map(|level| format!("{}: ", level.as_str().to_lowercase())).unwrap_or_default();
            format!("{stage}: {level}{}", said.message)
        })
        .collect();
    words[words.len().saturating_sub(LAST_WORDS)..].to_vec()
}
