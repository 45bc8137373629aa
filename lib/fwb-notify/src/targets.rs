//! Who is told: a list of URLs from the environment and from a file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fwb::{Cancel, Error, Result};

use crate::delivery::deliver;
use crate::event::Kind;
use crate::failure::Failure;
use crate::message::Message;
use crate::settings::{Authorities, Settings};
use crate::target::Target;

/// How long one message may take, unless the caller says otherwise.
pub const WITHIN: Duration = Duration::from_secs(15);

/// The variable that names targets.
const VARIABLE: &str = "FWB_NOTIFY";
/// The longest file with targets, in bytes.
const LONGEST_FILE: u64 = 64 << 10;
/// What a file may not allow: others may neither read nor write it.
const OTHERS: u32 = 0o006;

/// Whom the tools tell. Its `Debug` names kinds and hosts alone.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    all: Vec<Target>,
    authorities: Authorities,
}

impl Targets {
    /// Reads URLs that are separated by white space. A word that begins with `#` is a comment to the end of its line.
    ///
    /// # Errors
    /// A usage error where one of them is no target. It says which one by its number, and never repeats it.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(Some(text), None, &Settings::default())
    }

    /// The targets of `FWB_NOTIFY` and of a file, reached as the environment says.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_environment(file: Option<&Path>) -> Result<Self> {
        first_error(Self::usable(file))
    }

    /// The same, but that what cannot be used stands in no other's way: a run is told to all the others.
    pub fn usable(file: Option<&Path>) -> (Self, Vec<Error>) {
        let text = match std::env::var(VARIABLE) {
            Err(std::env::VarError::NotPresent) => Ok(None),
            text => text.map(Some).map_err(|_| Error::usage(format!("{VARIABLE} is not UTF-8"))),
        };
        Self::take(text, file, &Settings::of_environment())
    }

    /// The targets of a text and of a file, as [`Self::parse`] reads them. A target that is named twice is told once.
    ///
    /// # Errors
    /// A usage error where one of them is no target, where others than its owner and its group may read or write the
    /// file, or where the certificates of `settings` cannot be used; an error of the operating system where a file cannot
    /// be read.
    pub fn read(text: Option<&str>, file: Option<&Path>, settings: &Settings) -> Result<Self> {
        first_error(Self::take(Ok(text.map(Into::into)), file, settings))
    }

    /// What can be used, and why the rest cannot.
    fn take(text: Result<Option<String>>, file: Option<&Path>, settings: &Settings) -> (Self, Vec<Error>) {
        let (mut targets, mut unusable) = (Self::default(), Vec::new());
        let of_file = file.map(|path| secret_file(path).map(|text| (path.display().to_string(), text)));
        let of_variable = text.map(|text| text.map(|text| (VARIABLE.to_owned(), text)));
        let mut known = BTreeSet::new();
        for text in [of_variable, of_file.transpose()] {
            let (from, text) = match text {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(error) => {
                    unusable.push(error);
                    continue;
                }
            };
            for (number, url) in (1..).zip(words(&text)).filter(|(_, url)| known.insert((*url).to_owned())) {
                let target = Target::parse(url, settings.allow_http).map_err(|problem| Error::Usage {
                    message: format!("target {number} of {from} is none: {}", problem.what),
                    hint: Some(format!("{} (docs/NOTICES.md)", problem.hint)),
                });
                match target {
                    Ok(target) => targets.all.push(target),
                    Err(error) => unusable.push(error),
                }
            }
        }
        if !targets.is_empty() {
            match settings.authorities() {
                Ok(authorities) => targets.authorities = authorities,
                Err(error) => unusable.push(error),
            }
        }
        (targets, unusable)
    }

    /// Whether nobody is told.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How they are named in messages, such as `webhook at hooks.example.org`.
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(ToString::to_string).collect()
    }

    /// Those who hear of this message, as [`Self::names`] names them.
    pub fn hearers(&self, message: &Message) -> Vec<String> {
        self.hearing(message).iter().map(ToString::to_string).collect()
    }

    /// Whether one of them took this message who is told of more than that a run took place, as pings are; `failures` are of
    /// those who did not.
    pub fn was_heard(&self, message: &Message, failures: &[Failure]) -> bool {
        let is_deaf = |target: &Target| {
            failures.iter().any(|failure| failure.kind == target.kind && failure.host == target.host)
        };
        self.hearing(message).into_iter().any(|target| target.kind != Kind::Ping && !is_deaf(target))
    }

    fn hearing(&self, message: &Message) -> Vec<&Target> {
        let hears = |target: &&Target| target.kind.hears(message.event, message.has_alerts());
        self.all.iter().filter(hears).collect()
    }

    /// Tells everybody who hears of this message, all at the same time, and returns those who were not told. It takes
    /// `within` at the most, and ends at once when `cancel` is raised: whoever tells that a signal ended a run hands over
    /// a new one.
    ///
    /// A try that fails by a broken connection, or that the server answers with 429 or 5xx, is repeated once, where the
    /// time suffices. It starts a runtime of its own, and is not to be called in another.
    pub fn send(&self, message: &Message, within: Duration, cancel: &Cancel) -> Vec<Failure> {
        let targets = self.hearing(message);
        if targets.is_empty() {
            return Vec::new();
        }
        deliver(&targets, message, &self.authorities, within, cancel)
    }

    /// Does what [`Self::send`] does, while the caller goes on: no run waits for the ping that tells of its start.
    pub fn begin(&self, message: Message, within: Duration, cancel: Cancel) -> Sending {
        let (targets, later) = (self.clone(), message.clone());
        let beside = cancel.clone();
        let thread = thread::Builder::new().name("fwb-notify".into());
        match thread.spawn(move || targets.send(&later, within, &beside)) {
            Ok(thread) => Sending(Thread::Beside(thread)),
            // The system has no thread to give: it is told now.
            Err(_) => Sending(Thread::Done(self.send(&message, within, &cancel))),
        }
    }
}

