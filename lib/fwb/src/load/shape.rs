//! What of a table's definition decides whether a foreign key fits: the types of its columns, and its keys.

use std::collections::BTreeMap;

use crate::scan::{QuoteMode, Reading, Token, Tokens};

/// A table, as far as foreign keys are concerned.
#[derive(Debug)]
pub(super) struct Shape<'t> {
    /// The words of each column's type.
    types: BTreeMap<Vec<u8>, Vec<Token<'t>>>,
    /// The columns of each key, in its order.
    keys: Vec<Vec<Vec<u8>>>,
    foreign: Vec<Foreign>,
    /// What stands behind the columns: the table's own character set and collation among it.
    options: Vec<Token<'t>>,
}

#[derive(Debug)]
struct Foreign {
    columns: Vec<Vec<u8>>,
    parent: String,
    referred: Vec<Vec<u8>>,
}

/// Types whose values are in the table's character set, where they name none.
const TEXTS: [&str; 8] = ["CHAR", "VARCHAR", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "ENUM", "SET"];
/// Words that are of a type, behind its name.
const OF_TYPES: [&str; 6] = ["UNSIGNED", "ZEROFILL", "SIGNED", "CHARACTER", "SET", "COLLATE"];

impl<'t> Shape<'t> {
    /// Reads a definition as `SHOW CREATE TABLE` prints it.
    pub(super) fn read(create: &'t [u8], mode: QuoteMode) -> Self {
        let tokens: Vec<Token<'t>> = Tokens::new(create, Reading::Everything, mode).collect();
        let mut shape =
            Self { types: BTreeMap::new(), keys: Vec::new(), foreign: Vec::new(), options: Vec::new() };
        let (mut depth, mut item) = (0_usize, Vec::new());
        for token in tokens {
            match token {
                Token::Symbol(b'(') => depth += 1,
                Token::Symbol(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            match token {
                Token::Symbol(b'(') if depth == 1 => item.clear(),
                Token::Symbol(b',') if depth == 1 => shape.take(&std::mem::take(&mut item)),
                Token::Symbol(b')') if depth == 0 => shape.take(&std::mem::take(&mut item)),
                token => item.push(token),
            }
        }
        shape.options = item;
        shape
    }

    fn take(&mut self, item: &[Token<'t>]) {
        match item {
            [Token::Name(name), word, rest @ ..] => {
                self.types.insert(name.to_vec(), type_of(word, rest));
            }
            [word, ..] if word.is("CONSTRAINT") || word.is("FOREIGN") => {
                let at = |keyword: &str| item.iter().position(|token| token.is(keyword));
                if let (Some(key), Some(refers)) = (at("FOREIGN"), at("REFERENCES"))
                    && let Some(parent) = item.get(refers + 1).and_then(Token::identifier)
                {
                    let (columns, referred) = (columns(&item[key..]), columns(&item[refers..]));
                    self.foreign.push(Foreign { columns, parent, referred });
                }
            }
            [word, ..] if ["PRIMARY", "UNIQUE", "KEY"].iter().any(|key| word.is(key)) => {
                self.keys.push(columns(item));
            }
            _ => {}
        }
    }

    /// Whether all foreign keys to this parent, whose names `is_parent` knows, fit for certain.
    pub(super) fn fits(&self, parent: &Self, is_parent: impl Fn(&str) -> bool) -> bool {
        let mut keys = self.foreign.iter().filter(|key| is_parent(&key.parent)).peekable();
        keys.peek().is_some()
            && keys.all(|key| {
                let has_key = parent.keys.iter().any(|columns| columns.starts_with(&key.referred));
                let mut pairs = key.columns.iter().zip(&key.referred);
                let is_same = |(here, there): (&Vec<u8>, &Vec<u8>)| {
                    let (here, there) = (self.types.get(here), parent.types.get(there));
                    let is_text = here.is_some_and(|words| TEXTS.iter().any(|text| words[0].is(text)));
                    here.is_some() && here == there && (!is_text || self.charset() == parent.charset())
                };
                has_key && key.columns.len() == key.referred.len() && pairs.all(is_same)
            })
    }

    /// The words that say the table's character set and collation.
    fn charset(&self) -> Vec<&Token<'t>> {
        let options = self.options.iter().enumerate();
        let values = options.filter(|(_, token)| token.is("CHARSET") || token.is("COLLATE"));
        values.filter_map(|(at, _)| self.options.get(at + 2)).collect()
    }
}

/// The words of a column's type: its name, what stands in parentheses behind it, its sign and its character set.
fn type_of<'t>(word: &Token<'t>, rest: &[Token<'t>]) -> Vec<Token<'t>> {
    let mut words = vec![word.clone()];
    let mut depth = 0_usize;
    for (at, token) in rest.iter().enumerate() {
        let follows = at > 0 && ["SET", "COLLATE"].iter().any(|word| rest[at - 1].is(word));
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            _ if depth > 0 || follows => {}
            word if OF_TYPES.iter().any(|of_type| word.is(of_type)) => {}
            _ => break,
        }
        words.push(token.clone());
    }
    words
}

/// The names in the first parentheses.
fn columns(item: &[Token<'_>]) -> Vec<Vec<u8>> {
    let list = item.iter().skip_while(|token| **token != Token::Symbol(b'('));
    let list = list.take_while(|token| **token != Token::Symbol(b')'));
    list.filter_map(|token| match token {
        Token::Name(name) => Some(name.to_vec()),
        _ => None,
    })
    .collect()
}
