//! What a swap does, statement by statement: worked out beforehand, so that it can be carried out, completed or taken
//! back by whoever finds it written down.

use std::collections::BTreeSet;

use super::whereabouts::Moves;
use crate::dump::view_order;
use crate::load::{
    IN_TURN, NEXT, Origin, Renaming, Status, as_ourselves, or_replace, under_others, with_status,
};
use crate::manifest::ObjectKind;
use crate::scan::{QuoteMode, Reading, parse_head};
use crate::server::{Definition, DefinitionKind, ForeignKey, charset_clause, quote_name};

/// When a step is carried out. The order is that of the swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SwapStage {
    /// Before the tables change places: what they need. Nothing that is there goes.
    Clear,
    /// The one statement in which the tables change places.
    Rename,
    /// In the live database, right after: the triggers of all tables but those that damaged ones keep waiting.
    Triggers,
    /// Tables that had triggers go on to the database that keeps them. Each step may have been carried out before.
    Aside,
    /// What would bind damaged tables to others.
    Loosen,
    /// Triggers of the tables that come in the place of damaged ones.
    LateTriggers,
    /// In the live database: everything else.
    Make,
    /// In the live database, where the tables could not change places: what [`SwapStage::Clear`] may have left.
    Back,
    /// In the database that keeps what there was.
    Keep,
    /// In the database that tables would have come from, where they could not: their foreign keys get their names back.
    Unalias,
    /// Never: for an undo, what there was.
    Definition,
    /// For an undo, once the tables are back: foreign keys to tables that had not moved.
    Relink,
    /// For an undo, once the programs are back: who might execute those that were removed.
    Grants,
    /// Never: the [`Moves`], as JSON.
    Plan,
    /// Never: what stays in the live database, which an undo leaves alone too. A tool that does not know of that does not believe
    /// the journal: it would take these tables away.
    Spared,
}

impl SwapStage {
    const ALL: [Self; 15] = [
        Self::Clear,
        Self::Rename,
        Self::Triggers,
        Self::Aside,
        Self::Loosen,
        Self::LateTriggers,
        Self::Make,
        Self::Back,
        Self::Keep,
        Self::Unalias,
        Self::Definition,
        Self::Relink,
        Self::Grants,
        Self::Plan,
        Self::Spared,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Rename => "rename",
            Self::Triggers => "triggers",
            Self::Aside => "aside",
            Self::Loosen => "loosen",
            Self::LateTriggers => "late",
            Self::Make => "make",
            Self::Back => "back",
            Self::Keep => "keep",
            Self::Unalias => "unalias",
            Self::Definition => "definition",
            Self::Relink => "relink",
            Self::Grants => "grants",
            Self::Plan => "plan",
            Self::Spared => "spared",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// A statement, and the session that it is executed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) stage: SwapStage,
    pub(super) definition: Definition,
}

/// One of the two sides of a swap.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    /// The database that its tables come from, or go to.
    pub(super) database: String,
    /// Tables and sequences.
    pub(super) tables: BTreeSet<String>,
    /// Views and stored programs.
    pub(super) definitions: Vec<Definition>,
    /// Default character set and collation of the database.
    pub(super) charset: Option<(String, String)>,
}

impl Side {
    fn of(&self, kind: DefinitionKind) -> impl Iterator<Item = &Definition> {
        self.definitions.iter().filter(move |definition| definition.kind == kind)
    }
}

/// What changes places.
pub(super) struct Exchange<'a> {
    /// The tables, and how they move.
    pub(super) moves: &'a Moves,
    /// Whether the live database is there.
    pub(super) exists: bool,
    /// What comes in, and from where; tables that come in the place of damaged ones included.
    pub(super) incoming: &'a Side,
    /// What goes out, and where to; damaged tables not included.
    pub(super) outgoing: &'a Side,
    /// The names of the triggers on damaged tables.
    pub(super) damaged_triggers: Vec<String>,
    /// The live database's foreign keys.
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// Foreign keys of incoming tables that have another name until the old ones have left, and that name: names are those
    /// of the whole database.
    pub(super) aliases: Vec<(ForeignKey, String)>,
    /// Defaults from sequences that are in the live database only once they have come in: the sequence, and the
    /// statement that makes it the default.
    pub(super) late: Vec<(String, String)>,
    /// Statements of an earlier swap's [`SwapStage::Relink`] and [`SwapStage::Grants`].
    pub(super) again: Vec<Definition>,
    /// Who may execute the stored programs that are removed, as `GRANT` statements.
    pub(super) grants: Vec<String>,
    /// Tables, sequences and views that stay, and that an undo leaves alone.
    pub(super) spared: &'a BTreeSet<String>,
    /// What the objects are once they are live, where their definitions do not say so.
    pub(super) origin: &'a Origin,
}

