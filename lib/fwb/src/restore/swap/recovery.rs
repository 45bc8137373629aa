//! What was cut off, put in order; and what swaps have kept.
//!
//! Only what is proved to be ours is acted upon. What looks like it is told of and left alone.

use std::collections::BTreeSet;

use super::carry_out::CarryOut;
use super::journal::Journal;
use super::mark::{self, DatabaseRole, Found, Marked, Unproved};
use super::seal::{self, Phase, Seal};
use super::steps::{STAND_IN, SwapStage};
use super::whereabouts::{Moves, Standing, Whereabouts};
use crate::error::{Error, Result};
use crate::load::{IN_TURN, NEXT};
use crate::progress::Cancel;
use crate::restore::damage;
use crate::server::{ServerClient, Sql, quote_name, quote_text};

/// How a swap ended that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// The live database is the new one.
    New,
    /// It is the old one, and nothing is left of the attempt.
    Old,
    /// Neither, and these statements would bring its tables back.
    Torn(Vec<String>),
}

/// Reads how far a swap has come, as its seal says.
pub(super) fn look(server: &ServerClient, journal: &mut Journal, cancel: &Cancel) -> Result<()> {
    let database = journal.keeper.database.clone();
    let sealed = seal::seals(server, &[&database], cancel)?.remove(&database);
    match sealed {
        Some(Ok(seal)) => {
            if let Some(sealed) = &seal.journal {
                journal.phase = sealed.phase;
            }
            journal.keeper.seal = seal;
            Ok(())
        }
        Some(Err(why)) => Err(Error::NotOurs { database, why }),
        None => Ok(()),
    }
}

/// Brings a swap to an end that was cut off.
pub(super) fn settle(server: &ServerClient, journal: &mut Journal, cancel: &Cancel) -> Result<Settled> {
    if journal.phase == Phase::Done {
        return Ok(Settled::New);
    }
    if journal.phase == Phase::Prepared {
        let mut standing = journal.moves.standing(&whereabouts(server, journal, cancel)?);
        if let Standing::Torn(back) = standing {
            for rename in back {
                let sql = format!("SET SESSION foreign_key_checks=0;\n{};\n", rename.statement());
                if let Err(error) = server.query(None, Sql::Write(&sql), "bringing a table back", cancel) {
                    log::warn!(code = crate::notice::SWAP.code; "{error}");
                }
            }
            standing = journal.moves.standing(&whereabouts(server, journal, cancel)?);
        }
        match standing {
            Standing::New => {}
            Standing::Old => {
                tell_dropped(server, journal, cancel)?;
                return take_back(server, journal, cancel).map(|()| Settled::Old);
            }
            Standing::Torn(back) => {
                return Ok(Settled::Torn(
                    back.iter().map(|rename| format!("{};", rename.statement())).collect(),
                ));
            }
        }
        CarryOut { server, journal }.complete(cancel)?;
        look(server, journal, cancel)?;
    }
    finish(server, journal, cancel)?;
    Ok(Settled::New)
}

/// Where the tables of a swap are.
fn whereabouts(server: &ServerClient, journal: &Journal, cancel: &Cancel) -> Result<Whereabouts> {
    let Moves { live, incoming, outgoing, .. } = &journal.moves;
    Ok(Whereabouts {
        live: server.table_names(live, cancel)?,
        incoming: server.table_names(incoming, cancel)?,
        outgoing: server.table_names(outgoing, cancel)?,
    })
}

