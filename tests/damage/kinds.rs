//! The kinds of damage: what happens to a table's files while the server is down, and what the server says afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use super::pages::{Leaf, Pages, ROOT, SECOND_ROOT, noise};

/// A kind of damage.
pub(super) struct Kind {
    /// As in docs/RELIABILITY.md.
    pub(super) name: &'static str,
    /// The errors one of which a read of the whole table ends with, or none where all rows can still be read.
    pub(super) errors: &'static [u32],
    /// Whether the table is known to be damaged by opening it and reading its first and last row.
    pub(super) shows: bool,
    /// A further index of the table, as its definition has it, and its options.
    pub(super) form: [&'static str; 2],
    /// What is done to the files.
    pub(super) damage: fn(&Files),
}

/// A table's files.
pub(super) struct Files {
    /// The database's directory.
    pub(super) dir: PathBuf,
    /// The table.
    pub(super) table: &'static str,
}

/// The table that is damaged, and a healthy one of the same database.
pub(super) const HURT: &str = "hurt";
const ANOTHER: &str = "people";

impl Files {
    fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.table))
    }

    fn ibd(&self) -> PathBuf {
        self.path("ibd")
    }

    fn frm(&self) -> PathBuf {
        self.path("frm")
    }

    fn overwrite(&self, extension: &str) {
        let path = self.path(extension);
        let size = usize::try_from(path.metadata().unwrap().len()).unwrap();
        fs::write(path, noise(size)).unwrap();
    }

    fn pages(&self) -> Pages {
        Pages::of(&self.ibd())
    }

    fn of_another(&self, extension: &str) {
        fs::copy(self.dir.join(format!("{ANOTHER}.{extension}")), self.path(extension)).unwrap();
    }
}

fn cut(path: &Path, divisor: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(size.checked_div(divisor).unwrap_or(0)).unwrap();
}

/// What the server says of a page that is none, of a table whose root is none, of one whose file is none, of one that it
/// does not know, of a definition that is none, and of a definition that is another table's.
const PAGE: &[u32] = &[1034];
const CLOSED: &[u32] = &[1877, 1030];
const UNKNOWN: &[u32] = &[1146];
const UNREADABLE: &[u32] = &[1033];
const MISTAKEN: &[u32] = &[1194, 1877];

const fn kind(name: &'static str, errors: &'static [u32], shows: bool, damage: fn(&Files)) -> Kind {
    Kind { name, errors, shows, form: ["", ""], damage }
}

/// Those of which no server ends.
pub(super) const KINDS: [Kind; 15] = [
    kind("one page", PAGE, false, |files| {
        let pages = files.pages();
        let leaf = pages.leaf(Leaf::Middle);
        pages.overwrite(&[leaf]);
    }),
    kind("the page of the first row", PAGE, true, |files| {
        let pages = files.pages();
        let leaf = pages.leaf(Leaf::First);
        pages.overwrite(&[leaf]);
    }),
    kind("the root of a secondary index", &[], false, |files| files.pages().overwrite(&[SECOND_ROOT])),
    kind("the root of the table", CLOSED, true, |files| files.pages().overwrite(&[ROOT])),
    kind("the header", CLOSED, true, |files| files.pages().overwrite(&[0])),
    kind("pages 3 to 6", CLOSED, true, |files| files.pages().overwrite(&[3, 4, 5, 6])),
    kind("`.ibd` missing", CLOSED, true, |files| fs::remove_file(files.ibd()).unwrap()),
    kind("`.ibd` empty", CLOSED, true, |files| cut(&files.ibd(), 0)),
    kind("`.ibd` of another table", CLOSED, true, |files| files.of_another("ibd")),
    kind("`.frm` missing", UNKNOWN, true, |files| fs::remove_file(files.frm()).unwrap()),
    kind("`.frm` overwritten", UNREADABLE, true, |files| files.overwrite("frm")),
    kind("`.frm` cut in half", UNREADABLE, true, |files| cut(&files.frm(), 2)),
    kind("`.frm` of another table", MISTAKEN, true, |files| files.of_another("frm")),
    kind("`.ibd` and `.frm` missing", UNKNOWN, true, |files| {
        fs::remove_file(files.ibd()).unwrap();
        fs::remove_file(files.frm()).unwrap();
    }),
    kind("tablespace discarded", &[1814], true, |_| ()),
];

/// The kind that needs no damaged file: it is done by SQL, before the server goes down.
pub(super) const DISCARDED: &str = "tablespace discarded";

/// Damage to files that other tables of ours have not: of triggers, partitions, full-text indexes and an older engine.
pub(super) const OTHERS: [Kind; 6] = [
    kind("`.TRG` overwritten", &[1341], true, |files| files.overwrite("TRG")),
    my_isam("`.MYI` missing", &[1017], true, |files| fs::remove_file(files.path("MYI")).unwrap()),
    my_isam("`.MYD` missing", &[29], true, |files| fs::remove_file(files.path("MYD")).unwrap()),
    my_isam("`.MYD` overwritten", &[1194], false, |files| files.overwrite("MYD")),
    Kind {
        form: ["", "PARTITION BY HASH (id) PARTITIONS 3"],
        ..kind("`.frm` of partitions missing", UNKNOWN, true, |files| fs::remove_file(files.frm()).unwrap())
    },
    // All rows can be read, and the server does not move the table all the same.
    Kind {
        form: [", FULLTEXT KEY words (v)", ""],
        ..kind("a file of a full-text index missing", &[], false, |files| {
            let names = fs::read_dir(&files.dir).unwrap().map(|entry| entry.unwrap().path());
            let of_index = |path: &PathBuf| path.to_string_lossy().ends_with("_INDEX_1.ibd");
            fs::remove_file(names.into_iter().find(of_index).expect("a full-text index")).unwrap();
        })
    },
];

const fn my_isam(name: &'static str, errors: &'static [u32], shows: bool, damage: fn(&Files)) -> Kind {
    Kind { form: ["", "ENGINE=MyISAM"], ..kind(name, errors, shows, damage) }
}

/// Those that end the server when a row is read: a page that is sealed, and whose rows cannot be.
pub(super) const DEADLY: [Kind; 2] = [
    kind("rows that end the server", &[2013], false, |files| {
        let pages = files.pages();
        let leaf = pages.leaf(Leaf::Middle);
        pages.make_deadly(leaf);
    }),
    kind("a first row that ends the server", &[2013], true, |files| {
        let pages = files.pages();
        let leaf = pages.leaf(Leaf::First);
        pages.make_deadly(leaf);
    }),
];