/// A statement of our own.
pub(super) fn own(name: &str, text: String) -> Definition {
    Definition {
        kind: DefinitionKind::View,
        name: name.to_owned(),
        table: None,
        sql_mode: String::new(),
        charset: "utf8mb4".into(),
        collation: "utf8mb4_general_ci".into(),
        database_collation: None,
        time_zone: "SYSTEM".into(),
        text: text.into_bytes(),
    }
}

/// The comment of a sequence that is in the live database for a moment.
pub(super) const STAND_IN: &str = "fwb-restore: stands in for another one for a moment";
const TRIGGER: DefinitionKind = DefinitionKind::Program(ObjectKind::Trigger);
const EVENT: DefinitionKind = DefinitionKind::Program(ObjectKind::Event);
/// In the order in which they are made; a package's specification before its body.
const MADE: [DefinitionKind; 6] = [
    DefinitionKind::Program(ObjectKind::Function),
    DefinitionKind::Program(ObjectKind::Procedure),
    DefinitionKind::Program(ObjectKind::Package),
    DefinitionKind::Program(ObjectKind::PackageBody),
    DefinitionKind::View,
    EVENT,
];

impl Exchange<'_> {
    /// All steps, in order.
    pub(super) fn steps(&self, plan: String) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut add = |stage: SwapStage, definitions: Vec<Definition>| {
            steps.extend(definitions.into_iter().map(|definition| Step { stage, definition }));
        };
        add(SwapStage::Plan, vec![own("", plan)]);
        add(SwapStage::Spared, self.spared.iter().map(|name| own(name, String::new())).collect());
        add(SwapStage::Clear, self.clear());
        add(SwapStage::Rename, self.rename().into_iter().collect());
        let (late, triggers): (Vec<&Definition>, _) =
            self.incoming.of(TRIGGER).partition(|trigger| self.is_of_damaged(trigger));
        let old = self.outgoing.of(TRIGGER);
        let mut changed: Vec<Definition> = self.live_charset().into_iter().collect();
        changed.extend(old.map(|trigger| self.drop(trigger)));
        changed.extend(self.made_triggers(&triggers));
        add(SwapStage::Triggers, changed);
        add(SwapStage::Aside, self.aside());
        add(SwapStage::Loosen, self.loosen());
        add(SwapStage::LateTriggers, self.made_triggers(&late));
        add(SwapStage::Make, self.make());
        add(SwapStage::Back, self.back());
        add(SwapStage::Keep, self.keep());
        let unalias = self
            .aliases
            .iter()
            .flat_map(|(key, alias)| key.renamed(&key.child.0, &key.parent.0, alias, &key.name));
        add(SwapStage::Unalias, unalias.map(|text| own("", text)).collect());
        add(SwapStage::Definition, self.outgoing.definitions.clone());
        let live = &self.moves.live;
        let relink = self.leaving_keys().flat_map(|key| key.again(live, &key.parent.0));
        add(SwapStage::Relink, relink.map(|text| own("", text)).collect());
        add(SwapStage::Grants, self.grants.iter().map(|grant| own("", grant.clone())).collect());
        steps
    }

    fn is_of_damaged(&self, trigger: &Definition) -> bool {
        self.moves.damaged.iter().any(|damaged| trigger.table.as_ref() == Some(&damaged.table))
    }

    fn clear(&self) -> Vec<Definition> {
        let mut steps = Vec::new();
        if !self.exists {
            let clause = clause_of(self.incoming.charset.as_ref());
            steps.push(own(
                "",
                format!("CREATE DATABASE IF NOT EXISTS {}{clause}", quote_name(&self.moves.live)),
            ));
        }
        steps.push(own("", format!("USE {}", quote_name(&self.moves.live))));
        // The server wants to see a sequence before it makes it a default, and never again. So another one stands in for it.
        let sequences: BTreeSet<&String> = self.late.iter().map(|(sequence, _)| sequence).collect();
        let place = |name: &str| format!("{}.{}", quote_name(&self.moves.live), quote_name(name));
        steps.extend(sequences.iter().map(|name| {
            own(name, format!("CREATE SEQUENCE IF NOT EXISTS {} COMMENT='{STAND_IN}'", place(name)))
        }));
        steps.extend(self.late.iter().map(|(_, alter)| own("", alter.clone())));
        steps.extend(
            sequences.iter().map(|name| own(name, format!("DROP SEQUENCE IF EXISTS {}", place(name)))),
        );
        steps
    }

    fn drop(&self, what: &Definition) -> Definition {
        drop_in(&self.moves.live, what)
    }

    fn rename(&self) -> Option<Definition> {
        let Moves { live, incoming, outgoing, .. } = self.moves;
        let place = |database: &str, table: &str| format!("{}.{}", quote_name(database), quote_name(table));
        let out = self.moves.leaving.iter().chain(&self.moves.views).map(|old| {
            let to = match &old.aside {
                Some(aside) => place(live, aside),
                None => place(outgoing, &old.table),
            };
            format!("{} TO {to}", place(live, &old.table))
        });
        let come = self
            .moves
            .coming
            .iter()
            .map(|table| format!("{} TO {}", place(incoming, table), place(live, table)));
        let pairs: Vec<String> = out.chain(come).collect();
        (!pairs.is_empty()).then(|| own("", format!("RENAME TABLE {}", pairs.join(", "))))
    }

    /// Made anew in their order, which a second run must not change.
    fn made_triggers(&self, triggers: &[&Definition]) -> Vec<Definition> {
        let dropped = triggers.iter().map(|trigger| self.drop(trigger));
        let made = triggers.iter().map(|trigger| self.made(trigger, &self.incoming.database));
        dropped.chain(made).collect()
    }

    /// Tables whose triggers are gone by now leave; views that made room are removed.
    fn aside(&self) -> Vec<Definition> {
        let Moves { live, outgoing, leaving, views, .. } = self.moves;
        let place = |database: &str, table: &str| format!("{}.{}", quote_name(database), quote_name(table));
        let tables = leaving.iter().filter_map(|old| {
            let (from, to) = (place(live, old.aside.as_ref()?), place(outgoing, &old.table));
            Some(own(&old.table, format!("RENAME TABLE {from} TO {to}")))
        });
        let views = views.iter().filter_map(|old| {
            let aside = place(live, old.aside.as_ref()?);
            Some(own(&old.table, format!("DROP VIEW IF EXISTS {aside}")))
        });
        tables.chain(views).collect()
    }

    /// Triggers keep a damaged table from leaving. Foreign keys to it would mean the table that comes in its place.
    fn loosen(&self) -> Vec<Definition> {
        let is_damaged = |table: &String| self.moves.damaged.iter().any(|damaged| damaged.table == *table);
        let triggers = self.damaged_triggers.iter().map(|trigger| {
            let place = format!("{}.{}", quote_name(&self.moves.live), quote_name(trigger));
            own(trigger, format!("DROP TRIGGER IF EXISTS {place}"))
        });
        let mut steps: Vec<Definition> = triggers.collect();
        steps.extend(
            self.leaving_keys().filter(|key| is_damaged(&key.parent.1)).map(|key| self.unlinked(key)),
        );
        steps
    }

    /// Takes a foreign key from a table that has left.
    fn unlinked(&self, key: &ForeignKey) -> Definition {
        let table = format!("{}.{}", quote_name(&self.outgoing.database), quote_name(&key.child.1));
        own(&key.name, format!("ALTER TABLE {table} DROP FOREIGN KEY IF EXISTS {}", quote_name(&key.name)))
    }

    fn make(&self) -> Vec<Definition> {
        let mut steps = in_turn([self.unaliased(), self.relinked()].concat());
        for kind in MADE {
            let coming: Vec<&Definition> = self.incoming.of(kind).collect();
            let gone = |old: &&Definition| !coming.iter().any(|new| new.name == old.name);
            let gone = self.outgoing.of(kind).filter(gone);
            steps.extend(
                gone.filter(|old| !self.incoming.tables.contains(&old.name)).map(|old| self.drop(old)),
            );
            let mut made: Vec<Definition> =
                coming.into_iter().map(|new| self.made(new, &self.incoming.database)).collect();
            if kind == DefinitionKind::View {
                made = in_order(made);
            }
            steps.extend(made);
        }
        // Programs may have been made under another collation.
        steps.extend(self.live_charset());
        steps.extend(self.again.iter().cloned());
        steps
    }

    /// The names that foreign keys of incoming tables had.
    fn unaliased(&self) -> Vec<Definition> {
        let Moves { live, incoming, .. } = self.moves;
        let parent = |key: &ForeignKey| {
            if key.parent.0 == *incoming { live.clone() } else { key.parent.0.clone() }
        };
        let renamed =
            self.aliases.iter().flat_map(|(key, alias)| key.renamed(live, &parent(key), alias, &key.name));
        renamed.map(|text| own("", text)).collect()
    }

    /// The live database's charset, as it shall be.
    fn live_charset(&self) -> Option<Definition> {
        let incoming = self.incoming.charset.as_ref().filter(|_| self.moves.whole);
        set_charset(&self.moves.live, incoming.or(self.outgoing.charset.as_ref()))
    }

    /// The statement that makes something in the live database, whose definition was read in database `from`.
    fn made(&self, definition: &Definition, from: &str) -> Definition {
        let mut made = moved(definition, from);
        let key = (made.kind.as_sql(), made.name.clone());
        if let Some(text) = self.origin.texts.get(&key).or_else(|| self.origin.plain.get(&key)) {
            made.text.clone_from(text);
        }
        made.text = replacing(&made);
        if let (EVENT, Some(status)) = (made.kind, self.origin.events.get(&made.name))
            && let Some((_, text)) = with_status(&made.text, quotes(&made), *status)
        {
            made.text = text;
        }
        made
    }

    fn back(&self) -> Vec<Definition> {
        let sequences: BTreeSet<&String> = self.late.iter().map(|(sequence, _)| sequence).collect();
        let drop = |sequence: &String| {
            let place = format!("{}.{}", quote_name(&self.moves.live), quote_name(sequence));
            own(sequence, format!("DROP SEQUENCE IF EXISTS {place}"))
        };
        sequences.into_iter().map(drop).collect()
    }

    fn keep(&self) -> Vec<Definition> {
        let mut steps: Vec<Definition> = self.leaving_keys().map(|key| self.unlinked(key)).collect();
        let kept = |kind| -> Vec<Definition> {
            let moved = self.outgoing.of(kind).map(|old| moved(old, &self.moves.live));
            moved.map(|old| Definition { text: replacing(&old), ..old }).collect()
        };
        let kept_triggers = kept(TRIGGER);
        let database = &self.outgoing.database;
        steps.extend(kept_triggers.iter().map(|trigger| drop_in(database, trigger)));
        steps.extend(kept_triggers);
        for kind in MADE {
            let mut all = kept(kind);
            match kind {
                DefinitionKind::View => all = in_order(all),
                EVENT => {
                    for event in &mut all {
                        // An event that is kept must not run.
                        let disabled = with_status(&event.text, quotes(event), Status::Disabled);
                        event.text = disabled.map_or_else(Vec::new, |(_, text)| text);
                    }
                }
                DefinitionKind::Program(_) => {}
            }
            steps.extend(all.into_iter().filter(|step| !step.text.is_empty()));
        }
        steps.extend(set_charset(&self.outgoing.database, self.outgoing.charset.as_ref()));
        steps
    }

    /// Foreign keys of tables that go out, to tables that stay: they would go on guarding the live ones.
    fn leaving_keys(&self) -> impl Iterator<Item = &ForeignKey> {
        self.foreign_keys.iter().filter(|key| {
            let leaves = key.child.0 == self.moves.live && self.outgoing.tables.contains(&key.child.1);
            leaves && !(key.parent.0 == self.moves.live && self.outgoing.tables.contains(&key.parent.1))
        })
    }

    /// Whether a table of the live database is replaced or removed.
    fn goes(&self, table: &String) -> bool {
        self.outgoing.tables.contains(table)
            || self.moves.damaged.iter().any(|damaged| damaged.table == *table)
    }

    /// Foreign keys of tables that stay, to tables that are replaced: they follow the old ones out (error 1452 would
    /// come of it), and are made anew. Their rows are not checked again.
    fn relinked(&self) -> Vec<Definition> {
        let follows = |key: &&ForeignKey| {
            let stays = key.child.0 == self.moves.live && !self.goes(&key.child.1);
            let goes = key.parent.0 == self.moves.live && self.goes(&key.parent.1);
            stays && goes && self.incoming.tables.contains(&key.parent.1)
        };
        let again = self
            .foreign_keys
            .iter()
            .filter(follows)
            .flat_map(|key| key.again(&self.moves.live, &self.moves.live));
        again.map(|text| own("", text)).collect()
    }
}

