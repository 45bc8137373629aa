//! How fast bytes go by, over the last seconds: steady enough to read, quick enough to show a stall.

use std::collections::VecDeque;
use std::time::Duration;

/// Counts at points of time.
#[derive(Debug)]
pub(crate) struct Rate {
    window: Duration,
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// A rate over `window`, of a count that begins with 0 at time 0.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, samples: VecDeque::from([(Duration::ZERO, 0)]) }
    }

    /// Takes the count at a later time and returns bytes a second. A count that has fallen has begun anew.
    pub(crate) fn update(&mut self, now: Duration, bytes: u64) -> u64 {
        if let Some(&(last, _)) = self.samples.back().filter(|(_, last)| bytes < *last) {
            self.samples = VecDeque::from([(last, 0)]);
        }
        self.samples.push_back((now, bytes));
        while self.samples.get(1).is_some_and(|(second, _)| *second + self.window <= now) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front().copied().unwrap_or((now, bytes));
        let milliseconds = now.saturating_sub(since).as_millis().max(1);
        let rate = u128::from(bytes - before) * 1000 / milliseconds;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_the_window() {
        let mut rate = Rate::new(Duration::from_secs(5));
        let mut at = |seconds, bytes| rate.update(Duration::from_secs(seconds), bytes);
        assert_eq!(at(1, 100), 100);
        assert_eq!(at(5, 500), 100);
        assert_eq!(at(10, 500), 0, "a stall shows");
        assert_eq!(at(11, 300), 300, "a new phase counts from nothing");
        assert_eq!(at(11, 300), 300, "no time is no division by zero");
    }
}
