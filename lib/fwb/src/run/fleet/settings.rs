//! What a line of a fleet file can say: one table of names, the variables of the tools that they stand for, and what a value must
//! look like. A name is that of the tools' option, without its hyphens in front.

use std::ffi::OsStr;

use crate::store::Location;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// The variable from which the tools read it.
    pub(super) variable: &'static str,
    /// What a value must look like.
    form: Form,
    /// What it says, where settings say the same thing in different ways.
    pub(super) about: Option<About>,
}

/// What several settings say in different ways. A line that says it in one way does not take it from the lines above in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Where the server is.
    Address,
    /// Which databases are meant.
    Databases,
}

impl About {
    /// Whether this variable says it.
    pub(super) fn is_said_by(self, variable: &str) -> bool {
        ALL.iter().any(|setting| setting.variable == variable && setting.about == Some(self))
    }
}

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Any text; the tool that reads it judges it.
    Text,
    /// A whole number that is not negative.
    Number,
    /// A TCP port.
    Port,
    /// Yes or no.
    Truth,
    /// A directory, or the URL of an object store.
    Store,
}

const fn text(name: &'static str, variable: &'static str) -> Setting {
    Setting { name, variable, form: Form::Text, about: None }
}

const fn number(name: &'static str, variable: &'static str) -> Setting {
    Setting { form: Form::Number, ..text(name, variable) }
}

const fn truth(name: &'static str, variable: &'static str) -> Setting {
    Setting { form: Form::Truth, ..text(name, variable) }
}

const fn store(name: &'static str, variable: &'static str) -> Setting {
    Setting { form: Form::Store, ..text(name, variable) }
}

const fn about(about: About, setting: Setting) -> Setting {
    Setting { about: Some(about), ..setting }
}

/// All settings. Those of connections, databases and stores first; then what the chains do with them.
pub(super) const ALL: &[Setting] = &[
    about(About::Address, text("host", "FWB_HOST")),
    about(About::Address, text("socket", "FWB_SOCKET")),
    about(About::Address, text("pod-selector", "FWB_POD_SELECTOR")),
    about(About::Address, text("pod", "FWB_POD")),
    Setting { form: Form::Port, ..text("port", "FWB_PORT") },
    text("namespace", "FWB_NAMESPACE"),
    text("container", "FWB_CONTAINER"),
    text("kubectl", "FWB_KUBECTL"),
    text("via", "FWB_VIA"),
    number("retries", "FWB_RETRIES"),
    number("pod-timeout", "FWB_POD_TIMEOUT"),
    text("user", "FWB_USER"),
    text("password-file", "FWB_PASSWORD_FILE"),
    text("defaults-file", "FWB_DEFAULTS_FILE"),
    text("wait-server", "FWB_WAIT_SERVER"),
    truth("compress", "FWB_COMPRESS"),
    text("tls", "FWB_TLS"),
    text("tls-ca", "FWB_TLS_CA"),
    text("tls-cert", "FWB_TLS_CERT"),
    text("tls-key", "FWB_TLS_KEY"),
    text("tls-server-name", "FWB_TLS_SERVER_NAME"),
    text("server-public-key", "FWB_SERVER_PUBLIC_KEY"),
    about(About::Databases, text("database", "FWB_DATABASE")),
    about(About::Databases, text("databases", "FWB_DATABASES")),
    about(About::Databases, truth("all-databases", "FWB_ALL_DATABASES")),
    text("exclude-database", "FWB_EXCLUDE_DATABASE"),
    text("exclude-table", "FWB_EXCLUDE_TABLE"),
    text("exclude-data", "FWB_EXCLUDE_DATA"),
    store("store", "FWB_STORE"),
    store("copy-to", "FWB_COPY_TO"),
    number("copy-keep-days", "FWB_COPY_KEEP_DAYS"),
    number("keep-days", "FWB_KEEP_DAYS"),
    number("keep-last", "FWB_KEEP_LAST"),
    number("keep-daily", "FWB_KEEP_DAILY"),
    number("keep-weekly", "FWB_KEEP_WEEKLY"),
    number("keep-monthly", "FWB_KEEP_MONTHLY"),
    number("keep-yearly", "FWB_KEEP_YEARLY"),
    number("keep-safety-days", "FWB_KEEP_SAFETY_DAYS"),
    text("keep-window", "FWB_KEEP_WINDOW"),
    number("min-keep", "FWB_MIN_KEEP"),
    number("retain-days", "FWB_RETAIN_DAYS"),
    text("retain-mode", "FWB_RETAIN_MODE"),
    text("codec", "FWB_CODEC"),
    text("level", "FWB_LEVEL"),
    text("prefix", "FWB_PREFIX"),
    text("bandwidth", "FWB_BANDWIDTH"),
    number("jobs", "FWB_JOBS"),
    text("verify-level", "FWB_VERIFY_LEVEL"),
    text("recipients", "FWB_RECIPIENTS"),
    text("recipients-file", "FWB_RECIPIENTS_FILE"),
    text("sidecar", "FWB_SIDECAR"),
    text("identity", "FWB_IDENTITY"),
    text("drill-dir", "FWB_DRILL_DIR"),
    text("drill-server", "FWB_DRILL_SERVER"),
    text("drill-server-dir", "FWB_DRILL_SERVER_DIR"),
    truth("prove-log", "FWB_PROVE_LOG"),
    truth("any-moment", "FWB_ANY_MOMENT"),
    text("deadline", "FWB_RUN_DEADLINE"),
    text("retry-wait", "FWB_RETRY_WAIT"),
    text("max-age", "FWB_MAX_AGE"),
    text("drill-age", "FWB_DRILL_AGE"),
    text("max-lag", "FWB_MAX_LAG"),
    text("full-within", "FWB_FULL_WITHIN"),
    text("expires-within", "FWB_EXPIRES_WITHIN"),
    text("notify-file", "FWB_NOTIFY_FILE"),
];

