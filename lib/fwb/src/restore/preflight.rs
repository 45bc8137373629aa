//! What is looked at before anything is written. Each finding refuses the restore or warns, and says what to do.

use std::collections::BTreeSet;

use serde_json::Value;

use super::collations;
use super::events;
use super::finding::{Finding, Gravity};
use super::replication;
use super::swap::Unproved;
use super::times;
use crate::admission::Survey;
use crate::error::{Error, Result};
use crate::identity::ServerIdentity;
use crate::load::OpenBackup;
use crate::manifest::{Manifest, Section, SectionKind};
use crate::progress::Cancel;
use crate::server::{Inventory, ServerClient, ServerFacts, version_numbers};

/// Looks at the server and holds the dump's needs against it.
pub(crate) fn look(
    server: &ServerClient,
    manifest: &Manifest,
    survey: &Survey,
    target: &str,
    cancel: &Cancel,
) -> Result<(ServerFacts, Vec<Finding>)> {
    let facts = server.server_facts(target, cancel)?;
    let mut findings = Vec::new();
    findings.extend(packet(&facts, manifest));
    findings.extend(version(&facts, manifest));
    findings.extend(engines(&facts, survey));
    findings.extend(collations::lacking(server, manifest, survey, cancel)?);
    findings.extend(enforced_engine(&facts, survey));
    findings.extend(added_keys(&facts, survey));
    findings.extend(temporal_format(&facts));
    findings.extend(events::time_zones(server, survey, cancel)?);
    findings.extend(times::by_zone(&facts, survey));
    findings.extend(times::passed_over(&facts, survey));
    findings.extend(times::unknown(&facts, manifest, survey));
    findings.extend(times::history(&facts, manifest, survey));
    findings.extend(functions(&facts, survey));
    findings.extend(definers(&facts, survey));
    findings.extend(replication::findings(
        &facts.replication,
        facts.log_bin,
        target,
        facts.charset.is_some(),
    ));
    let has_sequences = manifest.sections.iter().any(|section| section.kind == SectionKind::Sequence);
    findings.extend(replication::sequences(&facts.replication, facts.log_bin, has_sequences));
    findings.extend(partial(manifest));
    findings.extend(left_out(manifest, "broken_views", "views that were broken when it was made"));
    findings.extend(left_out(
        manifest,
        "broken_programs",
        "stored programs that could not be restored when it was made",
    ));
    findings.extend(left_out(manifest, "undumpable_events", "all events, because these could not be dumped"));
    Ok((facts, findings))
}

/// The backup of one server may well be restored on another, and whoever does so by mistake should see it.
pub(super) fn other_server(manifest: &Manifest, addressed: &ServerIdentity) -> Option<Finding> {
    let of = manifest.server.as_ref()?.identity();
    let (of_label, label) = (of.label()?, addressed.label()?);
    of.differs(addressed).then(|| Finding {
        gravity: Gravity::Warning,
        message: format!("the backup is of server {of_label}, and this is {label}"),
        remedy: "go on if that is meant, else check which server is addressed".into(),
    })
}

/// Tables of the backup whose files lay in other directories, and that are made without.
pub(super) fn outside(input: &OpenBackup) -> Option<Finding> {
    let tables: Vec<&str> = input.survey.outside.keys().map(String::as_str).collect();
    (!input.allows_outside && !tables.is_empty()).then(|| {
        let tables = tables.join(", ");
        let message = format!("these tables get their files in the directory of the database: {tables}");
        warning(message, "--allow-outside puts them where they were")
    })
}

/// Why this server, or what it holds, or the backup, rules out a swap.
///
/// `elsewhere` are the tables that would move whose files are in other directories.
pub(super) fn swap_obstacle(
    facts: &ServerFacts,
    live: &Inventory,
    elsewhere: &[String],
    input: &OpenBackup,
) -> Option<String> {
    let marks = facts.version.contains("MariaDB") && version_numbers(&facts.version) >= Some((10, 6));
    if !marks {
        return Some("a swap needs a MariaDB server of version 10.6 or later".into());
    }
    let aria: Vec<&str> = live.aria.difference(input.stay()).map(String::as_str).collect();
    if !aria.is_empty() {
        let names = aria.join(", ");
        return Some(format!(
            "tables of engine Aria may not survive a crash of the server in a swap: {names}"
        ));
    }
    if !elsewhere.is_empty() {
        let names = elsewhere.join(", ");
        return Some(format!(
            "tables with DATA DIRECTORY leave their files where they were, and may not survive a crash of the server after a \
             swap: {names}"
        ));
    }
    let files = input.survey.outside.iter().find(|(_, outside)| outside.only_files);
    if let (true, Some((table, _))) = (input.allows_outside, files) {
        return Some(format!(
            "table {table} of the backup has DATA DIRECTORY or INDEX DIRECTORY, and may not survive a crash of the server \
             after a swap"
        ));
    }
    let backup = input.survey.engines.contains("ARIA");
    backup.then(|| {
        "the backup has tables of engine Aria, which may not survive a crash of the server in a swap".into()
    })
}

