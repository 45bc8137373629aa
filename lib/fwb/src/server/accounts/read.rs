//! Asks a server for its accounts. It has no snapshot of them, so they are read until two readings say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::parse::parse_grant_line;
use super::{
    Account, AccountName, Held, History, Identity, Lifetime, Limit, LockTime, Method, Object, Require,
    Secret, Statement, TlsDemands,
};
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::server::connection::Connection;
use crate::server::{Flavor, Role, ServerClient, ServerVersion, Sql, retrying};

/// What it is told that goes on.
const DOING: &str = "reading the accounts";
/// How often the accounts are read before they count as never at rest.
const MOST_READINGS: u32 = 20;

/// "There is no such grant defined".
const NO_GRANT: u16 = 1141;
/// "The server is running with the --skip-grant-tables option so it cannot execute this statement".
const NO_GRANT_TABLES: u16 = 1290;
/// A table, or a column of it, that this version does not have.
const UNKNOWN: [u16; 2] = [1146, 1054];
/// What a server says to an account that may not read a table, a column or a database.
const DENIED: [u16; 3] = [1142, 1143, 1044];

/// The bit of `GRANT OPTION` in MariaDB's `mysql.global_priv` (`sql/privilege.h`).
const GRANT_OPTION: u64 = 1 << 10;

/// What `mysql.global_priv` says of an account that [`of_mariadb`] reads, or that restores itself.
const KNOWN: [&str; 19] = [
    "access",
    "version_id",
    "plugin",
    "authentication_string",
    "auth_or",
    "password_last_changed",
    "password_lifetime",
    "ssl_type",
    "ssl_cipher",
    "x509_issuer",
    "x509_subject",
    "max_questions",
    "max_updates",
    "max_connections",
    "max_user_connections",
    "max_statement_time",
    "account_locked",
    "default_role",
    "is_role",
];
/// The same of `User_attributes` in MySQL's `mysql.user`.
const KNOWN_ATTRIBUTES: [&str; 4] =
    ["metadata", "Password_locking", "Restrictions", "multi_factor_authentication"];

/// The accounts of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    /// All that can be made again, by their names. Those that the server has for itself are none of them.
    pub(crate) all: BTreeMap<AccountName, Account>,
    /// What is not in them: sentences.
    pub(crate) untold: Vec<String>,
}

impl ServerClient {
    /// All accounts.
    ///
    /// # Errors
    /// [`Error::AccountRights`], [`Error::AccountsUnread`], or the server cannot be reached.
    pub(crate) fn all_accounts(&self, cancel: &Cancel) -> Result<Accounts> {
        let read = || {
            let mut connection = self.connect(Role::Control, None, DOING, cancel)?;
            let version = connection.session().version().clone();
            let mut last = read(&mut connection, &version)?;
            for _ in 1..MOST_READINGS {
                cancel.check()?;
                let accounts = read(&mut connection, &version)?;
                if accounts == last {
                    return Ok(accounts);
                }
                last = accounts;
            }
            Err(Error::AccountsUnread {
                problem: "the accounts changed each time they were read".into(),
                remedy: "run it again when nobody changes accounts".into(),
            })
        };
        match retrying(self.retries(), cancel, read) {
            Err(error) if error.number().is_some_and(|number| DENIED.contains(&number)) => {
                let account = self.our_account(cancel)?.sql();
                let grants = vec![format!("GRANT SELECT ON `mysql`.* TO {account}")];
                Err(Error::AccountRights { account, right: "SELECT on mysql.*".into(), grants })
            }
            Err(error) if error.number() == Some(NO_GRANT_TABLES) => Err(Error::AccountsUnread {
                problem: "the server runs with --skip-grant-tables, and shows no accounts".into(),
                remedy: "start it without that option".into(),
            }),
            Err(error) if error.number().is_some_and(|number| UNKNOWN.contains(&number)) => {
                Err(Error::AccountsUnread {
                    problem: format!("the server keeps its accounts in another way ({error})"),
                    remedy: "accounts are read from MariaDB 10.4 and MySQL 8.0 on".into(),
                })
            }
            other => other,
        }
    }