fn drop_in(database: &str, what: &Definition) -> Definition {
    let name = format!("{}.{}", quote_name(database), quote_name(&what.name));
    let mut step = own(&what.name, format!("DROP {} IF EXISTS {name}", what.kind.as_sql()));
    if matches!(what.kind, DefinitionKind::Program(ObjectKind::Package | ObjectKind::PackageBody)) {
        step.sql_mode = "ORACLE".into();
    }
    step
}

/// Statements that add foreign keys, while no other restore adds any.
fn in_turn(steps: Vec<Definition>) -> Vec<Definition> {
    if steps.is_empty() {
        return steps;
    }
    // The tables have moved by then: nobody waits long for whoever holds that lock.
    let turn = IN_TURN.replace("3600", "60");
    [vec![own("", turn)], steps, vec![own("", NEXT.into())]].concat()
}

/// ` CHARACTER SET … COLLATE …`.
pub(super) fn clause_of(charset: Option<&(String, String)>) -> String {
    charset.map_or_else(String::new, |(charset, collation)| charset_clause(Some(charset), Some(collation)))
}

/// Sets a database's default charset; nothing where it is not known.
fn set_charset(database: &str, charset: Option<&(String, String)>) -> Option<Definition> {
    let clause = clause_of(charset);
    (!clause.is_empty()).then(|| own("", format!("ALTER DATABASE {}{clause}", quote_name(database))))
}

