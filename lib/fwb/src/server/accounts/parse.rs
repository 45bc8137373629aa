//! Reads statements about accounts: those that [`Statement`] writes, and the lines of `SHOW GRANTS`.
//!
//! A statement is read into what it says, and must be the very text by which that is written. So nothing stands beside what was
//! read: no comment, no second password, no second grantee.

use std::collections::BTreeSet;

use super::{
    AccountName, Held, History, Identity, Lifetime, Limit, LockTime, Method, Object, Require, Right,
    RoutineKind, Secret, Statement, TlsDemands,
};
use crate::scan::{QuoteMode, Reading, Token, Tokens};
use crate::server::Flavor;

/// Why a text is no statement of ours.
pub(crate) const NONE_OF_OURS: &str = "no artifact of accounts contains it";

/// What a statement says, where it is one that an artifact of accounts has.
///
/// # Errors
/// Why it is none.
pub(crate) fn parse_account_statement(text: &[u8]) -> Result<Statement, String> {
    let mut words = Words::of(text);
    let statement = statement(&mut words).filter(|_| words.is_at_end()).ok_or(NONE_OF_OURS)?;
    // Otherwise there is more in it, or it is written in another way.
    if statement.sql().as_bytes() == text { Ok(statement) } else { Err(NONE_OF_OURS.into()) }
}

/// What a line of `SHOW GRANTS` gives, and to whom; none for one that gives no rights on objects: of a role, of `PROXY`. Of
/// global rights MariaDB tells more after the grantee, which is left alone, and so whether they may be passed on is not told.
///
/// # Errors
/// It is a line of no known form.
pub(crate) fn parse_grant_line(line: &[u8], flavor: Flavor) -> Result<Option<Statement>, ()> {
    let mut words = Words::of(line);
    if words.take("SET") || words.peek_role_grant() {
        return Ok(None);
    }
    let found = match words.next_word().as_deref() {
        Some("GRANT") => granted(&mut words),
        Some("REVOKE") => revoked(&mut words),
        _ => None,
    };
    let found = found.ok_or(())?;
    let tells_more =
        flavor == Flavor::MariaDb && matches!(&found, Statement::Grant { object: Object::Global, .. });
    if words.is_at_end() || tells_more { Ok(Some(found)) } else { Err(()) }
}

/// The words of a statement, one after the other.
struct Words<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Words<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { tokens: Tokens::new(text, Reading::Everything, QuoteMode::default()).collect(), at: 0 }
    }

    fn is_at_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.at).cloned()?;
        self.at += 1;
        Some(token)
    }

    /// Takes these words, where they come next.
    fn take(&mut self, words: &str) -> bool {
        let count = words.split(' ').count();
        let found = self.tokens.get(self.at..self.at + count);
        let found =
            found.is_some_and(|found| found.iter().zip(words.split(' ')).all(|(token, word)| token.is(word)));
        self.at += if found { count } else { 0 };
        found
    }

    fn take_symbol(&mut self, symbol: u8) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    /// The next bare word, in upper case.
    fn next_word(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(String::from_utf8_lossy(word).to_ascii_uppercase()),
            _ => None,
        }
    }

    /// A quoted name.
    fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Name(name) => String::from_utf8(name.into_owned()).ok(),
            _ => None,
        }
    }

    /// The name of an account or a role.
    fn account(&mut self) -> Option<AccountName> {
        if self.take("PUBLIC") {
            return Some(AccountName::role("PUBLIC"));
        }
        let user = self.name()?;
        if self.peek() != Some(&Token::Variable(b"@")) {
            return Some(AccountName::role(user));
        }
        self.at += 1;
        Some(AccountName::account(user, self.name()?))
    }

    /// A text, without its quotes and escapes.
    fn text(&mut self) -> Option<Vec<u8>> {
        match self.next()? {
            Token::Text(text) => Some(unescaped(text)),
            _ => None,
        }
    }

    fn utf8(&mut self) -> Option<String> {
        String::from_utf8(self.text()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.next_word()?.parse().ok()
    }

    /// A number, with its sign and its fraction where it has them: -1 connections at once are none (MariaDB's manual,
    /// "`max_user_connections`").
    fn decimal(&mut self) -> Option<String> {
        let sign = if self.take_symbol(b'-') { "-" } else { "" };
        let mut number = format!("{sign}{}", self.number()?);
        if self.take_symbol(b'.') {
            let fraction = self.next_word()?;
            number = if fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("{number}.{fraction}")
            } else {
                return None;
            };
        }
        Some(number)
    }

    /// Whether a line of `SHOW GRANTS` gives a role, or `PROXY`.
    fn peek_role_grant(&self) -> bool {
        match (self.tokens.first(), self.tokens.get(1)) {
            (Some(grant), Some(Token::Name(_))) => grant.is("GRANT"),
            (Some(grant), Some(word)) => grant.is("GRANT") && word.is("PROXY"),
            _ => false,
        }
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => 0,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'Z') => 0x1A,
                Some(other) => *other,
                None => b'\\',
            },
            other => *other,
        });
    }
    plain
}

