//! How two states of an account differ, in words that hold no secret.

use std::collections::BTreeSet;

use super::granted::list;
use super::{Account, Held, Object, Right};

/// What an account is otherwise than it should be; empty where it is the same.
pub(crate) fn differences(now: &Account, wanted: &Account) -> Vec<String> {
    let mut said = identity(now, wanted);
    let nothing = Held::default();
    let objects: BTreeSet<&Object> = now.held.keys().chain(wanted.held.keys()).collect();
    for object in objects {
        let of = |account: &Account| account.held.get(object).cloned().unwrap_or_else(|| nothing.clone());
        let (now, wanted) = (of(now), of(wanted));
        let less = |more: &BTreeSet<Right>, than: &BTreeSet<Right>| more.difference(than).cloned().collect();
        let (lacks, has): (BTreeSet<_>, BTreeSet<_>) =
            (less(&wanted.rights, &now.rights), less(&now.rights, &wanted.rights));
        let on = object.sql();
        if !lacks.is_empty() {
            said.push(format!("it lacks {} on {on}", list(&lacks)));
        }
        if !has.is_empty() {
            said.push(format!("it has {} on {on}, which the backup does not give", list(&has)));
        }
        match (now.grantable, wanted.grantable) {
            (false, true) => said.push(format!("it lacks GRANT OPTION on {on}")),
            (true, false) => {
                said.push(format!("it has GRANT OPTION on {on}, which the backup does not give"));
            }
            _ => {}
        }
    }
    let databases: BTreeSet<&String> = now.revoked.keys().chain(wanted.revoked.keys()).collect();
    for database in databases {
        let of = |account: &Account| account.revoked.get(database).cloned().unwrap_or_default();
        let words = |more: &BTreeSet<String>, than: &BTreeSet<String>| -> Option<String> {
            let words: Vec<String> = more.difference(than).cloned().collect();
            (!words.is_empty()).then(|| words.join(", "))
        };
        let (now, wanted, on) = (of(now), of(wanted), Object::Database(database.clone()).sql());
        if let Some(rights) = words(&wanted, &now) {
            said.push(format!("{rights} on {on} is not revoked, as it is in the backup"));
        }
        if let Some(rights) = words(&now, &wanted) {
            said.push(format!("{rights} on {on} is revoked, as it is not in the backup"));
        }
    }
    if now.proxies != wanted.proxies {
        said.push("the accounts that it may act as differ".into());
    }
    for (role, admin) in &wanted.roles {
        match now.roles.get(role) {
            None => said.push(format!("it lacks the role {role}")),
            Some(is_admin) if is_admin != admin => {
                said.push(format!("whether it may grant the role {role} to others differs"));
            }
            Some(_) => {}
        }
    }
    for role in now.roles.keys().filter(|role| !wanted.roles.contains_key(role)) {
        said.push(format!("it has the role {role}, which the backup does not give"));
    }
    if now.default_roles != wanted.default_roles {
        said.push("its default roles differ".into());
    }
    said
}

fn identity(now: &Account, wanted: &Account) -> Vec<String> {
    let (now, wanted) = match (&now.identity, &wanted.identity) {
        (None, None) => return Vec::new(),
        (Some(now), Some(wanted)) => (now, wanted),
        (Some(_), None) => return vec!["it is an account, and a role in the backup".into()],
        (None, Some(_)) => return vec!["it is a role, and an account in the backup".into()],
    };
    let parts = [
        (now.methods == wanted.methods, "how it logs in, or its password"),
        (now.require == wanted.require, "what its connections must be (REQUIRE)"),
        (now.limits == wanted.limits, "its limits"),
        ((now.lifetime, now.expired) == (wanted.lifetime, wanted.expired), "when its password expires"),
        (now.locked == wanted.locked, "whether it is locked"),
        (now.history == wanted.history, "what holds for its passwords"),
        (now.attribute == wanted.attribute, "its comment or attributes"),
    ];
    parts.into_iter().filter(|(is_same, _)| !is_same).map(|(_, what)| format!("{what} differs")).collect()
}
