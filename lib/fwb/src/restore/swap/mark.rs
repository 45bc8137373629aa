//! The databases that we make: how they are named, found and removed.
//!
//! The name and the `COMMENT` of such a database are for people, and to find it by. What it is, its [`Seal`] says; what has
//! none is told of and left alone, whatever it is called. Nothing that holds tables goes without a look at them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::seal::{self, Seal};
use super::steps::clause_of;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{NameCase, ServerClient, Sql, base_of_restore, quote_name, quote_text};

/// How long a database's name may be, in characters (MariaDB's manual, "Identifier Names").
const LONGEST_NAME: usize = 64;

/// What a database of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DatabaseRole {
    /// A backup is loaded into it, to be proved before it takes the live database's place.
    Shadow,
    /// It keeps what a swap has taken away, so that it can be undone.
    Before,
    /// It kept that, and is being removed.
    Going,
}

impl DatabaseRole {
    fn word(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Before | Self::Going => "before",
        }
    }
}

/// What the comment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Comment {
    #[serde(rename = "fwb-restore")]
    role: DatabaseRole,
    of: String,
    at: String,
}

/// A database of ours, which is proved to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Its name.
    pub(crate) database: String,
    /// What its seal says.
    pub(super) seal: Seal,
}

impl Marked {
    /// The live database that it belongs to.
    pub(crate) fn of(&self) -> &str {
        &self.seal.of
    }

    /// When it was made: `20250725_170206`, UTC.
    pub(crate) fn at(&self) -> &str {
        &self.seal.at
    }

    /// The view in it that says so.
    pub(crate) fn seal_view(&self) -> &str {
        &self.seal.view
    }
}

/// A database that is named or commented as ours are, and is not proved to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unproved {
    /// Its name.
    pub(crate) database: String,
    /// Why it is not believed.
    pub(crate) why: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Proved, in the order in which they were made.
    pub(crate) ours: Vec<Marked>,
    /// Not proved.
    pub(crate) unproved: Vec<Unproved>,
}

impl Found {
    /// Those for this.
    pub(super) fn with_role(&self, role: DatabaseRole) -> impl Iterator<Item = &Marked> {
        self.ours.iter().filter(move |marked| marked.seal.role == role)
    }
}

