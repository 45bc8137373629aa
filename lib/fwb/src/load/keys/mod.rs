//! Secondary keys that a table is given after its rows.
//!
//! A key that is there while rows arrive is built entry by entry, in the order of the rows; one that comes after them is
//! sorted first and written page by page. Foreign keys need theirs from the beginning, so those come last of all.
//!
//! The table must become what it would have become. What is put off is what `SHOW CREATE TABLE` prints in its plainest
//! form, and a table that has anything else about its keys is made as it stands.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// A table's definition, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Divided {
    /// The table without what is put off.
    pub(crate) create: Vec<u8>,
    /// The statement that adds the keys.
    pub(crate) keys: Vec<u8>,
    /// How many those are.
    pub(crate) number: u64,
    /// The statement that adds the foreign keys, once all tables have their keys.
    pub(crate) references: Option<Vec<u8>>,
}

impl Divided {
    /// Adds the keys also where the server has no room to sort them: then it copies the table, entry by entry.
    pub(crate) fn keys_at_any_rate(&self) -> String {
        let copied = [&self.keys, &b",\n  ALGORITHM=COPY"[..]].concat();
        format!(
            "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR {NO_ROOM} EXECUTE IMMEDIATE 0x{}; EXECUTE IMMEDIATE 0x{}; END",
            hex::encode(copied),
            hex::encode(&self.keys)
        )
    }
}

/// What a server says that has no room for temporary files: `EE_CANTCREATEFILE`, `EE_WRITE`, `EE_DISK_FULL`,
/// `ER_DISK_FULL`, `ER_ERROR_ON_WRITE`, `ER_GET_ERRNO`, `ER_RECORD_FILE_FULL`, `ER_TEMP_FILE_WRITE_FAILURE`.
const NO_ROOM: &str = "1, 3, 20, 1021, 1026, 1030, 1114, 1878";

/// A definition, and whether its table is large enough.
pub(crate) struct Candidate<'a> {
    pub(crate) create: &'a [u8],
    pub(crate) mode: QuoteMode,
    pub(crate) large: bool,
}

/// Divides those definitions of one dump for which it is certain that nothing is lost.
pub(crate) fn divide(candidates: &[Candidate<'_>]) -> Vec<Option<Divided>> {
    let shapes: Option<Vec<TableShape<'_>>> =
        candidates.iter().map(|candidate| TableShape::read(candidate.create, candidate.mode)).collect();
    // What cannot be read may refer to any table.
    let Some(shapes) = shapes else { return candidates.iter().map(|_| None).collect() };
    let all: HashMap<&str, &TableShape<'_>> =
        shapes.iter().map(|shape| (shape.name.as_str(), shape)).collect();
    // A foreign key that is made with its table finds the key that it refers to, or is refused.
    let mut needed: HashSet<&str> = HashSet::new();
    for reference in shapes.iter().flat_map(|shape| &shape.references) {
        let own = all.get(reference.to.as_str());
        if own.is_some_and(|parent| !parent.primary.starts_with(&reference.to_columns)) {
            needed.insert(&reference.to);
        }
    }
    let fits =
        |shape: &TableShape<'_>| !needed.contains(shape.name.as_str()) && shape.can_defer_foreign_keys(&all);
    let pairs = shapes.iter().zip(candidates);
    pairs
        .map(|(shape, candidate)| {
            (candidate.large && fits(shape)).then(|| shape.divided(candidate.create)).flatten()
        })
        .collect()
}

/// Words after which a column's type is over.
const AFTER_TYPE: [&str; 5] = ["NOT", "NULL", "DEFAULT", "AUTO_INCREMENT", "COMMENT"];
/// Words in a definition that say more about rows or keys than is understood here.
const UNUSUAL: [&str; 10] = [
    "FULLTEXT",
    "SPATIAL",
    "VECTOR",
    "PERIOD",
    "VERSIONING",
    "PARTITION",
    "OVERLAPS",
    "INVISIBLE",
    "REF_SYSTEM_ID",
    "START",
];
/// Options that keys have nothing to do with.
const OPTIONS: [&str; 6] = ["ENGINE", "AUTO_INCREMENT", "CHARSET", "COLLATE", "COMMENT", "ROW_FORMAT"];
/// Types for which the character set means nothing.
const NUMBERS: [&str; 5] = ["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"];

type Spanned<'a> = (Token<'a>, Range<usize>);
/// The columns of a key, each with whether the key holds it whole.
type KeyColumns = Vec<(String, bool)>;

