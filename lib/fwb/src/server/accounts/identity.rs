//! Who an account is: how it logs in, what its connections must be, how much it may ask for, what holds for its password.

use std::collections::BTreeMap;
use std::fmt;

use crate::server::Flavor;
use crate::server::quoting::quote_name;

/// Who an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Whose statements it is made by.
    pub(crate) flavor: Flavor,
    /// How it logs in: on MariaDB by any of these, on MySQL by all of them.
    pub(crate) methods: Vec<Method>,
    /// What its connections must be.
    pub(crate) require: Require,
    /// How much it may ask for, where that is limited: a number, with its sign and its fraction where it has them.
    pub(crate) limits: BTreeMap<Limit, String>,
    /// How long its password holds.
    pub(crate) lifetime: Lifetime,
    /// Whether it does not hold any more: whoever logs in must give another one.
    pub(crate) expired: bool,
    /// Whether nobody may log in as it.
    pub(crate) locked: bool,
    /// What holds for its password beside (MySQL).
    pub(crate) history: History,
    /// Its comment and attributes: a JSON object (MySQL).
    pub(crate) attribute: Option<String>,
}

/// A way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    /// The plugin.
    pub(crate) plugin: String,
    /// What the server keeps for it: mostly the hash of a password.
    pub(crate) secret: Secret,
}

/// What nobody may read in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "secret" })
    }
}

/// What connections must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Require {
    /// Anything.
    #[default]
    Nothing,
    /// Encrypted.
    Ssl,
    /// Encrypted, with a certificate of the client.
    X509,
    /// Encrypted, with such a certificate.
    Specified(TlsDemands),
}

/// What a certificate and a connection must have; empty: anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsDemands {
    /// Who has signed it.
    pub(crate) issuer: String,
    /// Whose it is.
    pub(crate) subject: String,
    /// The cipher.
    pub(crate) cipher: String,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limit {
    /// Statements in an hour.
    Queries,
    /// Changes in an hour.
    Updates,
    /// Connections in an hour.
    Connections,
    /// Connections at once.
    AtOnce,
    /// Seconds of a statement (MariaDB).
    StatementTime,
}

impl Limit {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Queries, Self::Updates, Self::Connections, Self::AtOnce, Self::StatementTime];

    /// The word that SQL has.
    pub(crate) fn as_sql(self) -> &'static str {
        match self {
            Self::Queries => "MAX_QUERIES_PER_HOUR",
            Self::Updates => "MAX_UPDATES_PER_HOUR",
            Self::Connections => "MAX_CONNECTIONS_PER_HOUR",
            Self::AtOnce => "MAX_USER_CONNECTIONS",
            Self::StatementTime => "MAX_STATEMENT_TIME",
        }
    }

    /// The name in `mysql.global_priv` and `mysql.user`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Queries => "max_questions",
            Self::Updates => "max_updates",
            Self::Connections => "max_connections",
            Self::AtOnce => "max_user_connections",
            Self::StatementTime => "max_statement_time",
        }
    }
}

/// How long a password holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// As long as the server says.
    #[default]
    Default,
    /// For ever.
    Never,
    /// So many days.
    Days(u64),
}

/// What holds for a password beside (MySQL); none: as the server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// So many passwords are not taken again.
    pub(crate) kept: Option<u64>,
    /// A password is not taken again for so many days.
    pub(crate) reuse_days: Option<u64>,
    /// Whether the present one must be given for another one.
    pub(crate) require_current: Option<bool>,
    /// So many failures lock the account; 0: none does.
    pub(crate) failed_attempts: u64,
    /// For how long.
    pub(crate) lock_time: LockTime,
}

/// For how long an account is locked that failed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockTime {
    /// Days; 0: it is not locked.
    Days(u64),
    /// Until somebody unlocks it.
    Unbounded,
}

impl Default for LockTime {
    fn default() -> Self {
        Self::Days(0)
    }
}

