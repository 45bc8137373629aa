//! What a pod tells of itself before the first connection: who we are there, where the server listens, and what can
//! relay. Whoever controls the pod writes it, so its size is bounded and nothing in it is believed to be anything but
//! text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use fwb::Password;

use super::relay::Relay;
use crate::option_files::{self, Options};

/// The script, without its comments.
pub(super) fn script() -> String {
    let lines = include_str!("survey.sh").lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// The most that a pod may say, in bytes; what says more is refused.
pub(super) const LARGEST: usize = 64 << 10;

/// What a pod has told.
#[derive(Default)]
pub(super) struct Survey {
    /// The account of the image's environment variables.
    pub(super) account: Option<(String, Password)>,
    /// Variables of client programs.
    pub(super) environment: BTreeMap<String, String>,
    /// Whether we are root there.
    pub(super) is_root: bool,
    /// Client sections of the system's option files.
    pub(super) etc: Options,
    /// Those of the one in the home directory.
    pub(super) home: Options,
    /// Usual sockets that are there.
    pub(super) sockets: Vec<PathBuf>,
    /// What can relay, the best first.
    pub(super) relays: Vec<Relay>,
}

impl fmt::Debug for Survey {
    /// It holds passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Survey")
            .field("sockets", &self.sockets)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}

impl Survey {
    /// Reads what the script has written; none where its end is missing.
    pub(super) fn parse(said: &[u8], nonce: &str) -> Option<Self> {
        let text = String::from_utf8_lossy(said);
        let mut survey = Self::default();
        let mut user = None;
        let mut is_whole = false;
        // What a container's profile prints comes before the first mark.
        for (name, body) in blocks(&text, nonce) {
            let body = body.strip_suffix('\n').unwrap_or(body);
            match name {
                "account" => user = Some(body.to_owned()),
                "password" => {
                    survey.account = user.take().map(|user| (user, Password::new(body.to_owned())));
                }
                "uid" => survey.is_root = body == "0",
                "etc" => survey.etc = option_files::read_text(body),
                "home" => survey.home = option_files::read_text(body),
                "socket" => survey.sockets.push(body.into()),
                "relay" => survey.relays.extend(Relay::parse(body)),
                "end" => is_whole = true,
                other => {
                    if let Some(variable) = other.strip_prefix("env ") {
                        survey.environment.insert(variable.to_owned(), body.to_owned());
                    }
                }
            }
        }
        is_whole.then_some(survey)
    }

    /// The options of the pod's files.
    pub(super) fn files(&self) -> Options {
        let mut all = self.etc.clone();
        all.extend(self.home.clone());
        // Files that these name are the pod's, and not here.
        all.retain(|name, _| {
            ["user", "password", "host", "port", "socket", "protocol"].contains(&name.as_str())
        });
        all
    }

    /// Whether the file in the home directory says who we are, which somebody has put there for that.
    pub(super) fn home_names_account(&self) -> bool {
        self.home.contains_key("user") || self.home.contains_key("password")
    }
}

/// The named parts of what was said.
fn blocks<'a>(text: &'a str, nonce: &str) -> Vec<(&'a str, &'a str)> {
    let mark = format!("{nonce} ");
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix(&mark) {
            // A name whose line has no end may be half of one.
            if let Some(name) = name.strip_suffix('\n') {
                starts.push((at, at + line.len(), name));
            }
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, ..)| *start).chain([text.len()]).collect::<Vec<_>>();
    starts.iter().zip(ends).map(|((_, from, name), to)| (*name, &text[*from..to])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "welcome\nn account\nroot\nn password\np\"w\nn not a mark?\nn env MYSQL_HOST\ndb\nn uid\n0\n\
        n etc\n[client]\nuser=app\nssl-ca=/x\nn home\n[client]\nsocket = /s\nn socket\n/run/s\nn relay\nperl\n\
        n relay\nunknown\nn relay\nbash\nn end\n";

    #[test]
    fn what_a_pod_tells_is_read() {
        let survey = Survey::parse(SAID.as_bytes(), "n").unwrap();
        let (user, password) = survey.account.as_ref().unwrap();
        assert_eq!((user.as_str(), password.reveal()), ("root", "p\"w"));
        assert!(survey.is_root && !survey.home_names_account());
        assert_eq!(survey.environment["MYSQL_HOST"], "db");
        assert_eq!(survey.relays, [Relay::Perl, Relay::Bash]);
        let files = survey.files();
        assert_eq!(files.get("socket"), Some(&Some("/s".into())));
        assert_eq!(files.get("ssl-ca"), None, "a file of the pod's is not here");
        assert!(!format!("{survey:?}").contains("p\"w"));
    }

    #[test]
    fn half_of_it_is_nothing() {
        for end in 0..SAID.len() {
            assert!(Survey::parse(&SAID.as_bytes()[..end], "n").is_none(), "{end}");
        }
        assert!(Survey::parse(SAID.as_bytes(), "m").is_none(), "the mark is another one");
    }
}