/// What a `CREATE TABLE` says of its columns and keys. Names are in lower case.
struct TableShape<'a> {
    name: String,
    /// How the name stands in the text.
    written: Range<usize>,
    /// All that stands between the outer parentheses, by commas.
    items: Vec<Range<usize>>,
    columns: HashMap<String, Column<'a>>,
    primary: Vec<String>,
    /// Keys beside the primary one, in their order.
    keys: Vec<Key>,
    references: Vec<Reference>,
    /// The character set and the collation.
    charset: Vec<Token<'a>>,
    /// Whether it is an InnoDB table with nothing unusual about it.
    plain: bool,
}

struct Column<'a> {
    kind: Vec<Token<'a>>,
    generated: bool,
    counter: bool,
}

struct Key {
    /// Which item it is.
    item: usize,
    /// Whether it can be added later as it stands.
    plain: bool,
}

struct Reference {
    item: usize,
    columns: Vec<String>,
    to: String,
    to_columns: Vec<String>,
    /// Whether it has a name, and its table none of a database before it.
    plain: bool,
}

impl<'a> TableShape<'a> {
    /// None if it is not written as servers print it.
    fn read(text: &'a [u8], mode: QuoteMode) -> Option<Self> {
        let mut tokens = Tokens::new(text, Reading::Everything, mode);
        let tokens: Vec<Spanned<'a>> = std::iter::from_fn(|| tokens.spanned()).collect();
        let [(create, _), (table, _), (name, written), (Token::Symbol(b'('), _), rest @ ..] = &tokens[..]
        else {
            return None;
        };
        (create.is("CREATE") && table.is("TABLE")).then_some(())?;
        let (items, options) = items(rest)?;
        let unusual = UNUSUAL.iter().any(|word| tokens.iter().any(|(token, _)| token.is(word)));
        let (charset, usual) = read_options(options);
        let mut shape = Self {
            name: lower(name)?,
            written: written.clone(),
            items: items.iter().map(|item| span(item)).collect::<Option<_>>()?,
            columns: HashMap::new(),
            primary: Vec::new(),
            keys: Vec::new(),
            references: Vec::new(),
            charset,
            plain: usual && !unusual && Tokens::marks(text, Reading::Everything, mode).is_empty(),
        };
        // Columns first: keys are about them.
        for item in &items {
            shape.column(item)?;
        }
        for (index, item) in items.iter().enumerate() {
            shape.key(index, item)?;
        }
        Some(shape)
    }

