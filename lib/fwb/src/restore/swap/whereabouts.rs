//! Which tables change places in a swap, and what follows from where they are found afterwards: whether it was made, or
//! not, or only in part, and what brings them back then.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::server::quote_name;

/// What the names begin with under which tables with triggers wait in the live database, after new ones have come and
/// before their triggers are gone. Digits that nobody can guess follow.
pub(super) const ASIDE: &str = "fwb_aside_";

/// Which tables change places. Written down in the journal as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moves {
    /// The database whose contents are replaced.
    pub(super) live: String,
    /// The database that tables come from.
    pub(super) incoming: String,
    /// The database that tables go to.
    pub(super) outgoing: String,
    /// Whether all of the live database is replaced, and not only what comes in.
    pub(super) whole: bool,
    /// Tables and sequences that leave by the one `RENAME TABLE`.
    pub(super) leaving: BTreeSet<Leaving>,
    /// Tables and sequences that come by it.
    pub(super) coming: BTreeSet<String>,
    /// Views that come.
    pub(super) came: BTreeSet<String>,
    /// Views that have the name of a table that comes, and the name that they get until they are removed.
    pub(super) views: BTreeSet<Leaving>,
    /// Damaged tables of the live database: each is moved or dropped alone, after the others are safe.
    pub(super) damaged: BTreeSet<Damaged>,
}

/// A table that leaves the live database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Leaving {
    /// Its name.
    pub(super) table: String,
    /// The name under which it waits in the live database until its triggers are gone; none: it leaves at once. A table
    /// with triggers cannot change its database (error 1435).
    pub(super) aside: Option<String>,
}

/// A damaged table of the live database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Damaged {
    /// Its name.
    pub(super) table: String,
    /// Whether another one comes in its place.
    pub(super) replaced: bool,
    /// Whether it cannot be used at all. Such a table may keep others from moving, to which it refers.
    #[serde(default)]
    pub(super) closed: bool,
    /// What its partitions are called in the engine, where the engine alone has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<String>,
}

/// The tables and sequences in the three databases of a swap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whereabouts {
    pub(super) live: BTreeSet<String>,
    pub(super) incoming: BTreeSet<String>,
    pub(super) outgoing: BTreeSet<String>,
}

/// How far the tables have moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// None of them has.
    Old,
    /// All of them have.
    New,
    /// Some have: the server could not carry out the `RENAME TABLE`, nor take it back. These bring all back.
    Torn(Vec<Rename>),
}

/// A table that is renamed alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rename {
    pub(super) from: (String, String),
    pub(super) to: (String, String),
}

impl Rename {
    pub(super) fn statement(&self) -> String {
        let place =
            |(database, table): &(String, String)| format!("{}.{}", quote_name(database), quote_name(table));
        format!("RENAME TABLE {} TO {}", place(&self.from), place(&self.to))
    }
}

impl Moves {
    /// How far the tables have moved that change places by the one `RENAME TABLE`.
    pub(super) fn standing(&self, at: &Whereabouts) -> Standing {
        let has_left = |old: &Leaving| {
            old.aside.as_ref().is_some_and(|aside| at.live.contains(aside))
                || at.outgoing.contains(&old.table)
        };
        // Where the shadow is gone, so is the new table: what is in the live database is the old one then.
        let stays = |table: &String| self.leaving.iter().any(|old| old.table == *table && !has_left(old));
        let has_come =
            |table: &String| !at.incoming.contains(table) && at.live.contains(table) && !stays(table);
        if self.coming.iter().all(has_come) && self.leaving.iter().all(has_left) {
            return Standing::New;
        }
        let back = self.back(at);
        if back.is_empty() { Standing::Old } else { Standing::Torn(back) }
    }

    /// What brings every table back to where it was: first the new ones out of the way, then the old ones home. A table
    /// that may be the old one still is not touched.
    fn back(&self, at: &Whereabouts) -> Vec<Rename> {
        let place = |database: &String, table: &String| (database.clone(), table.clone());
        let (mut out, mut home) = (Vec::new(), Vec::new());
        let mut taken = at.live.clone();
        let aside = |old: &Leaving| old.aside.clone().filter(|aside| at.live.contains(aside));
        let has_left = |old: &Leaving| aside(old).is_some() || at.outgoing.contains(&old.table);
        let stays = |table: &String| self.leaving.iter().any(|old| old.table == *table && !has_left(old));
        for table in &self.coming {
            let is_there = !at.incoming.contains(table) && at.live.contains(table);
            if is_there && !stays(table) {
                taken.remove(table);
                out.push(Rename { from: place(&self.live, table), to: place(&self.incoming, table) });
            }
        }
        for old in self.leaving.iter().chain(&self.views) {
            let from = match aside(old) {
                Some(aside) => place(&self.live, &aside),
                None if at.outgoing.contains(&old.table) => place(&self.outgoing, &old.table),
                None => continue,
            };
            if taken.insert(old.table.clone()) {
                home.push(Rename { from, to: place(&self.live, &old.table) });
            }
        }
        out.into_iter().chain(home).collect()
    }

