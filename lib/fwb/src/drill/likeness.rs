//! What makes a throwaway server like the backup's: the settings that the manifest has, and the plugins of the engines that
//! its tables need.

use std::collections::BTreeSet;

use super::throwaway::Throwaway;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::progress::Cancel;
use crate::server::{Flavor, LIKENESS, PAGE_SIZE, ServerFacts, ServerVersion, Sql, quote_text};

/// The sizes of pages that there are, in bytes (MariaDB's manual, "InnoDB Page Flushing"; MySQL's, `innodb_page_size`).
const PAGE_SIZES: [&str; 5] = ["4096", "8192", "16384", "32768", "65536"];

/// Options that hold from the moment a server's data are made. A manifest may come from anywhere: nothing of it becomes an
/// option but numbers from a list. With 2, which no Linux has, names are kept as they are written and compared without case;
/// 1 compares them in the same way.
pub(super) fn options(manifest: &Manifest) -> Vec<String> {
    let Some(server) = &manifest.server else { return Vec::new() };
    let mut options = Vec::new();
    if let Some(case @ 1..) = server.lower_case_table_names {
        options.push(format!("--lower-case-table-names={}", case.min(1)));
    }
    let size = server.settings.get(PAGE_SIZE).filter(|size| PAGE_SIZES.contains(&size.as_str()));
    options.extend(size.map(|size| format!("--innodb-page-size={size}")));
    options
}

/// Gives the server the other settings of the source; returns those that it does not take, as notes.
///
/// # Errors
/// The server cannot be reached, or a signal arrived.
pub(super) fn settle(throwaway: &Throwaway, manifest: &Manifest, cancel: &Cancel) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let settings = manifest.server.iter().flat_map(|server| &server.settings);
    for (name, value) in settings.filter(|(name, _)| *name != PAGE_SIZE && LIKENESS.contains(&name.as_str()))
    {
        let sql = format!("SET GLOBAL {name}={};\n", quote_text(value));
        match throwaway.server.query(None, Sql::Write(&sql), "setting what the backup's server had", cancel) {
            Ok(_) => {}
            Err(Error::Server { error, .. }) => {
                notes.push(format!("the server of the drill does not take {name}={value}: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(notes)
}

/// Storage engines that come as plugins, and the names of their files.
const PLUGINS: [(&str, &str); 11] = [
    ("ARCHIVE", "ha_archive"),
    ("BLACKHOLE", "ha_blackhole"),
    ("CONNECT", "ha_connect"),
    ("EXAMPLE", "ha_example"),
    ("FEDERATED", "ha_federatedx"),
    ("MROONGA", "ha_mroonga"),
    ("OQGRAPH", "ha_oqgraph"),
    ("ROCKSDB", "ha_rocksdb"),
    ("S3", "ha_s3"),
    ("SPHINX", "ha_sphinx"),
    ("SPIDER", "ha_spider"),
];

/// Loads the plugins of those of these engines that the server lacks, as far as their files are there.
///
/// # Errors
/// The server cannot be reached, or a signal arrived.
pub(super) fn load_engines(
    throwaway: &Throwaway,
    engines: &BTreeSet<String>,
    facts: &mut ServerFacts,
    cancel: &Cancel,
) -> Result<()> {
    let lacking: Vec<&String> = engines.difference(&facts.engines).collect();
    let files = PLUGINS.iter().filter(|(engine, _)| lacking.iter().any(|lacking| lacking == engine));
    let mut loaded = false;
    for (engine, file) in files {
        let sql = match ServerVersion::parse(&facts.version).flavor {
            Flavor::MariaDb => format!("INSTALL SONAME '{file}';\n"),
            Flavor::MySql => format!("INSTALL PLUGIN {engine} SONAME '{file}.so';\n"),
        };
        match throwaway.server.query(None, Sql::Write(&sql), "loading a storage engine", cancel) {
            Ok(_) => loaded = true,
            Err(Error::Server { error, .. }) => log::debug!("{engine} is not loaded: {error}"),
            Err(error) => return Err(error),
        }
    }
    if loaded {
        *facts = throwaway.server.server_facts(&throwaway.database, cancel)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_gives_numbers_and_no_options() {
        let of = |server: serde_json::Value| {
            let at = "2025-07-25T17:02:06+09:00";
            let manifest = json!({
                "schema": "fwb/1", "name": "a.sql.gz", "kind": "full", "started_at": at, "finished_at": at,
                "server": server,
            });
            options(&Manifest::from_value(manifest).unwrap())
        };
        for (server, expected) in [
            (json!({ "version": "10.11.6-MariaDB", "lower_case_table_names": 0 }), vec![]),
            (
                json!({ "version": "9.7.4", "lower_case_table_names": 2, "settings": { "innodb_page_size": "65536" } }),
                vec!["--lower-case-table-names=1", "--innodb-page-size=65536"],
            ),
            (json!({ "version": "9.7.4", "settings": { "innodb_page_size": "1 --init-file=/x" } }), vec![]),
        ] {
            assert_eq!(of(server), expected);
        }
    }
}