/// Views, each after those that it names. Those under others are our own account's until all are made.
fn in_order(views: Vec<Definition>) -> Vec<Definition> {
    let texts: Vec<(&str, Vec<u8>)> =
        views.iter().map(|view| (view.name.as_str(), view.text.clone())).collect();
    let mut ordered: Vec<Definition> =
        view_order(&texts).into_iter().map(|index| views[index].clone()).collect();
    let all: Vec<(&str, &[u8], QuoteMode)> =
        ordered.iter().map(|view| (view.name.as_str(), &view.text[..], quotes(view))).collect();
    let mut finals = Vec::new();
    for index in under_others(&all) {
        let view = &mut ordered[index];
        if let Some(text) = as_ourselves(&view.text, quotes(view)) {
            finals.push(Definition { text: std::mem::replace(&mut view.text, text), ..view.clone() });
        }
    }
    ordered.extend(finals.into_iter().rev());
    ordered
}

fn quotes(definition: &Definition) -> QuoteMode {
    QuoteMode::under(&definition.sql_mode)
}

/// A definition that was read in database `from`, without that name where it would go on meaning that one.
fn moved(definition: &Definition, from: &str) -> Definition {
    let mode = quotes(definition);
    let head = parse_head(&definition.text, Reading::Everything, mode);
    let renaming = Renaming { from: Some(from), here: &|_| true, loaded: &|_| true, elsewhere: from };
    Definition { text: renaming.apply(&head, &definition.text, mode), ..definition.clone() }
}

/// `CREATE OR REPLACE` instead of `CREATE`: privileges on routines stay, and a second run finds no obstacle.
fn replacing(definition: &Definition) -> Vec<u8> {
    if definition.kind == TRIGGER {
        // The server would keep the words; they are dropped before they are made.
        return definition.text.clone();
    }
    or_replace(&definition.text, quotes(definition))
}

#[cfg(test)]
mod tests;
