//! Which rights an account has, by `SHOW GRANTS`, held against what it takes to see all of a database. A server shows what an
//! account may see and says nothing of the rest.
//!
//! What the server does, as tried on MariaDB 10.5 to 11.8 and MySQL 9.7: global rights and those on the database add up, but
//! of several rows that fit the database (`a%`, `ab`) only the most specific one counts (MariaDB's `sql/sql_acl.cc`,
//! `get_sort`); each active role and PUBLIC have rows of their own, whose rights add to the account's; rights on tables and
//! columns are a part of the database; on MySQL a partial `REVOKE` takes from the global rights.

mod hidden;

use std::collections::{BTreeMap, BTreeSet};

use super::client::ServerClient;
use super::quoting::quote_name;
use super::{Flavor, ServerVersion, Sql};
use crate::error::Result;
use crate::progress::Cancel;
use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// "The MariaDB server is running with the --skip-grant-tables option so it cannot execute this statement".
const NO_GRANT_TABLES: u16 = 1290;
/// "There is no such grant defined".
const NO_GRANT: u16 = 1141;

/// What a dump needs on its database, as MariaDB and MySQL name it.
const ON_DATABASE: [&str; 4] = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];

/// What an account lacks whose row is not the one that counts.
const HIDDEN: &str = "what SHOW GRANTS tells, because another row of mysql.db counts on this database (see there for User = '')";

/// What an account sees of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All of it. `by_rows`: by rights on the database, which [`HIDES`] would take without a sign.
    Whole {
        /// Whether it is so.
        by_rows: bool,
    },
    /// A part.
    Part(Lacking),
}

/// What must not be for rights on a database to count, and cannot be seen by whoever may not read `mysql.db`.
pub(crate) const HIDES: &str = "no row of mysql.db with User = '' counts on this database, gives the same of SELECT, INSERT, UPDATE, REFERENCES and EVENT, and lacks TRIGGER, SHOW VIEW or EXECUTE";

/// What an account lacks to see all of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lacking {
    /// The account, as `GRANT` writes it.
    pub(crate) account: String,
    /// Rights that it lacks.
    pub(crate) rights: Vec<String>,
    /// Statements that give it all that a dump needs: a grant on the database alone may hide one on a pattern.
    pub(crate) grants: Vec<String>,
}

impl Lacking {
    /// What an account lacks (`user@host`) that is told of a program and not shown how it is defined.
    pub(crate) fn of_program(account: &str, database: &str, version: &ServerVersion, program: &str) -> Self {
        let account = account_name(account);
        let right = right_on_programs(version);
        let rights = vec![format!("{right}, and is not shown how {program} is defined")];
        Self { grants: needed(&quote_name(database), version, &account), account, rights }
    }

    /// What an account lacks (`user@host`) that may not execute what these views call, of these databases.
    pub(crate) fn of_views(account: &str, views: &BTreeSet<String>, databases: &BTreeSet<String>) -> Self {
        let account = account_name(account);
        let of = if views.len() == 1 { "view" } else { "views" };
        let names = views.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let rights = vec![format!("EXECUTE on functions that {of} {names} cannot be opened without")];
        let grant = |database: &String| format!("GRANT EXECUTE ON {}.* TO {account}", quote_name(database));
        Self { grants: databases.iter().map(grant).collect(), rights, account }
    }

    /// This, and what another lacks of the same account.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.rights.extend(other.rights);
        self.grants.extend(other.grants);
        self
    }
}

