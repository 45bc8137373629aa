//! The file of a fleet: a server a line, with its name and its settings.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::settings::{About, OF_THE_FILE_ALONE, setting, truth_of};
use crate::error::{Error, Result};
use crate::identity::ServerName;
use crate::server::NamePattern;
use crate::store::Location;

/// The largest file that is read, in bytes: a hundred thousand servers.
const LARGEST: u64 = 16 << 20;
/// What stands for a server's name in a value.
const NAME: &str = "{name}";
/// What begins a line that holds for all servers below it.
const ALL_BELOW: &str = "*";

/// The servers of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    file: PathBuf,
    servers: Vec<FleetServer>,
}

/// One server: its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetServer {
    /// Its name, which is that of its backups.
    pub name: ServerName,
    /// The line that names it, from 1.
    pub line: usize,
    /// Whether its store is named by it: no other server is to have it.
    has_own_store: bool,
    /// What the file says of it, by the tools' variables.
    settings: BTreeMap<&'static str, String>,
}

/// What lines have said so far of all servers below them.
type Settings = BTreeMap<&'static str, String>;

impl Fleet {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error where it cannot be read, or is none: with the line.
    pub fn read(file: &Path) -> Result<Self> {
        let unusable = |why: String| Error::Usage {
            message: format!("cannot use the fleet file {}: {why}", file.display()),
            hint: Some("--fleet or FWB_FLEET names a file with a server a line: docs/FLEETS.md".into()),
        };
        let mut bytes = Vec::new();
        let opened = File::open(file).map_err(|error| unusable(error.to_string()))?;
        opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unusable(error.to_string()))?;
        if bytes.len() as u64 > LARGEST {
            return Err(unusable(format!("it is larger than {LARGEST} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            unusable(format!("line {line} is not UTF-8"))
        })?;
        Self::parse(&text, file)
    }

    /// Reads the text of a file; `file` is its name, for messages.
    ///
    /// # Errors
    /// A usage error that names the line. It quotes no value: what stands in the wrong place may be a password.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let refused = |line: usize, message: String, hint: Option<String>| Error::Usage {
            message: format!("{}, line {line}: {message}", file.display()),
            hint,
        };
        let mut all_below = Settings::new();
        let mut servers: Vec<FleetServer> = Vec::new();
        let (mut lines, mut twins) = (BTreeMap::new(), BTreeMap::new());
        for (at, text) in text.lines().enumerate() {
            let line = at + 1;
            let Some(words) = shlex::split(text.trim_start_matches('\u{feff}')) else {
                let message = "a quote is not closed, or a backslash ends the line".into();
                return Err(refused(line, message, Some("a server is one line".into())));
            };
            let [name, words @ ..] = &words[..] else { continue };
            if name == ALL_BELOW {
                take(&mut all_below, words).map_err(|(message, hint)| refused(line, message, hint))?;
                continue;
            }
            let name = name_of(name).map_err(|(message, hint)| refused(line, message, hint))?;
            if let Some(first) = lines.insert(name.to_string(), line) {
                let message = format!("{name} is named already, in line {first}");
                let hint = "a server has one line; its databases stand in it: databases='A B'".to_owned();
                return Err(refused(line, message, Some(hint)));
            }
            let mut settings = all_below.clone();
            take(&mut settings, words).map_err(|(message, hint)| refused(line, message, hint))?;
            let has_own_store = settings.get("FWB_STORE").is_some_and(|store| store.contains(NAME));
            for value in settings.values_mut().filter(|value| value.contains(NAME)) {
                *value = value.replace(NAME, &name.to_string());
            }
            let server = FleetServer { name, line, has_own_store, settings };
            server.check().map_err(|(message, hint)| refused(line, message, Some(hint)))?;
            if let Some(twin) = twins.insert(server.what_it_means(), line) {
                let message =
                    format!("{} is the same server with the same databases as in line {twin}", server.name);
                return Err(refused(line, message, Some("one of the two has a wrong address".into())));
            }
            servers.push(server);
        }
        if servers.is_empty() {
            return Err(Error::Usage {
                message: format!("{} names no server", file.display()),
                hint: Some(
                    "a line is a name and its settings, such as: shop host=db.example databases='shop crm'"
                        .into(),
                ),
            });
        }
        Ok(Self { file: file.to_owned(), servers })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its servers, in its order.
    pub fn servers(&self) -> &[FleetServer] {
        &self.servers
    }

