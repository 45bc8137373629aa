//! What a made-up dump is made of.

use proptest::prelude::*;

/// Texts that look like what they are not.
const DECOYS: [&str; 22] = [
    "plain",
    "é한글😀",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    ";",
    ";;",
    "--",
    "-- x",
    "#",
    "/*",
    "*/",
    "/*!50003 x",
    "),(",
    ") VALUES (",
    "\n",
    "\n--\n-- Table structure for table `fake`\n--\n\nCREATE TABLE `fake` (a int);\n",
    "\nDELIMITER ;;\n",
    "\n-- Dump completed on 2026-01-01\n",
];

/// Some of [`DECOYS`], one after another.
fn decoys() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&DECOYS[..]), 0..4).prop_map(|decoys| decoys.concat())
}

/// How a program's `sql_mode` changes its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    Default,
    NoBackslash,
    Ansi,
}

#[derive(Debug, Clone)]
pub(super) enum Object {
    Sequence(String),
    Table { name: String, comment: String, inserts: Vec<Vec<Vec<Value>>>, trigger: Option<(Mode, String)> },
    View { name: String, text: String },
    Event { name: String, text: String },
    Routine { name: String, mode: Mode, text: String },
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Raw(&'static str),
}

/// What a made-up dump is made of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) objects: Vec<Object>,
    pub(super) comments: bool,
    pub(super) keys: bool,
    pub(super) locks: bool,
    pub(super) sandbox: bool,
    pub(super) columns: bool,
    /// What stands between two rows.
    pub(super) comma: &'static str,
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let comma = prop::sample::select(vec![",\n", ",", " , "]);
    let objects = prop::collection::vec(object(), 0..8);
    (objects, any::<[bool; 5]>(), comma).prop_map(
        |(objects, [comments, keys, locks, sandbox, columns], comma)| Plan {
            objects,
            comments,
            keys,
            locks,
            sandbox,
            columns,
            comma,
        },
    )
}

fn object() -> impl Strategy<Value = Object> {
    let mode = || prop::sample::select(vec![Mode::Default, Mode::NoBackslash, Mode::Ansi]);
    let literals = ["NULL", "0", "-1.5e-10", "0x00FF27", "_binary 'a\\'b'", "b'101'", "''"];
    let value = prop_oneof![
        decoys().prop_map(Value::Text),
        prop::sample::select(literals.to_vec()).prop_map(Value::Raw)
    ];
    let row = prop::collection::vec(value, 1..4);
    let inserts = prop::collection::vec(prop::collection::vec(row, 1..4), 0..3);
    prop_oneof![
        decoys().prop_map(Object::Sequence),
        (decoys(), decoys(), inserts, prop::option::of((mode(), decoys())))
            .prop_map(|(name, comment, inserts, trigger)| Object::Table { name, comment, inserts, trigger }),
        (decoys(), decoys()).prop_map(|(name, text)| Object::View { name, text }),
        (decoys(), decoys()).prop_map(|(name, text)| Object::Event { name, text }),
        (decoys(), mode(), decoys()).prop_map(|(name, mode, text)| Object::Routine { name, mode, text }),
    ]
}