impl ServerClient {
    /// What the account that we are sees of a database.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn sight(
        &self,
        database: &str,
        version: &ServerVersion,
        name_case: u64,
        cancel: &Cancel,
    ) -> Result<Sight> {
        const DOING: &str = "looking at the account's rights";
        // MariaDB knows no such variable.
        const GRANTS: &str = "SHOW GRANTS;\nSHOW VARIABLES LIKE 'partial_revokes';\n";
        let rows = match self.query(None, Sql::Read(GRANTS), DOING, cancel) {
            Ok(rows) => rows,
            Err(error) if error.number() == Some(NO_GRANT_TABLES) => {
                return Ok(Sight::Whole { by_rows: false });
            }
            Err(error) if error.number() == Some(NO_GRANT) => Vec::new(),
            Err(error) => return Err(error),
        };
        let grants: Vec<Grant> = rows
            .iter()
            .filter_map(|row| if let [line] = &row[..] { Grant::parse(line) } else { None })
            .collect();
        let partial = rows.iter().any(|row| matches!(&row[..], [_, value] if value == "ON"));
        let names = Names { lower: name_case != 0, has_patterns: !partial };
        let rights = Rights::of(&grants, database, names);
        let lacks = rights.lacks(version);
        let is_hidden = lacks.is_empty() && self.hides(database, &rights, &grants, names, cancel)?;
        if lacks.is_empty() && !is_hidden {
            return Ok(Sight::Whole { by_rows: !rights.is_by_itself() });
        }
        let account = account_name(&self.account(cancel)?);
        // What is granted on all databases no row hides.
        let on = if is_hidden { "*".to_owned() } else { quote_name(database) };
        let grants = needed(&on, version, &account);
        let rights = if is_hidden { vec![HIDDEN.to_owned()] } else { lacks };
        Ok(Sight::Part(Lacking { account, rights, grants }))
    }

    /// The account that the server takes us for, as `user@host`.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn account(&self, cancel: &Cancel) -> Result<String> {
        const DOING: &str = "looking at the account's rights";
        let rows = self.query(None, Sql::Read("SELECT CURRENT_USER()"), DOING, cancel)?;
        Ok(rows.into_iter().flatten().next().unwrap_or_default())
    }
}

/// `user@host`, as `GRANT` takes it.
pub(crate) fn account_name(account: &str) -> String {
    match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", quote_name(user), quote_name(host)),
        None => quote_name(account),
    }
}

/// Everything that a dump needs on a database, which is written as `GRANT` has it, or on all (`*`).
fn needed(database: &str, version: &ServerVersion, account: &str) -> Vec<String> {
    let on_database = ON_DATABASE.join(", ");
    match version.flavor {
        Flavor::MySql => vec![
            format!("GRANT {on_database} ON {database}.* TO {account}"),
            format!("GRANT SHOW_ROUTINE ON *.* TO {account}"),
        ],
        Flavor::MariaDb if version.is_mariadb(11, 3) => {
            vec![format!("GRANT {on_database}, SHOW CREATE ROUTINE ON {database}.* TO {account}")]
        }
        Flavor::MariaDb => vec![
            format!("GRANT {on_database} ON {database}.* TO {account}"),
            format!("GRANT SELECT ON `mysql`.`proc` TO {account}"),
        ],
    }
}

/// The right by which every stored program is shown.
fn right_on_programs(version: &ServerVersion) -> &'static str {
    match version.flavor {
        Flavor::MySql => "SHOW_ROUTINE",
        Flavor::MariaDb if version.is_mariadb(11, 3) => "SHOW CREATE ROUTINE",
        Flavor::MariaDb => "SELECT on mysql.proc",
    }
}

/// How names of databases are compared.
#[derive(Debug, Clone, Copy)]
struct Names {
    /// Without regard to case (`lower_case_table_names` other than 0).
    lower: bool,
    /// Whether `%` and `_` stand for others (not with MySQL's `partial_revokes`).
    has_patterns: bool,
}

/// What an account may do.
#[derive(Debug, Default)]
struct Rights {
    /// On the database, with all that is global.
    on_database: BTreeSet<String>,
    /// Global.
    global: BTreeSet<String>,
    /// Whether it may read `mysql.proc`, where MariaDB keeps programs.
    reads_programs: bool,
}

impl Rights {
    fn of(grants: &[Grant], database: &str, names: Names) -> Self {
        let mut rights = Self::default();
        let mut by_grantee: BTreeMap<&str, Vec<&Grant>> = BTreeMap::new();
        for grant in grants {
            by_grantee.entry(&grant.grantee).or_default().push(grant);
        }
        let revoked = grants.iter().filter(|grant| grant.is_revoked);
        let revoked = revoked.filter(|grant| grant.object.is_database(database, names));
        let revoked: BTreeSet<&String> = revoked.flat_map(|grant| &grant.rights).collect();
        let reads = |rights: &BTreeSet<String>| ["SELECT", ALL].iter().any(|right| rights.contains(*right));
        for grants in by_grantee.values() {
            let given: Vec<&Grant> = grants.iter().copied().filter(|grant| !grant.is_revoked).collect();
            for grant in given.iter().filter(|grant| grant.object == Object::Global) {
                rights.global.extend(grant.rights.iter().cloned());
                let here = grant.rights.iter().filter(|right| !revoked.contains(right));
                rights.on_database.extend(here.cloned());
                rights.reads_programs |= reads(&grant.rights);
            }
            rights.on_database.extend(of_database(&given, database, names));
            let of_table = given.iter().any(|grant| grant.object.is_programs() && reads(&grant.rights));
            rights.reads_programs |= of_table || reads(&of_database(&given, "mysql", names));
        }
        rights
    }