impl Identity {
    /// One that logs in by nothing, of which nothing is asked.
    pub(crate) fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            methods: Vec::new(),
            require: Require::default(),
            limits: BTreeMap::new(),
            lifetime: Lifetime::default(),
            expired: false,
            locked: false,
            history: History::default(),
            attribute: None,
        }
    }

    /// What follows the name in `CREATE USER`.
    pub(super) fn clauses(&self) -> String {
        let mut sql = self.methods();
        if self.require != Require::Nothing {
            sql += &format!(" REQUIRE {}", self.require.sql());
        }
        if !self.limits.is_empty() {
            sql += " WITH";
            for (limit, number) in &self.limits {
                sql += &format!(" {} {number}", limit.as_sql());
            }
        }
        // Servers take one of them; the other one follows, where both hold.
        if self.expired {
            sql += " PASSWORD EXPIRE";
        } else if self.lifetime != Lifetime::Default {
            sql += &format!(" PASSWORD EXPIRE{}", self.lifetime.sql());
        }
        if self.locked {
            sql += " ACCOUNT LOCK";
        }
        sql += &self.history.sql(&History::default());
        if let Some(attribute) = &self.attribute {
            sql += &format!(" ATTRIBUTE {}", text_literal(attribute.as_bytes()));
        }
        sql
    }

    /// Whether [`Identity::clauses`] do not say how long its password holds, and it is to be said.
    pub(super) fn has_more_to_say(&self) -> bool {
        self.expired && self.lifetime != Lifetime::Default
    }

    /// What follows `ALTER USER` and the name in each of the statements that make this of another one; and whether it is about the
    /// password's lifetime alone.
    pub(super) fn alterations(&self, from: &Self) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        // A password that is given has not expired, and one that has expired must be given.
        let is_given = self.methods != from.methods || from.expired && !self.expired;
        let same = (&self.require, &self.limits, self.locked) == (&from.require, &from.limits, from.locked);
        if is_given || !same {
            let mut sql = if is_given { self.methods() } else { String::new() };
            sql += &format!(" REQUIRE {} WITH", self.require.sql());
            let is_known = |limit: &Limit| self.flavor == Flavor::MariaDb || *limit != Limit::StatementTime;
            for limit in Limit::ALL.into_iter().filter(is_known) {
                let number = self.limits.get(&limit).map_or("0", String::as_str);
                sql += &format!(" {} {number}", limit.as_sql());
            }
            sql += if self.locked { " ACCOUNT LOCK" } else { " ACCOUNT UNLOCK" };
            all.push((sql, false));
        }
        if self.expired && (is_given || !from.expired) {
            all.push((" PASSWORD EXPIRE".into(), false));
        }
        if self.lifetime != from.lifetime {
            // MySQL 9.7 writes the default down, and goes by the days that it knew until it starts anew.
            if self.lifetime == Lifetime::Default && self.flavor == Flavor::MySql {
                all.push((format!(" PASSWORD EXPIRE{}", Lifetime::Never.sql()), true));
            }
            all.push((format!(" PASSWORD EXPIRE{}", self.lifetime.sql()), true));
        }
        let history = self.history.sql(&from.history);
        if !history.is_empty() {
            all.push((history, false));
        }
        if self.attribute != from.attribute {
            let patch = patch(from.attribute.as_deref(), self.attribute.as_deref());
            all.push((format!(" ATTRIBUTE {}", text_literal(patch.as_bytes())), false));
        }
        all
    }

    /// Whether it is as MySQL makes a role: without a password, and nobody may log in as it.
    pub(super) fn is_role(&self) -> bool {
        let is_without = self.methods.iter().all(|method| method.secret.0.is_empty());
        self.flavor == Flavor::MySql && self.expired && self.locked && is_without
    }

    fn methods(&self) -> String {
        let mut sql = String::new();
        for (index, Method { plugin, secret }) in self.methods.iter().enumerate() {
            let plugin = bare_or_quoted(plugin);
            let Secret(secret) = secret;
            sql += match (self.flavor, index) {
                (Flavor::MariaDb, 0) => " IDENTIFIED VIA ",
                (Flavor::MariaDb, _) => " OR ",
                (Flavor::MySql, 0) => " IDENTIFIED WITH ",
                (Flavor::MySql, _) => " AND IDENTIFIED WITH ",
            };
            sql += &plugin;
            sql += &match self.flavor {
                _ if secret.is_empty() => String::new(),
                Flavor::MariaDb => format!(" USING {}", text_literal(secret)),
                Flavor::MySql => format!(" AS 0x{}", hex::encode_upper(secret)),
            };
        }
        sql
    }
}

