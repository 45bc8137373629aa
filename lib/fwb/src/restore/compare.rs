//! The rows of a restored database held against the manifest: it is dumped once more, to nowhere, and the scanner
//! counts and hashes what passes.

use std::collections::BTreeSet;

use crate::dump::{Past, dump_to_nowhere, is_our_form};
use crate::error::Result;
use crate::load::OpenBackup;
use crate::manifest::{Section, SectionKind};
use crate::progress::{Cancel, Context};
use crate::server::{LastTimestamp, ServerClient, Sql, quote_texts};

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// What differs.
    pub(crate) problems: Vec<String>,
    /// What could not be compared.
    pub(crate) notes: Vec<String>,
}

/// Compares the rows of every table that was restored. Objects have been compared before.
///
/// # Errors
/// The rows cannot be read, or a signal arrived.
pub(crate) fn compare(
    server: &ServerClient,
    database: &str,
    input: &OpenBackup,
    context: &Context,
) -> Result<Compared> {
    context.progress.begin(format!("comparing {database}"), input.raw_size());
    // Where the backup holds no history of a table, only the rows that hold now are compared.
    let times = input.survey.times.iter();
    let without: BTreeSet<String> = times
        .filter(|(_, columns)| columns.row_end.is_some() && !columns.has_history)
        .map(|(table, _)| input.spelled(table))
        .collect();
    let past = Past { row_end: row_end(input), without: Some(&without) };
    let restored = input.is_partial().then(|| input.tables());
    let summary = dump_to_nowhere(server, database, restored.as_ref(), past, context)?;
    let is_same_form = is_our_form(&input.manifest);
    let said = input.sections().filter(|section| section.kind == SectionKind::Table).cloned();
    let said: Vec<Section> = said
        .map(|section| {
            let name = section.name.as_ref().map(|name| input.spelled(name));
            Section { name, ..section }
        })
        .collect();
    let renumbered = renumbered(server, database, input, &context.cancel)?;
    Ok(judge(&said, &summary.sections, !is_same_form, &renumbered))
}

/// How rows that hold now end on the server, and in the backup, where that differs.
fn row_end(input: &OpenBackup) -> Option<(&'static str, &'static str)> {
    let source = input.manifest.source()?;
    let (here, there) = (input.last_timestamp, LastTimestamp::of(&source));
    (here != there).then(|| (here.end_of_current_rows(), there.end_of_current_rows()))
}

/// Tables whose history goes by transactions: their rows hold the server's own numbers, which no restore can keep.
fn renumbered(
    server: &ServerClient,
    database: &str,
    input: &OpenBackup,
    cancel: &Cancel,
) -> Result<BTreeSet<String>> {
    // A view that is broken can end a query that would open it.
    let tables = input.tables();
    if tables.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({}) \
         AND GENERATION_EXPRESSION = 'ROW START' AND DATA_TYPE = 'bigint';\n",
        quote_texts(tables.iter().map(String::as_str))
    );
    let rows = server.query(Some(database), Sql::Read(&sql), "looking at histories", cancel)?;
    Ok(rows.into_iter().flatten().collect())
}

/// Holds the tables found against those of the manifest. Where another program may have written them, equal counts
/// are enough.
fn judge(
    said: &[Section],
    found: &[Section],
    other_program: bool,
    renumbered: &BTreeSet<String>,
) -> Compared {
    let mut compared = Compared::default();
    let mut by_count = Vec::new();
    for said in said {
        let name = said.name.as_deref().unwrap_or_default();
        let same = found.iter().find(|found| found.kind == SectionKind::Table && found.name == said.name);
        let Some(found) = same else {
            compared.problems.push(format!("table {name} is not in the restored database"));
            continue;
        };
        let rows = |section: &Section| section.rows.unwrap_or_default();
        if rows(said) != rows(found) {
            let (found, said) = (rows(found), rows(said));
            compared
                .problems
                .push(format!("table {name} has {found} rows after the restore instead of {said}"));
        } else if said.rows_digest == found.rows_digest || renumbered.contains(name) {
        } else if other_program || said.rows_digest.is_none() {
            by_count.push(name);
        } else {
            compared.problems.push(format!("the rows of table {name} are not the same after the restore"));
        }
    }
    if !by_count.is_empty() {
        compared.notes.push(format!(
            "another program, or another version of this one, wrote the backup, so that rows may look different: compared \
             by their number only: {}",
            by_count.join(", ")
        ));
    }
    compared
}