    fn has(&self, right: &str) -> bool {
        self.on_database.contains(right) || self.on_database.contains(ALL)
    }

    /// Whether what a dump needs holds whatever rows there are for databases.
    fn is_by_itself(&self) -> bool {
        ON_DATABASE.iter().all(|right| self.is_global(right))
    }

    /// Whether a right holds whatever rows there are for databases.
    fn is_global(&self, right: &str) -> bool {
        self.global.contains(right) || self.global.contains(ALL)
    }

    /// Whether every stored program of the database is seen to be there. A text that is not shown is an error of its own.
    fn sees_programs(&self, version: &ServerVersion) -> bool {
        let by_itself = match version.flavor {
            Flavor::MySql => ["SELECT", "SHOW_ROUTINE"].iter().any(|right| self.is_global(right)),
            Flavor::MariaDb => self.reads_programs || self.has("SHOW CREATE ROUTINE"),
        };
        by_itself || ["EXECUTE", "ALTER ROUTINE"].iter().any(|right| self.has(right))
    }

    fn lacks(&self, version: &ServerVersion) -> Vec<String> {
        let mut lacks: Vec<String> =
            ON_DATABASE.iter().filter(|right| !self.has(right)).map(|right| (*right).to_owned()).collect();
        if !self.sees_programs(version) {
            lacks.push(right_on_programs(version).to_owned());
        }
        lacks
    }
}

const ALL: &str = "ALL PRIVILEGES";

/// The rights of the row that counts. Of several that are as specific, what all of them have: which one the server takes is
/// not said.
fn of_database(grants: &[&Grant], database: &str, names: Names) -> BTreeSet<String> {
    let mut rows: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| grant.object.is_database(database, names)) {
        if let Object::Database(pattern) = &grant.object {
            rows.entry(pattern).or_default().extend(grant.rights.iter().cloned());
        }
    }
    let precision = |pattern: &str| if names.has_patterns { precision(pattern) } else { u8::MAX };
    let most = rows.keys().map(|pattern| precision(pattern)).max();
    let counting = rows.iter().filter(|(pattern, _)| Some(precision(pattern)) == most);
    let common = counting.map(|(_, rights)| rights.clone()).reduce(|some, other| &some & &other);
    common.unwrap_or_default()
}

/// How specific a pattern is: by where its first wildcard stands, as the server sorts its rows.
fn precision(pattern: &str) -> u8 {
    let mut bytes = pattern.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'%' | b'_' => return u8::try_from(at + 1).unwrap_or(127).min(127),
            _ => {}
        }
    }
    128
}

/// A line of `SHOW GRANTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    rights: BTreeSet<String>,
    object: Object,
    /// The account or role, as it is written.
    grantee: String,
    /// Whether it is taken, not given (MySQL, `partial_revokes`).
    is_revoked: bool,
}

/// What rights are on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Object {
    Global,
    /// A database, as a pattern.
    Database(String),
    /// Something in one.
    Part(String, String),
}

impl Object {
    fn is_database(&self, database: &str, names: Names) -> bool {
        let Self::Database(pattern) = self else { return false };
        let fold = |name: &str| if names.lower { name.to_lowercase() } else { name.to_owned() };
        let (pattern, name) = (fold(pattern), fold(database));
        if names.has_patterns { fits(&pattern, &name) } else { pattern == name }
    }

    fn is_programs(&self) -> bool {
        matches!(self, Self::Part(database, table) if database == "mysql" && table == "proc")
    }
}

/// Whether a name is one that a pattern stands for: `%` for any characters, `_` for one, `\` before either for itself.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('%') => {
            let after = rest.as_str();
            let mut tails = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            tails.any(|at| fits(after, &name[at..]))
        }
        Some(char) => {
            let mut one = name.chars();
            let Some(first) = one.next() else { return false };
            let literal = match (char, rest.clone().next()) {
                ('_', _) => None,
                ('\\', Some(escaped)) => {
                    rest.next();
                    Some(escaped)
                }
                (char, _) => Some(char),
            };
            literal.is_none_or(|char| char == first) && fits(rest.as_str(), one.as_str())
        }
    }
}

