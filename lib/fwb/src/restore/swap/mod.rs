//! The swap: what was loaded beside the live database takes its place, and what was there is kept.
//!
//! Everything that will be done is written down first, in the database that will keep what was there; then one compound
//! statement does it. The tables change places in one atomic `RENAME TABLE`. A table with triggers cannot change its
//! database (error 1435): it gets another name in the live database, triggers and all, until the new one stands in its
//! place; so the swap waits for clients with all triggers at work. Damaged tables have no part in the `RENAME TABLE`, which
//! would fail half way over one: each is moved or dropped alone, when the others are safe.
//!
//! Whoever comes after a crash finds the journal and completes the swap, or takes back what was begun.

mod carry_out;
mod guard;
mod journal;
mod mark;
mod recovery;
mod seal;
mod steps;
mod whereabouts;

use std::collections::BTreeSet;

use self::carry_out::CarryOut;
use self::journal::Journal;
use self::mark::DatabaseRole;
use self::recovery::{Settled, finish, settle};
use self::steps::{Exchange, Side, SwapStage};
use self::whereabouts::{ASIDE, Damaged, Leaving, Moves};
use super::damage::{self, DamagedTable, Looked};
use super::live_state::LiveState;
use crate::error::{Error, Result};
use crate::load::{IN_TURN, NEXT, Origin, in_database};
use crate::manifest::ObjectKind;
use crate::progress::Cancel;
use crate::server::{
    Definition, DefinitionKind, ForeignKey, Inventory, ServerClient, Sql, quote_name, quote_text, quote_texts,
};

pub(super) use self::guard::Guard;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::journal::definition as journal_row;
pub(super) use self::mark::{Marked, Unproved};
pub(super) use self::recovery::{Kept, all_kept, forget, found, newest_kept, recover, unsettled};

pub(super) use self::seal::unguessable;

/// A database of ours beside `live`, for these tables and sequences of a backup.
pub(super) fn shadow(
    server: &ServerClient,
    live: &str,
    copies: impl IntoIterator<Item = String>,
    charset: Option<&(String, String)>,
    cancel: &Cancel,
) -> Result<Marked> {
    mark::create(server, DatabaseRole::Shadow, live, copies, charset, cancel)
}

/// Removes a shadow; why not, where it is left. A signal stops that only where it takes long: the next run does it then.
pub(super) fn remove_shadow(server: &ServerClient, shadow: &Marked, cancel: &Cancel) -> Option<String> {
    mark::remove_shadow(server, shadow, &cancel.with_grace()).unwrap_or_else(|error| Some(error.to_string()))
}

/// What a swap has done.
#[derive(Debug, Clone)]
pub(super) struct Swapped {
    /// The database that keeps what there was; none where a whole database came into nothing.
    pub(super) kept: Option<String>,
    /// How long the live database had no triggers, in seconds.
    pub(super) gap: f64,
    /// Tables that an undo has not brought back, because they were damaged.
    pub(super) not_brought_back: Vec<String>,
}

/// A live database, and what comes into it.
pub(super) struct Swap<'a> {
    pub(super) server: &'a ServerClient,
    /// The database whose contents are replaced.
    pub(super) live: &'a str,
    /// The tables, sequences and views that are replaced; none: all of the database.
    pub(super) scope: Option<BTreeSet<String>>,
    /// Tables that stay as they are, with their triggers, and views, whatever the scope.
    pub(super) stay: BTreeSet<String>,
    /// Those among them that an undo has to leave alone too.
    pub(super) spared: BTreeSet<String>,
    /// The live database's default character set and collation; none where it does not exist.
    pub(super) charset: Option<(String, String)>,
    /// Tables that are not looked at, because they are known to be damaged.
    pub(super) damaged: &'a BTreeSet<String>,
    /// What the live database was before anything was done.
    pub(super) before: &'a LiveState,
    pub(super) cancel: &'a Cancel,
}