/// A message on its way.
#[derive(Debug)]
pub struct Sending(Thread);

#[derive(Debug)]
enum Thread {
    Beside(thread::JoinHandle<Vec<Failure>>),
    Done(Vec<Failure>),
}

impl Sending {
    /// Waits until it has arrived or its time is over, and returns those who were not told. Whoever tells of a start and
    /// of an end calls it in between, so that the one is not told after the other.
    pub fn finish(self) -> Vec<Failure> {
        match self.0 {
            Thread::Beside(thread) => thread.join().unwrap_or_default(),
            Thread::Done(failures) => failures,
        }
    }
}

fn first_error((targets, unusable): (Targets, Vec<Error>)) -> Result<Targets> {
    unusable.into_iter().next().map_or(Ok(targets), Err)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split_whitespace().take_while(|word| !word.starts_with('#')))
}

/// A file that others must not read, because its URLs are secrets.
fn secret_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let meta = file.metadata().map_err(Error::io("look at", path))?;
    if meta.permissions().mode() & OTHERS != 0 {
        return Err(Error::Usage {
            message: format!(
                "others than its owner and its group may read or write {}, and its URLs are secrets",
                path.display()
            ),
            hint: Some(format!(
                "chmod o-rwx {}; in Kubernetes, the volume's defaultMode is 0440",
                path.display()
            )),
        });
    }
    let mut text = String::new();
    let read = file.by_ref().take(LONGEST_FILE + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > LONGEST_FILE => {
            Err(Error::usage(format!("{} is longer than any list of targets", path.display())))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::usage(format!("{} is not UTF-8", path.display())))
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    const SECRET: &str = "webhook+https://u:hushhush@h.example.org/hushhush";

    #[test]
    fn targets_are_words_without_comments() {
        let text = format!("# ours\n  {SECRET}\tping+https://hc/x # on call\n\n#ping+https://no/x\n{SECRET}");
        let targets = Targets::parse(&text).expect("targets");
        assert_eq!(targets.names(), ["webhook at h.example.org", "ping at hc"]);
        assert!(!format!("{targets:?}").contains("hush"));
        assert!(Targets::parse(" \n# nobody\n").expect("nobody").is_empty());
    }

    #[test]
    fn an_error_says_which_one_and_not_what() {
        let error = Targets::parse(&format!("{SECRET} hushhush")).expect_err("no URL");
        assert_eq!(error.to_string(), "target 2 of FWB_NOTIFY is none: it is no URL");
        assert!(!format!("{error:?} {:?}", error.hint()).contains("hush"));
    }

    #[test]
    fn a_file_that_others_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("targets");
        fs::write(&path, format!("# ours\n{SECRET}\n")).expect("a file");
        for (mode, is_taken) in [(0o600, true), (0o640, true), (0o400, true), (0o644, false), (0o642, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
            let read = Targets::read(None, Some(&path), &Settings::default());
            assert_eq!(read.is_ok(), is_taken, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("others than its owner"), "{error}");
                assert!(!format!("{error:?}").contains("hush"));
            }
        }
        fs::write(&path, "x ".repeat(40_000)).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        assert!(Targets::read(None, Some(&path), &Settings::default()).is_err());
        assert!(Targets::read(None, Some(&directory.path().join("none")), &Settings::default()).is_err());
    }

    #[test]
    fn certificates_must_be_some() {
        let directory = tempfile::tempdir().expect("a directory");
        let ca = directory.path().join("ca.pem");
        fs::write(&ca, "nothing").expect("a file");
        let settings = Settings { ca: Some(ca), ..Settings::default() };
        assert!(Targets::read(Some(SECRET), None, &settings).is_err());
        assert!(Targets::read(None, None, &settings).expect("nobody is told").is_empty());
    }
}