impl Grant {
    /// None for what gives no right on data: a role, `PROXY`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = Tokens::new(line.as_bytes(), Reading::Everything, QuoteMode::default());
        let is_revoked = match words.next()? {
            word if word.is("GRANT") => false,
            word if word.is("REVOKE") => true,
            _ => return None,
        };
        let (mut rights, mut right, mut is_of_columns) = (BTreeSet::new(), Vec::new(), false);
        loop {
            match words.next()? {
                Token::Symbol(b'(') => {
                    is_of_columns = true;
                    while words.next()? != Token::Symbol(b')') {}
                }
                // A role.
                word if word.is("TO") || word.is("FROM") => return None,
                word if word.is("ON") || word == Token::Symbol(b',') => {
                    if !is_of_columns {
                        rights.insert(right.join(" ").to_uppercase());
                    }
                    (right, is_of_columns) = (Vec::new(), false);
                    if word.is("ON") {
                        break;
                    }
                }
                word => right.push(word.identifier()?),
            }
        }
        let object = match (words.next()?, words.next()?, words.next()?) {
            (Token::Symbol(b'*'), Token::Symbol(b'.'), Token::Symbol(b'*')) => Object::Global,
            (database, Token::Symbol(b'.'), Token::Symbol(b'*')) => Object::Database(database.identifier()?),
            (database, Token::Symbol(b'.'), name) => Object::Part(database.identifier()?, name.identifier()?),
            _ => return None,
        };
        words.next().filter(|word| word.is("TO") || word.is("FROM"))?;
        let name = |token: Token<'_>| match token {
            Token::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            token => token.identifier(),
        };
        let user = words.next().and_then(name)?;
        let grantee = match words.next() {
            Some(Token::Variable(b"@")) => format!("{user}@{}", words.next().and_then(name)?),
            Some(Token::Variable(host)) => format!("{user}{}", String::from_utf8_lossy(host)),
            _ => user,
        };
        Some(Self { rights, object, grantee, is_revoked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { lower: false, has_patterns: true };

    /// What is lacking for a dump of `ab`.
    fn lacks(version: &str, lines: &[&str]) -> Vec<String> {
        let grants: Vec<Grant> = lines.iter().filter_map(|line| Grant::parse(line)).collect();
        Rights::of(&grants, "ab", NAMES).lacks(&ServerVersion::parse(version))
    }

    #[test]
    fn what_a_dump_needs_is_looked_for_where_the_server_looks() {
        const MARIADB: &str = "10.11.6-MariaDB";
        const WHOLE: &str = "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON `ab`.* TO `u`@`h`";
        for (version, lines, lacking) in [
            (MARIADB, &["GRANT ALL PRIVILEGES ON *.* TO `u`@`h` WITH GRANT OPTION"][..], &[][..]),
            (MARIADB, &[WHOLE], &[]),
            (MARIADB, &[], &["SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "SELECT on mysql.proc"]),
            (
                MARIADB,
                &["GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `ab`.* TO `u`@`h`"],
                &["SELECT on mysql.proc"],
            ),
            (
                MARIADB,
                &[
                    "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `ab`.* TO `u`@`h`",
                    "GRANT SELECT ON `mysql`.`proc` TO `u`@`h`",
                ],
                &[],
            ),
            (
                "11.8.2-MariaDB",
                &["GRANT SELECT, SHOW VIEW, EVENT, TRIGGER, SHOW CREATE ROUTINE ON `ab`.* TO `u`@`h`"],
                &[],
            ),
            (
                "11.8.2-MariaDB",
                &["GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `ab`.* TO `u`@`h`"],
                &["SHOW CREATE ROUTINE"],
            ),
            // The most specific row hides the others.
            (
                MARIADB,
                &[
                    "GRANT SHOW VIEW, TRIGGER ON `a%`.* TO `u`@`h`",
                    "GRANT SELECT, EVENT, EXECUTE ON `ab`.* TO `u`@`h`",
                ],
                &["SHOW VIEW", "TRIGGER"],
            ),
            (
                MARIADB,
                &[
                    "GRANT SELECT ON `%`.* TO `u`@`h`",
                    "GRANT SHOW VIEW, TRIGGER, EVENT, EXECUTE ON `a_`.* TO `u`@`h`",
                ],
                &["SELECT"],
            ),
            // What is global is never hidden; what a role has is added.
            (
                MARIADB,
                &[
                    "GRANT TRIGGER ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*D821809F681A40A6E379B50D0463EFAE20BDD122'",
                    "GRANT SELECT, SHOW VIEW, EXECUTE ON `ab`.* TO `u`@`h`",
                    "GRANT `r` TO `u`@`h`",
                    "GRANT EVENT ON `ab`.* TO `r`",
                ],
                &[],
            ),
            (MARIADB, &["GRANT EVENT ON `ab`.* TO PUBLIC", WHOLE], &[]),
            // A part of a database is not the database.
            (
                MARIADB,
                &[
                    "GRANT SELECT, TRIGGER, SHOW VIEW ON `ab`.`t` TO `u`@`h`",
                    "GRANT EVENT, EXECUTE ON `ab`.* TO `u`@`h`",
                ],
                &["SELECT", "SHOW VIEW", "TRIGGER"],
            ),
            (
                MARIADB,
                &[
                    "GRANT SELECT (`a, b`, `ON`), TRIGGER ON `ab`.`t` TO `u`@`h`",
                    "GRANT ALL PRIVILEGES ON `other`.* TO `u`@`h`",
                ],
                &["SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "SELECT on mysql.proc"],
            ),
            (
                MARIADB,
                &["GRANT ALL PRIVILEGES ON `a\\_`.* TO `u`@`h`"],
                &["SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "SELECT on mysql.proc"],
            ),
            (MARIADB, &["GRANT PROXY ON ``@`%` TO `root`@`localhost`", WHOLE], &[]),
            ("8.0.36", &["GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `ab`.* TO `u`@`h`"], &["SHOW_ROUTINE"]),
            ("8.0.36", &["GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO `u`@`h`"], &[]),
            (
                "8.0.36",
                &[
                    "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `ab`.* TO `u`@`h`",
                    "GRANT SHOW_ROUTINE,BACKUP_ADMIN ON *.* TO `u`@`h`",
                ],
                &[],
            ),
            (
                "8.0.36",
                &[
                    "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO `u`@`h`",
                    "REVOKE TRIGGER ON `ab`.* FROM `u`@`h`",
                ],
                &["TRIGGER"],
            ),
        ] {
            assert_eq!(lacks(version, lines), lacking, "{version} {lines:?}");
        }
    }

    #[test]
    fn patterns_are_those_of_the_server() {
        for (pattern, name, fit) in [
            ("ab", "ab", true),
            ("ab", "abc", false),
            ("a%", "ab", true),
            ("a%", "a", true),
            ("%", "", true),
            ("a_", "ab", true),
            ("a_", "a", false),
            ("a\\_", "ab", false),
            ("a\\_", "a_", true),
            ("a\\%b%", "a%bc", true),
            ("파%", "파일", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
        for (pattern, expected) in [("ab", 128), ("a%", 2), ("%", 1), ("a\\_b_", 5), ("", 128)] {
            assert_eq!(precision(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn case_and_wildcards_count_as_the_server_says() {
        let grants = [Grant::parse("GRANT ALL PRIVILEGES ON `AB`.* TO u@h").unwrap()];
        let any = |names| Rights::of(&grants, "ab", names).has("SELECT");
        assert!(!any(NAMES) && any(Names { lower: true, ..NAMES }));
        let grants = [Grant::parse("GRANT ALL PRIVILEGES ON `a_`.* TO u@h").unwrap()];
        let any = |names| Rights::of(&grants, "ab", names).has("SELECT");
        assert!(any(NAMES) && !any(Names { has_patterns: false, ..NAMES }));
    }

    #[test]
    fn a_hint_names_everything() {
        assert_eq!(account_name("a@b@10.%"), "`a@b`@`10.%`");
        assert_eq!(
            needed("`d`", &ServerVersion::parse("10.5.1-MariaDB"), "`u`@`h`"),
            [
                "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `d`.* TO `u`@`h`",
                "GRANT SELECT ON `mysql`.`proc` TO `u`@`h`"
            ]
        );
    }
}
