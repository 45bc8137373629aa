//! Times that a server does not hold, or holds in another form, in a preflight.

use super::finding::{Finding, Gravity};
use crate::admission::{Survey, TimeColumns};
use crate::artifact::DataHeader;
use crate::error::{Error, Result};
use crate::load::{OpenBackup, Part};
use crate::manifest::{Manifest, Section, SectionKind};
use crate::progress::Context;
use crate::scan::{Feed, SqlMode, Statement, Values};
use crate::server::{Flavor, LastTimestamp, ServerFacts, ServerVersion};

/// The last moment before 2106 that every server holds, as text.
const LAST_OF_2038: &[u8] = b"2038-01-19 03:14:07";

/// What becomes of the history of system-versioned tables.
pub(super) fn history(facts: &ServerFacts, manifest: &Manifest, survey: &Survey) -> Option<Finding> {
    let tables: Vec<&str> = survey
        .times
        .iter()
        .filter(|(_, columns)| columns.has_history)
        .map(|(table, _)| table.as_str())
        .collect();
    if tables.is_empty() {
        return None;
    }
    let tables = tables.join(", ");
    if !ServerVersion::parse(&facts.version).is_mariadb(10, 11) {
        return Some(Finding {
            gravity: Gravity::Refusal,
            message: format!(
                "the backup holds the history of tables, which MariaDB takes from 10.11 on, and this server is {}: {tables}",
                facts.version
            ),
            remedy: "restore into MariaDB 10.11 or later, or choose other tables: --tables".into(),
        });
    }
    let is_converted =
        manifest.source().is_none_or(|version| LastTimestamp::of(&version) != facts.last_timestamp);
    if is_converted && !survey.is_utc() {
        return Some(Finding {
            gravity: Gravity::Refusal,
            message: format!(
                "the history of tables ends at another moment on this server, and the dump does not say in which time zone its \
                 times are (--skip-tz-utc): {tables}"
            ),
            remedy: "dump again without --skip-tz-utc, or restore into a server of the same series".into(),
        });
    }
    is_converted.then(|| Finding {
        gravity: Gravity::Warning,
        message: format!(
            "rows of system-versioned tables that hold now are marked as this server does, which is not how the backup's \
             server did: {tables}"
        ),
        remedy: "nothing is to be done: the rows are converted".into(),
    })
}

/// That not all tables with times are known, where that matters: their history would not be converted, nor their rows looked at.
pub(super) fn unknown(facts: &ServerFacts, manifest: &Manifest, survey: &Survey) -> Option<Finding> {
    let is_alike =
        manifest.source().is_some_and(|version| LastTimestamp::of(&version) == facts.last_timestamp);
    (!is_alike && !survey.times_are_whole()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: "the backup has too many columns in tables with TIMESTAMP or history to look at them all, and TIMESTAMP ends at \
                  another moment on this server"
            .into(),
        remedy: "restore into a server of the same series; or some of the tables at a time: --tables".into(),
    })
}

/// Generated columns whose values depend on the time zone of the session: rows are loaded in UTC.
pub(super) fn by_zone(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    let columns: Vec<String> = survey
        .computed
        .iter()
        .flat_map(|(table, computed)| computed.by_zone.iter().map(move |column| format!("{table}.{column}")))
        .collect();
    (!facts.is_utc && !columns.is_empty()).then(|| Finding {
        gravity: Gravity::Warning,
        message: format!(
            "these generated columns depend on the time zone of whoever writes a row, and are computed as in UTC: {}",
            columns.join(", ")
        ),
        remedy: "look at them; where they are stored, UPDATE in the server's time zone computes them anew".into(),
    })
}