/// Takes back what a swap needed before its tables could move, and removes its two databases.
fn take_back(server: &ServerClient, journal: &Journal, cancel: &Cancel) -> Result<()> {
    let live = &journal.moves.live;
    for step in journal.stage(SwapStage::Back) {
        let sql = format!(
            "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND TABLE_COMMENT = '{STAND_IN}';\n",
            quote_text(live),
            quote_text(&step.name)
        );
        // Another sequence of this name is none of ours.
        if !server.query(None, Sql::Read(&sql), "looking for a stand-in", cancel)?.is_empty() {
            let sql = format!("DROP SEQUENCE {}.{};\n", quote_name(live), quote_name(&step.name));
            server.query(None, Sql::Write(&sql), "removing a stand-in", cancel)?;
        }
    }
    let made = journal.stage(SwapStage::Clear);
    if made.iter().any(|step| step.text.starts_with(b"CREATE DATABASE"))
        && server.inventory(live, cancel)?.is_empty()
    {
        let sql = format!("DROP DATABASE IF EXISTS {};\n", quote_name(live));
        server.query(None, Sql::Write(&sql), "removing the database that was made", cancel)?;
    }
    // The keeper goes first: without it, a shadow is only a shadow.
    let keeper = &journal.keeper.database;
    let left = mark::remove_if_empty(server, keeper, Some(&journal.table), cancel)?;
    if left.is_some() {
        // What somebody has put there keeps it. It keeps nothing of ours, and is not to be settled again.
        let unwritten = Seal { journal: None, ..journal.keeper.seal.clone() };
        server.query(
            None,
            Sql::Write(&(unwritten.statement()? + ";\n")),
            "sealing a database anew",
            cancel,
        )?;
    }
    leave(keeper, left);
    if !remove_incoming_or_keep(server, journal, cancel)? {
        // What an undo would have put back is kept on, and so are its names.
        let mut sql = String::new();
        for step in journal.stage(SwapStage::Unalias) {
            sql += &format!("{};\n", String::from_utf8_lossy(&step.text));
        }
        let sql = format!("SET SESSION foreign_key_checks=0;\n{IN_TURN};\n{sql}{NEXT};\n");
        server.query(None, Sql::Write(&sql), "giving foreign keys their names back", cancel)?;
    }
    Ok(())
}

/// Removes the shadow that tables would have come from; false where it is what an earlier swap has kept.
fn remove_incoming_or_keep(server: &ServerClient, journal: &Journal, cancel: &Cancel) -> Result<bool> {
    let incoming = &journal.moves.incoming;
    let found = mark::list(server, None, cancel)?;
    let Some(marked) = found.ours.iter().find(|marked| marked.database == *incoming) else { return Ok(true) };
    if marked.seal.role == DatabaseRole::Before {
        return Ok(false);
    }
    leave(incoming, mark::remove_shadow(server, marked, cancel)?);
    Ok(true)
}

/// Says which damaged tables were dropped before the others could move, although the swap came to nothing.
fn tell_dropped(server: &ServerClient, journal: &Journal, cancel: &Cancel) -> Result<()> {
    for table in journal.dropped(server, cancel)? {
        log::warn!(code = crate::notice::SWAP.code;
            "the damaged table {table} was dropped, because other tables could not move while it was there"
        );
    }
    Ok(())
}

fn leave(database: &str, left: mark::Left) {
    if let Some(why) = left {
        log::warn!(code = crate::notice::LEFT_BEHIND.code; "{database} is left behind: {why}");
    }
}

/// Removes the database that the tables of a swap came from: a shadow, or what an undo has emptied.
fn remove_emptied(server: &ServerClient, journal: &Journal, cancel: &Cancel) -> Result<mark::Left> {
    let incoming = &journal.moves.incoming;
    let found = mark::list(server, None, cancel)?;
    let Some(marked) = found.ours.iter().find(|marked| marked.database == *incoming) else {
        let unproved = found.unproved.into_iter().find(|unproved| unproved.database == *incoming);
        return Ok(unproved.map(|Unproved { why, .. }| why));
    };
    let own = marked.seal.journal.as_ref().map(|journal| journal.table.as_str());
    mark::remove_if_empty(server, incoming, own, cancel)
}

/// Does what follows a swap: what there was is made whole where it is kept, and the shadow is removed.
///
/// # Errors
/// Something of the swap itself is still to be done.
pub(super) fn finish(server: &ServerClient, journal: &mut Journal, cancel: &Cancel) -> Result<()> {
    if journal.phase == Phase::Prepared {
        let at = whereabouts(server, journal, cancel)?;
        let still: Vec<(&str, &str)> =
            journal.moves.aside().filter(|(_, aside)| at.live.contains(*aside)).collect();
        let aside = still.iter().map(|(_, aside)| (*aside).to_owned()).collect();
        let mut waiting: Vec<String> =
            still.iter().map(|(table, aside)| format!("{table}, as {aside}")).collect();
        // One that was made while the swap waited is in no journal, and not ours to remove.
        for trigger in server.trigger_names(&journal.moves.live, &aside, cancel)? {
            let place = format!("{}.{}", quote_name(&journal.moves.live), quote_name(&trigger));
            waiting.push(format!("a trigger that came meanwhile keeps one: DROP TRIGGER {place};"));
        }
        let damaged = journal.moves.damaged.iter().filter(|damaged| at.incoming.contains(&damaged.table));
        let incoming = &journal.moves.incoming;
        waiting.extend(damaged.map(|damaged| format!("{} in {incoming}", damaged.table)));
        return Err(Error::NotMoved { tables: waiting.join("; ") });
    }
    CarryOut { server, journal }.keep(cancel)?;
    // What an undo could not make is still where it was kept.
    if journal.failures(server, cancel)?.is_empty() {
        leave(&journal.moves.incoming, remove_emptied(server, journal, cancel)?);
    } else {
        leave(&journal.moves.incoming, Some("something of it could not be made in the live database".into()));
    }
    journal.note(server, Phase::Done, cancel)
}