/// Makes a database of ours, with this charset and collation where they are known. A shadow is told which tables will be
/// copies in it.
///
/// # Errors
/// The server does not let us.
pub(super) fn create(
    server: &ServerClient,
    role: DatabaseRole,
    of: &str,
    copies: impl IntoIterator<Item = String>,
    charset: Option<&(String, String)>,
    cancel: &Cancel,
) -> Result<Marked> {
    let sequence = list(server, Some(of), cancel)?.ours.last().map_or(1, |last| last.seal.sequence + 1);
    let copies = copies.into_iter().collect();
    let (database, at) = loop {
        let at = chrono::Utc::now().format("%Y%m%d_%H%M%S").to_string();
        let suffix = format!("__{}_{at}", role.word());
        let base: String = of.chars().take(LONGEST_NAME - suffix.len()).collect();
        let database = base + &suffix;
        let comment = serde_json::to_string(&Comment { role, of: of.to_owned(), at: at.clone() })?;
        // MySQL's databases have no comments.
        let sql = format!(
            "CREATE DATABASE {}{} /*M!100500 COMMENT {}*/;\n",
            quote_name(&database),
            clause_of(charset),
            literal(&comment),
        );
        match server.query(None, Sql::Write(&sql), "making a database", cancel) {
            // Another one has its name from this second.
            Err(error) if error.number() == Some(DATABASE_EXISTS) => {
                cancel.check()?;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            made => {
                made?;
                break (database, at);
            }
        }
    };
    let seal = Seal {
        view: Seal::new_view(),
        role,
        database: database.clone(),
        of: of.to_owned(),
        sequence,
        at,
        copies,
        journal: None,
    };
    let sql = seal.statement()? + ";\n";
    if let Err(error) = server.query(None, Sql::Write(&sql), "sealing a database", cancel) {
        remove_if_empty(server, &database, None, &cancel.with_grace())?;
        return Err(error);
    }
    Ok(Marked { database, seal })
}

/// "Can't create database; database exists", and "Unknown column".
const DATABASE_EXISTS: u16 = 1007;
const NO_SUCH_COLUMN: u16 = 1054;

/// A string literal under every `sql_mode`, for where the server takes no hexadecimal one; it may stand in a comment.
fn literal(text: &str) -> String {
    // JSON escapes control characters, and a backslash means the same doubled or, before these letters, alone.
    format!("'{}'", text.replace('/', "\\/").replace('\\', "\\\\").replace('\'', "''"))
}

/// The databases that are ours, or look like it; those that belong to `of`, where it is given.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn list(server: &ServerClient, of: Option<&str>, cancel: &Cancel) -> Result<Found> {
    let sql = "SELECT SCHEMA_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA;\n";
    let rows =
        match server.query(None, Sql::Read(sql), "looking for databases that a restore has left", cancel) {
            Err(error) if error.number() == Some(NO_SUCH_COLUMN) => {
                let sql = "SELECT SCHEMA_NAME, '' FROM information_schema.SCHEMATA;\n";
                server.query(None, Sql::Read(sql), "looking for databases that a restore has left", cancel)?
            }
            rows => rows?,
        };
    let case = server.name_case(cancel)?;
    let named: Vec<(String, Option<Comment>)> = rows
        .into_iter()
        .filter_map(|row| {
            let [name, comment] = <[String; 2]>::try_from(row).ok()?;
            let comment = serde_json::from_str::<Comment>(&comment).ok();
            let looks_like_it = comment.is_some() || base_of_restore(&name).is_some();
            looks_like_it.then_some((name, comment))
        })
        .collect();
    let databases: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    let mut seals = seal::seals(server, &databases, cancel)?;
    let mut found = Found::default();
    for (database, comment) in named {
        match seals.remove(&database) {
            Some(Ok(seal)) if of.is_none_or(|of| case.same(of, &seal.of)) => {
                found.ours.push(Marked { database, seal });
            }
            Some(Err(why)) if of.is_none_or(|of| claims(&database, comment.as_ref(), of, case)) => {
                found.unproved.push(Unproved { database, why });
            }
            _ => {}
        }
    }
    found.ours.sort_by_key(|marked| marked.seal.sequence);
    Ok(found)
}

/// Whether a database's name or comment says that it belongs to `of`.
fn claims(database: &str, comment: Option<&Comment>, of: &str, case: NameCase) -> bool {
    let Some(comment) = comment else {
        // A long name is cut off in the name of the database that belongs to it.
        let whole = database.chars().count() < LONGEST_NAME;
        let cut = |base: &str| of.chars().take(base.chars().count()).collect::<String>();
        return base_of_restore(database)
            .is_some_and(|base| if whole { case.same(of, base) } else { case.same(&cut(base), base) });
    };
    case.same(&comment.of, of)
}

/// Why a database of ours was not removed.
pub(super) type Left = Option<String>;

/// Removes a shadow, or what is being removed already: what it holds must be the copies that its seal names.
///
/// # Errors
/// The server does not let us.
pub(super) fn remove_shadow(server: &ServerClient, shadow: &Marked, cancel: &Cancel) -> Result<Left> {
    let database = &shadow.database;
    let (candidates, trusted) = seal::candidates(server, &[database], cancel)?;
    match seal::judge(database, &candidates, &trusted) {
        Ok(seal) if seal.role != DatabaseRole::Before && seal.view == shadow.seal.view => {}
        Ok(_) => return Ok(Some("it is another one now".into())),
        Err(_) if !exists(server, database, cancel)? => return Ok(None),
        Err(why) => return Ok(Some(why)),
    }
    let tables = server.table_names(database, cancel)?;
    let foreign: Vec<&str> =
        tables.iter().filter(|table| !shadow.seal.copies.contains(*table)).map(String::as_str).collect();
    if !foreign.is_empty() {
        return Ok(Some(format!("it holds what no restore has put there: {}", foreign.join(", "))));
    }
    drop_database(server, database, cancel).map(|()| None)
}

