//! A clock that never goes back: moments of arrival order a log whose own times anybody may forge.

use chrono::TimeDelta;

use crate::manifest::{Timestamp, now_to_the_millisecond};

/// How far a clock may be set back without a word.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// Moments, each no earlier than the one before.
#[derive(Debug)]
pub(super) struct Clock {
    last: Timestamp,
    has_warned: bool,
}

impl Clock {
    /// A clock that begins no earlier than `after`.
    pub(super) fn new(after: Option<Timestamp>) -> Self {
        let now = now_to_the_millisecond();
        Self { last: after.map_or(now, |after| after.max(now)), has_warned: false }
    }

    /// The present moment.
    pub(super) fn now(&mut self) -> Timestamp {
        self.at(now_to_the_millisecond())
    }

    fn at(&mut self, now: Timestamp) -> Timestamp {
        if now < self.last {
            if !self.has_warned && self.last - now > TOLERANCE {
                self.has_warned = true;
                log::warn!(
                    code = crate::notice::CLOCK.code;
                    "the clock of this host was set back by {} s: until it has caught up, changes count as of {}",
                    (self.last - now).num_seconds(),
                    self.last
                );
            }
            return self.last;
        }
        self.has_warned = false;
        self.last = now;
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let start = now_to_the_millisecond();
        let mut clock = Clock::new(Some(start));
        let at = |seconds| start + TimeDelta::seconds(seconds);
        for (now, told) in [(1, 1), (5, 5), (3, 5), (-7200, 5), (6, 6)] {
            assert_eq!(clock.at(at(now)), at(told), "{now}");
        }
    }
}