impl Swap<'_> {
    /// Puts the contents of `shadow`, which must be proved by now, in the place of the live ones.
    ///
    /// # Errors
    /// [`Error::Untouched`] where the live database is as it was, [`Error::Unfinished`] and [`Error::Torn`] where nobody
    /// could see to that.
    pub(super) fn run(
        &self,
        guard: Guard,
        shadow: &Marked,
        charset: Option<(String, String)>,
        origin: &Origin,
    ) -> Result<Swapped> {
        let inventory = self.server.inventory(&shadow.database, self.cancel)?;
        let definitions = self.server.definitions(&shadow.database, &BTreeSet::new(), self.cancel)?;
        let incoming = Side {
            database: shadow.database.clone(),
            tables: names(&inventory),
            definitions: self.of_scope(without_seal(definitions, shadow)),
            charset,
        };
        self.exchange(guard, incoming, &BTreeSet::new(), Vec::new(), origin, false)
    }

    /// Puts back what an earlier swap has taken away, but for damaged tables that it could not keep.
    ///
    /// # Errors
    /// As [`Swap::run`].
    pub(super) fn undo(&mut self, guard: Guard, kept: &Kept) -> Result<Swapped> {
        let journal = &kept.journal;
        let database = &journal.keeper.database;
        let lost = kept.lost(self.server, self.cancel)?;
        self.rehearse(journal)?;
        let inventory = self.server.inventory(database, self.cancel)?;
        let mut tables = names(&inventory);
        tables.retain(|table| *table != journal.table && !lost.contains(table));
        let came: BTreeSet<String> = journal
            .moves
            .coming
            .iter()
            .chain(&journal.moves.came)
            .chain(journal.moves.damaged.iter().map(|damaged| &damaged.table))
            .cloned()
            .collect();
        self.scope = (!journal.moves.whole).then(|| came.union(&tables).cloned().collect());
        self.spared = journal.spared();
        self.stay = lost.union(&self.spared).cloned().collect();
        let mut definitions = journal.stage(SwapStage::Definition);
        definitions.retain(|definition| definition.table.as_ref().is_none_or(|table| !lost.contains(table)));
        let again = [journal.stage(SwapStage::Relink), journal.stage(SwapStage::Grants)].concat();
        let incoming =
            Side { database: database.clone(), tables, definitions, charset: kept.charset.clone() };
        let alone = kept.damaged(self.server, self.cancel)?;
        let swapped = self.exchange(guard, incoming, &alone, again, &Origin::default(), true)?;
        Ok(Swapped { not_brought_back: lost.into_iter().collect(), ..swapped })
    }

    /// Tries whether what an undo has to make can be made by our account: before the swap, views and programs were made
    /// where they are kept. A view that was broken then cannot be made now either.
    fn rehearse(&self, journal: &Journal) -> Result<()> {
        let carry_out = CarryOut { server: self.server, journal };
        let failures = carry_out.rehearse_kept(self.cancel)?;
        let denied = |(kind, _, why): &&(String, String, String)| {
            kind != DefinitionKind::View.as_sql() || why.contains("denied")
        };
        let Some((kind, name, reason)) = failures.iter().find(denied) else { return Ok(()) };
        Err(Error::Rehearsal {
            what: format!("what {} keeps", journal.keeper.database),
            cause: Box::new(Error::Child {
                program: "the server".into(),
                doing: format!("making {} {name}", kind.to_lowercase()),
                reason: reason.clone(),
            }),
        })
    }

    /// Those definitions that are replaced: all, or views and the triggers of tables.
    fn of_scope(&self, mut definitions: Vec<Definition>) -> Vec<Definition> {
        definitions.retain(|definition| match (&self.scope, definition.kind, &definition.table) {
            (_, _, Some(table)) if self.stay.contains(table) => false,
            (_, DefinitionKind::View, _) if self.stay.contains(&definition.name) => false,
            (None, ..) => true,
            (Some(scope), DefinitionKind::View, _) => scope.contains(&definition.name),
            (Some(scope), DefinitionKind::Program(_), table) => {
                table.as_ref().is_some_and(|table| scope.contains(table))
            }
        });
        definitions
    }

    fn is_replaced(&self, table: &str) -> bool {
        !self.stay.contains(table) && self.scope.as_ref().is_none_or(|scope| scope.contains(table))
    }

    /// The live tables that are damaged and would have to move.
    ///
    /// # Errors
    /// The server cannot be reached, or did not survive the look.
    fn damaged(&self) -> Result<Vec<DamagedTable>> {
        let Looked { mut damaged, elsewhere } =
            damage::look(self.server, self.live, true, self.damaged, self.cancel)?;
        // The plan refuses it, too: this one has come since, or is in the way of an undo.
        if let Some(table) = elsewhere.into_iter().find(|table| self.is_replaced(table)) {
            return Err(Error::Preflight {
                finding: format!(
                    "the live table {table} has DATA DIRECTORY, and a move to another database may lose it"
                ),
                remedy: format!("first make it anew in the database's own directory, or drop it: {table}"),
            });
        }
        damaged.retain(|damaged| self.is_replaced(&damaged.table));
        Ok(damaged)
    }

    /// Lets the incoming side take the place of what is there; those of its tables in `alone` are damaged, and come alone.
    fn exchange(
        &self,
        guard: Guard,
        incoming: Side,
        alone: &BTreeSet<String>,
        again: Vec<Definition>,
        origin: &Origin,
        undo: bool,
    ) -> Result<Swapped> {
        let inventory = self.server.inventory(self.live, self.cancel)?;
        let found = self.damaged()?;
        let damaged: BTreeSet<String> = found.iter().map(|damaged| damaged.table.clone()).collect();
        let (mut tables, stay): (BTreeSet<String>, BTreeSet<String>) =
            names(&inventory).into_iter().partition(|table| self.is_replaced(table));
        tables.retain(|table| !damaged.contains(table));
        // Whoever stays may be damaged, so that its triggers cannot be read.
        let unread: BTreeSet<String> = stay.into_iter().chain(damaged.iter().cloned()).collect();
        let broken = |definition: &Definition| {
            // What cannot be dumped stays, unless its name is needed.
            let view = definition.kind == DefinitionKind::View;
            view && inventory.broken_views.contains(&definition.name)
                && !incoming.tables.contains(&definition.name)
                && !incoming
                    .definitions
                    .iter()
                    .any(|new| new.kind == definition.kind && new.name == definition.name)
        };
        let mut definitions = self.of_scope(self.server.definitions(self.live, &unread, self.cancel)?);
        definitions.retain(|definition| self.scope.is_some() || !broken(definition));
        self.refuse_beyond(&incoming)?;
        // Chosen tables that were not there leave an empty place to go back to: in a database that has others, nobody
        // else would know what came.
        let nothing_comes = incoming.tables.is_empty() && incoming.definitions.is_empty();
        let nothing_goes = tables.is_empty() && definitions.is_empty() && damaged.is_empty();
        let keeps = !nothing_goes || self.scope.is_some() && !nothing_comes;
        let keeper = mark::create(
            self.server,
            DatabaseRole::Before,
            self.live,
            [],
            self.charset.as_ref(),
            self.cancel,
        )?;
        let outgoing =
            Side { database: keeper.database.clone(), tables, definitions, charset: self.charset.clone() };
        let moves = self.moves(&keeper, &incoming, &outgoing, &found, alone);
        let written = self.write(&keeper, moves, &incoming, &outgoing, again, origin);
        let mut journal = written.inspect_err(|_| self.remove_keeper(&keeper, None))?;
        let carry_out = CarryOut { server: self.server, journal: &journal };
        let swapped = carry_out.swap(guard.into_session(), self.cancel);
        // From here on, signals wait: what is begun is brought to an end.
        let cancel = &Cancel::never();
        if let Err(cause) = swapped {
            return self.after_failure(self.cancel.explain(cause), journal, undo);
        }
        recovery::look(self.server, &mut journal, cancel)?;
        let finished = finish(self.server, &mut journal, cancel);
        let failures = journal.failures(self.server, cancel)?;
        if let Err(cause) = finished {
            for (kind, name, why) in failures {
                log::warn!(code = crate::notice::SWAP.code; "{} {name}: {why}", kind.to_lowercase());
            }
            return Err(Error::Unfinished { cause: Box::new(cause), database: self.live.into() });
        }
        self.judge(failures, undo)?;
        let gap = CarryOut { server: self.server, journal: &journal }.gap(cancel)?;
        if !keeps {
            self.remove_keeper(&keeper, Some(&journal.table));
        }
        Ok(Swapped { kept: keeps.then_some(keeper.database), gap, not_brought_back: Vec::new() })
    }

    /// Refuses what would reach beyond the tables that are replaced: a trigger whose name one has that stays, and foreign
    /// keys of other databases, which would follow the old tables out.
    fn refuse_beyond(&self, incoming: &Side) -> Result<()> {
        let refused =
            |finding: String, remedy: &str| Err(Error::Preflight { finding, remedy: remedy.into() });
        let tables = self.server.table_names(self.live, self.cancel)?;
        let (leave, stay): (BTreeSet<String>, BTreeSet<String>) =
            tables.into_iter().partition(|table| self.is_replaced(table));
        let taken = self.server.trigger_names(self.live, &stay, self.cancel)?;
        let comes =
            |name: &&String| incoming.definitions.iter().any(|new| new.table.is_some() && new.name == **name);
        if let Some(trigger) = taken.iter().find(comes) {
            return refused(
                format!("trigger {trigger} is one of a table now that is not replaced, and would go"),
                "give one of the triggers another name, or restore that table too",
            );
        }
        let children = self.server.foreign_children(self.live, self.cancel)?;
        let own = format!("{}.", incoming.database);
        let follows = |(child, parent): &(String, String)| leave.contains(parent) && !child.starts_with(&own);
        if let Some((child, parent)) = children.into_iter().find(follows) {
            return refused(
                format!("table {child} has a foreign key to {parent}, and would follow it out"),
                "drop that foreign key first, and make it anew afterwards",
            );
        }
        Ok(())
    }

    fn remove_keeper(&self, keeper: &Marked, journal: Option<&str>) {
        let cancel = &self.cancel.with_grace();
        match mark::remove_if_empty(self.server, &keeper.database, journal, cancel) {
            Ok(None) => {}
            Ok(Some(why)) => {
                log::warn!(code = crate::notice::LEFT_BEHIND.code; "{} is left behind: {why}", keeper.database);
            }
            Err(error) => {
                log::warn!(code = crate::notice::LEFT_BEHIND.code; "{} is left behind: {error}", keeper.database);
            }
        }
    }

    /// Works out the steps, makes the incoming tables ready to move, and writes all down.
    fn write(
        &self,
        keeper: &Marked,
        moves: Moves,
        incoming: &Side,
        outgoing: &Side,
        again: Vec<Definition>,
        origin: &Origin,
    ) -> Result<Journal> {
        let foreign_keys = self.server.foreign_keys(self.live, self.cancel)?;
        let mut sql = String::from("SET SESSION foreign_key_checks=0;\n");
        let triggers = self.server.inventory(&incoming.database, self.cancel)?.objects;
        for trigger in triggers.iter().filter(|object| object.kind == ObjectKind::Trigger) {
            sql += &format!("DROP TRIGGER IF EXISTS {};\n", quote_name(&trigger.name));
        }
        let mut late = Vec::new();
        for (table, column, sequence, expression) in self.sequence_defaults(incoming)? {
            let alter = |database: &str| {
                let (database, table, column) =
                    (quote_name(database), quote_name(&table), quote_name(&column));
                format!("ALTER TABLE {database}.{table} ALTER COLUMN {column} SET DEFAULT {expression}")
            };
            // A default needs its sequence; one that the live database lacks comes with the swap.
            if outgoing.tables.contains(&sequence) {
                sql += &format!("{};\n", alter(&incoming.database));
            } else {
                late.push((sequence, alter(&incoming.database)));
            }
        }
        let damaged = moves.damaged.iter().map(|damaged| damaged.table.clone());
        let damaged = damaged.filter(|table| !outgoing.tables.contains(table)).collect();
        let aliases = self.aliases(&moves, &foreign_keys)?;
        if !aliases.is_empty() {
            let renamed = aliases
                .iter()
                .flat_map(|(key, alias)| key.renamed(&key.child.0, &key.parent.0, &key.name, alias));
            let renamed: String = renamed.map(|statement| statement + ";\n").collect();
            sql += &format!("{IN_TURN};\n{renamed}{NEXT};\n");
        }
        self.server.query(
            Some(&incoming.database),
            Sql::Write(&sql),
            "making the tables ready for the swap",
            self.cancel,
        )?;
        let exchange = Exchange {
            moves: &moves,
            exists: self.charset.is_some(),
            incoming,
            outgoing,
            damaged_triggers: self.server.trigger_names(self.live, &damaged, self.cancel)?,
            foreign_keys,
            aliases,
            late,
            again,
            grants: self.grants(incoming, outgoing)?,
            spared: &self.spared,
            origin,
        };
        let steps = exchange.steps(serde_json::to_string(&moves)?);
        Journal::write(self.server, keeper.clone(), moves, steps, self.cancel)
    }

    /// Foreign keys of incoming tables whose names old tables have that wait in the live database for a moment; and the
    /// names that they get until then.
    fn aliases(&self, moves: &Moves, live: &[ForeignKey]) -> Result<Vec<(ForeignKey, String)>> {
        let aside: BTreeSet<&str> = moves.aside().map(|(table, _)| table).collect();
        let waits = |key: &&ForeignKey| aside.contains(key.child.1.as_str()) && !key.is_named_by_table();
        let taken: BTreeSet<&str> = live.iter().filter(waits).map(|key| key.name.as_str()).collect();
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.server.foreign_keys(&moves.incoming, self.cancel)?;
        // Damaged tables come when the old ones have left, and are not touched before.
        let alone = |table: &str| moves.damaged.iter().any(|damaged| damaged.table == table);
        let clash = keys.into_iter().filter(|key| taken.contains(key.name.as_str()) && !alone(&key.child.1));
        Ok(clash.map(|key| (key, seal::unguessable("fwb_key_"))).collect())
    }

    fn moves(
        &self,
        keeper: &Marked,
        incoming: &Side,
        outgoing: &Side,
        damaged: &[DamagedTable],
        alone: &BTreeSet<String>,
    ) -> Moves {
        let aside = || Some(seal::unguessable(ASIDE));
        let has_trigger = |table: &String| {
            let mut tables = outgoing.definitions.iter().filter_map(|definition| definition.table.as_ref());
            tables.any(|of| of == table)
        };
        let leaving = outgoing
            .tables
            .iter()
            .map(|table| Leaving { table: table.clone(), aside: has_trigger(table).then(aside).flatten() });
        let views = |side: &Side| -> BTreeSet<String> {
            let views = side.definitions.iter().filter(|definition| definition.kind == DefinitionKind::View);
            views.map(|view| view.name.clone()).collect()
        };
        let is_damaged = |table: &String| damaged.iter().any(|damaged| damaged.table == *table);
        let coming = incoming.tables.iter().filter(|table| !is_damaged(table) && !alone.contains(*table));
        let live = damaged.iter().map(|damaged| Damaged {
            table: damaged.table.clone(),
            replaced: incoming.tables.contains(&damaged.table),
            closed: damaged.closed,
            parts: damaged.parts.clone(),
        });
        let kept = alone.iter().filter(|table| !is_damaged(table)).map(|table| Damaged {
            table: table.clone(),
            replaced: true,
            closed: false,
            parts: Vec::new(),
        });
        let in_the_way = views(outgoing).into_iter().filter(|view| incoming.tables.contains(view));
        Moves {
            live: self.live.into(),
            incoming: incoming.database.clone(),
            outgoing: keeper.database.clone(),
            whole: self.scope.is_none(),
            leaving: leaving.collect(),
            coming: coming.cloned().collect(),
            came: views(incoming),
            views: in_the_way.map(|table| Leaving { table, aside: aside() }).collect(),
            damaged: live.chain(kept).collect(),
        }
    }

    /// Who may execute the stored programs that go. Where the account may not see it, nobody is told of a loss that may
    /// be none.
    fn grants(&self, incoming: &Side, outgoing: &Side) -> Result<Vec<String>> {
        let has = |side: &Side, kind: ObjectKind, name: &str| {
            let kind = DefinitionKind::Program(kind);
            side.definitions.iter().any(|definition| definition.kind == kind && definition.name == name)
        };
        let goes = |kind, name: &str| has(outgoing, kind, name) && !has(incoming, kind, name);
        let any = outgoing.definitions.iter().any(|definition| match definition.kind {
            DefinitionKind::Program(kind) => definition.is_granted() && goes(kind, &definition.name),
            DefinitionKind::View => false,
        });
        if !any {
            return Ok(Vec::new());
        }
        match self.server.program_grants(self.live, self.cancel) {
            Ok(grants) => {
                let lost = grants.into_iter().filter(|(kind, name, _)| goes(*kind, name));
                Ok(lost.map(|(_, _, grant)| grant).collect())
            }
            Err(error) if error.refusal().is_some() => {
                self.cancel.check()?;
                log::warn!(code = crate::notice::NOT_KEPT.code;
                    "stored programs go with this swap, and who may execute them cannot be seen: an undo does not bring that back ({error})"
                );
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Columns whose default is a sequence of the incoming database: table, column, sequence, and the default with the
    /// live database's name.
    fn sequence_defaults(&self, incoming: &Side) -> Result<Vec<(String, String, String, String)>> {
        // Of tables alone: a view shows the defaults of the table that it selects from, and a broken one can end the query.
        if incoming.tables.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} \
             AND TABLE_NAME IN ({}) AND INSTR(COLUMN_DEFAULT, {}) > 0;\n",
            quote_text(&incoming.database),
            quote_texts(incoming.tables.iter().map(String::as_str)),
            quote_text(&format!("{}.", quote_name(&incoming.database))),
        );
        let rows = self.server.query(None, Sql::Read(&sql), "looking at defaults", self.cancel)?;
        let read = |row: Vec<String>| {
            let [table, column, default] = <[String; 3]>::try_from(row).ok()?;
            // The server takes names for equal that differ by case: a view's may be one of them.
            if !incoming.tables.contains(&table) {
                return None;
            }
            let (sequence, expression) = in_database(&default, &incoming.database, self.live)?;
            Some((table, column, sequence, expression))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Finds out how far a failed swap has come, and brings the live database into one of its two states.
    fn after_failure(&self, cause: Error, mut journal: Journal, undo: bool) -> Result<Swapped> {
        let cancel = &Cancel::never();
        let settled = (|| {
            // The connection may still be at it.
            let _guard = Guard::wait(self.server, self.live, cancel)?;
            recovery::look(self.server, &mut journal, cancel)?;
            settle(self.server, &mut journal, cancel)
        })();
        match settled {
            Ok(Settled::New) => {
                log::warn!(code = crate::notice::SWAP.code; "{cause}; the swap was completed nevertheless");
                let carry_out = CarryOut { server: self.server, journal: &journal };
                let gap = carry_out.gap(cancel)?;
                self.judge(journal.failures(self.server, cancel)?, undo)?;
                Ok(Swapped { kept: Some(journal.keeper.database), gap, not_brought_back: Vec::new() })
            }
            Ok(Settled::Old) => Err(self.before.after_failure(cause, self.server, self.live, cancel)),
            Ok(Settled::Torn(statements)) => {
                let (cause, database) = (Box::new(cause), self.live.into());
                Err(Error::Torn { cause, database, statements: statements.join(" ") })
            }
            Err(later) => {
                log::warn!(code = crate::notice::SWAP.code; "{later}");
                Err(Error::Unfinished { cause: Box::new(cause), database: self.live.into() })
            }
        }
    }

    /// What could not be made makes the result another one than was wanted. A view that an undo cannot make was broken
    /// before.
    fn judge(&self, failures: Vec<(String, String, String)>, undo: bool) -> Result<()> {
        let mut differences = Vec::new();
        for (kind, name, why) in failures {
            let what = match kind.as_str() {
                "TABLE" => format!("the damaged table {name} stands in the way of the new one: {why}"),
                kind => format!("{} {name} could not be made: {why}", kind.to_lowercase()),
            };
            if undo && kind == DefinitionKind::View.as_sql() {
                log::warn!(code = crate::notice::SWAP.code; "{what}");
            } else {
                differences.push(what);
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Incomplete { database: self.live.into(), difference: differences.join("; ") })
    }
}

/// The definitions of a database of ours but for its seal.
fn without_seal(mut definitions: Vec<Definition>, marked: &Marked) -> Vec<Definition> {
    let is_seal = |definition: &Definition| {
        definition.kind == DefinitionKind::View && definition.name == marked.seal.view
    };
    definitions.retain(|definition| !is_seal(definition));
    definitions
}

fn names(inventory: &Inventory) -> BTreeSet<String> {
    inventory.tables.keys().chain(&inventory.sequences).cloned().collect()
}
