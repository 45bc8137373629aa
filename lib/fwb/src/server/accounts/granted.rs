//! Rights, and what they are on.

use std::collections::BTreeSet;

use crate::server::quoting::quote_name;

/// What rights are on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    /// Everything.
    Global,
    /// Everything, by MySQL's dynamic rights: each of them is passed on or not for itself.
    Dynamic {
        /// Whether these may be passed on.
        grantable: bool,
    },
    /// Databases, by a pattern.
    Database(String),
    /// A table or a view, or columns of it.
    Table(String, String),
    /// A stored program.
    Routine(RoutineKind, String, String),
}

/// The kinds of stored programs that rights are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RoutineKind {
    /// A procedure.
    Procedure,
    /// A function.
    Function,
    /// A package (MariaDB).
    Package,
    /// A package's body (MariaDB).
    PackageBody,
    /// A library (MySQL).
    Library,
}

impl RoutineKind {
    /// All of them; the longer words first.
    pub(crate) const ALL: [Self; 5] =
        [Self::PackageBody, Self::Package, Self::Procedure, Self::Function, Self::Library];

    /// The words that SQL has.
    pub(crate) fn as_sql(self) -> &'static str {
        match self {
            Self::Procedure => "PROCEDURE",
            Self::Function => "FUNCTION",
            Self::Package => "PACKAGE",
            Self::PackageBody => "PACKAGE BODY",
            Self::Library => "LIBRARY",
        }
    }
}

impl Object {
    /// As SQL has it.
    pub(crate) fn sql(&self) -> String {
        match self {
            Self::Global | Self::Dynamic { .. } => "*.*".into(),
            Self::Database(pattern) => format!("{}.*", quote_name(pattern)),
            Self::Table(database, table) => format!("{}.{}", quote_name(database), quote_name(table)),
            Self::Routine(kind, database, name) => {
                format!("{} {}.{}", kind.as_sql(), quote_name(database), quote_name(name))
            }
        }
    }

    /// Whether a server takes no right on it while it does not exist.
    pub(crate) fn must_exist(&self) -> bool {
        matches!(self, Self::Table(..) | Self::Routine(..))
    }

    /// The database, as a pattern where it is one; none: all of them.
    pub(crate) fn database(&self) -> Option<&str> {
        match self {
            Self::Global | Self::Dynamic { .. } => None,
            Self::Database(name) | Self::Table(name, _) | Self::Routine(_, name, _) => Some(name),
        }
    }

    pub(super) fn in_lower_case(self) -> Self {
        match self {
            Self::Database(name) => Self::Database(name.to_lowercase()),
            Self::Table(database, table) => Self::Table(database.to_lowercase(), table.to_lowercase()),
            Self::Routine(kind, database, name) => Self::Routine(kind, database.to_lowercase(), name),
            other => other,
        }
    }
}

/// A right, on all of an object or on one column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// Its words, in upper case.
    pub(crate) name: String,
    /// The column.
    pub(crate) column: Option<String>,
}

impl Right {
    /// On all of an object.
    pub(crate) fn whole(name: impl Into<String>) -> Self {
        Self { name: name.into(), column: None }
    }

    /// Whether it is one of MySQL's dynamic ones: those alone are one word with an underscore. MariaDB has `READ_ONLY ADMIN`.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.name.contains('_') && !self.name.contains(' ')
    }
}

/// What is held on one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The rights; none beside [`Held::grantable`]: `USAGE`.
    pub(crate) rights: BTreeSet<Right>,
    /// `WITH GRANT OPTION`.
    pub(crate) grantable: bool,
}

/// No right at all.
pub(crate) const USAGE: &str = "USAGE";
/// All that there are.
pub(crate) const ALL: &str = "ALL PRIVILEGES";

impl Held {
    pub(super) fn merge(&mut self, other: Self) {
        self.rights.extend(other.rights);
        self.grantable |= other.grantable;
    }

    /// Whether it holds nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.rights.is_empty() && !self.grantable
    }

    pub(super) fn has_all(&self) -> bool {
        self.rights.iter().any(|right| right.name == ALL)
    }
}

/// Rights as a list in SQL: each once, with its columns.
pub(super) fn list(rights: &BTreeSet<Right>) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = rights.iter().peekable();
    while let Some(right) = rest.next() {
        let Some(column) = &right.column else {
            words.push(right.name.clone());
            continue;
        };
        let mut columns = quote_name(column);
        while let Some(next) = rest.next_if(|next| next.name == right.name) {
            columns += &format!(", {}", quote_name(next.column.as_deref().unwrap_or_default()));
        }
        words.push(format!("{} ({columns})", right.name));
    }
    if words.is_empty() { USAGE.into() } else { words.join(", ") }
}
