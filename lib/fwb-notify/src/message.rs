//! A message, and the facts that it is made of. Quoted values are blanked here, so nothing that leaves this host has any.

use fwb::{Timestamp, blank_quoted, blank_record};
use serde::Serialize;
use serde_json::Value;

use crate::event::Event;
use crate::text;

/// What a run is about. Alerts carry these as labels, and one label is the same from run to run: no name of a backup, no
/// time, no id of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// What was run: `backup`, `drill`, `copy`, `prune`.
    pub what: String,
    /// The database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The server that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The store, as a path or a URL without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
}

/// Something that is no failure and needs a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Its code, such as `FWB-3001`.
    pub code: String,
    /// What tells it from others of its code in the store, the same from run to run.
    pub key: String,
    /// What it is, in a few words.
    pub title: String,
    /// What was seen, and what to do.
    pub text: String,
    /// The section of the runbook, as a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

/// When the newest backup was made that is proved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewestProved {
    /// Nobody could look.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// Then.
    At(Timestamp),
}

/// What is known of a run. What is not known stays out of the message.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What it is about.
    pub labels: Labels,
    /// The host that it ran on.
    pub host: Option<String>,
    /// Its id.
    pub run: Option<String>,
    /// When it ended, or began where it has only begun.
    pub at: Timestamp,
    /// The stage that failed.
    pub stage: Option<String>,
    /// The exit code.
    pub exit: Option<i32>,
    /// The code of the error, such as `FWB-1102`.
    pub code: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// When the first of the failures in a row ended, this one included.
    pub failing_since: Option<Timestamp>,
    /// How many runs in a row failed, this one included.
    pub failures: u32,
    /// What the failures in a row were about that a recovery ends, as each was told: a run that did not reach its server
    /// may not know its name. Alerts are ended by these too.
    pub failed_as: Vec<Labels>,
    /// When the newest proved backup was made.
    pub newest_proved: NewestProved,
    /// The backup that was made.
    pub backup: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The section of the runbook, as a link.
    pub runbook: Option<String>,
    /// What needs a person, and was not told before.
    pub troubles: Vec<Trouble>,
    /// Troubles that were told before, and stand. An Alertmanager is told again that they hold; nobody else is.
    pub standing: Vec<Trouble>,
    /// Troubles that were told before, and are over.
    pub over: Vec<Trouble>,
    /// The last words of the log, one message each; the last comes last.
    pub log: Vec<String>,
    /// The record of the run.
    pub record: Value,
}

/// What is told. Nothing in it quotes a value.
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) event: Event,
    pub(crate) title: String,
    /// The whole text, last words of the log included.
    pub(crate) text: String,
    /// Its beginning, without troubles and log.
    pub(crate) summary: String,
    pub(crate) labels: Labels,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) standing: Vec<Trouble>,
    pub(crate) over: Vec<Trouble>,
    pub(crate) runbook: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) failing_since: Option<Timestamp>,
    pub(crate) failed_as: Vec<Labels>,
    pub(crate) record: Value,
}

impl Message {
    /// That a run began.
    pub fn started(facts: &Facts) -> Self {
        Self::of(Event::Started, facts)
    }

    /// That a run succeeded.
    pub fn succeeded(facts: &Facts) -> Self {
        Self::of(Event::Succeeded, facts)
    }

    /// That a run failed: what, where, why, since when, and what to do.
    pub fn failed(facts: &Facts) -> Self {
        Self::of(Event::Failed, facts)
    }

    /// That a run succeeded after one had failed. `failing_since` and `failures` are of the failures that are over.
    pub fn recovered(facts: &Facts) -> Self {
        Self::of(Event::Recovered, facts)
    }

    /// That something needs a person.
    pub fn trouble(facts: &Facts) -> Self {
        Self::of(Event::Trouble, facts)
    }

    /// Whether notices arrive.
    pub fn test(facts: &Facts) -> Self {
        Self::of(Event::Test, facts)
    }

    /// A message about `event`, in our words.
    pub fn of(event: Event, facts: &Facts) -> Self {
        let facts = facts.blanked();
        let (summary, text) = text::text(event, &facts);
        Self {
            event,
            title: text::title(event, &facts),
            text,
            summary,
            runbook: facts.runbook,
            labels: facts.labels,
            troubles: facts.troubles,
            standing: facts.standing,
            over: facts.over,
            at: facts.at,
            failing_since: facts.failing_since,
            failed_as: facts.failed_as,
            record: facts.record,
        }
    }

    /// What it is about.
    pub fn event(&self) -> Event {
        self.event
    }

    /// What happened, on one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What happened, for a person.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says of troubles that were told before that they stand or are over.
    pub(crate) fn has_alerts(&self) -> bool {
        !self.standing.is_empty() || !self.over.is_empty()
    }

    /// The record of the run, as it is sent.
    pub fn record(&self) -> &Value {
        &self.record
    }
}

fn blank(text: &mut String) {
    // A control character could end a header or colour a terminal.
    *text = blank_quoted(text).replace(|letter: char| letter.is_control() && letter != '\n', " ");
}

impl Facts {
    /// Without the quoted values of what servers and tools said.
    fn blanked(&self) -> Self {
        let mut facts = self.clone();
        let said = [&mut facts.reason, &mut facts.hint];
        said.into_iter().flatten().chain(&mut facts.log).for_each(blank);
        for trouble in [&mut facts.troubles, &mut facts.standing, &mut facts.over].into_iter().flatten() {
            blank(&mut trouble.title);
            blank(&mut trouble.text);
        }
        blank_record(&mut facts.record);
        facts
    }
}