    /// The account that we are, as the server has it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn our_account(&self, cancel: &Cancel) -> Result<AccountName> {
        let rows = self.query(None, Sql::Read("SELECT CURRENT_USER()"), "asking who we are", cancel)?;
        let account = rows.into_iter().flatten().next().unwrap_or_default();
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, ""));
        Ok(AccountName::account(user, host))
    }

    /// The databases in which views and stored programs run as an account, by accounts, as far as ours sees them.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn definers(&self, cancel: &Cancel) -> Result<BTreeMap<AccountName, BTreeSet<String>>> {
        const ALL: &str = "SELECT DISTINCT DEFINER, ROUTINE_SCHEMA FROM information_schema.ROUTINES;\n\
            SELECT DISTINCT DEFINER, TRIGGER_SCHEMA FROM information_schema.TRIGGERS;\n\
            SELECT DISTINCT DEFINER, EVENT_SCHEMA FROM information_schema.EVENTS;\n\
            SELECT DISTINCT DEFINER, TABLE_SCHEMA FROM information_schema.VIEWS;\n";
        let mut definers: BTreeMap<AccountName, BTreeSet<String>> = BTreeMap::new();
        for row in self.query(None, Sql::Read(ALL), "looking whom programs run as", cancel)? {
            let [definer, database] = &row[..] else { continue };
            let name = match definer.rsplit_once('@') {
                Some((user, host)) if !host.is_empty() => AccountName::account(user, host),
                Some((role, _)) => AccountName::role(role),
                None => AccountName::role(definer.as_str()),
            };
            definers.entry(name).or_default().insert(database.clone());
        }
        Ok(definers)
    }
}

/// One reading.
fn read(connection: &mut Connection, version: &ServerVersion) -> Result<Accounts> {
    let Accounts { all, mut untold } = match version.flavor {
        Flavor::MariaDb => mariadb(connection)?,
        Flavor::MySql => mysql(connection)?,
    };
    let mut accounts = Accounts::default();
    for (name, mut account) in all.into_iter().filter(|(name, _)| !name.is_of_the_server()) {
        let lines = match connection.bytes(&format!("SHOW GRANTS FOR {}", name.sql()), DOING) {
            Ok(rows) => rows,
            // It was dropped meanwhile, and the next reading does not find it; or the server passes over it.
            Err(error) if error.number() == Some(NO_GRANT) => {
                untold.push(format!(
                    "{name} is left out: it is in the server's tables, and the server does not know it (with \
                     skip_name_resolve it passes over accounts of hosts by name; FLUSH PRIVILEGES has it read its tables)"
                ));
                continue;
            }
            Err(error) => return Err(error),
        };
        for line in lines.into_iter().flatten() {
            take_line(&mut account, &line, version.flavor)?;
        }
        if !(name.is_public() && account.has_nothing()) {
            accounts.all.insert(name, account);
        }
    }
    Ok(Accounts { untold, ..accounts })
}

/// A line of `SHOW GRANTS`. That of a role has those of its roles, too.
fn take_line(account: &mut Account, line: &[u8], flavor: Flavor) -> Result<()> {
    let unknown = || Error::AccountsUnread {
        problem: format!("the server shows a right of {} in a form that is not known", account.name),
        remedy: "report it, with the server's version and the line of SHOW GRANTS without its password"
            .into(),
    };
    let Some(statement) = parse_grant_line(line, flavor).map_err(|()| unknown())? else { return Ok(()) };
    if *statement.about() != account.name {
        return Ok(());
    }
    match statement {
        Statement::Grant { object, held, .. } => {
            let there = account.held.entry(object.clone()).or_default();
            there.merge(held);
            if there.is_nothing() {
                account.held.remove(&object);
            }
        }
        revoked @ Statement::Revoke { .. } => {
            account.add(revoked);
        }
        _ => {}
    }
    Ok(())
}

fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}

fn mariadb(connection: &mut Connection) -> Result<Accounts> {
    let mut accounts = Accounts::default();
    for row in connection.bytes("SELECT User, Host, Priv FROM mysql.global_priv", DOING)? {
        let Ok([user, host, said]) = <[Vec<u8>; 3]>::try_from(row) else { continue };
        let said: Map<String, Value> = serde_json::from_slice(&said).unwrap_or_default();
        let is_role = said.get("is_role").and_then(Value::as_bool) == Some(true);
        let name = if is_role {
            AccountName::role(text(&user))
        } else {
            AccountName::account(text(&user), text(&host))
        };
        let unknown: Vec<&str> = said.keys().map(String::as_str).filter(|key| !KNOWN.contains(key)).collect();
        if !unknown.is_empty() && !name.is_of_the_server() {
            let unknown = unknown.join(", ");
            accounts
                .untold
                .push(format!("{name} has properties that are not known here, and are not kept: {unknown}"));
        }
        let mut account = Account::new(name.clone(), (!is_role).then(|| of_mariadb(&said)));
        if said.get("access").and_then(Value::as_u64).is_some_and(|access| access & GRANT_OPTION != 0) {
            account.held.insert(Object::Global, Held { grantable: true, ..Held::default() });
        }
        let role = said.get("default_role").and_then(Value::as_str).filter(|role| !role.is_empty());
        account.default_roles = role.map(AccountName::role).into_iter().collect();
        accounts.all.insert(name, account);
    }
    let account = |user: &[u8], host: &[u8]| {
        if host.is_empty() {
            AccountName::role(text(user))
        } else {
            AccountName::account(text(user), text(host))
        }
    };
    for row in connection.bytes("SELECT User, Host, Role, Admin_option FROM mysql.roles_mapping", DOING)? {
        let [user, host, role, admin] = &row[..] else { continue };
        if let Some(account) = accounts.all.get_mut(&account(user, host)) {
            account.roles.insert(AccountName::role(text(role)), admin == b"Y");
        }
    }
    proxies(connection, Flavor::MariaDb, &mut accounts)?;
    Ok(accounts)
}

/// Who may act as whom; both flavors have the same table.
fn proxies(connection: &mut Connection, flavor: Flavor, accounts: &mut Accounts) -> Result<()> {
    const ALL: &str = "SELECT User, Host, Proxied_user, Proxied_host, With_grant FROM mysql.proxies_priv";
    for row in connection.bytes(ALL, DOING)? {
        let [user, host, of_user, of_host, option] = &row[..] else { continue };
        if let Some(account) = accounts.all.get_mut(&AccountName::account(text(user), text(host))) {
            // MariaDB takes no host for any, and prints it so.
            let is_any = of_host.is_empty() && flavor == Flavor::MariaDb;
            let of_host = if is_any { "%".into() } else { text(of_host) };
            account.proxies.insert(AccountName::account(text(of_user), of_host), option == b"1");
        }
    }
    Ok(())
}