impl Require {
    fn sql(&self) -> String {
        match self {
            Self::Nothing => "NONE".into(),
            Self::Ssl => "SSL".into(),
            Self::X509 => "X509".into(),
            Self::Specified(TlsDemands { issuer, subject, cipher }) => {
                let said = [("ISSUER", issuer), ("SUBJECT", subject), ("CIPHER", cipher)];
                let said = said.iter().filter(|(_, what)| !what.is_empty());
                let said: Vec<String> =
                    said.map(|(word, what)| format!("{word} {}", text_literal(what.as_bytes()))).collect();
                said.join(" ")
            }
        }
    }
}

impl Lifetime {
    pub(super) fn sql(self) -> String {
        match self {
            Self::Default => " DEFAULT".into(),
            Self::Never => " NEVER".into(),
            Self::Days(days) => format!(" INTERVAL {days} DAY"),
        }
    }
}

impl History {
    /// What says this, where that is said now.
    fn sql(&self, now: &Self) -> String {
        let mut sql = String::new();
        if self.kept != now.kept {
            let kept = self.kept.map_or("DEFAULT".into(), |kept| kept.to_string());
            sql += &format!(" PASSWORD HISTORY {kept}");
        }
        if self.reuse_days != now.reuse_days {
            let days = self.reuse_days.map_or("DEFAULT".into(), |days| format!("{days} DAY"));
            sql += &format!(" PASSWORD REUSE INTERVAL {days}");
        }
        if self.require_current != now.require_current {
            sql += match self.require_current {
                None => " PASSWORD REQUIRE CURRENT DEFAULT",
                Some(true) => " PASSWORD REQUIRE CURRENT",
                Some(false) => " PASSWORD REQUIRE CURRENT OPTIONAL",
            };
        }
        if (self.failed_attempts, self.lock_time) != (now.failed_attempts, now.lock_time) {
            let time = match self.lock_time {
                LockTime::Days(days) => days.to_string(),
                LockTime::Unbounded => "UNBOUNDED".into(),
            };
            sql += &format!(" FAILED_LOGIN_ATTEMPTS {} PASSWORD_LOCK_TIME {time}", self.failed_attempts);
        }
        sql
    }
}

/// What makes one JSON object of another where the server merges them (RFC 7396): what goes is null.
fn patch(from: Option<&str>, to: Option<&str>) -> String {
    let object = |text: Option<&str>| -> serde_json::Map<String, serde_json::Value> {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let (from, mut patch) = (object(from), object(to));
    for key in from.into_iter().map(|(key, _)| key) {
        patch.entry(key).or_insert(serde_json::Value::Null);
    }
    serde_json::Value::Object(patch).to_string()
}

/// A plugin's name: a word, or a quoted one.
fn bare_or_quoted(name: &str) -> String {
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_word && !name.is_empty() { name.into() } else { quote_name(name) }
}

/// A string literal that means the same wherever `NO_BACKSLASH_ESCAPES` is not set: what clients or servers could read
/// otherwise is escaped.
pub(super) fn text_literal(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => literal.extend(['\\', letter]),
            '\0' => literal.push_str("\\0"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\u{1A}' => literal.push_str("\\Z"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}
