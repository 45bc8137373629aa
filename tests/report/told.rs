//! A year of mornings on which a run looks at the store: somebody is told of each trouble on the day on which it comes, and of
//! nothing on all other days.

use std::collections::BTreeSet;

use super::expected;
use super::year::{NIGHTS, Year, morning};
use crate::environment::Clock;
use crate::notices::http_server::{Got, HttpServer};
use crate::runs::fwb_run;

/// What is not looked at here: the file system is the real one, and no certificate is named.
const ELSEWHERE: [&str; 2] = ["FWB-3007", "FWB-3012"];

/// The codes that are due after a night.
fn due(night: i64) -> BTreeSet<&'static str> {
    let all = expected()
        .into_iter()
        .filter(|(code, _, nights)| nights.contains(&night) && !ELSEWHERE.contains(code));
    all.map(|(code, ..)| code).collect()
}

#[test]
fn a_year_of_notices() {
    let (mut year, hook) = (Year::new(), HttpServer::ok());
    let clock = Clock::at(morning(0).timestamp());
    let mut wrong = Vec::new();
    for night in 0..NIGHTS {
        year.pass(night);
        clock.stop_at(morning(night).timestamp());
        let seen = hook.got().len();
        let run = fwb_run(&[]).args(["morning", "true"]).env("FWB_STORE", year.store.path());
        let run = run.env("FWB_COPY_TO", year.copies.path());
        clock.tool(run.env("FWB_NOTIFY", format!("webhook+http://127.0.0.1:{}/", hook.port))).run().ok();
        let told: Vec<_> = hook.got()[seen..].iter().map(Got::json).collect();
        let codes = |message: &serde_json::Value| -> BTreeSet<String> {
            let troubles = message["troubles"].as_array().unwrap().iter();
            let codes = troubles.map(|one| one["code"].as_str().unwrap().to_owned());
            codes.filter(|code| !ELSEWHERE.contains(&code.as_str())).collect()
        };
        let new: BTreeSet<String> = told.iter().flat_map(codes).collect();
        let before = if night == 0 { BTreeSet::new() } else { due(night - 1) };
        let expected: BTreeSet<String> =
            due(night).difference(&before).map(|code| (*code).to_owned()).collect();
        if told.len() > 1 || new != expected {
            wrong.push(format!("night {night}: {new:?} in {} messages, and {expected:?} is new", told.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
