//! What makes one state of an account of another: a pure function, by which accounts are made, completed, replaced, and put
//! back where that fails. An account is never dropped to be replaced: whoever is logged in as it stays so, and what runs as it
//! goes on.

use std::collections::{BTreeMap, BTreeSet};

use super::granted::{ALL, Held, Object, Right, list};
use super::name::AccountName;
use super::statement::{Statement, default_roles, grant};
use super::{Account, Identity};
use crate::server::quoting::quote_name;

/// One statement on the way.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// When it comes, among the steps of all accounts.
    pub(crate) stage: u8,
    /// Its text. It may hold the hash of a password, so that nobody is told of it.
    pub(crate) sql: String,
    /// What it does, in words without secrets.
    pub(crate) what: String,
    /// What must be there for it.
    pub(crate) object: Option<Object>,
    /// The role or the account that must be there for it.
    pub(crate) needs: Option<AccountName>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.stage, self.what)
    }
}

/// Stages of steps; a [`Statement`] of an artifact has one of them, or one between. What is taken goes before what is given,
/// because `ALL PRIVILEGES` would take that along.
const MADE: u8 = 10;
/// How long a password holds that has expired.
const LIFETIME: u8 = 15;
const TAKEN: u8 = 20;
const GIVEN: u8 = 30;
const RESTRICTED: u8 = 40;
const PROXIES: u8 = 50;
const ROLES: u8 = 60;
const DEFAULT_ROLES: u8 = 70;

/// The steps from what there is, or from nothing, to what shall be.
pub(crate) fn steps(from: Option<&Account>, to: &Account) -> Vec<Step> {
    let mut steps = Vec::new();
    let name = &to.name;
    let nothing = Account::new(name.clone(), None);
    match (from, &to.identity) {
        (None, None) if name.is_public() => {}
        // One that came meanwhile is not to be taken for ours.
        (None, None) => steps.push(step(MADE, format!("CREATE ROLE {}", name.sql()), "CREATE ROLE")),
        (None, Some(identity)) => {
            let verb = if identity.is_role() {
                // No server with rules for passwords takes a new account without one (error 1819).
                steps.push(step(MADE, format!("CREATE ROLE {}", name.sql()), "CREATE ROLE"));
                "ALTER USER"
            } else {
                "CREATE USER"
            };
            steps.push(step(MADE, format!("{verb} {}{}", name.sql(), identity.clauses()), verb));
            if identity.has_more_to_say() {
                let lifetime = identity.lifetime;
                let more = Statement::PasswordLifetime { of: name.clone(), lifetime };
                steps.push(step(LIFETIME, more.sql(), "ALTER USER … PASSWORD EXPIRE"));
            }
        }
        (Some(from), Some(identity)) => steps.extend(altered(name, from.identity.as_ref(), identity)),
        (Some(_), None) => {}
    }
    let from = from.unwrap_or(&nothing);
    rights(from, to, &mut steps);
    restrictions(from, to, &mut steps);
    proxies(from, to, &mut steps);
    roles(from, to, &mut steps);
    steps.sort_by_key(|step| step.stage);
    steps
}

fn step(stage: u8, sql: String, what: impl Into<String>) -> Step {
    Step { stage, sql, what: what.into(), object: None, needs: None }
}

fn altered(name: &AccountName, from: Option<&Identity>, to: &Identity) -> Vec<Step> {
    let Some(from) = from.filter(|from| *from != to) else { return Vec::new() };
    let alter = |(clauses, is_lifetime): (String, bool)| {
        let stage = if is_lifetime { LIFETIME } else { MADE };
        step(stage, format!("ALTER USER {}{clauses}", name.sql()), "ALTER USER")
    };
    to.alterations(from).into_iter().map(alter).collect()
}

