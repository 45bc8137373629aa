//! The swap: what was loaded beside the live database takes its place, and what was there is kept.
//!
//! Everything that will be done is written down first, in the database that will keep what was there; then one compound
//! statement does it. The tables change places in one atomic `RENAME TABLE`; triggers, which cannot cross databases
//! (error 1435), are dropped before and made after it. Whoever comes after a crash finds the journal and completes the
//! swap, or puts back what was cleared for it.

mod guard;
mod journal;
mod mark;
mod steps;

use std::collections::BTreeSet;

use self::journal::{Journal, Phase};
use self::mark::Role;
use self::steps::{Exchange, Side, Stage};
use super::script::Origin;
use super::session::Quoting;
use crate::error::{Error, Result};
use crate::manifest::ObjectKind;
use crate::progress::Cancel;
use crate::server::{Definition, DefinitionKind, Inventory, ServerClient, quote_name, quote_text};

pub(super) use self::guard::Guard;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::journal::definition as journal_row;
pub(super) use self::mark::Marked;

/// What a swap has done.
#[derive(Debug, Clone)]
pub(super) struct Swapped {
    /// The database that keeps what there was; none where there was nothing.
    pub(super) kept: Option<String>,
    /// How long the live database had no triggers, in seconds.
    pub(super) gap: f64,
}

/// A live database, and what comes into it.
pub(super) struct Swap<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) quoting: Quoting,
    /// The database whose contents are replaced.
    pub(super) live: &'a str,
    /// The tables, sequences and views that are replaced; none: all of the database.
    pub(super) scope: Option<BTreeSet<String>>,
    /// The live database's default character set and collation; none where it does not exist.
    pub(super) charset: Option<(String, String)>,
    pub(super) cancel: &'a Cancel,
}

