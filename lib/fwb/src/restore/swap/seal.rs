//! The seal of a database of ours: a view in it, whose text says what the database is, and whose DEFINER is the account
//! that restored.
//!
//! A server lets nobody make a view in another account's name, nor change the text of one, without a global privilege
//! (error 1227; MariaDB's manual, "CREATE VIEW"). So whoever holds all rights on a database can drop what we have left
//! there, or replace it in his own name, which shows; he cannot make what we would believe.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::mark::DatabaseRole;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql, quote_name, quote_text};

/// What the names of our views begin with. Digits that nobody can guess follow.
const NAME: &str = "fwb_seal_";
/// What the text of our views begins with: the kind and version of what follows, in hexadecimal digits.
const TEXT: &str = "fwb1:";
/// Global privileges whose holders may make views in anybody's name. What they have sealed is as good as ours: they could
/// seal it as us. `SET USER` is MariaDB's, the last two are MySQL's.
const MAY_BE_ANYBODY: [&str; 4] = ["SUPER", "SET USER", "SET_USER_ID", "SET_ANY_DEFINER"];

/// What a database of ours is: all that is believed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    /// The view that says this. A view can be renamed without its DEFINER, but then it does not name itself any more.
    pub(super) view: String,
    /// What the database is for.
    pub(super) role: DatabaseRole,
    /// The database that it lies in.
    pub(super) database: String,
    /// The live database that it belongs to.
    pub(super) of: String,
    /// Counts the databases of ours that belong to one live database: a later one has a greater number, whatever
    /// clocks said.
    pub(super) sequence: u64,
    /// When it was made: `20250725_170206`, UTC.
    pub(super) at: String,
    /// The tables of a shadow: what a backup is loaded into, and so a copy.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) copies: BTreeSet<String>,
    /// The journal in a database that keeps what a swap has replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) journal: Option<JournalSeal>,
}

/// Whether a view may be a seal, by its name.
pub(super) fn may_be(view: &str) -> bool {
    view.starts_with(NAME)
}

/// What holds of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JournalSeal {
    /// The table that it is.
    pub(super) table: String,
    /// The SHA-256 of its steps, in hexadecimal digits.
    pub(super) sha256: String,
    /// How far the swap has come.
    pub(super) phase: Phase,
}

/// How far a swap has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// The journal is being written: nothing is done.
    Writing,
    /// Everything is written down.
    Prepared,
    /// The live database is wholly the new one.
    Swapped,
    /// Nothing is left to do.
    Done,
}

/// A name that nobody can guess: 16 hexadecimal digits after `prefix`.
pub(in crate::restore) fn unguessable(prefix: &str) -> String {
    format!("{prefix}{:016x}", rand_bits())
}

/// 64 bits from the operating system, by way of the seed of the standard library's hash maps.
fn rand_bits() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl Seal {
    /// How far the swap has come whose journal is written down, or being written.
    pub(super) fn phase(&self) -> Option<Phase> {
        self.journal.as_ref().map(|journal| journal.phase)
    }

    /// Whether what will be done is written down whole.
    pub(super) fn is_written(&self) -> bool {
        self.phase() > Some(Phase::Writing)
    }

    /// A name for a seal's view.
    pub(super) fn new_view() -> String {
        unguessable(NAME)
    }

    /// The statement that makes the seal, or makes it anew, in the name of whoever executes it.
    ///
    /// # Errors
    /// Never in practice: it cannot be written as JSON.
    pub(super) fn statement(&self) -> Result<String> {
        let place = format!("{}.{}", quote_name(&self.database), quote_name(&self.view));
        let text = hex::encode(serde_json::to_string(self)?);
        Ok(format!("CREATE OR REPLACE VIEW {place} AS SELECT '{TEXT}{text}' AS fwb"))
    }

    fn read(definition: &str) -> Option<Self> {
        let (_, after) = definition.split_once(TEXT)?;
        let end = after.find(|digit: char| !digit.is_ascii_hexdigit())?;
        serde_json::from_slice(&hex::decode(&after[..end]).ok()?).ok()
    }
}

/// A view that may be a seal, as the server shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The database that it lies in.
    pub(super) database: String,
    /// Its name.
    pub(super) name: String,
    /// `user@host`.
    pub(super) definer: String,
    /// Its text, where the server shows it.
    pub(super) definition: String,
}

/// The seal of `database`, out of the views that may be one; or why there is none.
///
/// Where several hold, the one that has come furthest counts: each later one replaces an earlier one, so an earlier one
/// was put out of the way by somebody.
pub(super) fn judge(
    database: &str,
    candidates: &[Candidate],
    trusted: &BTreeSet<String>,
) -> Result<Seal, String> {
    let here = || candidates.iter().filter(|view| view.database == database);
    let read = here().filter_map(|view| Some((view, Seal::read(&view.definition)?)));
    let own = |(view, seal): &(&Candidate, Seal)| seal.view == view.name && seal.database == database;
    let (believed, foreign): (Vec<_>, Vec<_>) =
        read.filter(own).partition(|(view, _)| trusted.contains(&view.definer));
    let furthest =
        believed.into_iter().map(|(_, seal)| seal).max_by_key(|seal| (seal.phase(), seal.sequence));
    match (furthest, foreign.first()) {
        (Some(seal), _) => Ok(seal),
        (None, Some((view, _))) => Err(format!("the account {} has sealed it, and not ours", view.definer)),
        (None, None) if here().next().is_some() => Err("its seal says nothing of it".into()),
        (None, None) => Err("it has no seal".into()),
    }
}

