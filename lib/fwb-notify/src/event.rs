//! What is told, and which kind of target hears of it.

use std::fmt;

use serde::Serialize;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run began.
    Started,
    /// A run succeeded, as the one before it did, and nothing new needs a person.
    Succeeded,
    /// A run failed, or was lost.
    Failed,
    /// A run succeeded, and the one before it had failed.
    Recovered,
    /// A run succeeded, and something needs a person.
    Trouble,
    /// Somebody tries whether notices arrive.
    Test,
}

impl Event {
    /// What the end of a run is told as. A run is told once, so the worst comes first; a message about a failure or a
    /// recovery names the troubles too.
    pub fn of_run(failed: bool, last_one_failed: bool, has_new_troubles: bool) -> Self {
        match (failed, last_one_failed, has_new_troubles) {
            (true, _, _) => Self::Failed,
            (false, true, _) => Self::Recovered,
            (false, false, true) => Self::Trouble,
            (false, false, false) => Self::Succeeded,
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Trouble => "trouble",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of target, by the scheme of its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `ping+https://`: a service that expects a ping of every run, such as healthchecks.io.
    Ping,
    /// `webhook+https://`: whatever takes JSON.
    Webhook,
    /// `ntfy+https://`: a topic of ntfy.
    Ntfy,
    /// `slack+https://`: a channel of Slack, or of what takes the same messages.
    Slack,
    /// `alertmanager+https://`: Prometheus' Alertmanager.
    Alertmanager,
    /// `smtp://`, `smtps://`: mail.
    Mail,
}

impl Kind {
    /// Whether it is sent a message about `event`.
    ///
    /// A ping service waits for every run, so it gets all of them. Everybody else hears of what needs a person and of its
    /// end. `has_alerts`: the message says of troubles that were told before that they stand or are over. They are alerts of an
    /// Alertmanager, which has to hear that they hold, and nobody else's.
    pub fn hears(self, event: Event, has_alerts: bool) -> bool {
        match event {
            Event::Failed | Event::Recovered | Event::Trouble | Event::Test => true,
            Event::Succeeded => self == Self::Ping || (self == Self::Alertmanager && has_alerts),
            Event::Started => self == Self::Ping,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "ping",
            Self::Webhook => "webhook",
            Self::Ntfy => "ntfy",
            Self::Slack => "slack",
            Self::Alertmanager => "alertmanager",
            Self::Mail => "mail",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_once_and_the_worst_comes_first() {
        for (failed, last_one_failed, troubles, told) in [
            (false, false, false, Event::Succeeded),
            (false, false, true, Event::Trouble),
            (false, true, false, Event::Recovered),
            (false, true, true, Event::Recovered),
            (true, false, false, Event::Failed),
            (true, false, true, Event::Failed),
            (true, true, false, Event::Failed),
            (true, true, true, Event::Failed),
        ] {
            assert_eq!(Event::of_run(failed, last_one_failed, troubles), told);
        }
    }

    #[test]
    fn pings_hear_of_every_run_and_others_of_what_needs_a_person() {
        use Event::{Failed, Recovered, Started, Succeeded, Test, Trouble};
        let others = [Kind::Webhook, Kind::Ntfy, Kind::Slack, Kind::Alertmanager, Kind::Mail];
        for event in [Started, Succeeded, Failed, Recovered, Trouble, Test] {
            assert!(Kind::Ping.hears(event, false));
            for kind in others {
                assert_eq!(kind.hears(event, false), !matches!(event, Started | Succeeded), "{kind} {event}");
            }
        }
        assert!(Kind::Alertmanager.hears(Succeeded, true));
        assert!(!Kind::Alertmanager.hears(Started, true));
        assert!(!Kind::Mail.hears(Succeeded, true));
    }
}
