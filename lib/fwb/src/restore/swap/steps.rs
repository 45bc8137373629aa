//! What a swap does, statement by statement: worked out beforehand, so that it can be carried out, completed or taken
//! back by whoever finds it written down.

use std::collections::BTreeSet;

use crate::manifest::ObjectKind;
use crate::restore::event::{self, Status};
use crate::restore::rename::Renaming;
use crate::restore::script::Origin;
use crate::restore::views;
use crate::scan::{QuoteMode, Reading, Token, Tokens, parse_head};
use crate::server::{Definition, DefinitionKind, ForeignKey, charset_clause, quote_name};

/// When a step is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the live database, before the tables change places: what would stop them from moving.
    Clear,
    /// The one statement in which the tables change places.
    Rename,
    /// In the live database, right after: the triggers.
    Triggers,
    /// In the live database: everything else.
    Make,
    /// In the live database, where the tables could not change places: what was cleared.
    Back,
    /// In the database that keeps what there was.
    Keep,
    /// Never: for an undo, what there was.
    Definition,
    /// For an undo, once the tables are back: foreign keys to tables that had not moved.
    Relink,
    /// For an undo, the names of what came in.
    Scope,
}

impl Stage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Rename => "rename",
            Self::Triggers => "triggers",
            Self::Make => "make",
            Self::Back => "back",
            Self::Keep => "keep",
            Self::Definition => "definition",
            Self::Relink => "relink",
            Self::Scope => "scope",
        }
    }
}

/// A statement, and the session that it is executed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) stage: Stage,
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
    /// The database whose contents are replaced.
    pub(super) live: &'a str,
    /// Whether it is there.
    pub(super) exists: bool,
    /// Whether all of it is replaced.
    pub(super) whole: bool,
    /// What comes in, and from where.
    pub(super) incoming: &'a Side,
    /// What goes out, and where to.
    pub(super) outgoing: &'a Side,
    /// The live database's foreign keys.
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// Defaults from sequences that are in the live database only once they have come in: the sequence, and the
    /// statement that makes it the default.
    pub(super) late: Vec<(String, String)>,
    /// Statements of an earlier swap's [`Stage::Relink`].
    pub(super) relink: Vec<Definition>,
    /// What the objects are once they are live, where their definitions do not say so.
    pub(super) origin: &'a Origin,
}