/// What a swap has taken away and kept.
pub(in crate::restore) struct Kept {
    pub(super) journal: Journal,
    pub(super) charset: Option<(String, String)>,
}

impl Kept {
    /// The database that keeps it.
    pub(in crate::restore) fn marked(&self) -> &Marked {
        &self.journal.keeper
    }

    /// Tables that an undo cannot bring back: they were damaged, and could not be moved when they were replaced.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(in crate::restore) fn lost(
        &self,
        server: &ServerClient,
        cancel: &Cancel,
    ) -> Result<BTreeSet<String>> {
        let kept = server.table_names(&self.journal.keeper.database, cancel)?;
        let damaged = self.journal.moves.damaged.iter().map(|damaged| &damaged.table);
        Ok(damaged.filter(|table| !kept.contains(*table)).cloned().collect())
    }

    /// Tables that are kept and damaged: each comes back alone. Those that were damaged when they were replaced are not
    /// read.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) fn damaged(&self, server: &ServerClient, cancel: &Cancel) -> Result<BTreeSet<String>> {
        let never_read = self.journal.moves.damaged.iter().map(|damaged| damaged.table.clone()).collect();
        let now = damage::look(server, &self.journal.keeper.database, true, &never_read, cancel)?.damaged;
        Ok(now.into_iter().map(|damaged| damaged.table).collect())
    }
}

/// The databases that restores of `live`, or of all databases, have left.
pub(in crate::restore) fn found(server: &ServerClient, live: Option<&str>, cancel: &Cancel) -> Result<Found> {
    mark::list(server, live, cancel)
}

/// What the last swap of `live` has kept; none where there is nothing. The inner error says why what there is cannot be
/// put back.
pub(in crate::restore) fn newest_kept(
    server: &ServerClient,
    live: &str,
    cancel: &Cancel,
) -> Result<Option<std::result::Result<Kept, Error>>> {
    let found = mark::list(server, Some(live), cancel)?;
    // One without a journal was cut off before anything was done.
    let written = found.with_role(DatabaseRole::Before).filter(|marked| marked.seal.is_written());
    for marked in written.collect::<Vec<_>>().into_iter().rev() {
        let database = marked.database.clone();
        let journal = match Journal::open(server, marked, cancel)? {
            Ok(journal) => journal,
            Err(why) => return Ok(Some(Err(Error::NotOurs { database, why }))),
        };
        // A swap that has not moved anything keeps nothing.
        let has_moved = journal.phase != Phase::Prepared
            || journal.moves.standing(&whereabouts(server, &journal, cancel)?) != Standing::Old;
        if has_moved {
            let charset = server.database_charset(&database, cancel)?;
            return Ok(Some(Ok(Kept { journal, charset })));
        }
    }
    let unproved = found.unproved.into_iter().last();
    Ok(unproved.map(|Unproved { database, why }| Err(Error::NotOurs { database, why })))
}

/// What swaps have kept, oldest first: those that were finished.
pub(in crate::restore) fn all_kept(found: &Found) -> Vec<Marked> {
    let done =
        found.with_role(DatabaseRole::Before).filter(|marked| marked.seal.phase() == Some(Phase::Done));
    done.cloned().collect()
}

/// Removes what a swap has kept, which the operator has asked for: it cannot be undone any more.
pub(in crate::restore) fn forget(server: &ServerClient, kept: &Marked, cancel: &Cancel) -> Result<()> {
    mark::forget(server, kept, cancel)
}