/// What MySQL says in comments that MariaDB passes over.
pub(super) fn passed_over(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    let tables: Vec<&str> = survey.passed_over.iter().map(String::as_str).collect();
    let is_mariadb = ServerVersion::parse(&facts.version).flavor == Flavor::MariaDb;
    (is_mariadb && !tables.is_empty()).then(|| Finding {
        gravity: Gravity::Warning,
        message: format!(
            "MariaDB passes over what MySQL says in comments for its versions (INVISIBLE, NOT ENFORCED, SRID and the like) in: {}",
            tables.join(", ")
        ),
        remedy: "look at these tables in the backup, and alter them after the restore".into(),
    })
}

/// A TIMESTAMP that the server does not hold: it would make a zero of it, or refuse it in the middle. All rows are read for
/// it, where the backup's server may hold such.
///
/// # Errors
/// The backup cannot be read, or a signal arrived.
pub(super) fn too_late(
    facts: &ServerFacts,
    input: &OpenBackup,
    context: &Context,
) -> Result<Option<Finding>> {
    let reaches_further =
        input.manifest.source().is_none_or(|version| LastTimestamp::of(&version) == LastTimestamp::In2106);
    let has_timestamps = input.survey.times.values().any(|columns| !columns.timestamps.is_empty());
    if facts.last_timestamp == LastTimestamp::In2106 || !reaches_further || !has_timestamps {
        return Ok(None);
    }
    context.progress.begin("looking for times beyond 2038", input.raw_size());
    let mut found = None;
    let mut is_lost = false;
    let mut section = None;
    let mut reader: Option<(Values, &TimeColumns)> = None;
    // Rows are read under what the header sets.
    let (mut header, mut mode) = (Feed::new(), SqlMode::default());
    let set = |mode: &mut SqlMode, statement: &Statement<'_>| {
        mode.apply(statement.head);
        Ok(())
    };
    input.for_each_piece(Part::Whole, context, &mut |piece, _| {
        context.progress.advance(piece.raw.len() as u64);
        if piece.flags & DataHeader::DATA == 0 {
            let of = input.manifest.sections.get(piece.section);
            let is_header = of.is_some_and(|section| section.kind == SectionKind::Header);
            let mut observe = |statement: &Statement<'_>| set(&mut mode, statement);
            return if is_header { header.push(&piece.raw, &mut observe) } else { Ok(()) };
        }
        if section != Some(piece.section) {
            section = Some(piece.section);
            let columns = columns(input, piece.section).filter(|columns| !columns.timestamps.is_empty());
            header.flush(&mut |statement| set(&mut mode, statement))?;
            reader = columns.map(|columns| (Values::new(columns.all.clone(), mode.quotes()), columns));
        }
        let (Some((values, columns)), None) = (&mut reader, &found) else { return Ok(()) };
        if piece.flags & DataHeader::CONTINUES == 0 {
            values.flush();
        }
        values.push(piece.raw, &mut |column, value| {
            let moment = value.strip_prefix(b"'").and_then(|text| text.get(..LAST_OF_2038.len()));
            let is_late = moment.is_some_and(|moment| moment > LAST_OF_2038);
            if is_late && columns.timestamps.iter().any(|name| name.eq_ignore_ascii_case(column)) {
                found = Some((piece.section, column.to_owned(), String::from_utf8_lossy(value).into_owned()));
            }
        });
        is_lost |= values.is_lost();
        Ok(())
    })?;
    if is_lost {
        let problem = "the values in its rows cannot be told apart";
        return Err(Error::damaged(&input.manifest.name, problem));
    }
    Ok(found.map(|(section, column, value)| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "{} has {value} in column {column}, and TIMESTAMP ends on this server with 2038-01-19 03:14:07",
            input.title(section)
        ),
        remedy: "restore into MariaDB 11.5 or later, or make the column DATETIME before the backup".into(),
    }))
}

/// Such columns of the table in the section of this index.
fn columns(input: &OpenBackup, section: usize) -> Option<&TimeColumns> {
    let table = |section: &&Section| section.kind == SectionKind::Table;
    let section = input.manifest.sections.get(section).filter(table)?;
    input.survey.times.get(section.name.as_ref()?)
}