/// A statement of our own.
fn own(name: &str, text: String) -> Definition {
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
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut add = |stage: Stage, definitions: Vec<Definition>| {
            steps.extend(definitions.into_iter().map(|definition| Step { stage, definition }));
        };
        add(Stage::Clear, self.clear());
        add(Stage::Rename, self.rename().into_iter().collect());
        add(Stage::Triggers, self.triggers());
        add(Stage::Make, self.make());
        add(Stage::Back, self.back());
        add(Stage::Keep, self.keep());
        add(Stage::Definition, self.outgoing.definitions.clone());
        let relink = self.leaving_keys().flat_map(|key| key.again(self.live, &key.parent.0));
        add(Stage::Relink, relink.map(|text| own("", text)).collect());
        let scope =
            |name: &str, what: &str| Definition { table: Some(what.into()), ..own(name, String::new()) };
        let tables = self.incoming.tables.iter().map(|table| scope(table, "table"));
        let views = self.incoming.of(DefinitionKind::View).map(|view| scope(&view.name, "view"));
        let whole = self.whole.then(|| scope("", "whole"));
        add(Stage::Scope, tables.chain(views).chain(whole).collect());
        steps
    }

    fn clear(&self) -> Vec<Definition> {
        let mut steps = Vec::new();
        if !self.exists {
            let clause = clause_of(self.incoming.charset.as_ref());
            steps.push(own("", format!("CREATE DATABASE IF NOT EXISTS {}{clause}", quote_name(self.live))));
        }
        steps.push(own("", format!("USE {}", quote_name(self.live))));
        // The server wants to see a sequence before it makes it a default, and never again. So another one stands in for it.
        let sequences: BTreeSet<&String> = self.late.iter().map(|(sequence, _)| sequence).collect();
        let place = |name: &str| format!("{}.{}", quote_name(self.live), quote_name(name));
        steps.extend(
            sequences.iter().map(|name| own(name, format!("CREATE SEQUENCE IF NOT EXISTS {}", place(name)))),
        );
        steps.extend(self.late.iter().map(|(_, alter)| own("", alter.clone())));
        steps.extend(
            sequences.iter().map(|name| own(name, format!("DROP SEQUENCE IF EXISTS {}", place(name)))),
        );
        steps.extend(self.outgoing.of(TRIGGER).map(|trigger| self.drop(trigger)));
        steps.extend(self.in_the_way().map(|view| self.drop(view)));
        steps
    }

    /// Views that have the name of a table that comes in.
    fn in_the_way(&self) -> impl Iterator<Item = &Definition> {
        self.outgoing.of(DefinitionKind::View).filter(|view| self.incoming.tables.contains(&view.name))
    }

    fn drop(&self, what: &Definition) -> Definition {
        drop_in(self.live, what)
    }

    fn rename(&self) -> Option<Definition> {
        let pairs: Vec<String> = self
            .outgoing
            .tables
            .iter()
            .map(|table| (self.live, table, self.outgoing.database.as_str()))
            .chain(
                self.incoming.tables.iter().map(|table| (self.incoming.database.as_str(), table, self.live)),
            )
            .map(|(from, table, to)| {
                let table = quote_name(table);
                format!("{}.{table} TO {}.{table}", quote_name(from), quote_name(to))
            })
            .collect();
        (!pairs.is_empty()).then(|| own("", format!("RENAME TABLE {}", pairs.join(", "))))
    }

    fn triggers(&self) -> Vec<Definition> {
        let mut steps: Vec<Definition> = self.live_charset().into_iter().collect();
        // Made anew in their order, which a second run must not change.
        steps.extend(self.incoming.of(TRIGGER).map(|trigger| self.drop(trigger)));
        steps.extend(self.incoming.of(TRIGGER).map(|trigger| self.made(trigger, &self.incoming.database)));
        steps
    }

    fn make(&self) -> Vec<Definition> {
        let mut steps = self.relinked();
        steps.extend(self.relink.iter().cloned());
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
        steps
    }

    /// The live database's charset, as it shall be.
    fn live_charset(&self) -> Option<Definition> {
        let incoming = self.incoming.charset.as_ref().filter(|_| self.whole);
        set_charset(self.live, incoming.or(self.outgoing.charset.as_ref()))
    }

    /// The statement that makes something in the live database, whose definition was read in database `from`.
    fn made(&self, definition: &Definition, from: &str) -> Definition {
        let mut made = moved(definition, from);
        if let Some(text) = self.origin.texts.get(&(made.kind.as_sql(), made.name.clone())) {
            made.text.clone_from(text);
        }
        made.text = or_replace(&made);
        if let (EVENT, Some(status)) = (made.kind, self.origin.events.get(&made.name))
            && let Some((_, text)) = event::with_status(&made.text, quotes(&made), *status)
        {
            made.text = text;
        }
        made
    }

    fn back(&self) -> Vec<Definition> {
        let triggers = || self.outgoing.of(TRIGGER);
        let mut steps: Vec<Definition> = triggers().map(|trigger| self.drop(trigger)).collect();
        steps.extend(self.late.iter().map(|(sequence, _)| {
            let place = format!("{}.{}", quote_name(self.live), quote_name(sequence));
            own(sequence, format!("DROP SEQUENCE IF EXISTS {place}"))
        }));
        steps.extend(
            triggers()
                .chain(self.in_the_way())
                .map(|old| Definition { text: or_replace(old), ..old.clone() }),
        );
        steps.extend(set_charset(self.live, self.outgoing.charset.as_ref()));
        steps
    }

    fn keep(&self) -> Vec<Definition> {
        let mut steps: Vec<Definition> = self
            .leaving_keys()
            .map(|key| {
                let table = format!("{}.{}", quote_name(&self.outgoing.database), quote_name(&key.child.1));
                own(
                    &key.name,
                    format!("ALTER TABLE {table} DROP FOREIGN KEY IF EXISTS {}", quote_name(&key.name)),
                )
            })
            .collect();
        let kept = |kind| -> Vec<Definition> {
            let moved = self.outgoing.of(kind).map(|old| moved(old, self.live));
            moved.map(|old| Definition { text: or_replace(&old), ..old }).collect()
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
                        let disabled = event::with_status(&event.text, quotes(event), Status::Disabled);
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
            let leaves = key.child.0 == self.live && self.outgoing.tables.contains(&key.child.1);
            leaves && !(key.parent.0 == self.live && self.outgoing.tables.contains(&key.parent.1))
        })
    }

    /// Foreign keys of tables that stay, to tables that are replaced: they follow the old ones out (error 1452 would
    /// come of it), and are made anew. Their rows are not checked again.
    fn relinked(&self) -> Vec<Definition> {
        let follows = |key: &&ForeignKey| {
            let stays = key.child.0 == self.live && !self.outgoing.tables.contains(&key.child.1);
            let goes = key.parent.0 == self.live && self.outgoing.tables.contains(&key.parent.1);
            stays && goes && self.incoming.tables.contains(&key.parent.1)
        };
        let again = self.foreign_keys.iter().filter(follows).flat_map(|key| key.again(self.live, self.live));
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

/// ` CHARACTER SET … COLLATE …`.
pub(super) fn clause_of(charset: Option<&(String, String)>) -> String {
    charset.map_or_else(String::new, |(charset, collation)| charset_clause(Some(charset), Some(collation)))
}

/// Sets a database's default charset; nothing where it is not known.
fn set_charset(database: &str, charset: Option<&(String, String)>) -> Option<Definition> {
    let clause = clause_of(charset);
    (!clause.is_empty()).then(|| own("", format!("ALTER DATABASE {}{clause}", quote_name(database))))
}

/// Views, each after those that it names.
fn in_order(views: Vec<Definition>) -> Vec<Definition> {
    let texts: Vec<(&str, Vec<u8>)> =
        views.iter().map(|view| (view.name.as_str(), view.text.clone())).collect();
    views::order(&texts).into_iter().map(|index| views[index].clone()).collect()
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
fn or_replace(definition: &Definition) -> Vec<u8> {
    if definition.kind == TRIGGER {
        // The server would keep the words; they are dropped before they are made.
        return definition.text.clone();
    }
    let mut tokens = Tokens::new(&definition.text, Reading::Everything, quotes(definition));
    let Some(Token::Word(_)) = tokens.next() else { return definition.text.clone() };
    let at = tokens.position();
    if tokens.next().is_some_and(|word| word.is("OR")) {
        return definition.text.clone();
    }
    [&definition.text[..at], b" OR REPLACE", &definition.text[at..]].concat()
}