impl Swap<'_> {
    /// A database beside the live one, for a backup to be loaded into.
    pub(super) fn shadow(&self, charset: Option<&(String, String)>) -> Result<Marked> {
        mark::create(self.server, Role::Shadow, self.live, charset, self.cancel)
    }

    /// Removes a database of ours. A signal stops that only where it takes long: the next run does it then.
    pub(super) fn remove(&self, marked: &Marked) {
        if let Err(error) = mark::remove(self.server, &marked.database, &self.cancel.with_grace()) {
            log::warn!("{} is left behind: {error}", marked.database);
        }
    }

    /// Puts the contents of `shadow`, which must be proved by now, in the place of the live ones.
    ///
    /// # Errors
    /// [`Error::Untouched`] where the live database is as it was, [`Error::Unfinished`] where nobody could see to that.
    pub(super) fn run(
        &self,
        guard: Guard,
        shadow: &Marked,
        charset: Option<(String, String)>,
        origin: &Origin,
    ) -> Result<Swapped> {
        let inventory = self.server.inventory(&shadow.database, self.cancel)?;
        let incoming = Side {
            database: shadow.database.clone(),
            tables: names(&inventory),
            definitions: self.of_scope(self.server.definitions(&shadow.database, self.cancel)?),
            charset,
        };
        self.exchange(guard, incoming, Vec::new(), origin, false)
    }

    /// Puts back what an earlier swap has taken away.
    ///
    /// # Errors
    /// As [`Swap::run`].
    pub(super) fn undo(&mut self, guard: Guard, kept: &Kept<'_>) -> Result<Swapped> {
        let journal = &kept.journal;
        let inventory = self.server.inventory(&journal.database, self.cancel)?;
        let mut tables = names(&inventory);
        tables.remove(journal.table());
        let definitions = journal.read(Stage::Definition, self.cancel)?;
        let scope = journal.read(Stage::Scope, self.cancel)?;
        let whole = scope.iter().any(|name| name.table.as_deref() == Some("whole"));
        self.scope = (!whole).then(|| {
            let replaced = scope.into_iter().map(|name| name.name);
            replaced.chain(tables.iter().cloned()).collect()
        });
        let relink = journal.read(Stage::Relink, self.cancel)?;
        let incoming =
            Side { database: journal.database.clone(), tables, definitions, charset: kept.charset.clone() };
        self.exchange(guard, incoming, relink, &Origin::default(), true)
    }

    /// Those definitions that are replaced: all, or views and the triggers of tables.
    fn of_scope(&self, mut definitions: Vec<Definition>) -> Vec<Definition> {
        if let Some(scope) = &self.scope {
            definitions.retain(|definition| match definition.kind {
                DefinitionKind::View => scope.contains(&definition.name),
                DefinitionKind::Program(_) => {
                    definition.table.as_ref().is_some_and(|table| scope.contains(table))
                }
            });
        }
        definitions
    }

    fn exchange(
        &self,
        guard: Guard,
        incoming: Side,
        relink: Vec<Definition>,
        origin: &Origin,
        undo: bool,
    ) -> Result<Swapped> {
        let inventory = self.server.inventory(self.live, self.cancel)?;
        let replaced = |name: &str| self.scope.as_ref().is_none_or(|scope| scope.contains(name));
        let mut tables = names(&inventory);
        tables.retain(|table| replaced(table));
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
        let mut definitions = self.of_scope(self.server.definitions(self.live, self.cancel)?);
        definitions.retain(|definition| self.scope.is_some() || !broken(definition));
        let empty = tables.is_empty() && definitions.is_empty();
        let keeper = mark::create(self.server, Role::Before, self.live, self.charset.as_ref(), self.cancel)?;
        let outgoing =
            Side { database: keeper.database.clone(), tables, definitions, charset: self.charset.clone() };
        let prepared = self.prepare(&incoming, &outgoing, relink, origin).and_then(|steps| {
            Journal::write(self.server, self.quoting, &keeper, &steps, [&incoming, &outgoing], self.cancel)
        });
        let journal = prepared.inspect_err(|_| self.remove(&keeper))?;
        // From here on, signals wait: what is begun is brought to an end.
        let cancel = &Cancel::default();
        if let Err(cause) = journal.swap(guard.into_session()) {
            return self.after_failure(cause, journal);
        }
        let mut journal = journal;
        journal.look(cancel)?;
        finish(self.server, &journal, cancel)?;
        let failures = journal.failures(cancel)?;
        if empty && failures.is_empty() {
            self.remove(&keeper);
        }
        self.judge(failures, undo)?;
        Ok(Swapped { kept: (!empty).then_some(keeper.database), gap: journal.gap })
    }

    /// Works out the steps, and makes the incoming tables ready to move.
    fn prepare(
        &self,
        incoming: &Side,
        outgoing: &Side,
        relink: Vec<Definition>,
        origin: &Origin,
    ) -> Result<Vec<steps::Step>> {
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
        self.server.query(
            Some(&incoming.database),
            &sql,
            "making the tables ready for the swap",
            self.cancel,
        )?;
        let exchange = Exchange {
            live: self.live,
            exists: self.charset.is_some(),
            whole: self.scope.is_none(),
            incoming,
            outgoing,
            foreign_keys,
            relink,
            late,
            origin,
        };
        Ok(exchange.steps())
    }

    /// Columns whose default is a sequence of the incoming database: table, column, sequence, and the default with the
    /// live database's name.
    fn sequence_defaults(&self, incoming: &Side) -> Result<Vec<(String, String, String, String)>> {
        let sql = format!(
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} \
             AND INSTR(COLUMN_DEFAULT, {}) > 0;\n",
            quote_text(&incoming.database),
            quote_text(&format!("{}.", quote_name(&incoming.database))),
        );
        let rows = self.server.query(None, &sql, "looking at defaults", self.cancel)?;
        let read = |row: Vec<String>| {
            let [table, column, default] = <[String; 3]>::try_from(row).ok()?;
            let (sequence, expression) = super::rename::in_database(&default, &incoming.database, self.live)?;
            Some((table, column, sequence, expression))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Finds out how far a failed swap has come, and brings the live database into one of its two states.
    fn after_failure(&self, cause: Error, mut journal: Journal<'_>) -> Result<Swapped> {
        let cancel = &Cancel::default();
        let settled = (|| {
            // The connection may still be at it.
            let _guard = Guard::wait(self.server, self.quoting, self.live, cancel)?;
            journal.look(cancel)?;
            settle(self.server, self.live, &journal, cancel)
        })();
        match settled {
            Ok(true) => {
                log::warn!("{cause}; the swap was completed nevertheless");
                Ok(Swapped { kept: Some(journal.database), gap: journal.gap })
            }
            Ok(false) => Err(Error::Untouched { cause: Box::new(cause), database: self.live.into() }),
            Err(later) => {
                log::warn!("{later}");
                Err(Error::Unfinished { cause: Box::new(cause), database: self.live.into() })
            }
        }
    }

    /// What could not be made makes the result another one than was wanted. A view that an undo cannot make was broken
    /// before.
    fn judge(&self, failures: Vec<(Definition, String)>, undo: bool) -> Result<()> {
        let mut differences = Vec::new();
        for (definition, why) in failures {
            let what = format!(
                "{} {} could not be made: {why}",
                definition.kind.as_sql().to_lowercase(),
                definition.name
            );
            if undo && definition.kind == DefinitionKind::View {
                log::warn!("{what}");
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

fn finish(server: &ServerClient, journal: &Journal<'_>, cancel: &Cancel) -> Result<()> {
    journal.keep(cancel)?;
    mark::remove(server, &journal.incoming, cancel)?;
    journal.close(cancel)
}

/// Brings a swap to an end that was cut off: true where the live database is the new one, false where it is the old one
/// and nothing is left of the attempt.
fn settle(server: &ServerClient, live: &str, journal: &Journal<'_>, cancel: &Cancel) -> Result<bool> {
    if journal.phase == Phase::Done {
        return Ok(true);
    }
    if journal.phase == Phase::Prepared && !have_moved(server, journal, cancel)? {
        let mut now = server.inventory(live, cancel)?;
        let back = journal.read(Stage::Back, cancel)?;
        let lacks = |old: &Definition| match old.kind {
            DefinitionKind::Program(kind) => {
                !now.objects.contains(&crate::manifest::Object { kind, name: old.name.clone() })
            }
            DefinitionKind::View => !now.views.contains(&old.name) && !now.broken_views.contains(&old.name),
        };
        let cleared = |old: &&Definition| old.text.starts_with(b"CREATE");
        let stood_in = back
            .iter()
            .any(|step| step.text.starts_with(b"DROP SEQUENCE") && now.sequences.contains(&step.name));
        if stood_in || back.iter().filter(cleared).any(lacks) {
            journal.put_back(live, cancel)?;
            now = server.inventory(live, cancel)?;
        }
        let made = journal.read(Stage::Clear, cancel)?;
        if now.is_empty() && made.iter().any(|step| step.text.starts_with(b"CREATE DATABASE")) {
            let sql = format!("DROP DATABASE IF EXISTS {};\n", quote_name(live));
            server.query(None, &sql, "removing the database that was made", cancel)?;
        }
        mark::remove(server, &journal.incoming, cancel)?;
        mark::remove(server, &journal.database, cancel)?;
        return Ok(false);
    }
    if journal.phase == Phase::Prepared {
        journal.complete(live, cancel)?;
    }
    finish(server, journal, cancel)?;
    Ok(true)
}

/// Whether the tables have changed places: they did so in one statement.
fn have_moved(server: &ServerClient, journal: &Journal<'_>, cancel: &Cancel) -> Result<bool> {
    if journal.read(Stage::Rename, cancel)?.is_empty() {
        return Ok(true);
    }
    let scope = journal.read(Stage::Scope, cancel)?;
    let waiting = names(&server.inventory(&journal.incoming, cancel)?);
    let mut coming = scope.iter().filter(|name| name.table.as_deref() == Some("table")).peekable();
    if coming.peek().is_some() {
        return Ok(!coming.any(|table| waiting.contains(&table.name)));
    }
    let mut kept = names(&server.inventory(&journal.database, cancel)?);
    kept.remove(journal.table());
    Ok(!kept.is_empty())
}

fn names(inventory: &Inventory) -> BTreeSet<String> {
    inventory.tables.keys().chain(&inventory.sequences).cloned().collect()
}

/// What a swap has taken away and kept.
pub(super) struct Kept<'a> {
    journal: Journal<'a>,
    charset: Option<(String, String)>,
    /// The database that keeps it.
    pub(super) marked: Marked,
}

/// What earlier restores have left of `live`, or of all databases.
pub(super) fn left(server: &ServerClient, live: Option<&str>, cancel: &Cancel) -> Result<Vec<Marked>> {
    mark::list(server, live, cancel)
}

/// What swaps have kept of `live`, oldest first.
pub(super) fn kept<'a>(
    server: &'a ServerClient,
    quoting: Quoting,
    live: &str,
    cancel: &Cancel,
) -> Result<Vec<Kept<'a>>> {
    let mut all = Vec::new();
    for marked in mark::list(server, Some(live), cancel)? {
        if marked.mark.role != Role::Before {
            continue;
        }
        let Some(journal) = Journal::open(server, quoting, &marked.database, cancel)? else { continue };
        let charset = server.server_facts(&marked.database, cancel)?.charset;
        all.push(Kept { journal, charset, marked });
    }
    Ok(all)
}

/// Removes what a swap has kept: it cannot be undone any more.
pub(super) fn forget(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<()> {
    mark::remove(server, database, cancel)
}

/// Brings to an end, or removes, what restores of `live` have left that were cut off, and says so. The guard must be
/// held.
///
/// # Errors
/// The server does not let us.
pub(super) fn recover(
    server: &ServerClient,
    quoting: Quoting,
    live: &str,
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let mut tell = |what: String| {
        log::warn!("{what}");
        told.push(what);
    };
    for marked in mark::list(server, Some(live), cancel)? {
        let (database, at) = (&marked.database, &marked.mark.at);
        if marked.mark.role != Role::Before {
            continue;
        }
        match Journal::open(server, quoting, database, cancel)? {
            Some(journal) if journal.phase == Phase::Done => {}
            Some(journal) => {
                let whole = settle(server, live, &journal, cancel)?;
                tell(if whole {
                    format!(
                        "a swap of {live} that began at {at} had been cut off: it was completed, and {database} keeps what there was"
                    )
                } else {
                    format!(
                        "a swap of {live} that began at {at} had been cut off: {live} is as it was, and what was left is removed"
                    )
                });
            }
            None => {
                mark::remove(server, database, cancel)?;
                tell(format!(
                    "a restore of {live} had been cut off before its swap at {at}: {database} is removed"
                ));
            }
        }
    }
    for marked in mark::list(server, Some(live), cancel)? {
        if marked.mark.role == Role::Shadow {
            mark::remove(server, &marked.database, cancel)?;
            let (database, at) = (&marked.database, &marked.mark.at);
            tell(format!(
                "a restore of {live} that began at {at} had been cut off: {live} was not touched, and {database} is removed"
            ));
        }
    }
    Ok(told)
}

/// What [`recover`] would find.
pub(super) fn unsettled(
    server: &ServerClient,
    quoting: Quoting,
    live: &str,
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for marked in mark::list(server, Some(live), cancel)? {
        let done = marked.mark.role == Role::Before
            && Journal::open(server, quoting, &marked.database, cancel)?
                .is_some_and(|journal| journal.phase == Phase::Done);
        if !done {
            found.push(marked.database);
        }
    }
    Ok(found)
}