/// Whether the server is of another flavor than the backup's, or older: then values may come out otherwise without an error.
pub(super) fn crosses(facts: &ServerFacts, manifest: &Manifest) -> bool {
    version(facts, manifest).is_some()
}

/// What to do where a swap cannot be.
pub(super) const USE_IN_PLACE: &str =
    "use --strategy in-place: it loads over what is there, and rolls back from a safety backup";

/// That tables of other databases refer to what would be swapped.
///
/// # Errors
/// The server cannot be reached.
pub(super) fn foreign_children(
    server: &ServerClient,
    input: &OpenBackup,
    database: &str,
    cancel: &Cancel,
) -> Result<Option<String>> {
    let foreign: BTreeSet<String> = server
        .foreign_children(database, cancel)?
        .into_iter()
        .filter(|(_, parent)| {
            let restored = |section: &Section| section.name.as_ref() == Some(parent);
            !input.stay().contains(parent) && (!input.is_partial() || input.sections().any(restored))
        })
        .map(|(child, _)| child)
        .collect();
    let names = foreign.into_iter().collect::<Vec<_>>().join(", ");
    Ok((!names.is_empty()).then(|| {
        format!(
            "tables of other databases have foreign keys to what would be swapped, and would follow it out: {names}"
        )
    }))
}

/// What stands against a swap.
pub(super) fn swap(
    server: &ServerClient,
    facts: &ServerFacts,
    obstacle: Option<String>,
    input: &OpenBackup,
    database: &str,
    cancel: &Cancel,
) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> =
        obstacle.map(|obstacle| refusal(obstacle, USE_IN_PLACE)).into_iter().collect();
    if let Some(message) = foreign_children(server, input, database, cancel)?
        && findings.iter().all(|finding| finding.message != message)
    {
        findings.push(refusal(message, USE_IN_PLACE));
    }
    findings.extend(
        replication::swap_obstacle(&facts.replication, database)
            .map(|obstacle| refusal(obstacle, USE_IN_PLACE)),
    );
    findings.extend(replication::replicas_filters(&facts.replication, database));
    Ok(findings)
}

/// That a swap is not to be had, and that it does not matter.
pub(super) fn in_place_instead(obstacle: &str) -> Finding {
    warning(
        format!("{obstacle}; nothing is replaced, so the backup is loaded in place"),
        "nothing is to be done; a restore that is cut off leaves a part, and is run again",
    )
}

/// What restores have left that were cut off.
pub(super) fn unsettled(databases: &[String]) -> Option<Finding> {
    (!databases.is_empty()).then(|| {
        let message =
            format!("a restore is under way, or was cut off, and has left {}", databases.join(", "));
        warning(message, "one that was cut off is brought to an end first")
    })
}

/// Databases that look like ours and are not proved to be.
pub(super) fn unproved(databases: &[Unproved]) -> Vec<Finding> {
    let tell = |Unproved { database, why }: &Unproved| {
        let message =
            format!("{database} looks like what a restore has left, and is not proved to be: {why}");
        warning(message, "nothing is done with it; if nobody needs it, drop it by hand")
    };
    databases.iter().map(tell).collect()
}

/// A warning that rows of other tables may point to rows that are not there any more.
pub(super) fn referring(tables: &BTreeSet<String>) -> Option<Finding> {
    (!tables.is_empty()).then(|| {
        let names = tables.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("tables that are not restored have foreign keys to restored ones: {names}");
        warning(message, "their rows are not checked; look for rows that point to nothing")
    })
}

/// All refusals as one error.
pub(super) fn refuse(findings: &[Finding]) -> Result<()> {
    for finding in findings.iter().filter(|finding| finding.gravity == Gravity::Warning) {
        log::warn!(code = crate::notice::EXPECT.code; "{} ({})", finding.message, finding.remedy);
    }
    let refusals = || findings.iter().filter(|finding| finding.gravity == Gravity::Refusal);
    if refusals().next().is_none() {
        return Ok(());
    }
    let all = |text: fn(&Finding) -> &str| refusals().map(text).collect::<Vec<_>>().join("; ");
    Err(Error::Preflight { finding: all(|finding| &finding.message), remedy: all(|finding| &finding.remedy) })
}

fn refusal(message: String, remedy: impl Into<String>) -> Finding {
    Finding { gravity: Gravity::Refusal, message, remedy: remedy.into() }
}

fn warning(message: String, remedy: impl Into<String>) -> Finding {
    Finding { gravity: Gravity::Warning, message, remedy: remedy.into() }
}

fn packet(facts: &ServerFacts, manifest: &Manifest) -> Option<Finding> {
    let needed = manifest.largest_statement;
    (facts.max_allowed_packet > 0 && needed >= facts.max_allowed_packet).then(|| {
        let message = format!(
            "the longest statement has {needed} bytes and the server's max_allowed_packet is {}",
            facts.max_allowed_packet
        );
        refusal(
            message,
            format!("SET GLOBAL max_allowed_packet={};", needed.next_power_of_two().max(needed + 1024)),
        )
    })
}