/// Removes a database of ours that holds no table but the journal named here.
///
/// # Errors
/// The server does not let us.
pub(super) fn remove_if_empty(
    server: &ServerClient,
    database: &str,
    journal: Option<&str>,
    cancel: &Cancel,
) -> Result<Left> {
    if !exists(server, database, cancel)? {
        return Ok(None);
    }
    let mut tables = server.table_names(database, cancel)?;
    tables.retain(|table| Some(table.as_str()) != journal);
    if !tables.is_empty() {
        let names: Vec<&str> = tables.iter().map(String::as_str).collect();
        return Ok(Some(format!("it holds tables: {}", names.join(", "))));
    }
    drop_database(server, database, cancel).map(|()| None)
}

/// Removes what a swap has kept: whoever calls this was told to by name. It is sealed as something that goes first, so that
/// the next run removes what a cut has left of it.
///
/// # Errors
/// The server does not let us.
pub(super) fn forget(server: &ServerClient, kept: &Marked, cancel: &Cancel) -> Result<()> {
    let copies = server.table_names(&kept.database, cancel)?;
    let going = Seal { role: DatabaseRole::Going, journal: None, copies, ..kept.seal.clone() };
    let sql = going.statement()? + ";\n";
    server.query(None, Sql::Write(&sql), "sealing a database anew", cancel)?;
    drop_database(server, &kept.database, cancel)
}

/// Removes a database that was made for a restore that was cut off before it could seal it: it is named and commented as
/// ours are, and holds nothing at all.
///
/// # Errors
/// The server does not let us.
pub(super) fn remove_unsealed(server: &ServerClient, unproved: &Unproved, cancel: &Cancel) -> Result<bool> {
    let database = &unproved.database;
    let sql = format!(
        "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n",
        quote_text(database)
    );
    let commented = server
        .query(None, Sql::Read(&sql), "looking at a database", cancel)
        .is_ok_and(|rows| rows.iter().flatten().any(|text| serde_json::from_str::<Comment>(text).is_ok()));
    if base_of_restore(database).is_none() || !commented || !server.inventory(database, cancel)?.is_empty() {
        return Ok(false);
    }
    drop_database(server, database, cancel).map(|()| true)
}