fn of_mariadb(said: &Map<String, Value>) -> Identity {
    let string = |from: &Map<String, Value>, key: &str| {
        from.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let method = |from: &Map<String, Value>| {
        let plugin = Some(string(from, "plugin")).filter(|plugin| !plugin.is_empty());
        Method {
            plugin: plugin.unwrap_or_else(|| "mysql_native_password".into()),
            secret: Secret(string(from, "authentication_string").into_bytes()),
        }
    };
    let mut identity = Identity::new(Flavor::MariaDb);
    // Of several the first one stands in fields of its own, and is an empty object among the others.
    let several = said.get("auth_or").and_then(Value::as_array).into_iter().flatten();
    identity.methods = several
        .filter_map(Value::as_object)
        .map(|one| if one.is_empty() { method(said) } else { method(one) })
        .collect();
    if identity.methods.is_empty() {
        identity.methods.push(method(said));
    }
    identity.require = match said.get("ssl_type").and_then(Value::as_u64) {
        Some(1) => Require::Ssl,
        Some(2) => Require::X509,
        Some(3) => Require::Specified(TlsDemands {
            issuer: string(said, "x509_issuer"),
            subject: string(said, "x509_subject"),
            cipher: string(said, "ssl_cipher"),
        }),
        _ => Require::Nothing,
    };
    for limit in Limit::ALL {
        let number = said.get(limit.key());
        let number = match limit {
            Limit::StatementTime => number.and_then(Value::as_f64).map(|time| format!("{time:.6}")),
            // Below 0: nobody may connect at all.
            _ => number.and_then(Value::as_i64).map(|number| number.to_string()),
        };
        if let Some(number) = number.filter(|number| !["0", "0.000000"].contains(&number.as_str())) {
            identity.limits.insert(limit, number);
        }
    }
    identity.expired = said.get("password_last_changed").and_then(Value::as_i64) == Some(0);
    identity.lifetime = match said.get("password_lifetime").and_then(Value::as_i64) {
        Some(0) => Lifetime::Never,
        Some(days @ 1..) => Lifetime::Days(days.unsigned_abs()),
        _ => Lifetime::Default,
    };
    identity.locked = said.get("account_locked").and_then(Value::as_bool) == Some(true);
    identity
}

fn mysql(connection: &mut Connection) -> Result<Accounts> {
    const ALL: &str = "SELECT User, Host, plugin, HEX(authentication_string), ssl_type, x509_issuer, x509_subject, ssl_cipher, \
        max_questions, max_updates, max_connections, max_user_connections, password_expired, password_lifetime, account_locked, \
        Password_reuse_history, Password_reuse_time, Password_require_current, User_attributes, \
        JSON_EXTRACT(User_attributes, '$.metadata') FROM mysql.user";
    let mut accounts = Accounts::default();
    for row in connection.bytes(ALL, DOING)? {
        let row: Vec<String> = row.iter().map(|cell| text(cell)).collect();
        let [user, host, rest @ ..] = &row[..] else { continue };
        let name = AccountName::account(user.as_str(), host.as_str());
        if name.is_of_the_server() {
            continue;
        }
        match of_mysql(&name, rest, &mut accounts.untold) {
            Some(identity) => {
                accounts.all.insert(name.clone(), Account::new(name, Some(identity)));
            }
            None => accounts.untold.push(format!(
                "{name} is left out: it logs in by several factors of which one is registered by its user, and can be made by nobody else"
            )),
        }
    }
    for row in connection.bytes(
        "SELECT TO_USER, TO_HOST, FROM_USER, FROM_HOST, WITH_ADMIN_OPTION FROM mysql.role_edges",
        DOING,
    )? {
        let [user, host, role, role_host, admin] = &row[..] else { continue };
        if let Some(account) = accounts.all.get_mut(&AccountName::account(text(user), text(host))) {
            account.roles.insert(AccountName::account(text(role), text(role_host)), admin == b"Y");
        }
    }
    for row in connection
        .bytes("SELECT USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST FROM mysql.default_roles", DOING)?
    {
        let [user, host, role, role_host] = &row[..] else { continue };
        if let Some(account) = accounts.all.get_mut(&AccountName::account(text(user), text(host))) {
            account.default_roles.insert(AccountName::account(text(role), text(role_host)));
        }
    }
    proxies(connection, Flavor::MySql, &mut accounts)?;
    Ok(accounts)
}

/// An account of MySQL; none where it cannot be made again.
fn of_mysql(name: &AccountName, row: &[String], untold: &mut Vec<String>) -> Option<Identity> {
    let [
        plugin,
        secret,
        tls,
        issuer,
        subject,
        cipher,
        queries,
        updates,
        connections,
        at_once,
        expired,
        lifetime,
        locked,
        kept,
        reuse,
        current,
        attributes,
        metadata,
    ] = row
    else {
        return None;
    };
    let known = |cell: &str| Some(cell.to_owned()).filter(|cell| cell != "NULL");
    let number = |cell: &str| cell.parse::<u64>().ok();
    let mut identity = Identity::new(Flavor::MySql);
    let secret = hex::decode(secret).unwrap_or_default();
    identity.methods = vec![Method { plugin: plugin.clone(), secret: Secret(secret) }];
    identity.require = match tls.as_str() {
        "ANY" => Require::Ssl,
        "X509" => Require::X509,
        "SPECIFIED" => Require::Specified(TlsDemands {
            issuer: issuer.clone(),
            subject: subject.clone(),
            cipher: cipher.clone(),
        }),
        _ => Require::Nothing,
    };
    let limits = [
        (Limit::Queries, queries),
        (Limit::Updates, updates),
        (Limit::Connections, connections),
        (Limit::AtOnce, at_once),
    ];
    identity.limits = limits
        .into_iter()
        .filter(|(_, most)| *most != "0")
        .map(|(limit, most)| (limit, most.clone()))
        .collect();
    identity.expired = expired == "Y";
    identity.lifetime = match number(lifetime) {
        Some(0) => Lifetime::Never,
        Some(days) => Lifetime::Days(days),
        None => Lifetime::Default,
    };
    identity.locked = locked == "Y";
    identity.attribute = known(metadata);
    let attributes: Map<String, Value> = serde_json::from_str(attributes).unwrap_or_default();
    let locking = attributes.get("Password_locking");
    let of_locking =
        |key| locking.and_then(|locking| locking.get(key)).and_then(Value::as_i64).unwrap_or_default();
    identity.history = History {
        kept: number(kept),
        reuse_days: number(reuse),
        require_current: known(current).map(|current| current == "Y"),
        failed_attempts: of_locking("failed_login_attempts").unsigned_abs(),
        lock_time: match of_locking("password_lock_time_days") {
            days @ 0.. => LockTime::Days(days.unsigned_abs()),
            _ => LockTime::Unbounded,
        },
    };
    if attributes.contains_key("additional_password") {
        untold.push(format!("{name} has a second password (RETAIN CURRENT PASSWORD), which no statement can set: it is not kept"));
    }
    let unknown: Vec<&str> = attributes
        .keys()
        .map(String::as_str)
        .filter(|key| !KNOWN_ATTRIBUTES.contains(key) && *key != "additional_password")
        .collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        untold.push(format!("{name} has properties that are not known here, and are not kept: {unknown}"));
    }
    let factors = attributes.get("multi_factor_authentication").and_then(Value::as_array);
    for factor in factors.into_iter().flatten() {
        let is_set = |key| factor.get(key).and_then(Value::as_i64).unwrap_or_default() != 0;
        if is_set("passwordless") || is_set("requires_registration") {
            return None;
        }
        let of = |key| factor.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let secret = Secret(of("authentication_string").into_bytes());
        identity.methods.push(Method { plugin: of("plugin"), secret });
    }
    Some(identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Answer, Fake};

    const OF_A: &str = r#"{"access":1024,"version_id":100523,"plugin":"mysql_native_password","authentication_string":"*A","auth_or":[{"plugin":"unix_socket"},{}],"ssl_type":3,"x509_subject":"/CN=it's","x509_issuer":"","ssl_cipher":"","max_statement_time":1.500000,"max_questions":0,"password_lifetime":30,"account_locked":true,"default_role":"r","later":1}"#;

    fn read<const N: usize>(script: [(&str, &[Answer]); N]) -> Result<Accounts> {
        Fake::new(script).client(0).all_accounts(&Cancel::default())
    }

    #[test]
    fn what_mariadb_keeps_becomes_statements() {
        let accounts = read([
            (
                "global_priv",
                &[Answer::rows(&[
                    &["a", "%", OF_A],
                    &["r", "", r#"{"access":0,"is_role":true}"#],
                    &["mariadb.sys", "localhost", "{}"],
                    &["root", "localhost", r#"{"access":18446744073709551615}"#],
                ])],
            ),
            ("roles_mapping", &[Answer::rows(&[&["a", "%", "r", "Y"]])]),
            ("proxies_priv", &[Answer::rows(&[&["a", "%", "", "", "1"]])]),
            (
                "FOR `a`",
                &[Answer::rows(&[
                    &["GRANT `r` TO `a`@`%` WITH ADMIN OPTION"],
                    &["GRANT RELOAD ON *.* TO `a`@`%` REQUIRE SUBJECT '/CN=it's' WITH GRANT OPTION"],
                    &["GRANT PROXY ON ''@'%' TO 'a'@'%' WITH GRANT OPTION"],
                    &["GRANT SELECT ON `d`.* TO `a`@`%`"],
                ])],
            ),
            (
                "FOR `r`",
                &[Answer::rows(&[&["GRANT USAGE ON *.* TO `r`"], &["GRANT SELECT ON `x`.* TO `other`"]])],
            ),
            (
                "FOR `root`",
                &[Answer::rows(&[&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]])],
            ),
        ])
        .unwrap();
        let said = |name: &AccountName| -> Vec<String> {
            accounts.all[name].statements().iter().map(Statement::sql).collect()
        };
        assert_eq!(
            said(&AccountName::account("a", "%")),
            [
                "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA unix_socket OR mysql_native_password USING '*A' REQUIRE SUBJECT '/CN=it\\'s' WITH MAX_STATEMENT_TIME 1.500000 PASSWORD EXPIRE INTERVAL 30 DAY ACCOUNT LOCK",
                "GRANT RELOAD ON *.* TO `a`@`%` WITH GRANT OPTION",
                "GRANT SELECT ON `d`.* TO `a`@`%`",
                "GRANT PROXY ON ``@`%` TO `a`@`%` WITH GRANT OPTION",
                "GRANT `r` TO `a`@`%` WITH ADMIN OPTION",
                "SET DEFAULT ROLE `r` FOR `a`@`%`",
            ]
        );
        assert_eq!(said(&AccountName::role("r")), ["CREATE ROLE IF NOT EXISTS `r`"]);
        assert_eq!(accounts.all.len(), 3, "{:?}", accounts.all.keys());
        assert!(
            accounts.untold[0]
                .contains("a@% has properties that are not known here, and are not kept: later")
        );
    }

    #[test]
    fn accounts_that_change_are_read_again() {
        let user = |names: &[&str]| {
            Answer::Rows(names.iter().map(|name| [name, "%", "{}"].map(ToOwned::to_owned).to_vec()).collect())
        };
        let accounts = read([
            ("global_priv", &[user(&["a"]), user(&["a", "b"]), user(&["a", "b"])]),
            ("FOR `b`", &[Answer::Refused(NO_GRANT), Answer::rows(&[&["GRANT USAGE ON *.* TO `b`@`%`"]])]),
        ])
        .unwrap();
        assert_eq!((accounts.all.len(), accounts.untold.len()), (2, 0));
        // One that a server passes over keeps nobody from having a backup of the others.
        let accounts =
            read([("global_priv", &[user(&["a", "b"])]), ("FOR `b`", &[Answer::Refused(NO_GRANT)])]).unwrap();
        assert_eq!(accounts.all.len(), 1);
        assert!(accounts.untold[0].contains("b@% is left out"), "{:?}", accounts.untold);
    }

    #[test]
    fn whoever_may_not_see_them_is_told_what_lacks() {
        for (number, words) in
            [(1142, "lacks SELECT on mysql.*"), (1290, "--skip-grant-tables"), (1146, "in another way")]
        {
            let refused = read([("global_priv", &[Answer::Refused(number)])]);
            let error = refused.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