    fn column(&mut self, item: &[Spanned<'a>]) -> Option<()> {
        let (first, rest) = item.split_first()?;
        let constraint =
            ["PRIMARY", "UNIQUE", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "CONSTRAINT", "FOREIGN", "CHECK"];
        if constraint.iter().chain(&UNUSUAL).any(|word| first.0.is(word)) {
            return Some(());
        }
        let has = |words: &[&str]| words.iter().any(|word| rest.iter().any(|(token, _)| token.is(word)));
        if has(&["REFERENCES", "PRIMARY", "UNIQUE", "KEY"]) {
            return None;
        }
        let kind = rest.iter().map(|(token, _)| token);
        let kind = kind.take_while(|token| !AFTER_TYPE.iter().any(|word| token.is(word))).cloned().collect();
        let generated = has(&["GENERATED", "AS", "VIRTUAL", "PERSISTENT", "STORED"]);
        let column = Column { kind, generated, counter: has(&["AUTO_INCREMENT"]) };
        self.columns.insert(lower(&first.0)?, column);
        Some(())
    }

    fn key(&mut self, index: usize, item: &[Spanned<'a>]) -> Option<()> {
        let tokens: Vec<&Token<'a>> = item.iter().map(|(token, _)| token).collect();
        match &tokens[..] {
            [primary, key, list @ ..] if primary.is("PRIMARY") && key.is("KEY") => {
                let (columns, after) = key_columns(list)?;
                self.plain &= is_key_tail(after);
                // A part of a column's value is nothing that a foreign key can refer to.
                self.primary = columns.into_iter().map_while(|(name, whole)| whole.then_some(name)).collect();
            }
            [unique, key, name, list @ ..] if unique.is("UNIQUE") && key.is("KEY") => {
                self.add_key(index, name, list);
            }
            [key, name, list @ ..] if key.is("KEY") => self.add_key(index, name, list),
            [constraint, name, check, ..] if constraint.is("CONSTRAINT") && check.is("CHECK") => {
                name.identifier()?;
            }
            [constraint, name, foreign, key, rest @ ..]
                if constraint.is("CONSTRAINT") && foreign.is("FOREIGN") && key.is("KEY") =>
            {
                name.identifier()?;
                self.references.push(reference(index, rest, true)?);
            }
            [foreign, key, rest @ ..] if foreign.is("FOREIGN") && key.is("KEY") => {
                self.references.push(reference(index, rest, false)?);
            }
            [first, ..] => {
                let known = ["UNIQUE", "INDEX", "KEY", "CONSTRAINT", "PRIMARY", "FOREIGN"];
                self.plain &= !known.iter().any(|word| first.is(word));
                // Whatever it is: it must not hide a foreign key.
                if tokens.iter().any(|token| token.is("REFERENCES")) {
                    return None;
                }
            }
            [] => return None,
        }
        Some(())
    }

    fn add_key(&mut self, item: usize, name: &Token<'_>, list: &[&Token<'a>]) {
        let plain = name.identifier().is_some()
            && key_columns(list).is_some_and(|(columns, after)| {
                let stored = |(name, _): &(String, bool)| {
                    self.columns.get(name).is_some_and(|column| !column.generated)
                };
                is_key_tail(after) && columns.iter().all(stored)
            });
        self.keys.push(Key { item, plain });
    }

    /// Whether its foreign keys can all be added later: a server refuses then what it takes while the other table is
    /// not there yet.
    fn can_defer_foreign_keys(&self, all: &HashMap<&str, &TableShape<'_>>) -> bool {
        self.references.iter().all(|reference| {
            all.get(reference.to.as_str()).is_some_and(|parent| {
                let columns = reference.columns.iter().zip(&reference.to_columns);
                reference.plain
                    && parent.plain
                    && reference.columns.len() == reference.to_columns.len()
                    && parent.primary.starts_with(&reference.to_columns)
                    && columns.into_iter().all(|(from, to)| self.same_type(from, parent, to))
            })
        })
    }

    /// Whether two columns have one type.
    fn same_type(&self, column: &str, other: &TableShape<'_>, its: &str) -> bool {
        let (Some(one), Some(two)) = (self.columns.get(column), other.columns.get(its)) else { return false };
        let number = one.kind.first().is_some_and(|kind| NUMBERS.iter().any(|number| kind.is(number)));
        let same = one.kind == two.kind && (number || self.charset == other.charset);
        same && !one.generated && !two.generated
    }

    /// Puts off the last keys: those that are made first stay first.
    fn divided(&self, text: &[u8]) -> Option<Divided> {
        let counters = || self.columns.iter().filter(|(_, column)| column.counter);
        let counted = counters().all(|(name, _)| self.primary.first() == Some(name));
        if !self.plain || self.primary.is_empty() || !counted {
            return None;
        }
        let stay = self.keys.iter().rposition(|key| !key.plain).map_or(0, |last| last + 1);
        let off: Vec<usize> = self.keys[stay..].iter().map(|key| key.item).collect();
        let foreign: Vec<usize> = self.references.iter().map(|reference| reference.item).collect();
        if off.is_empty() {
            return None;
        }
        let (first, last) = (self.items.first()?, self.items.last()?);
        let late: HashSet<&usize> = off.iter().chain(&foreign).collect();
        let kept = (0..self.items.len()).filter(|item| !late.contains(item));
        let kept: Vec<&[u8]> = kept.map(|item| &text[self.items[item].clone()]).collect();
        let create = [&text[..first.start], &kept.join(&b",\n  "[..]), &text[last.end..]].concat();
        let add = |items: &[usize]| {
            let items: Vec<&[u8]> = items.iter().map(|item| &text[self.items[*item].clone()]).collect();
            [b"ALTER TABLE ", &text[self.written.clone()], b"\n  ADD ", &items.join(&b",\n  ADD "[..])]
                .concat()
        };
        let references = (!foreign.is_empty()).then(|| add(&foreign));
        Some(Divided { create, keys: add(&off), number: off.len() as u64, references })
    }
}

/// Splits what follows the opening parenthesis: the items within, and what stands after it.
fn items<'t, 'a>(tokens: &'t [Spanned<'a>]) -> Option<(Vec<&'t [Spanned<'a>]>, &'t [Spanned<'a>])> {
    let (mut items, mut depth, mut from) = (Vec::new(), 0_u32, 0);
    for (at, (token, _)) in tokens.iter().enumerate() {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') if depth > 0 => depth -= 1,
            Token::Symbol(end @ (b',' | b')')) if depth == 0 => {
                items.push(&tokens[from..at]);
                from = at + 1;
                if *end == b')' {
                    return Some((items, &tokens[from..]));
                }
            }
            _ => {}
        }
    }
    None
}