/// Brings to an end, or removes, what restores of `live` have left that were cut off, and says so. The guard must be
/// held.
///
/// # Errors
/// The server does not let us, or tables are in two places.
pub(in crate::restore) fn recover(server: &ServerClient, live: &str, cancel: &Cancel) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let mut tell = |what: String| {
        log::warn!(code = crate::notice::SWAP.code; "{what}");
        told.push(what);
    };
    for marked in mark::list(server, Some(live), cancel)?.with_role(DatabaseRole::Before) {
        let (database, at) = (&marked.database, marked.at());
        if marked.seal.phase() == Some(Phase::Done) {
            continue;
        }
        match Journal::open(server, marked, cancel)? {
            Ok(mut journal) => match settle(server, &mut journal, cancel)? {
                Settled::New => tell(format!(
                    "a swap of {live} that began at {at} had been cut off: it was completed, and {database} keeps what there was"
                )),
                Settled::Old => tell(format!(
                    "a swap of {live} that began at {at} had been cut off before its tables moved: it is taken back"
                )),
                Settled::Torn(statements) => {
                    let cause = Box::new(Error::Unsettled { database: database.clone(), at: at.to_owned() });
                    let statements = statements.join(" ");
                    return Err(Error::Torn { cause, database: live.to_owned(), statements });
                }
            },
            Err(why) => match mark::remove_if_empty(server, database, unwritten(marked), cancel)? {
                None => tell(format!(
                    "a restore of {live} had been cut off before its swap at {at}: {database}, which was empty, is removed"
                )),
                Some(_) => tell(format!("{database} is left alone: {why}")),
            },
        }
    }
    let found = mark::list(server, Some(live), cancel)?;
    for marked in found.ours.iter().filter(|marked| marked.seal.role != DatabaseRole::Before) {
        let (database, at) = (&marked.database, marked.at());
        match mark::remove_shadow(server, marked, cancel)? {
            None if marked.seal.role == DatabaseRole::Going => tell(format!(
                "{database}, which kept what a swap of {live} had replaced at {at}, was being removed when that was cut off: it is removed"
            )),
            None => tell(format!(
                "a restore of {live} that began at {at} had been cut off before its swap: {database}, which held a copy of the backup, is removed"
            )),
            Some(why) => tell(format!("{database} is left alone: {why}")),
        }
    }
    for unproved in &found.unproved {
        if mark::remove_unsealed(server, unproved, cancel)? {
            tell(format!(
                "a restore of {live} had just begun when it was cut off: {} is removed",
                unproved.database
            ));
        }
    }
    Ok(told)
}

/// The table of a journal that was being written when a restore was cut off: nobody has done anything that is in it.
fn unwritten(keeper: &Marked) -> Option<&str> {
    let journal = keeper.seal.journal.as_ref().filter(|journal| journal.phase == Phase::Writing)?;
    Some(&journal.table)
}

/// What [`recover`] would find: databases that are ours and to be settled, and those that only look like it.
pub(in crate::restore) fn unsettled(
    server: &ServerClient,
    live: &str,
    cancel: &Cancel,
) -> Result<(Vec<String>, Vec<Unproved>)> {
    let found = mark::list(server, Some(live), cancel)?;
    let open = found.ours.iter().filter(|marked| {
        marked.seal.role != DatabaseRole::Before || marked.seal.phase() != Some(Phase::Done)
    });
    let open = open.map(|marked| marked.database.clone()).collect();
    Ok((open, found.unproved))
}

#[cfg(test)]
mod tests {
    use super::super::seal::JournalSeal;
    use super::super::whereabouts::Leaving;
    use super::*;
    use crate::server::{Answer, Fake};

    /// A swap of `goods` and `log`, of which `log` has another one in its place, and `old` leaves.
    fn journal(phase: Phase) -> Journal {
        let database = "shop__before_20250725_170206".to_owned();
        let leaving = |table: &str| Leaving { table: table.into(), aside: None };
        let seal = Seal {
            view: "fwb_seal_1".into(),
            role: DatabaseRole::Before,
            database: database.clone(),
            of: "shop".into(),
            sequence: 1,
            at: "20250725_170206".into(),
            copies: BTreeSet::new(),
            journal: Some(JournalSeal { table: "fwb_journal".into(), sha256: String::new(), phase }),
        };
        Journal {
            moves: Moves {
                live: "shop".into(),
                incoming: "shop__shadow".into(),
                outgoing: database.clone(),
                whole: true,
                leaving: ["log", "old"].map(leaving).into(),
                coming: ["goods", "log"].map(ToOwned::to_owned).into(),
                ..Moves::default()
            },
            keeper: Marked { database, seal },
            table: "fwb_journal".into(),
            phase,
            steps: Vec::new(),
        }
    }

    const WHERE: &str = "information_schema.TABLES WHERE TABLE_SCHEMA = ";