/// Variables that say which server and which databases: of a server of a fleet the file alone says so. A variable that was meant for one
/// server would make all of them that one.
pub(super) const OF_THE_FILE_ALONE: [&str; 12] = [
    "FWB_SERVER_ID",
    "FWB_HOST",
    "FWB_PORT",
    "FWB_SOCKET",
    "FWB_POD",
    "FWB_POD_SELECTOR",
    "FWB_NAMESPACE",
    "FWB_CONTAINER",
    "FWB_DATABASE",
    "FWB_DATABASES",
    "FWB_ALL_DATABASES",
    "FWB_EXCLUDE_DATABASE",
];

/// Words that mean yes, and those that mean no: as clap's boolish values.
const YES: [&str; 6] = ["y", "yes", "t", "true", "on", "1"];
const NO: [&str; 6] = ["n", "no", "f", "false", "off", "0"];

/// Whether a value means yes; none where it means neither.
pub(super) fn truth_of(value: &str) -> Option<bool> {
    let value = value.to_lowercase();
    YES.contains(&value.as_str()).then_some(true).or_else(|| NO.contains(&value.as_str()).then_some(false))
}

/// Words by which a setting gives a secret away, or where to send one.
const SECRETS: [&str; 7] = ["password", "passwd", "pwd", "secret", "token", "key", "notify"];

/// The setting of this name.
///
/// # Errors
/// There is none: why, and what to do.
pub(super) fn setting(name: &str) -> Result<&'static Setting, (String, String)> {
    if let Some(known) = ALL.iter().find(|setting| setting.name == name) {
        return Ok(known);
    }
    let shown: String = name.chars().filter(|letter| !letter.is_control()).take(40).collect();
    let lower = name.to_lowercase();
    if SECRETS.iter().any(|word| lower.contains(word)) {
        return Err((
            format!("{shown} would hold a secret, and a fleet file holds none"),
            "name the file that has it: password-file=, defaults-file=, notify-file=; change the password, if it was one".into(),
        ));
    }
    let hint = match closest(&lower) {
        Some(close) => format!("{close}= is one; docs/FLEETS.md names all"),
        None => {
            "docs/FLEETS.md names all; each is an option of the tools, without its hyphens in front".into()
        }
    };
    Err((format!("{shown} is no setting of a server"), hint))
}