fn version(facts: &ServerFacts, manifest: &Manifest) -> Option<Finding> {
    let dumped = &manifest.server.as_ref()?.version;
    let (from, to) = (version_numbers(dumped)?, version_numbers(&facts.version)?);
    let kind = |version: &str| version.contains("MariaDB");
    if kind(dumped) != kind(&facts.version) {
        let message = format!("the dump is of server {dumped} and this one is {}", facts.version);
        return Some(warning(
            message,
            "MariaDB and MySQL differ: the rows are compared too, unless --prove rows has them counted alone",
        ));
    }
    (from > to).then(|| {
        let message = format!("the dump is of a newer server, {dumped}, than this one, {}", facts.version);
        warning(message, "what the older server does not know makes the restore fail and roll back")
    })
}

fn engines(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    let lacking: Vec<&str> =
        survey.engines.iter().filter(|engine| !facts.engines.contains(*engine)).map(String::as_str).collect();
    (!lacking.is_empty() && !facts.engines.is_empty()).then(|| {
        let message = format!("the server lacks the storage engine {}", lacking.join(", "));
        refusal(message, "install the plugin: INSTALL SONAME …, or the package that has it")
    })
}

fn functions(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    if !facts.log_bin || facts.trusts_function_creators {
        return None;
    }
    let remedy = "SET GLOBAL log_bin_trust_function_creators=1;";
    if !survey.loose_functions.is_empty() {
        let names = survey.loose_functions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!(
            "this server takes no function that is not declared DETERMINISTIC, NO SQL or READS SQL DATA (error 1418): {names}"
        );
        return Some(refusal(message, remedy));
    }
    (survey.functions && !facts.is_super).then(|| {
        let message =
            "this server takes functions and triggers from accounts with SUPER only (error 1419)".into();
        refusal(message, format!("{remedy} or use another account"))
    })
}

/// Tables would be of another engine than they were, without foreign keys or transactions perhaps; and a swap's journal.
fn enforced_engine(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    let enforced = facts.enforced_engine.as_ref()?;
    let is_harmless = enforced == "INNODB" && survey.engines.iter().all(|engine| engine == enforced);
    (!is_harmless).then(|| {
        let message = format!("the server makes every table with engine {enforced} (enforce_storage_engine)");
        refusal(message, "SET GLOBAL enforce_storage_engine=NULL; until the restore is done")
    })
}

/// A table would have a column more than it had.
fn added_keys(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    let table = survey.keyless.first().filter(|_| facts.adds_keys)?;
    let message = format!(
        "the server gives a table without a primary key, such as {table}, one (sql_generate_invisible_primary_key=ON), and this \
         account may not have it otherwise"
    );
    Some(refusal(message, "GRANT SESSION_VARIABLES_ADMIN ON *.* TO the account"))
}

fn temporal_format(facts: &ServerFacts) -> Option<Finding> {
    facts.old_temporal_format.then(|| {
        let message = "the server keeps TIME, DATETIME and TIMESTAMP columns that are made now as before MariaDB 10, with the \
                       same values (mysql56_temporal_format=0)";
        warning(message.into(), "SET GLOBAL mysql56_temporal_format=1 before, or ALTER TABLE … FORCE after")
    })
}

/// A role has no host. A server that does not know it takes it for an account.
fn account(user: &str, host: &str) -> String {
    if host.is_empty() { format!("role {user}") } else { format!("{user}@{host}") }
}

fn definers(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    let accounts = facts.accounts.as_ref()?;
    let missing: Vec<String> = survey
        .definers
        .iter()
        .filter(|definer| !accounts.contains(*definer))
        .map(|(user, host)| account(user, host))
        .collect();
    (!missing.is_empty()).then(|| {
        let message = format!(
            "these accounts do not exist, and views or stored programs run as them: {}",
            missing.join(", ")
        );
        warning(message, "CREATE USER … or the views and programs fail when they are used")
    })
}

fn partial(manifest: &Manifest) -> Option<Finding> {
    let lacking = manifest.extra.get("lacking_rights")?.as_array()?;
    let rights: Vec<&str> = lacking.iter().filter_map(Value::as_str).collect();
    (manifest.whole == Some(false)).then(|| {
        let message =
            format!("the backup may lack a part of its database: its account lacked {}", rights.join(", "));
        warning(message, "restore a whole one, or only chosen tables: --tables")
    })
}

fn left_out(manifest: &Manifest, field: &str, what: &str) -> Option<Finding> {
    let views = manifest.extra.get(field)?.as_array()?;
    let names: Vec<&str> = views.iter().filter_map(|view| view.get("name")?.as_str()).collect();
    (!names.is_empty()).then(|| {
        let message = format!("the backup lacks {what}: {}", names.join(", "));
        warning(message, format!("their definitions are in the manifest, under {field}"))
    })
}