    /// One of so many equal parts, by its number from 0: each server is in one of them, and with more parts than servers some have none.
    /// Where nobody says how many there are, it is the server of that number.
    ///
    /// # Errors
    /// A usage error where there is no such part, or no such server: an Indexed Job has more completions than it should.
    pub fn part(self, index: usize, parts: Option<usize>) -> Result<Self> {
        let Self { file, servers } = self;
        let in_all = servers.len();
        let of = match parts {
            Some(parts) => format!("it is divided into {parts} parts"),
            None => format!("it has {in_all} servers"),
        };
        let parts = parts.unwrap_or(in_all);
        if index >= parts {
            return Err(Error::Usage {
                message: format!("{} has no part {index}: {of}, the first is 0", file.display()),
                hint: Some(
                    "an Indexed Job has as many completions as --fleet-parts says, else as there are servers"
                        .into(),
                ),
            });
        }
        Ok(Self { file, servers: servers.into_iter().skip(index).step_by(parts).collect() })
    }

    /// The server of this name alone.
    ///
    /// # Errors
    /// A usage error where the file does not name it.
    pub fn only(self, name: &ServerName) -> Result<Self> {
        let Self { file, mut servers } = self;
        servers.retain(|server| server.name == *name);
        if servers.is_empty() {
            return Err(Error::usage(format!("{} names no server {name}", file.display())));
        }
        Ok(Self { file, servers })
    }
}

/// A server's name, as a line begins with it.
fn name_of(word: &str) -> std::result::Result<ServerName, (String, Option<String>)> {
    let hint =
        "a line begins with the server's name, then come its settings: shop host=db.example".to_owned();
    if word.contains('=') {
        return Err(("it begins with a setting, and not with a server's name".into(), Some(hint)));
    }
    // It is part of the names of directories and of prefixes.
    if word.contains('/') || word.starts_with('.') {
        return Err(("a server's name has no / in it, and no dot at its beginning".into(), Some(hint)));
    }
    word.parse().map_err(|error: Error| (error.to_string(), Some(hint)))
}

/// Adds what the words of a line say to what the lines above it have said.
fn take(settings: &mut Settings, words: &[String]) -> std::result::Result<(), (String, Option<String>)> {
    let mut given: Vec<(&str, About)> = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some((name, value)) = word.split_once('=') else {
            let message = format!("word {} is no setting: NAME=VALUE is one", at + 2);
            let hint = "a value with blanks stands in quotes: databases='shop crm'".to_owned();
            return Err((message, Some(hint)));
        };
        let setting = setting(name).map_err(|(message, hint)| (message, Some(hint)))?;
        if named.contains(&setting.name) {
            return Err((format!("{name} is given twice"), None));
        }
        named.push(setting.name);
        if value.is_empty() {
            settings.remove(setting.variable);
            continue;
        }
        if let Some(problem) = setting.refuses(value) {
            return Err((problem, None));
        }
        if let Some(about) = setting.about {
            if let Some((other, _)) = given.iter().find(|(_, other)| *other == about) {
                let message = format!("{other} and {name} say the same thing in two ways");
                return Err((message, Some("leave one out".into())));
            }
            given.push((setting.name, about));
            // Said in one way here, it is not said in another by a line above.
            settings.retain(|variable, _| !about.is_said_by(variable));
        }
        settings.insert(setting.variable, value.to_owned());
    }
    Ok(())
}