/// The setting that a name is nearly.
fn closest(name: &str) -> Option<&'static str> {
    let plain = |text: &str| text.replace(['-', '_'], "");
    let name = plain(name.strip_prefix("fwb_").unwrap_or(name));
    ALL.iter().map(|setting| setting.name).find(|known| {
        let known = plain(known);
        known == name || known.trim_end_matches('s') == name.trim_end_matches('s')
    })
}

impl Setting {
    /// What is wrong with a value; none where nothing is. The value itself is not told: it may be a password in the wrong place.
    pub(super) fn refuses(&self, value: &str) -> Option<String> {
        let name = self.name;
        if value.chars().any(char::is_control) {
            return Some(format!("{name} has a control character in it"));
        }
        let has_account = value
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|authority| authority.contains('@')));
        if has_account {
            return Some(format!("{name} is a URL with an account in it, and a fleet file holds no secret"));
        }
        match self.form {
            Form::Number if value.parse::<u32>().is_err() => Some(format!("{name} is no whole number")),
            Form::Port if value.parse::<u16>().is_ok_and(|port| port > 0) => None,
            Form::Port => Some(format!("{name} is no number from 1 to 65535")),
            Form::Truth if truth_of(value).is_none() => Some(format!("{name} is neither true nor false")),
            Form::Store => Location::parse(OsStr::new(value)).err().map(|error| format!("{name}: {error}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_option_s_name_and_is_named_once() {
        for (at, one) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.name != one.name && other.variable != one.variable));
            let named = one.variable.strip_prefix("FWB_").unwrap().to_lowercase().replace('_', "-");
            assert!(named == one.name || one.name == "deadline", "{}", one.name);
        }
    }

    #[test]
    fn every_setting_stands_in_the_documentation() {
        let documented = include_str!("../../../../../docs/FLEETS.md");
        for one in ALL {
            assert!(documented.contains(&format!("`{}`", one.name)), "docs/FLEETS.md lacks {}", one.name);
        }
    }

    #[test]
    fn what_would_hold_a_secret_is_refused_and_not_told() {
        for name in ["password", "PASSWORD", "passwd", "db_password", "api-token", "notify", "secret_key"] {
            let (message, hint) = setting(name).unwrap_err();
            assert!(message.contains("secret") && hint.contains("password-file"), "{message}");
        }
        let (message, hint) = setting("all_database").unwrap_err();
        assert!(message.contains("no setting") && hint.contains("all-databases="), "{hint}");
        assert!(setting("FWB_HOST").unwrap_err().1.contains("host="));
        let with_password = setting("host").unwrap().refuses("mysql://root:hunter2@db").unwrap();
        assert!(!with_password.contains("hunter2"), "{with_password}");
    }

    #[test]
    fn a_value_has_the_form_of_its_setting() {
        for (name, value, fits) in [
            ("port", "3306", true),
            ("port", "0", false),
            ("port", "65536", false),
            ("keep-days", "7", true),
            ("keep-days", "-1", false),
            ("keep-days", "7d", false),
            ("all-databases", "true", true),
            ("all-databases", "all", false),
            ("store", "s3://bucket/prefix", true),
            ("store", "ftp://bucket", false),
            ("store", "s3://key:secret@bucket", false),
            ("host", "a\u{7}b", false),
        ] {
            assert_eq!(setting(name).unwrap().refuses(value).is_none(), fits, "{name}={value}");
        }
    }
}
