//! The rows of a restored database held against the manifest: it is dumped once more, to nowhere, and the scanner
//! counts and hashes what passes.

use std::collections::BTreeSet;
use std::io::Read;

use super::input::Input;
use crate::dump::{COORDINATES, DumpProgram};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Section, SectionKind};
use crate::progress::{Cancel, Context};
use crate::scan::{Feed, Summary, unobserved};
use crate::server::ServerClient;

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

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
/// The dump program fails, or a signal arrived.
pub(crate) fn compare(
    server: &ServerClient,
    database: &str,
    input: &Input,
    context: &Context,
) -> Result<Compared> {
    context.progress.begin(format!("comparing {database}"), input.raw_size());
    let program = DumpProgram::find(server, &context.cancel)?;
    let views = server.inventory(database, &context.cancel)?.views;
    let summary =
        dump_rows(&program, database, &views.iter().map(String::as_str).collect::<Vec<_>>(), context)?;
    let said = input.sections().filter(|section| section.kind == SectionKind::Table).cloned();
    let said: Vec<Section> = said
        .map(|section| {
            let name = section.name.as_ref().map(|name| input.spelled(name));
            Section { name, ..section }
        })
        .collect();
    let renumbered = renumbered(server, database, &context.cancel)?;
    Ok(judge(&said, &summary.sections, !is_same_program(&input.manifest, &program), &renumbered))
}

/// Tables whose history goes by transactions: their rows hold the server's own numbers, which no restore can keep.
fn renumbered(server: &ServerClient, database: &str, cancel: &Cancel) -> Result<BTreeSet<String>> {
    let sql = "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
               AND GENERATION_EXPRESSION = 'ROW START' AND DATA_TYPE = 'bigint';\n";
    let rows = server.query(Some(database), sql, "looking at histories", cancel)?;
    Ok(rows.into_iter().flatten().collect())
}

/// Options that make no difference to rows.
const NOT_OF_ROWS: [&str; 2] = ["--events", COORDINATES];

/// Whether the backup was written by this program with these options: only then do equal rows have equal digests.
fn is_same_program(manifest: &Manifest, program: &DumpProgram) -> bool {
    let options = |options: &[String]| -> Vec<String> {
        options.iter().filter(|option| !NOT_OF_ROWS.contains(&option.as_str())).cloned().collect()
    };
    manifest.client.as_ref().is_some_and(|client| {
        client.program == program.name()
            && client.version == program.version()
            && options(&client.options) == options(program.options())
    })
}

fn dump_rows(program: &DumpProgram, database: &str, views: &[&str], context: &Context) -> Result<Summary> {
    let command = program.rows_command(database, views);
    let (mut stream, child) = command.reader(&context.cancel)?;
    let scanned = scan(&mut stream, context);
    drop(stream);
    if scanned.is_err() {
        child.kill();
    }
    let ended = child.wait()?;
    context.cancel.check()?;
    let summary = scanned?;
    ended.success("dumping the restored database")?;
    match summary.incomplete {
        Some(problem) => Err(Error::IncompleteDump { database: database.into(), problem: problem.into() }),
        None => Ok(summary),
    }
}

fn scan(stream: &mut impl Read, context: &Context) -> Result<Summary> {
    let mut feed = Feed::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        context.cancel.check()?;
        let read = stream
            .read(&mut chunk)
            .map_err(|source| Error::Stream { action: "read the dump of the restored database", source })?;
        if read == 0 {
            return feed.finish(&mut unobserved);
        }
        feed.push(&chunk[..read], &mut unobserved)?;
        context.progress.advance(read as u64);
    }
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
            "another dump program, or other options of it, wrote the backup, so that rows may look different: compared \
             by their number only: {}",
            by_count.join(", ")
        ));
    }
    compared
}