fn exists(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<bool> {
    let sql =
        format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n", quote_text(database));
    Ok(!server.query(None, Sql::Read(&sql), "looking at a database", cancel)?.is_empty())
}

/// Drops a database: what it holds first and its seal last. A server drops tables and views in the order of their names,
/// and one that ends meanwhile would leave some that nothing proves to be ours.
fn drop_database(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<()> {
    let mut held = server.inventory(database, cancel)?;
    held.views.append(&mut held.broken_views);
    held.views.retain(|view| !seal::may_be(view));
    let first = held.removal(&BTreeSet::new());
    if !first.is_empty() {
        let sql = format!("SET SESSION foreign_key_checks=0;\n{};\n", first.join(";\n"));
        match server.query(Some(database), Sql::Write(&sql), "removing a database", cancel) {
            // What cannot be dropped alone, as a damaged table, may go with the whole.
            Err(error) if error.number().is_none() => return Err(error),
            _ => {}
        }
    }
    let sql =
        format!("SET SESSION foreign_key_checks=0;\nDROP DATABASE IF EXISTS {};\n", quote_name(database));
    server.query(None, Sql::Write(&sql), "removing a database", cancel).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Answer, Fake};

    const SCHEMATA: &str = "SELECT SCHEMA_NAME, SCHEMA_COMMENT";
    const VIEWS: &str = "SELECT 'self', CURRENT_USER()";
    const TABLES: &str = "SELECT TABLE_NAME FROM information_schema.TABLES";
    const EXISTS: &str = "SELECT 1 FROM information_schema.SCHEMATA";
    const US: [&str; 2] = ["self", "root@localhost"];

    fn shadow(sequence: u64, copies: &[&str]) -> Marked {
        let database = format!("shop__shadow_20250725_17020{sequence}");
        let seal = Seal {
            view: format!("fwb_seal_{sequence}"),
            role: DatabaseRole::Shadow,
            database: database.clone(),
            of: "shop".into(),
            sequence,
            at: "20250725_170206".into(),
            copies: copies.iter().map(|copy| (*copy).to_owned()).collect(),
            journal: None,
        };
        Marked { database, seal }
    }

    /// The row by which the server shows its seal, made by `definer`.
    fn shown(marked: &Marked, definer: &str) -> Vec<String> {
        let text = marked.seal.statement().unwrap();
        ["view", &marked.database, &marked.seal.view, definer, &text].map(ToOwned::to_owned).to_vec()
    }

    fn with_us(rows: Vec<Vec<String>>) -> Answer {
        Answer::Rows([vec![US.map(ToOwned::to_owned).to_vec()], rows].concat())
    }

    /// What somebody else has put there must stay, whatever it is called.
    #[test]
    fn only_what_our_seal_proves_is_removed() {
        let (ours, other) = (shadow(1, &["goods"]), shadow(2, &["goods"]));
        let moved = Marked { database: ours.database.clone(), ..other.clone() };
        let ours_shown = || with_us(vec![shown(&ours, "root@localhost")]);
        let goods = || Answer::rows(&[&["goods"]]);
        let nothing = || Answer::rows(&[]);
        for (what, views, tables, exists, goes, left) in [
            ("it is ours", ours_shown(), goods(), Answer::rows(&[&["1"]]), true, ""),
            ("it is ours, and empty", ours_shown(), nothing(), Answer::rows(&[&["1"]]), true, ""),
            (
                "a table too many",
                ours_shown(),
                Answer::rows(&[&["goods"], &["mine"]]),
                nothing(),
                false,
                "mine",
            ),
            (
                "another account's seal",
                with_us(vec![shown(&ours, "app@%")]),
                goods(),
                Answer::rows(&[&["1"]]),
                false,
                "app@% has sealed it",
            ),
            ("no seal", with_us(vec![]), goods(), Answer::rows(&[&["1"]]), false, "it has no seal"),
            ("it is gone already", with_us(vec![]), nothing(), nothing(), false, ""),
            (
                "the seal of another database",
                with_us(vec![shown(&moved, "root@localhost")]),
                goods(),
                Answer::rows(&[&["1"]]),
                false,
                "says nothing",
            ),
            (
                "answers without end or sense",
                Answer::rows(&[&["x"], &["self", "a", "b"], &["view", "c"]]),
                goods(),
                Answer::rows(&[&["1"]]),
                false,
                "it has no seal",
            ),
        ] {
            let fake = Fake::new([(VIEWS, &[views][..]), (TABLES, &[tables]), (EXISTS, &[exists])]);
            let done = remove_shadow(&fake.client(0), &ours, &Cancel::default()).unwrap();
            assert_eq!(fake.sent("DROP DATABASE").len(), usize::from(goes), "{what}");
            assert!(
                done.clone().unwrap_or_default().contains(left) && done.is_some() != left.is_empty(),
                "{what}: {done:?}"
            );
        }
    }

    /// Whatever cannot be asked is no reason to drop anything.
    #[test]
    fn a_refusal_at_any_step_drops_nothing() {
        let ours = shadow(1, &["goods"]);
        for refused in [VIEWS, TABLES] {
            for answer in [Answer::Refused(1142), Answer::Cut] {
                let fake = Fake::new([
                    (refused, &[answer][..]),
                    (VIEWS, &[with_us(vec![shown(&ours, "root@localhost")])]),
                    (EXISTS, &[Answer::rows(&[&["1"]])]),
                ]);
                assert!(remove_shadow(&fake.client(0), &ours, &Cancel::default()).is_err(), "{refused}");
                assert!(fake.sent("DROP").is_empty(), "{refused}");
            }
        }
        // Nor what a database holds that was to be empty.
        for (tables, goes) in [(&[&["goods"][..]][..], false), (&[&["fwb_journal"]], true), (&[], true)] {
            let fake =
                Fake::new([(EXISTS, &[Answer::rows(&[&["1"]])][..]), (TABLES, &[Answer::rows(tables)])]);
            let left =
                remove_if_empty(&fake.client(0), "shop__before", Some("fwb_journal"), &Cancel::default());
            assert_eq!(
                (left.unwrap().is_none(), fake.sent("DROP").len()),
                (goes, usize::from(goes)),
                "{tables:?}"
            );
        }
    }

    /// A database that cannot be sealed would be told of for ever, and never be removed.
    #[test]
    fn a_database_that_is_not_made_whole_is_not_left() {
        let comment = "CREATE DATABASE";
        let seal = "CREATE OR REPLACE VIEW";
        for (what, script, is_made, creates, drops) in [
            ("nothing refused", [(comment, vec![]), (EXISTS, vec![])], true, 1, 0),
            ("no right", [(comment, vec![Answer::Refused(1044)]), (EXISTS, vec![])], false, 1, 0),
            (
                "the name is taken",
                [(comment, vec![Answer::Refused(1007), Answer::rows(&[])]), (EXISTS, vec![])],
                true,
                2,
                0,
            ),
            (
                "no seal",
                [(seal, vec![Answer::Refused(1142)]), (EXISTS, vec![Answer::rows(&[&["1"]])])],
                false,
                1,
                1,
            ),
            (
                "the seal's answer is lost",
                [(seal, vec![Answer::Cut]), (EXISTS, vec![Answer::rows(&[&["1"]])])],
                false,
                1,
                1,
            ),
        ] {
            let [(one, first), (two, second)] = &script;
            let fake = Fake::new([(*one, &first[..]), (*two, &second[..])]);
            let made = create(&fake.client(0), DatabaseRole::Shadow, "shop", [], None, &Cancel::default());
            assert_eq!(made.is_ok(), is_made, "{what}");
            assert_eq!(fake.sent("CREATE DATABASE").len(), creates, "{what}");
            assert_eq!(fake.sent("DROP DATABASE").len(), drops, "{what}");
        }
    }

    /// MySQL's databases have no comments: there they are found by their names.
    #[test]
    fn databases_of_ours_are_found_in_their_order() {
        let (one, two) = (shadow(1, &[]), shadow(2, &[]));
        let names = Answer::rows(&[
            &[&two.database, ""],
            &["shop", ""],
            &[&one.database, ""],
            &["shop__shadow_20250725_170209", ""],
        ]);
        let views = with_us(vec![shown(&two, "root@localhost"), shown(&one, "root@localhost")]);
        let fake = Fake::new([
            (SCHEMATA, &[Answer::Refused(NO_SUCH_COLUMN)][..]),
            ("SELECT SCHEMA_NAME, ''", &[names]),
            (VIEWS, &[views]),
        ]);
        let found = list(&fake.client(0), Some("shop"), &Cancel::default()).unwrap();
        assert_eq!(found.ours, [one, two]);
        let unproved: Vec<&str> = found.unproved.iter().map(|unproved| unproved.why.as_str()).collect();
        assert_eq!(unproved, ["it has no seal"]);
        let fake = Fake::new([(SCHEMATA, &[Answer::Refused(1142)])]);
        assert!(list(&fake.client(0), None, &Cancel::default()).is_err());
    }

    #[test]
    fn names_of_ours_are_told_from_others() {
        assert_eq!(base_of_restore("shop__before_20250725_170206"), Some("shop"));
        assert_eq!(base_of_restore("a__b__shadow_20250725_170206"), Some("a__b"));
        for other in [
            "shop__before_",
            "shop__before_2025_1",
            "shop",
            "__before_20250725_170206",
            "s__after_20250725_170206",
        ] {
            assert_eq!(base_of_restore(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_database_claims_is_compared_as_the_server_compares_names() {
        let name = "shop__before_20250725_170206";
        let claims = |comment: Option<&Comment>, of, case| claims(name, comment, of, case);
        assert!(claims(None, "shop", NameCase::Sensitive));
        assert!(!claims(None, "Shop", NameCase::Sensitive));
        assert!(claims(None, "Shop", NameCase::Insensitive));
        let comment = Comment { role: DatabaseRole::Before, of: "other".into(), at: String::new() };
        assert!(!claims(Some(&comment), "shop", NameCase::Sensitive));
        assert!(!claims(Some(&comment), "shop", NameCase::Insensitive));
        assert!(!super::claims("sh__before_20250725_170206", None, "shop", NameCase::Sensitive));
        let long = "x".repeat(64);
        let cut = format!("{}__before_20250725_170206", "x".repeat(40));
        assert!(super::claims(&cut, None, &long, NameCase::Sensitive), "a long name is cut off");
    }

    #[test]
    fn a_comment_of_any_name_ends_neither_the_literal_nor_the_comment_around_it() {
        let text = literal("{\"of\":\"a'*/ b\\\\\"}");
        assert!(!text.contains("*/"), "{text}");
        assert_eq!(text, "'{\"of\":\"a''*\\\\/ b\\\\\\\\\"}'");
    }
}