fn statement(words: &mut Words<'_>) -> Option<Statement> {
    if words.take("CREATE USER IF NOT EXISTS") {
        let name = words.account().filter(|name| name.host.is_some())?;
        return Some(Statement::CreateUser(name, identity(words)?));
    }
    if words.take("CREATE ROLE IF NOT EXISTS") {
        let name = words.account().filter(|name| name.host.is_none() && !name.is_public())?;
        return Some(Statement::CreateRole(name));
    }
    if words.take("SET DEFAULT ROLE") {
        let role = words.account().filter(|role| role.host.is_none())?;
        let of = if words.take("FOR") { words.account()? } else { return None };
        return Some(Statement::DefaultRoles { of, roles: BTreeSet::from([role]) });
    }
    if words.take("ALTER USER") {
        let of = words.account()?;
        if words.take("PASSWORD EXPIRE") {
            let lifetime = lifetime(words)?;
            return Some(Statement::PasswordLifetime { of, lifetime });
        }
        if !words.take("DEFAULT ROLE") {
            return None;
        }
        let mut roles = BTreeSet::from([words.account()?]);
        while words.take_symbol(b',') {
            roles.insert(words.account()?);
        }
        return Some(Statement::DefaultRoles { of, roles });
    }
    if words.take("REVOKE") {
        return revoked(words);
    }
    if !words.take("GRANT") {
        return None;
    }
    if words.take("PROXY ON") {
        let of = words.account()?;
        let to = if words.take("TO") { words.account()? } else { return None };
        return Some(Statement::GrantProxy { to, of, grantable: words.take("WITH GRANT OPTION") });
    }
    if matches!(words.peek(), Some(Token::Name(_))) {
        let role = words.account()?;
        let to = if words.take("TO") { words.account()? } else { return None };
        return Some(Statement::GrantRole { to, role, admin: words.take("WITH ADMIN OPTION") });
    }
    granted(words)
}

/// What follows `GRANT`, of rights.
fn granted(words: &mut Words<'_>) -> Option<Statement> {
    let rights = rights(words)?;
    let object = object(words)?;
    let to = if words.take("TO") { words.account()? } else { return None };
    let grantable = words.take("WITH GRANT OPTION");
    let dynamic = rights.iter().filter(|right| right.is_dynamic()).count();
    let object = match object {
        Object::Global if dynamic > 0 && dynamic == rights.len() => Object::Dynamic { grantable },
        // What MySQL gives in two statements.
        _ if dynamic > 0 => return None,
        other => other,
    };
    Some(Statement::Grant { to, object, held: Held { rights, grantable } })
}

/// What follows `REVOKE`.
fn revoked(words: &mut Words<'_>) -> Option<Statement> {
    let rights = rights(words)?;
    let Object::Database(database) = object(words)? else { return None };
    let from = if words.take("FROM") { words.account()? } else { return None };
    let rights: BTreeSet<String> = rights
        .into_iter()
        .map(|right| right.column.is_none().then_some(right.name))
        .collect::<Option<_>>()?;
    (!rights.is_empty()).then_some(Statement::Revoke { from, database, rights })
}