    fn names(tables: &[&str]) -> Answer {
        Answer::Rows(tables.iter().map(|table| vec![(*table).to_owned()]).collect())
    }

    /// The tables in the live database, the shadow and the keeper, at one look after the other.
    fn found(looks: &[[&[&str]; 3]], rename: &Answer) -> std::sync::Arc<Fake> {
        let answers: Vec<Answer> = looks.iter().flatten().map(|tables| names(tables)).collect();
        Fake::new([
            ("RENAME TABLE", std::slice::from_ref(rename)),
            ("SELECT name FROM", &[names(&[])]),
            (WHERE, &answers),
        ])
    }

    /// A restore that was cut off is put in order by what is found, not by what was planned: a table in the wrong place is
    /// brought back, and where that fails, nothing is removed and the operator is told what does it.
    #[test]
    fn a_swap_that_was_cut_off_is_settled_by_where_its_tables_are() {
        const OLD: [&[&str]; 3] = [&["log", "old"], &["goods", "log"], &["fwb_journal"]];
        const HALF: [&[&str]; 3] = [&["goods", "old"], &["log"], &["fwb_journal", "log"]];
        let done = Answer::rows(&[]);
        let two = ["goods", "log"];
        for (what, looks, rename, renames, torn) in [
            ("nothing has moved", &[OLD][..], &done, &[][..], 0),
            ("half has moved, and comes back", &[HALF, OLD], &done, &two[..], 0),
            ("half has moved, and stays", &[HALF, HALF], &Answer::Refused(1025), &two[..], 2),
            ("half has moved, and the connection breaks", &[HALF, HALF], &Answer::Cut, &two[..], 2),
        ] {
            let fake = found(looks, rename);
            let settled = settle(&fake.client(0), &mut journal(Phase::Prepared), &Cancel::default()).unwrap();
            let sent = fake.sent("RENAME TABLE");
            assert_eq!(sent.len(), renames.len(), "{what}: {sent:?}");
            assert!(
                sent.iter().zip(renames).all(|(sent, table)| sent.contains(&format!("`{table}`"))),
                "{what}: {sent:?}"
            );
            match settled {
                Settled::Old => assert_eq!(torn, 0, "{what}"),
                Settled::Torn(statements) => {
                    assert_eq!(statements.len(), torn, "{what}: {statements:?}");
                    assert!(fake.sent("DROP").is_empty(), "{what}");
                }
                Settled::New => panic!("{what}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_left_as_it_is() {
        for answer in [Answer::Refused(1142), Answer::Cut] {
            let fake = Fake::new([(WHERE, &[names(&["log", "old"]), answer][..])]);
            assert!(settle(&fake.client(0), &mut journal(Phase::Prepared), &Cancel::default()).is_err());
            assert_eq!(fake.sent("").len(), 2, "{:?}", fake.sent(""));
        }
    }

    #[test]
    fn a_swap_that_is_done_asks_nothing() {
        let fake = Fake::new([]);
        let settled = settle(&fake.client(0), &mut journal(Phase::Done), &Cancel::default()).unwrap();
        assert_eq!((settled, fake.sent("").len()), (Settled::New, 0));
    }

    #[test]
    fn a_swap_whose_steps_all_succeed_is_noted_as_done() {
        let (fake, mut journal) = (Fake::new([]), journal(Phase::Swapped));
        finish(&fake.client(0), &mut journal, &Cancel::default()).unwrap();
        assert_eq!((journal.phase, fake.sent("CREATE OR REPLACE VIEW").len()), (Phase::Done, 1));
    }

    /// A step that fails after the tables have moved is not noted as done, so that the next run goes on with it.
    #[test]
    fn what_fails_after_the_swap_is_not_noted_as_done() {
        for (what, fails) in [
            ("what is kept", "BEGIN NOT ATOMIC"),
            ("failures", "SELECT kind, name, of_table"),
            ("what there is", "SELECT SCHEMA_NAME, SCHEMA_COMMENT"),
            ("the note itself", "CREATE OR REPLACE VIEW"),
        ] {
            let fake = Fake::new([(fails, &[Answer::Refused(1142)][..])]);
            let mut journal = journal(Phase::Swapped);
            assert!(finish(&fake.client(0), &mut journal, &Cancel::default()).is_err(), "{what}");
            assert_eq!(fake.sent(fails).len(), 1, "{what}");
            assert_eq!(journal.phase, Phase::Swapped, "{what}");
            assert!(fake.sent("DROP DATABASE").is_empty(), "{what}");
        }
    }
}
