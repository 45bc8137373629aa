//! Collations and character sets that a backup names and the server lacks, in a preflight.

use std::collections::BTreeSet;

use super::finding::{Finding, Gravity};
use crate::admission::{Survey, is_collation_name};
use crate::error::Result;
use crate::manifest::Manifest;
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql};

/// Errors 1273, "Unknown collation", and 1115, "Unknown character set".
const UNKNOWN: [Option<u16>; 2] = [Some(1273), Some(1115)];

/// After so many that the server lacks, no more are asked for.
const ENOUGH: usize = 10;

/// Those that the server lists, or takes without listing them: MariaDB takes names of MySQL's for its own.
const LISTED: &str = "SELECT COLLATION_NAME FROM information_schema.COLLATIONS;\n\
    SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS;\n";

/// Those that the server lacks.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn lacking(
    server: &ServerClient,
    manifest: &Manifest,
    survey: &Survey,
    cancel: &Cancel,
) -> Result<Option<Finding>> {
    let mut needed: BTreeSet<&str> = survey.collations.iter().map(String::as_str).collect();
    let of_database = [&manifest.charset, &manifest.collation];
    needed
        .extend(of_database.into_iter().flatten().map(String::as_str).filter(|name| is_collation_name(name)));
    let listed = server.query(None, Sql::Read(LISTED), "listing collations", cancel)?;
    let listed: BTreeSet<String> =
        listed.into_iter().flatten().map(|name| name.to_ascii_lowercase()).collect();
    needed.retain(|name| !listed.contains(&name.to_ascii_lowercase()));
    let mut lacking = Vec::new();
    for name in needed {
        if lacking.len() == ENOUGH {
            lacking.push("and perhaps others");
            break;
        }
        if is_unknown(server, name, cancel)? {
            lacking.push(name);
        }
    }
    Ok((!lacking.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!(
            "the server lacks collations or character sets that the backup needs: {}",
            lacking.join(", ")
        ),
        remedy: "restore into a server that has them: of the same flavor, and no older than the backup's"
            .into(),
    }))
}

/// Whether the server says that it does not know the name. Whatever else it says shows when it is used.
fn is_unknown(server: &ServerClient, name: &str, cancel: &Cancel) -> Result<bool> {
    let sql = match name.split_once('_') {
        Some((charset, _)) => format!("SELECT CONVERT('' USING {charset}) COLLATE {name};\n"),
        None => format!("SELECT CONVERT('' USING {name});\n"),
    };
    match server.query(None, Sql::Read(&sql), "asking for a collation", cancel) {
        Ok(_) => Ok(false),
        Err(error) if error.refusal().is_some() => Ok(UNKNOWN.contains(&error.number())),
        Err(error) => Err(error),
    }
}