/// The rights up to and with `ON`; `USAGE` is none.
fn rights(words: &mut Words<'_>) -> Option<BTreeSet<Right>> {
    let (mut rights, mut name) = (BTreeSet::new(), Vec::new());
    let mut is_of_columns = false;
    loop {
        let ends = words.take("ON");
        if ends || words.take_symbol(b',') {
            if !is_of_columns {
                rights.insert(Right::whole(name.join(" ")));
            }
            (name, is_of_columns) = (Vec::new(), false);
            if ends {
                break;
            }
        } else if words.take_symbol(b'(') {
            is_of_columns = true;
            loop {
                rights.insert(Right { name: name.join(" "), column: Some(words.name()?) });
                if words.take_symbol(b')') {
                    break;
                }
                if !words.take_symbol(b',') {
                    return None;
                }
            }
        } else {
            name.push(words.next_word()?);
        }
    }
    let is_word = |right: &Right| {
        !right.name.is_empty()
            && right.name.bytes().all(|byte| byte.is_ascii_uppercase() || b" _".contains(&byte))
    };
    rights.remove(&Right::whole("USAGE"));
    rights.iter().all(is_word).then_some(rights)
}

fn object(words: &mut Words<'_>) -> Option<Object> {
    let kind = RoutineKind::ALL.into_iter().find(|kind| words.take(kind.as_sql()));
    if kind.is_none() && words.take_symbol(b'*') {
        return (words.take_symbol(b'.') && words.take_symbol(b'*')).then_some(Object::Global);
    }
    let database = words.name()?;
    if !words.take_symbol(b'.') {
        return None;
    }
    if kind.is_none() && words.take_symbol(b'*') {
        return Some(Object::Database(database));
    }
    let name = words.name()?;
    Some(match kind {
        Some(kind) => Object::Routine(kind, database, name),
        None => Object::Table(database, name),
    })
}

/// What follows the name in `CREATE USER`.
fn identity(words: &mut Words<'_>) -> Option<Identity> {
    let flavor = if words.take("IDENTIFIED VIA") {
        Flavor::MariaDb
    } else if words.take("IDENTIFIED WITH") {
        Flavor::MySql
    } else {
        return None;
    };
    let mut identity = Identity::new(flavor);
    loop {
        identity.methods.push(method(words, flavor)?);
        let goes_on = match flavor {
            Flavor::MariaDb => words.take("OR"),
            Flavor::MySql => words.take("AND IDENTIFIED WITH"),
        };
        if !goes_on {
            break;
        }
    }
    if words.take("REQUIRE") {
        identity.require = require(words)?;
    }
    if words.take("WITH") {
        while let Some(limit) = Limit::ALL.into_iter().find(|limit| words.take(limit.as_sql())) {
            identity.limits.insert(limit, words.decimal()?);
        }
    }
    if words.take("PASSWORD EXPIRE") {
        match lifetime(words) {
            Some(lifetime) => identity.lifetime = lifetime,
            None => identity.expired = true,
        }
    }
    identity.locked = words.take("ACCOUNT LOCK");
    identity.history = history(words)?;
    if words.take("ATTRIBUTE") {
        identity.attribute = Some(words.utf8()?);
    }
    Some(identity)
}

/// What follows `PASSWORD EXPIRE`, where it is how long one holds.
fn lifetime(words: &mut Words<'_>) -> Option<Lifetime> {
    if words.take("NEVER") {
        return Some(Lifetime::Never);
    }
    if !words.take("INTERVAL") {
        return None;
    }
    let days = Lifetime::Days(words.number()?);
    words.take("DAY").then_some(days)
}

fn method(words: &mut Words<'_>, flavor: Flavor) -> Option<Method> {
    let plugin = match words.next()? {
        Token::Word(word) => String::from_utf8(word.to_vec()).ok()?,
        Token::Name(name) => String::from_utf8(name.into_owned()).ok()?,
        _ => return None,
    };
    let secret = match flavor {
        Flavor::MariaDb if words.take("USING") => words.text()?,
        Flavor::MySql if words.take("AS") => match words.next()? {
            Token::Word(word) => hex::decode(word.strip_prefix(b"0x")?).ok()?,
            _ => return None,
        },
        _ => Vec::new(),
    };
    Some(Method { plugin, secret: Secret(secret) })
}

fn require(words: &mut Words<'_>) -> Option<Require> {
    if words.take("SSL") {
        return Some(Require::Ssl);
    }
    if words.take("X509") {
        return Some(Require::X509);
    }
    let mut demands = TlsDemands::default();
    if words.take("ISSUER") {
        demands.issuer = words.utf8()?;
    }
    if words.take("SUBJECT") {
        demands.subject = words.utf8()?;
    }
    if words.take("CIPHER") {
        demands.cipher = words.utf8()?;
    }
    (demands != TlsDemands::default()).then_some(Require::Specified(demands))
}