impl FleetServer {
    /// What the tools find in their environment of what the file says.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let own = [("FWB_SERVER_ID", OsString::from(self.name.to_string()))];
        own.into_iter()
            .chain(self.settings.iter().map(|(variable, value)| (*variable, OsString::from(value))))
    }

    /// Variables of our own environment that the tools do not get: the file alone says which server is meant.
    pub fn without() -> &'static [&'static str] {
        &OF_THE_FILE_ALONE
    }

    /// What the file says for a variable of the tools.
    pub fn get(&self, variable: &str) -> Option<&str> {
        self.settings.get(variable).map(String::as_str)
    }

    /// Its store, where the file names one.
    pub fn store(&self) -> Option<Location> {
        self.place("FWB_STORE")
    }

    /// Whether the file names its store by its own name, so that no other server is to have it.
    pub fn has_own_store(&self) -> bool {
        self.has_own_store
    }

    /// Its second store, where the file names one.
    pub fn copy_to(&self) -> Option<Location> {
        self.place("FWB_COPY_TO")
    }

    /// The host that it loads: by name, or by what stands for it; empty where nothing says where it is.
    pub fn host(&self) -> &str {
        let known = ["FWB_HOST", "FWB_POD", "FWB_POD_SELECTOR", "FWB_SOCKET", "FWB_DEFAULTS_FILE"];
        known.into_iter().find_map(|variable| self.get(variable)).unwrap_or_default()
    }

    /// The databases that must be there: those that are named, and not by a pattern.
    pub fn databases(&self) -> Vec<&str> {
        let listed = self.get("FWB_DATABASES").into_iter().flat_map(str::split_whitespace);
        let named = self.get("FWB_DATABASE").into_iter().chain(listed);
        let excluded = self.get("FWB_EXCLUDE_DATABASE").map(NamePattern::new);
        let is_out = |name: &&str| {
            excluded.as_ref().is_some_and(|out| out.is(name, crate::server::NameCase::Sensitive))
        };
        named.filter(|name| !NamePattern::new(*name).is_pattern()).filter(|name| !is_out(name)).collect()
    }

    fn place(&self, variable: &str) -> Option<Location> {
        // What the file says was read once before.
        self.get(variable).and_then(|value| Location::parse(OsStr::new(value)).ok())
    }

    /// Whether the line says enough. A server without an address would be the one of this host, whichever that is.
    fn check(&self) -> std::result::Result<(), (String, String)> {
        if self.host().is_empty() {
            return Err((
                format!("nothing says where the server {} is", self.name),
                "give its host=, socket=, pod-selector=, pod= or defaults-file=".into(),
            ));
        }
        let names_some = self.get("FWB_DATABASE").or(self.get("FWB_DATABASES")).is_some();
        if !names_some && !self.takes_all() {
            return Err((
                format!("nothing says which databases of {} are backed up", self.name),
                "give databases='NAME PATTERN*' or all-databases=true".into(),
            ));
        }
        Ok(())
    }

    fn takes_all(&self) -> bool {
        self.get("FWB_ALL_DATABASES").and_then(truth_of) == Some(true)
    }

    /// Which databases of which server the line means: no two lines mean the same.
    fn what_it_means(&self) -> Vec<Option<String>> {
        let which = OF_THE_FILE_ALONE.into_iter().chain(["FWB_DEFAULTS_FILE"]);
        which.map(|variable| self.get(variable).map(ToOwned::to_owned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    fn parse(text: &str) -> Result<Fleet> {
        Fleet::parse(text, Path::new("fleet"))
    }

    #[test]
    fn a_line_is_a_server_and_a_star_holds_for_all_below() {
        let fleet = parse(
            "# the fleet\n\n\
             * user=backup password-file=/run/{name} store=s3://backups/{name} all-databases=true\n\
             shop host=a.example   # the shop\n\
             crm  host=b.example port=3307 databases='crm crm_*' keep-days=30\n\
             * socket=/run/mysqld.sock user=\n\
             local databases=\"x y\" database=\n\
             pod pod-selector=app=mariadb namespace=n exclude-database=test\n",
        )
        .unwrap();
        let server = |at: usize| &fleet.servers()[at];
        let names: Vec<String> = fleet.servers().iter().map(|server| server.name.to_string()).collect();
        assert_eq!(names, ["shop", "crm", "local", "pod"]);
        assert_eq!(server(0).line, 4);
        assert_eq!(server(0).get("FWB_PASSWORD_FILE"), Some("/run/shop"));
        assert_eq!(server(0).store().unwrap().to_string(), "s3://backups/shop");
        assert_eq!(server(1).get("FWB_ALL_DATABASES"), None, "databases= takes the place of all-databases=");
        assert_eq!((server(1).databases(), server(1).get("FWB_KEEP_DAYS")), (vec!["crm"], Some("30")));
        assert_eq!(
            (server(2).get("FWB_USER"), server(2).get("FWB_SOCKET")),
            (None, Some("/run/mysqld.sock"))
        );
        assert_eq!(
            (server(3).get("FWB_SOCKET"), server(3).get("FWB_POD_SELECTOR")),
            (None, Some("app=mariadb"))
        );
        let environment: BTreeMap<_, _> = server(0).environment().collect();
        assert_eq!(environment["FWB_SERVER_ID"], "shop");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_nothing_of_its_values() {
        for (text, line, words) in [
            ("shop host=a all-databases=true\nshop host=b all-databases=true", 2, "line 1"),
            ("\nshop host=a all-databases=true hunter2", 2, "word 4"),
            ("shop host=a all-databases=true password=hunter2", 1, "holds none"),
            ("* hosts=a", 1, "no setting"),
            ("host=hunter2", 1, "begins with a setting"),
            ("a/b host=a all-databases=true", 1, "no /"),
            ("shop host=a port=hunter2 all-databases=true", 1, "65535"),
            ("shop host='hunter2 all-databases=true", 1, "quote"),
            ("shop host=a host=b all-databases=true", 1, "twice"),
            ("shop host=a socket=/s all-databases=true", 1, "host and socket"),
            ("shop host=a database=x databases='y z'", 1, "database and databases"),
            ("shop all-databases=true", 1, "where the server shop is"),
            ("shop host=a", 1, "which databases"),
            ("shop host=a all-databases=false", 1, "which databases"),
            ("shop host=a all-databases=true store=s3://hunter2:x@b/c", 1, "secret"),
            ("a host=h databases=x\nb host=h databases=x", 2, "in line 1"),
        ] {
            let error = parse(text).unwrap_err();
            let message = format!("{error} {}", error.hint().unwrap_or_default());
            assert_eq!(error.class(), ErrorClass::Usage, "{text}");
            assert!(message.starts_with(&format!("fleet, line {line}: ")), "{text}: {message}");
            assert!(message.contains(words), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        for nobody in ["", "# nobody", "* host=a"] {
            assert!(parse(nobody).unwrap_err().to_string().contains("names no server"));
        }
        assert!(Fleet::read(Path::new("/nowhere/fleet")).unwrap_err().hint().is_some());
    }

    #[test]
    fn each_server_is_in_one_part() {
        let lines: Vec<String> = (0..7).map(|at| format!("s{at} host=h{at} databases=x")).collect();
        let fleet = parse(&lines.join("\n")).unwrap();
        for parts in [None, Some(1), Some(3), Some(7)] {
            let mut seen: Vec<String> = Vec::new();
            for index in 0..parts.unwrap_or(7) {
                let part = fleet.clone().part(index, parts).unwrap();
                seen.extend(part.servers().iter().map(|server| server.name.to_string()));
            }
            seen.sort();
            assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"], "{parts:?}");
        }
        assert!(fleet.clone().part(8, Some(9)).unwrap().servers().is_empty());
        for (index, parts) in [(7, None), (3, Some(3)), (0, Some(0))] {
            assert!(fleet.clone().part(index, parts).is_err(), "{index} {parts:?}");
        }
        let only = fleet.clone().only(&"s3".parse().unwrap()).unwrap();
        assert_eq!(only.servers()[0].line, 4);
        assert!(fleet.only(&"s9".parse().unwrap()).is_err());
    }
}
