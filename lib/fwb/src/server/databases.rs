//! Which databases of a server are meant: by their names, or by patterns as a shell has them.

use std::collections::BTreeSet;

use super::NameCase;
use super::client::{ServerClient, Sql};
use crate::error::{Error, Result};
use crate::progress::Cancel;

/// The databases that belong to the server itself. No pattern means them.
pub(crate) const SYSTEM_DATABASES: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// The words in the names of databases that a restore makes: `shop__before_20250725_170206`.
const OF_RESTORES: [&str; 2] = ["shadow", "before"];
/// What the names of databases begin with that a drill makes.
pub(crate) const OF_DRILLS: &str = "fwb_drill_";

/// A name, or a pattern: `*` stands for any letters and `?` for one. What has neither means itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// A name or a pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it may mean several names.
    pub fn is_pattern(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Whether it means a name, where names are compared so.
    pub fn is(&self, name: &str, case: NameCase) -> bool {
        if !self.is_pattern() {
            return case.same(&self.0, name);
        }
        let (pattern, name): (Vec<char>, Vec<char>) =
            (case.key(&self.0).chars().collect(), case.key(name).chars().collect());
        matches(&pattern, &name)
    }
}

/// Goes back to the last `*` alone: it can take whatever an earlier one would have to.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, in_name));
                at += 1;
            }
            (Some(letter), _) if *letter == '?' || *letter == name[in_name] => {
                (at, in_name) = (at + 1, in_name + 1);
            }
            (_, Some((after, taken))) => {
                star = Some((after, taken + 1));
                (at, in_name) = (after + 1, taken + 1);
            }
            _ => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// Which databases are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseChoice {
    /// These.
    pub wanted: Vec<NamePattern>,
    /// But not these.
    pub excluded: Vec<NamePattern>,
}

impl DatabaseChoice {
    /// The one name that is meant, where it is one and no pattern: no server need be asked then.
    pub fn one(&self) -> Option<&str> {
        match &self.wanted[..] {
            [one] if !one.is_pattern() => {
                let is_left = !self.excluded.iter().any(|out| out.is(one.as_str(), NameCase::Sensitive));
                is_left.then_some(one.as_str())
            }
            _ => None,
        }
    }

    /// The databases that are meant of those that there are, in the order of their names, and the patterns that mean none.
    /// A name that the server does not have is among them as it was written.
    fn of(&self, held: &[String], case: NameCase) -> (BTreeSet<String>, Vec<NamePattern>, BTreeSet<String>) {
        let (mut found, mut idle, mut passed_over) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        let is_out = |name: &str| self.excluded.iter().any(|out| out.is(name, case));
        for wanted in &self.wanted {
            let mut meant = held.iter().filter(|name| wanted.is(name, case)).peekable();
            if !wanted.is_pattern() {
                let name = held.iter().find(|name| *name == wanted.as_str()).or(meant.next());
                found.extend(
                    Some(name.map_or(wanted.as_str(), |name| name).to_owned()).filter(|name| !is_out(name)),
                );
                continue;
            }
            let before = found.len();
            let mut is_known = false;
            for name in meant.filter(|name| !is_system(name) && !is_out(name)) {
                if is_of_tools(name) {
                    passed_over.insert(name.clone());
                    continue;
                }
                is_known |= !found.insert(name.clone());
            }
            if found.len() == before && !is_known {
                idle.push(wanted.clone());
            }
        }
        passed_over.retain(|name| !found.contains(name));
        (found, idle, passed_over)
    }
}

/// Databases that were chosen.
#[derive(Debug)]
pub struct ChosenDatabases {
    /// Their names, in order.
    pub names: Vec<String>,
    /// The patterns that mean none, each with the error that says so.
    pub idle: Vec<(String, Error)>,
}

/// Whether a database belongs to the server itself.
pub(crate) fn is_system(name: &str) -> bool {
    SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(name))
}

/// Whether a database is named as those are that restores and drills make.
fn is_of_tools(name: &str) -> bool {
    name.starts_with(OF_DRILLS) || base_of_restore(name).is_some()
}

/// What stands before `__shadow_20250725_170206` or `__before_20250725_170206`; none where a name ends otherwise.
pub(crate) fn base_of_restore(database: &str) -> Option<&str> {
    let (base, suffix) = database.rsplit_once("__")?;
    let (word, at) = suffix.split_once('_')?;
    let shape: Vec<usize> = at.split('_').map(str::len).collect();
    let digits = at.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    (OF_RESTORES.contains(&word) && digits && shape == [8, 6] && !base.is_empty()).then_some(base)
}