/// The views in these databases that may be seals, and the accounts that are believed.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn candidates(
    server: &ServerClient,
    databases: &[&str],
    cancel: &Cancel,
) -> Result<(Vec<Candidate>, BTreeSet<String>)> {
    if databases.is_empty() {
        return Ok((Vec::new(), BTreeSet::new()));
    }
    // One question a database: the server looks into all others for a question about several.
    let mut views = String::new();
    for database in databases {
        views += &format!(
            "SELECT 'view', TABLE_SCHEMA, TABLE_NAME, DEFINER, VIEW_DEFINITION FROM information_schema.VIEWS \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME LIKE '{}%';\n",
            quote_text(database),
            NAME.replace('_', "\\_"),
        );
    }
    let privileges = MAY_BE_ANYBODY.map(|privilege| format!("'{privilege}'")).join(", ");
    let sql = format!(
        "SELECT 'self', CURRENT_USER();\n{views}\
         SELECT 'trusted', GRANTEE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ({privileges});\n"
    );
    let (mut found, mut trusted) = (Vec::new(), BTreeSet::new());
    for row in server.query(None, Sql::Read(&sql), "looking for what restores have sealed", cancel)? {
        match &row[..] {
            [what, account] if what == "self" => {
                trusted.insert(account.clone());
            }
            [what, grantee] if what == "trusted" => trusted.extend(account_of(grantee)),
            [_, database, name, definer, definition] => found.push(Candidate {
                database: database.clone(),
                name: name.clone(),
                definer: definer.clone(),
                definition: definition.clone(),
            }),
            _ => {}
        }
    }
    Ok((found, trusted))
}

/// `user@host` of `'user'@'host'`, as `GRANTEE` has it.
fn account_of(grantee: &str) -> Option<String> {
    let (user, host) = grantee.strip_prefix('\'')?.strip_suffix('\'')?.rsplit_once("'@'")?;
    Some(format!("{user}@{host}"))
}

/// What each of these databases is: its seal, or why it has none.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn seals(
    server: &ServerClient,
    databases: &[&str],
    cancel: &Cancel,
) -> Result<BTreeMap<String, Result<Seal, String>>> {
    let (found, trusted) = candidates(server, databases, cancel)?;
    Ok(databases.iter().map(|database| ((*database).to_owned(), judge(database, &found, &trusted))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(phase: Option<Phase>) -> Seal {
        let journal =
            phase.map(|phase| JournalSeal { table: "fwb_journal_1".into(), sha256: "ab".into(), phase });
        Seal {
            view: "fwb_seal_1".into(),
            role: DatabaseRole::Before,
            database: "d'__before_1".into(),
            of: "d'".into(),
            sequence: 7,
            at: "20250725_170206".into(),
            copies: BTreeSet::new(),
            journal,
        }
    }

    fn view(seal: &Seal, definer: &str) -> Candidate {
        let statement = seal.statement().unwrap();
        let (_, definition) = statement.split_once("AS SELECT").unwrap();
        Candidate {
            database: seal.database.clone(),
            name: seal.view.clone(),
            definer: definer.into(),
            definition: format!("select {definition}"),
        }
    }

    #[test]
    fn a_seal_is_believed_of_its_own_database_name_and_account_alone() {
        let trusted = BTreeSet::from(["root@localhost".to_owned(), "backup@%".to_owned()]);
        let ours = seal(Some(Phase::Prepared));
        let verdict = |views: &[Candidate]| judge(&ours.database, views, &trusted);
        assert_eq!(verdict(&[view(&ours, "root@localhost")]), Ok(ours.clone()));
        assert_eq!(verdict(&[view(&ours, "backup@%")]), Ok(ours.clone()));
        assert_eq!(verdict(&[]), Err("it has no seal".into()));
        let foreign = verdict(&[view(&ours, "dev@%")]).unwrap_err();
        assert!(foreign.contains("dev@%"), "{foreign}");
        let renamed = Candidate { name: "fwb_seal_2".into(), ..view(&ours, "root@localhost") };
        assert_eq!(verdict(&[renamed]), Err("its seal says nothing of it".into()));
        let elsewhere = view(&Seal { database: "other".into(), ..ours.clone() }, "root@localhost");
        let moved = Candidate { database: ours.database.clone(), ..elsewhere };
        assert_eq!(verdict(&[moved]), Err("its seal says nothing of it".into()));
        let hidden = Candidate { definition: String::new(), ..view(&ours, "root@localhost") };
        assert!(verdict(&[hidden]).is_err(), "what the server does not show is not believed");
    }

    #[test]
    fn the_seal_that_has_come_furthest_counts() {
        let trusted = BTreeSet::from(["root@localhost".to_owned()]);
        let other = |phase| Seal { view: format!("fwb_seal_{phase:?}"), ..seal(Some(phase)) };
        let views: Vec<Candidate> = [Phase::Done, Phase::Prepared, Phase::Swapped]
            .map(|phase| view(&other(phase), "root@localhost"))
            .into();
        assert_eq!(judge("d'__before_1", &views, &trusted), Ok(other(Phase::Done)));
    }

    #[test]
    fn accounts_are_read_as_the_server_writes_them() {
        assert_eq!(account_of("'backup'@'%'"), Some("backup@%".into()));
        assert_eq!(account_of("'o'@'x'@'localhost'"), Some("o'@'x@localhost".into()));
        assert_eq!(account_of("PUBLIC"), None);
    }

    #[test]
    fn names_cannot_be_guessed_from_those_before() {
        let names: BTreeSet<String> = (0..100).map(|_| Seal::new_view()).collect();
        assert_eq!(names.len(), 100);
        assert!(names.iter().all(|name| name.len() == NAME.len() + 16));
    }
}