/// The character set and collation, and whether all options are known.
fn read_options<'a>(mut options: &[Spanned<'a>]) -> (Vec<Token<'a>>, bool) {
    let (mut charset, mut innodb) = (Vec::new(), false);
    loop {
        options = match options {
            [] => return (charset, innodb),
            [(default, _), rest @ ..] if default.is("DEFAULT") => rest,
            [(word, _), (Token::Symbol(b'='), _), (value, _), rest @ ..]
                if OPTIONS.iter().any(|option| word.is(option)) =>
            {
                innodb |= word.is("ENGINE") && value.is("INNODB");
                if word.is("CHARSET") || word.is("COLLATE") {
                    charset.push(value.clone());
                }
                rest
            }
            _ => return (charset, false),
        };
    }
}

/// `(a, b(10) DESC)`: the columns, and what follows.
fn key_columns<'t, 'a>(tokens: &'t [&'t Token<'a>]) -> Option<(KeyColumns, &'t [&'t Token<'a>])> {
    let [Token::Symbol(b'('), rest @ ..] = tokens else { return None };
    let mut rest = rest;
    let mut columns = Vec::new();
    loop {
        let (name, after) = rest.split_first()?;
        let (whole, after) = match after {
            [Token::Symbol(b'('), Token::Word(_), Token::Symbol(b')'), after @ ..] => (false, after),
            after => (true, after),
        };
        let after = match after {
            [order, after @ ..] if order.is("ASC") || order.is("DESC") => after,
            after => after,
        };
        columns.push((lower(name)?, whole));
        match after {
            [Token::Symbol(b','), after @ ..] => rest = after,
            [Token::Symbol(b')'), after @ ..] => return Some((columns, after)),
            _ => return None,
        }
    }
}

/// Whether nothing follows a key's columns but `USING BTREE` and a comment.
fn is_key_tail(mut tokens: &[&Token<'_>]) -> bool {
    loop {
        tokens = match tokens {
            [] => return true,
            [using, btree, rest @ ..] if using.is("USING") && btree.is("BTREE") => rest,
            [comment, Token::Text(_), rest @ ..] if comment.is("COMMENT") => rest,
            _ => return false,
        };
    }
}

/// What follows `FOREIGN KEY`.
fn reference(item: usize, tokens: &[&Token<'_>], named: bool) -> Option<Reference> {
    let (columns, rest) = key_columns(tokens)?;
    let (word, rest) = rest.split_first()?;
    word.is("REFERENCES").then_some(())?;
    let (to, rest, here) = match rest {
        [_, Token::Symbol(b'.'), to, rest @ ..] => (to, rest, false),
        [to, rest @ ..] => (to, rest, true),
        [] => return None,
    };
    let (to_columns, actions) = key_columns(rest)?;
    let plain = named && here && actions.iter().all(|token| matches!(token, Token::Word(_)));
    let only = |columns: KeyColumns| columns.into_iter().map(|(name, _)| name).collect();
    Some(Reference { item, columns: only(columns), to: lower(to)?, to_columns: only(to_columns), plain })
}

fn lower(name: &Token<'_>) -> Option<String> {
    name.identifier().map(|name| name.to_lowercase())
}

fn span(item: &[Spanned<'_>]) -> Option<Range<usize>> {
    Some(item.first()?.1.start..item.last()?.1.end)
}

#[cfg(test)]
mod tests;