impl ServerClient {
    /// The databases that our account sees.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn databases(&self, cancel: &Cancel) -> Result<Vec<String>> {
        let sql = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA;\n";
        let rows = self.query(None, Sql::Read(sql), "listing the databases", cancel)?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The databases of the server that are meant. What the account may not see is not among them.
    ///
    /// # Errors
    /// A usage error where nothing is left; or the server cannot be reached.
    pub fn choose_databases(&self, choice: &DatabaseChoice, cancel: &Cancel) -> Result<ChosenDatabases> {
        let case = self.name_case(cancel)?;
        let held = self.databases(cancel)?;
        let (names, idle, passed_over) = choice.of(&held, case);
        if !passed_over.is_empty() {
            let names = passed_over.into_iter().collect::<Vec<_>>().join(", ");
            log::warn!(code = crate::notice::LEFT_BEHIND.code;
                "these databases are what restores and drills keep for a while, and no pattern means them (-B with its name \
                 dumps one): {names}");
        }
        let idle: Vec<_> =
            idle.iter().map(|pattern| (pattern.as_str().to_owned(), nothing_matches(pattern))).collect();
        if names.is_empty() {
            return Err(idle.into_iter().map(|(_, error)| error).next().unwrap_or_else(|| Error::Usage {
                message: "no database is left: all that were named are excluded".into(),
                hint: Some("look at --exclude-database".into()),
            }));
        }
        Ok(ChosenDatabases { names: names.into_iter().collect(), idle })
    }
}

fn nothing_matches(pattern: &NamePattern) -> Error {
    Error::Usage {
        message: format!("no database of the server matches {:?}", pattern.as_str()),
        hint: Some("SHOW DATABASES as the account that dumps tells what it sees".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, name, case, is) in [
            ("shop", "shop", NameCase::Sensitive, true),
            ("shop", "Shop", NameCase::Sensitive, false),
            ("shop", "Shop", NameCase::Insensitive, true),
            ("shop_*", "shop_", NameCase::Sensitive, true),
            ("shop_*", "shop_eu_2", NameCase::Sensitive, true),
            ("shop_*", "shop", NameCase::Sensitive, false),
            ("SHOP_*", "shop_eu", NameCase::Insensitive, true),
            ("*_eu*", "shop_eu_2", NameCase::Sensitive, true),
            ("*a*b*c", "xaxbxbxc", NameCase::Sensitive, true),
            ("*a*b*c", "xaxbxbxcx", NameCase::Sensitive, false),
            ("?", "가", NameCase::Sensitive, true),
            ("??", "가", NameCase::Sensitive, false),
            ("a?c", "abc", NameCase::Sensitive, true),
            ("*", "", NameCase::Sensitive, true),
            ("", "", NameCase::Sensitive, true),
            ("[ab]", "a", NameCase::Sensitive, false),
            ("a%", "ab", NameCase::Sensitive, false),
        ] {
            assert_eq!(NamePattern::new(pattern).is(name, case), is, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_means_neither_the_servers_own_nor_what_restores_keep() {
        let held: Vec<String> = [
            "a",
            "b",
            "shop",
            "shop__before_20250725_170206",
            "fwb_drill_1",
            "mysql",
            "sys",
            "information_schema",
            "performance_schema",
        ]
        .map(str::to_owned)
        .into();
        let of = |wanted: &[&str], excluded: &[&str]| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| NamePattern::new(*text)).collect();
            let choice = DatabaseChoice { wanted: patterns(wanted), excluded: patterns(excluded) };
            let (names, idle, _) = choice.of(&held, NameCase::Sensitive);
            let idle = idle.iter().map(|idle| idle.as_str().to_owned()).collect::<Vec<_>>().join(" ");
            (names.into_iter().collect::<Vec<_>>().join(" "), idle)
        };
        let cases: [(&[&str], &[&str], &str, &str); 9] = [
            (&["*"], &[], "a b shop", ""),
            (&["*"], &["?"], "shop", ""),
            (&["b", "a", "a"], &[], "a b", ""),
            (&["?", "a"], &[], "a b", ""),
            (&["a", "?"], &["b"], "a", ""),
            (&["shop*"], &[], "shop", ""),
            (&["shop__before_20250725_170206"], &[], "shop__before_20250725_170206", ""),
            (&["x*", "gone", "mysq?"], &[], "gone", "x* mysq?"),
            (&["a", "*"], &["b", "shop"], "a", ""),
        ];
        for (wanted, excluded, names, idle) in cases {
            assert_eq!(of(wanted, excluded), (names.to_owned(), idle.to_owned()), "{wanted:?}");
        }
    }

    #[test]
    fn one_name_needs_no_server() {
        let choice = |wanted: &[&str], excluded: &[&str]| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| NamePattern::new(*text)).collect();
            DatabaseChoice { wanted: patterns(wanted), excluded: patterns(excluded) }
        };
        assert_eq!(choice(&["shop"], &["other_*"]).one(), Some("shop"));
        for (wanted, excluded) in
            [(&["shop_*"][..], &[][..]), (&["a", "b"], &[]), (&["shop"], &["sh*"]), (&[], &[])]
        {
            assert_eq!(choice(wanted, excluded).one(), None);
        }
    }
}