fn rights(from: &Account, to: &Account, steps: &mut Vec<Step>) {
    let name = to.name.sql();
    let objects: BTreeSet<&Object> = from.held.keys().chain(to.held.keys()).collect();
    let nothing = Held::default();
    for object in objects {
        let of = |held: &BTreeMap<Object, Held>| held.get(object).cloned().unwrap_or_default();
        let (now, wanted) = (of(&from.held), of(&to.held));
        if now == wanted {
            continue;
        }
        // What all of them are made of need not be taken first.
        let kept = if wanted.has_all() { &now.rights } else { &wanted.rights };
        let surplus: BTreeSet<Right> = now.rights.difference(kept).cloned().collect();
        let had_all = surplus.iter().any(|right| right.name == ALL);
        let on = object.sql();
        if !surplus.is_empty() {
            let list = list(&surplus);
            let sql = format!("REVOKE {list} ON {on} FROM {name}");
            steps.push(Step {
                object: Some(object.clone()),
                ..step(TAKEN, sql, format!("REVOKE {list} ON {on}"))
            });
        }
        if now.grantable && !wanted.grantable && !matches!(object, Object::Dynamic { .. }) {
            let sql = format!("REVOKE GRANT OPTION ON {on} FROM {name}");
            let what = format!("REVOKE GRANT OPTION ON {on}");
            steps.push(Step { object: Some(object.clone()), ..step(TAKEN, sql, what) });
        }
        let there = if had_all { &nothing.rights } else { &now.rights };
        let missing: BTreeSet<Right> = wanted.rights.difference(there).cloned().collect();
        let option_lacks = wanted.grantable && !now.grantable;
        if !missing.is_empty() || option_lacks {
            let given = Held { rights: missing, grantable: wanted.grantable };
            let what = format!("GRANT {} ON {on}", list(&given.rights));
            let sql = grant(&to.name, object, &given);
            steps.push(Step { object: Some(object.clone()), ..step(GIVEN, sql, what) });
        }
    }
}

/// MySQL's partial revokes. One goes when its rights are given on the database, and with the global right that it is taken
/// from.
fn restrictions(from: &Account, to: &Account, steps: &mut Vec<Step>) {
    let name = to.name.sql();
    let databases: BTreeSet<&String> = from.revoked.keys().chain(to.revoked.keys()).collect();
    for database in databases {
        let of =
            |revoked: &BTreeMap<String, BTreeSet<String>>| revoked.get(database).cloned().unwrap_or_default();
        let (now, wanted) = (of(&from.revoked), of(&to.revoked));
        let on = format!("{}.*", quote_name(database));
        let words = |rights: Vec<&String>| rights.into_iter().cloned().collect::<Vec<_>>().join(", ");
        // Where the global right goes, this would be a right of its own.
        let back = words(now.difference(&wanted).filter(|right| to.holds_globally(right)).collect());
        let more = words(wanted.difference(&now).collect());
        if !back.is_empty() {
            steps.push(step(
                TAKEN,
                format!("GRANT {back} ON {on} TO {name}"),
                format!("GRANT {back} ON {on}"),
            ));
        }
        if !more.is_empty() {
            let sql = format!("REVOKE {more} ON {on} FROM {name}");
            steps.push(step(RESTRICTED, sql, format!("REVOKE {more} ON {on}")));
        }
    }
}

fn proxies(from: &Account, to: &Account, steps: &mut Vec<Step>) {
    let name = to.name.sql();
    let gone = from.proxies.iter().filter(|(of, option)| to.proxies.get(of) != Some(option));
    for (of, _) in gone {
        let what = format!("REVOKE PROXY ON {}", of.sql());
        steps.push(step(TAKEN, format!("{what} FROM {name}"), what));
    }
    let come = to.proxies.iter().filter(|(of, option)| from.proxies.get(of) != Some(option));
    for (of, grantable) in come {
        let statement = Statement::GrantProxy { to: to.name.clone(), of: of.clone(), grantable: *grantable };
        steps.push(step(PROXIES, statement.sql(), format!("GRANT PROXY ON {}", of.sql())));
    }
}

fn roles(from: &Account, to: &Account, steps: &mut Vec<Step>) {
    let name = to.name.sql();
    let gone = from.roles.iter().filter(|(role, admin)| to.roles.get(role) != Some(admin));
    for (role, _) in gone {
        let what = format!("REVOKE {}", role.sql());
        steps.push(step(TAKEN, format!("{what} FROM {name}"), what));
    }
    let come = to.roles.iter().filter(|(role, admin)| from.roles.get(role) != Some(admin));
    for (role, admin) in come {
        let statement = Statement::GrantRole { to: to.name.clone(), role: role.clone(), admin: *admin };
        let what = format!("GRANT {}", role.sql());
        steps.push(Step { needs: Some(role.clone()), ..step(ROLES, statement.sql(), what) });
    }
    // A role that is given anew is not active any more.
    let is_renewed = from.roles.iter().any(|(role, admin)| to.roles.get(role) != Some(admin));
    let stays = !is_renewed || to.default_roles.is_empty();
    if stays && from.default_roles == to.default_roles {
        return;
    }
    let sql = match (to.default_roles.is_empty(), from.default_roles.iter().any(|role| role.host.is_none())) {
        (false, _) => default_roles(&to.name, &to.default_roles),
        (true, true) => format!("SET DEFAULT ROLE NONE FOR {name}"),
        (true, false) => format!("ALTER USER {name} DEFAULT ROLE NONE"),
    };
    let needs = to.default_roles.iter().next().cloned();
    steps.push(Step { needs, ..step(DEFAULT_ROLES, sql, "its default roles") });
}

