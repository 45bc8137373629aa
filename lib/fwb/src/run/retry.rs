//! Whether a stage that failed is worth another try, and when.

use std::time::Duration;

use crate::notice;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(2 * 60);

/// Errors that pass by themselves: the server or a pod is away, a connection broke, tables changed, another run is at work.
const PASSING: [notice::Code; 11] = [
    notice::UNREACHABLE,
    notice::LOST,
    notice::NO_POD,
    notice::CHANNEL,
    notice::GAVE_UP,
    notice::BUSY,
    notice::INCOMPLETE_DUMP,
    notice::CHANGED,
    notice::LOCKED,
    notice::OBJECT_STORE,
    notice::LOCK_LOST,
];

/// What a server says that passes by itself (MariaDB's "Error Codes", MySQL's "Server Error Message Reference"): it is full
/// (1040, 1203, 1226), it starts, stops or is not ready (1047, 1053, 3032), a statement or a connection was ended (1317,
/// 1927), rows were locked (1205, 1213).
const PASSING_NUMBERS: [u16; 10] = [1040, 1047, 1053, 1203, 1205, 1213, 1226, 1317, 1927, 3032];

/// Whether a stage that ended with this exit status, and with an error of this code, is worth another try. `cause` is the
/// code of the error behind, and `number` the server's. An error without a code is none of ours, and nothing is known of it.
pub fn is_worth_a_retry(exit: i32, code: Option<&str>, cause: Option<&str>, number: Option<u16>) -> bool {
    // 2: nothing changes by itself. 3: a proof that failed must be looked at, not tried until it passes.
    if !matches!(exit, 1 | 4) {
        return false;
    }
    if number.is_some_and(|number| PASSING_NUMBERS.contains(&number)) {
        return true;
    }
    let passes = |code: &str| PASSING.iter().any(|passing| passing.code == code);
    match (code, cause) {
        (Some(code), Some(cause)) if code == notice::GAVE_UP.code => passes(cause),
        (Some(code), _) => passes(code),
        _ => false,
    }
}

/// How long to wait before the next try, when `failed` have failed. The wait doubles from `first`, up to two minutes or
/// `first`, whichever is longer; `random`, from 0 to 1, moves it by a quarter either way, so that many who were turned away
/// together do not come back together.
pub fn wait_before_retry(first: Duration, failed: u32, random: f64) -> Duration {
    let doubled = first.saturating_mul(1 << failed.saturating_sub(1).min(16));
    let wait = doubled.min(LONGEST_WAIT.max(first));
    wait.mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        for (exit, code, cause, number, expected) in [
            (1, Some("FWB-1102"), None, None, true),
            (4, Some("FWB-1301"), None, None, true),
            (1, Some("FWB-1108"), Some("FWB-1107"), None, true),
            (1, Some("FWB-1101"), None, Some(1040), true),
            (1, Some("FWB-1101"), None, Some(1146), false),
            (2, Some("FWB-1306"), None, None, false),
            (3, Some("FWB-1401"), None, None, false),
            (1, Some("FWB-1001"), None, None, false),
            (1, Some("FWB-1105"), None, None, false),
            (1, None, None, None, false),
            (137, None, None, None, false),
            (143, Some("FWB-1011"), None, None, false),
        ] {
            assert_eq!(is_worth_a_retry(exit, code, cause, number), expected, "{exit} {code:?} {number:?}");
        }
    }

    #[test]
    fn waits_double_up_to_two_minutes() {
        let wait = |failed, random| wait_before_retry(Duration::from_secs(15), failed, random);
        for (failed, seconds) in [(1, 15), (2, 30), (3, 60), (4, 120), (5, 120), (90, 120)] {
            assert_eq!(wait(failed, 0.5), Duration::from_secs(seconds), "{failed}");
        }
        assert_eq!([wait(1, 0.0), wait(1, 1.0)], [11_250, 18_750].map(Duration::from_millis));
        let patient = wait_before_retry(Duration::from_secs(600), 3, 0.5);
        assert_eq!(patient.as_secs(), 600);
    }
}