fn history(words: &mut Words<'_>) -> Option<History> {
    let mut history = History::default();
    if words.take("PASSWORD HISTORY") {
        history.kept = Some(words.number()?);
    }
    if words.take("PASSWORD REUSE INTERVAL") {
        history.reuse_days = Some(words.number()?);
        if !words.take("DAY") {
            return None;
        }
    }
    if words.take("PASSWORD REQUIRE CURRENT") {
        history.require_current = Some(!words.take("OPTIONAL"));
    }
    if words.take("FAILED_LOGIN_ATTEMPTS") {
        history.failed_attempts = words.number()?;
        if !words.take("PASSWORD_LOCK_TIME") {
            return None;
        }
        history.lock_time =
            if words.take("UNBOUNDED") { LockTime::Unbounded } else { LockTime::Days(words.number()?) };
    }
    Some(history)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is read, and written again as it was.
    #[test]
    fn what_we_write_is_admitted() {
        for text in [
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA mysql_native_password",
            "CREATE USER IF NOT EXISTS `o'``x`@`10.0.0.0/255.0.0.0` IDENTIFIED VIA mysql_native_password USING '*A' OR unix_socket OR ed25519 USING 'it\\'s \\\\ \\n'",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA `a-b` REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 1 MAX_STATEMENT_TIME 1.500000 PASSWORD EXPIRE INTERVAL 3 DAY ACCOUNT LOCK",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS -1 MAX_STATEMENT_TIME 2",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA unix_socket REQUIRE ISSUER '/CN=it\\'s' SUBJECT 'x' CIPHER 'y' PASSWORD EXPIRE NEVER",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED WITH caching_sha2_password AS 0x2441 REQUIRE X509 PASSWORD EXPIRE ACCOUNT LOCK PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 3 DAY PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED ATTRIBUTE '{\"a\": \"\\'\"}'",
            "CREATE USER IF NOT EXISTS ``@`localhost` IDENTIFIED WITH caching_sha2_password AND IDENTIFIED WITH auth_socket AS 0x41 PASSWORD REQUIRE CURRENT FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2",
            "CREATE ROLE IF NOT EXISTS `readers`",
            "GRANT SELECT, SHOW VIEW ON *.* TO `a`@`%` WITH GRANT OPTION",
            "GRANT USAGE ON *.* TO `a`@`%` WITH GRANT OPTION",
            "GRANT BACKUP_ADMIN, SYSTEM_USER ON *.* TO `a`@`%`",
            "GRANT READ_ONLY ADMIN ON *.* TO `a`@`%`",
            "GRANT BINLOG ADMIN, READ_ONLY ADMIN, SELECT ON *.* TO `a`@`%` WITH GRANT OPTION",
            "GRANT ALL PRIVILEGES ON `a\\_b%`.* TO `r`",
            "GRANT INSERT (`a,b`, `id`), SELECT, UPDATE (`TO`) ON `shop`.`t` TO `a`@`%`",
            "GRANT EXECUTE ON PACKAGE BODY `shop`.`p` TO PUBLIC",
            "GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `shop`.`ON` TO `a`@`%`",
            "REVOKE INSERT, SELECT ON `shop`.* FROM `a`@`%`",
            "GRANT PROXY ON ``@`%` TO `a`@`%` WITH GRANT OPTION",
            "GRANT `r` TO `a`@`%` WITH ADMIN OPTION",
            "GRANT `r`@`%` TO `a`@`%`",
            "SET DEFAULT ROLE `r` FOR `a`@`%`",
            "ALTER USER `a`@`%` PASSWORD EXPIRE INTERVAL 30 DAY",
            "ALTER USER `a`@`%` DEFAULT ROLE `r`@`%`, `s`@`localhost`",
        ] {
            let read = parse_account_statement(text.as_bytes());
            assert_eq!(read.map(|read| read.sql()), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_admitted() {
        for text in [
            "",
            "DROP USER `a`@`%`",
            "CREATE USER IF NOT EXISTS `a`@`%`",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED BY 'x'",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x USING PASSWORD('x')",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x, `b`@`%` IDENTIFIED VIA x",
            "CREATE USER `a`@`%` IDENTIFIED VIA x",
            "CREATE OR REPLACE USER `a`@`%` IDENTIFIED VIA x",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED WITH x AS 'y'",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x /*!50000 ACCOUNT LOCK */",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x -- y",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x  ACCOUNT LOCK",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x ACCOUNT LOCK; DROP DATABASE d",
            "CREATE USER IF NOT EXISTS `a` IDENTIFIED VIA x",
            "CREATE USER 'a'@'%' IDENTIFIED VIA x",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x USING 'a''b'",
            "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED WITH x DEFAULT ROLE `r`@`%`",
            "CREATE ROLE IF NOT EXISTS `r` WITH ADMIN `a`@`%`",
            "CREATE ROLE IF NOT EXISTS PUBLIC",
            "GRANT SELECT ON *.* TO `a`@`%` IDENTIFIED BY 'x'",
            "GRANT SELECT ON *.* TO `a`@`%`, `b`@`%`",
            "GRANT SELECT, BACKUP_ADMIN ON *.* TO `a`@`%`",
            "GRANT SELECT ON `d`.* TO CURRENT_USER",
            "GRANT select ON `d`.* TO `a`@`%`",
            "GRANT SELECT ON d.* TO `a`@`%`",
            "GRANT `r`, `s` TO `a`@`%`",
            "REVOKE SELECT ON *.* FROM `a`@`%`",
            "REVOKE ALL PRIVILEGES, GRANT OPTION FROM `a`@`%`",
            "SET DEFAULT ROLE NONE FOR `a`@`%`",
            "ALTER USER `a`@`%` IDENTIFIED VIA x",
            "ALTER USER `a`@`%` PASSWORD EXPIRE",
            "ALTER USER `a`@`%` PASSWORD EXPIRE DEFAULT",
            "SET PASSWORD FOR `a`@`%` = 'x'",
            "SET GLOBAL general_log=1",
            "SELECT 1",
        ] {
            assert!(parse_account_statement(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_of_show_grants_are_read() {
        let line = |text: &str, flavor| {
            parse_grant_line(text.as_bytes(), flavor).map(|found| found.map(|found| found.sql()))
        };
        let global = "GRANT RELOAD ON *.* TO `t`@`%` IDENTIFIED BY PASSWORD '*F' REQUIRE SUBJECT '/CN=a'b' WITH GRANT OPTION";
        assert_eq!(line(global, Flavor::MariaDb), Ok(Some("GRANT RELOAD ON *.* TO `t`@`%`".into())));
        assert_eq!(line(global, Flavor::MySql), Err(()));
        for rights in ["READ_ONLY ADMIN", "BINLOG ADMIN, READ_ONLY ADMIN"] {
            let shown = format!("GRANT {rights} ON *.* TO `t`@`%` IDENTIFIED BY PASSWORD '*F'");
            let read = format!("GRANT {rights} ON *.* TO `t`@`%`");
            assert_eq!(line(&shown, Flavor::MariaDb), Ok(Some(read)));
        }
        assert_eq!(line("GRANT `r` TO `t`@`%`", Flavor::MariaDb), Ok(None));
        assert_eq!(line("GRANT PROXY ON ''@'%' TO 'o'x'@'%'", Flavor::MariaDb), Ok(None));
        assert_eq!(line("SET DEFAULT ROLE `r` FOR `t`@`%`", Flavor::MariaDb), Ok(None));
        let dynamic = line("GRANT BACKUP_ADMIN,CLONE_ADMIN ON *.* TO `t`@`%`", Flavor::MySql);
        assert_eq!(dynamic, Ok(Some("GRANT BACKUP_ADMIN, CLONE_ADMIN ON *.* TO `t`@`%`".into())));
        let columns =
            "GRANT SELECT, INSERT (`a,b`, `id`), UPDATE (`v`) ON `shop`.`t` TO `p`@`%` WITH GRANT OPTION";
        assert!(
            line(columns, Flavor::MariaDb)
                .unwrap()
                .unwrap()
                .contains("INSERT (`a,b`, `id`), SELECT, UPDATE (`v`)")
        );
        assert_eq!(line("SOMETHING NEW", Flavor::MariaDb), Err(()));
    }
}