    /// Tables that leave, and views that make room, which wait under another name.
    pub(super) fn aside(&self) -> impl Iterator<Item = (&str, &str)> {
        let waiting = self.leaving.iter().chain(&self.views);
        waiting.filter_map(|old| Some((old.table.as_str(), old.aside.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// `a` is replaced at once, `b` has a trigger, `c` goes, `d` is new.
    fn moves() -> Moves {
        let leaving = |table: &str, aside: Option<&str>| Leaving {
            table: table.into(),
            aside: aside.map(ToOwned::to_owned),
        };
        Moves {
            live: "l".into(),
            incoming: "s".into(),
            outgoing: "k".into(),
            whole: true,
            leaving: [leaving("a", None), leaving("b", Some("x_b")), leaving("c", None)].into(),
            coming: set(&["a", "b", "d"]),
            ..Moves::default()
        }
    }

    fn at(live: &[&str], incoming: &[&str], outgoing: &[&str]) -> Whereabouts {
        Whereabouts { live: set(live), incoming: set(incoming), outgoing: set(outgoing) }
    }

    #[test]
    fn what_was_done_shows_in_where_the_tables_are() {
        let moves = moves();
        let old = at(&["a", "b", "c"], &["a", "b", "d"], &[]);
        assert_eq!(moves.standing(&old), Standing::Old);
        assert_eq!(moves.standing(&at(&["a", "b", "d", "x_b"], &[], &["a", "c"])), Standing::New);
        assert_eq!(moves.standing(&at(&["a", "b", "d"], &[], &["a", "b", "c"])), Standing::New);
        assert_eq!(moves.standing(&at(&["a", "b", "d", "later"], &[], &["a", "b", "c"])), Standing::New);
        let nothing = Moves { leaving: BTreeSet::new(), coming: BTreeSet::new(), ..moves };
        assert_eq!(nothing.standing(&old), Standing::New, "nothing moves: the rest is to be done");
    }

    /// Carries renames out on a picture of the three databases.
    fn carried_out(at: &Whereabouts, renames: &[Rename]) -> Whereabouts {
        let mut at = at.clone();
        for Rename { from, to } in renames {
            let mut side = |name: &str| match name {
                "l" => std::mem::take(&mut at.live),
                "s" => std::mem::take(&mut at.incoming),
                _ => std::mem::take(&mut at.outgoing),
            };
            let mut source = side(&from.0);
            assert!(source.remove(&from.1), "{from:?} is there");
            let put = |at: &mut Whereabouts, name: &str, set| match name {
                "l" => at.live = set,
                "s" => at.incoming = set,
                _ => at.outgoing = set,
            };
            put(&mut at, &from.0, source);
            let mut side = |name: &str| match name {
                "l" => std::mem::take(&mut at.live),
                "s" => std::mem::take(&mut at.incoming),
                _ => std::mem::take(&mut at.outgoing),
            };
            let mut target = side(&to.0);
            assert!(target.insert(to.1.clone()), "{to:?} is free");
            put(&mut at, &to.0, target);
        }
        at
    }

    #[test]
    fn a_rename_that_stopped_anywhere_is_taken_back_table_by_table() {
        let moves = moves();
        let old = at(&["a", "b", "c"], &["a", "b", "d"], &[]);
        let one = |from: (&str, &str), to: (&str, &str)| Rename {
            from: (from.0.into(), from.1.into()),
            to: (to.0.into(), to.1.into()),
        };
        let steps = [
            one(("l", "a"), ("k", "a")),
            one(("l", "b"), ("l", "x_b")),
            one(("l", "c"), ("k", "c")),
            one(("s", "a"), ("l", "a")),
            one(("s", "b"), ("l", "b")),
            one(("s", "d"), ("l", "d")),
        ];
        for done in 1..steps.len() {
            let torn = carried_out(&old, &steps[..done]);
            let Standing::Torn(back) = moves.standing(&torn) else { panic!("{done} of them: {torn:?}") };
            assert_eq!(carried_out(&torn, &back), old, "{done} of them");
        }
        assert_eq!(moves.standing(&carried_out(&old, &steps)), Standing::New);
    }

    /// A restore that was killed while it removed its shadow would keep all later ones out.
    #[test]
    fn where_the_shadow_is_gone_nothing_has_moved() {
        let moves = moves();
        assert_eq!(moves.standing(&at(&["a", "b", "c"], &[], &[])), Standing::Old);
        assert_eq!(moves.standing(&at(&["a", "b", "c"], &["b"], &[])), Standing::Old);
        let first = Moves { leaving: BTreeSet::new(), ..moves };
        assert_eq!(first.standing(&at(&[], &[], &[])), Standing::Old, "there was no live database");
        assert_eq!(first.standing(&at(&["a", "b", "d"], &[], &[])), Standing::New);
    }

    #[test]
    fn a_table_that_may_be_the_old_one_is_not_moved_away() {
        // Somebody has dropped the new `a`, or it was lost: what is in the live database is the old one.
        let torn = at(&["a", "x_b", "c"], &["b", "d"], &[]);
        let Standing::Torn(back) = moves().standing(&torn) else { panic!() };
        let statements: Vec<String> = back.iter().map(Rename::statement).collect();
        assert_eq!(statements, ["RENAME TABLE `l`.`x_b` TO `l`.`b`"]);
    }
}