/// Whether the steps from what there is to what shall be take nothing, and change nothing of who an account is, but for what
/// is said after it is made.
pub(crate) fn only_gives(from: &Account, to: &Account) -> bool {
    // A partial revoke takes nothing from a right that is given with it.
    let keeps = |(database, rights): (&String, &BTreeSet<String>)| {
        let there = from.revoked.get(database);
        rights
            .iter()
            .all(|right| !from.holds_globally(right) || there.is_some_and(|there| there.contains(right)))
    };
    from.default_roles.is_subset(&to.default_roles)
        && to.revoked.iter().all(keeps)
        && steps(Some(from), to).iter().all(|step| step.stage == LIFETIME || step.stage > TAKEN)
}

/// Whether a step makes an account, or changes who it is: then its text may hold a secret.
pub(crate) fn is_about_identity(step: &Step) -> bool {
    step.stage == MADE
}

/// The statement that removes an account that was made; of `PUBLIC`, none.
pub(crate) fn removal(account: &Account) -> Option<String> {
    let name = account.name.sql();
    match account.identity {
        Some(_) => Some(format!("DROP USER {name}")),
        None if account.name.is_public() => None,
        None => Some(format!("DROP ROLE {name}")),
    }
}

/// The statement by which an account gives a role back that it got by making it (MariaDB's manual, "CREATE ROLE").
pub(crate) fn surrender(role: &AccountName, us: &AccountName) -> String {
    format!("REVOKE {} FROM {}", role.sql(), us.sql())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Flavor;
    use crate::server::accounts::parse_account_statement;

    /// An account, by the statements that make it.
    fn account(lines: &[&str]) -> Account {
        let name = AccountName::account("u", "%");
        let mut account = Account::new(name, Some(Identity::new(Flavor::MariaDb)));
        for line in lines {
            match parse_account_statement(line.as_bytes()).unwrap() {
                Statement::CreateUser(_, identity) => account.identity = Some(identity),
                other => assert!(account.add(other), "{line}"),
            }
        }
        account
    }

    fn texts(from: &[&str], to: &[&str]) -> Vec<String> {
        steps(Some(&account(from)), &account(to)).into_iter().map(|step| step.sql).collect()
    }

    #[test]
    fn a_new_account_is_made_from_the_inside_to_the_outside() {
        let lines = [
            "CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED VIA mysql_native_password USING '*A' REQUIRE SSL",
            "GRANT SELECT ON `d`.* TO `u`@`%` WITH GRANT OPTION",
            "GRANT INSERT (`a`, `b`), SELECT ON `d`.`t` TO `u`@`%`",
            "GRANT EXECUTE ON PROCEDURE `d`.`p` TO `u`@`%`",
            "GRANT PROXY ON `v`@`%` TO `u`@`%`",
            "GRANT `r` TO `u`@`%` WITH ADMIN OPTION",
            "SET DEFAULT ROLE `r` FOR `u`@`%`",
        ];
        let account = account(&lines);
        let made: Vec<String> = steps(None, &account).into_iter().map(|step| step.sql).collect();
        assert_eq!(
            made[0],
            lines[0].replace(" IF NOT EXISTS", ""),
            "an account that exists is not taken for ours"
        );
        assert_eq!(made[1..], lines[1..]);
        let said: Vec<String> = account.statements().iter().map(Statement::sql).collect();
        assert_eq!(said, lines);
    }

    #[test]
    fn what_differs_is_changed_and_nothing_else() {
        let user = "CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED VIA ed25519 USING 'a'";
        let select = "GRANT SELECT ON `d`.* TO `u`@`%`";
        for (from, to, expected) in [
            (&[user, select][..], &[user, select][..], &[][..]),
            (&[user], &[user, select], &[select]),
            (&[user, select], &[user], &["REVOKE SELECT ON `d`.* FROM `u`@`%`"]),
            (
                &[user, "GRANT ALL PRIVILEGES ON `d`.* TO `u`@`%`"],
                &[user, select],
                &["REVOKE ALL PRIVILEGES ON `d`.* FROM `u`@`%`", select],
            ),
            (
                &[user, select],
                &[user, "GRANT ALL PRIVILEGES ON `d`.* TO `u`@`%`"],
                &["GRANT ALL PRIVILEGES ON `d`.* TO `u`@`%`"],
            ),
            (
                &[user, "GRANT SELECT ON `d`.* TO `u`@`%` WITH GRANT OPTION"],
                &[user, select],
                &["REVOKE GRANT OPTION ON `d`.* FROM `u`@`%`"],
            ),
            (
                &[user, select],
                &[user, "GRANT SELECT ON `d`.* TO `u`@`%` WITH GRANT OPTION"],
                &["GRANT USAGE ON `d`.* TO `u`@`%` WITH GRANT OPTION"],
            ),
            (
                &[user, "GRANT BACKUP_ADMIN, CLONE_ADMIN ON *.* TO `u`@`%`"],
                &[user, "GRANT CLONE_ADMIN ON *.* TO `u`@`%` WITH GRANT OPTION"],
                &[
                    "REVOKE BACKUP_ADMIN, CLONE_ADMIN ON *.* FROM `u`@`%`",
                    "GRANT CLONE_ADMIN ON *.* TO `u`@`%` WITH GRANT OPTION",
                ],
            ),
            (
                &[user, "GRANT INSERT (`a`), UPDATE (`b`) ON `d`.`t` TO `u`@`%`"],
                &[user, "GRANT INSERT (`a`, `c`) ON `d`.`t` TO `u`@`%`"],
                &["REVOKE UPDATE (`b`) ON `d`.`t` FROM `u`@`%`", "GRANT INSERT (`c`) ON `d`.`t` TO `u`@`%`"],
            ),
            (
                &[user, "GRANT INSERT, SELECT ON *.* TO `u`@`%`", "REVOKE INSERT ON `d`.* FROM `u`@`%`"],
                &[user, "GRANT INSERT, SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `d`.* FROM `u`@`%`"],
                &["GRANT INSERT ON `d`.* TO `u`@`%`", "REVOKE SELECT ON `d`.* FROM `u`@`%`"],
            ),
            (
                &[user, "GRANT `r` TO `u`@`%`", "SET DEFAULT ROLE `r` FOR `u`@`%`"],
                &[user, "GRANT `r` TO `u`@`%` WITH ADMIN OPTION", "SET DEFAULT ROLE `r` FOR `u`@`%`"],
                &[
                    "REVOKE `r` FROM `u`@`%`",
                    "GRANT `r` TO `u`@`%` WITH ADMIN OPTION",
                    "SET DEFAULT ROLE `r` FOR `u`@`%`",
                ],
            ),
            (
                &[user, "GRANT `r`@`%` TO `u`@`%`", "ALTER USER `u`@`%` DEFAULT ROLE `r`@`%`"],
                &[user],
                &["REVOKE `r`@`%` FROM `u`@`%`", "ALTER USER `u`@`%` DEFAULT ROLE NONE"],
            ),
            (
                &[user, "GRANT PROXY ON `v`@`%` TO `u`@`%`"],
                &[user, "GRANT PROXY ON `v`@`%` TO `u`@`%` WITH GRANT OPTION"],
                &[
                    "REVOKE PROXY ON `v`@`%` FROM `u`@`%`",
                    "GRANT PROXY ON `v`@`%` TO `u`@`%` WITH GRANT OPTION",
                ],
            ),
        ] {
            assert_eq!(texts(from, to), expected, "{from:?} to {to:?}");
        }
    }

    /// What an account lacks it gets, and what it has it keeps.
    #[test]
    fn what_takes_something_is_no_gift() {
        let user = "CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED WITH x";
        let (select, all) = ("GRANT SELECT ON *.* TO `u`@`%`", "GRANT ALL PRIVILEGES ON *.* TO `u`@`%`");
        let revoked = "REVOKE SELECT ON `d`.* FROM `u`@`%`";
        let (role, default) = ("GRANT `r`@`%` TO `u`@`%`", "ALTER USER `u`@`%` DEFAULT ROLE `r`@`%`");
        let both = "ALTER USER `u`@`%` DEFAULT ROLE `r`@`%`, `s`@`%`";
        for (from, to, is_gift) in [
            (&[user][..], &[user, select][..], true),
            (&[user, select], &[user], false),
            // A partial revoke goes with the right that it is of.
            (&[user], &[user, select, revoked], true),
            (&[user, select], &[user, select, revoked], false),
            (&[user, all], &[user, all, revoked], false),
            (&[user, select, revoked], &[user, select, revoked, role], true),
            (&[user, select, revoked], &[user, select], false),
            (&[user, role], &[user, role, default], true),
            (&[user, role, default], &[user, role, both], true),
            (&[user, role, both], &[user, role, default], false),
            (&[user, role, default], &[user, role], false),
        ] {
            assert_eq!(only_gives(&account(from), &account(to)), is_gift, "{from:?} to {to:?}");
        }
    }

    /// A right that goes takes its partial revokes along, and none of them becomes a right of its own.
    #[test]
    fn a_global_right_that_goes_leaves_nothing_behind() {
        let user = "CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED WITH x";
        let (both, one) = ("GRANT INSERT, SELECT ON *.* TO `u`@`%`", "GRANT SELECT ON *.* TO `u`@`%`");
        let revoked = "REVOKE INSERT, SELECT ON `d`.* FROM `u`@`%`";
        assert_eq!(texts(&[user, both, revoked], &[user]), ["REVOKE INSERT, SELECT ON *.* FROM `u`@`%`"]);
        assert_eq!(
            texts(&[user, both, revoked], &[user, one]),
            ["REVOKE INSERT ON *.* FROM `u`@`%`", "GRANT SELECT ON `d`.* TO `u`@`%`"]
        );
    }

    #[test]
    fn who_it_is_is_said_anew_without_dropping_it() {
        let from =
            ["CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED VIA ed25519 USING 'a' REQUIRE SSL ACCOUNT LOCK"];
        let to = ["CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED VIA ed25519 USING 'b' PASSWORD EXPIRE"];
        let limits = "WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0 \
                      MAX_STATEMENT_TIME 0";
        assert_eq!(
            texts(&from, &to),
            [
                format!(
                    "ALTER USER `u`@`%` IDENTIFIED VIA ed25519 USING 'b' REQUIRE NONE {limits} ACCOUNT UNLOCK"
                ),
                "ALTER USER `u`@`%` PASSWORD EXPIRE".into()
            ]
        );
        let from =
            ["CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED WITH x PASSWORD HISTORY 5 ATTRIBUTE '{\"a\": 1}'"];
        let to = ["CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED WITH x ATTRIBUTE '{\"b\": \"it\\'s\"}'"];
        assert_eq!(
            texts(&from, &to),
            [
                "ALTER USER `u`@`%` PASSWORD HISTORY DEFAULT",
                "ALTER USER `u`@`%` ATTRIBUTE '{\"a\":null,\"b\":\"it\\'s\"}'"
            ]
        );
        // One that has expired holds again by being given once more.
        let from = [
            "CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED WITH x AS 0x41 PASSWORD EXPIRE",
            "ALTER USER `u`@`%` PASSWORD EXPIRE INTERVAL 3 DAY",
        ];
        let to = ["CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED WITH x AS 0x41"];
        let altered = texts(&from, &to);
        assert!(
            altered[0].starts_with("ALTER USER `u`@`%` IDENTIFIED WITH x AS 0x41 REQUIRE NONE"),
            "{altered:?}"
        );
        assert_eq!(
            altered[1..],
            ["ALTER USER `u`@`%` PASSWORD EXPIRE NEVER", "ALTER USER `u`@`%` PASSWORD EXPIRE DEFAULT"]
        );
        assert_eq!(
            texts(&to, &from)[..],
            ["ALTER USER `u`@`%` PASSWORD EXPIRE", "ALTER USER `u`@`%` PASSWORD EXPIRE INTERVAL 3 DAY"]
        );
    }

    #[test]
    fn what_is_shown_of_a_step_holds_no_secret() {
        let lines = ["CREATE USER IF NOT EXISTS `u`@`%` IDENTIFIED VIA mysql_native_password USING '*HASH'"];
        let shown = format!("{:?} {:?}", account(&lines), steps(None, &account(&lines)));
        assert!(!shown.contains("HASH") && shown.contains("CREATE USER"), "{shown}");
    }
}
