//! The servers of a fleet on the page: those first that are not as they should be.

use fwb::{FleetServerReport, ReportDocument};
use fwb_cli::grouped;

use super::markup::{Fits, escaped, table, time};

/// So many servers are lines of the table; those that are not as they should be come first.
const SHOWN: usize = 1000;

/// The section of the fleet; nothing where no fleet file was named.
pub(super) fn section(report: &ReportDocument) -> String {
    let Some(fleet) = &report.fleet else { return String::new() };
    let mut servers: Vec<&FleetServerReport> = fleet.servers.iter().collect();
    servers.sort_by_key(|one| one.fresh);
    let count = |number: Option<u64>| number.map_or("?".into(), grouped);
    let lines = servers.into_iter().take(SHOWN).map(|one| {
        let newest = match one.newest_proved_at {
            Some(at) if one.fresh => time(at),
            Some(at) => format!("<span class=\"is-bad\">{}</span>", time(at)),
            None if one.backups.is_none() => "<span class=\"is-bad\">not known</span>".into(),
            None => "<span class=\"is-bad\">none</span>".into(),
        };
        let (server, store) = (escaped(&one.server), escaped(&one.store));
        vec![server, newest, count(one.databases), count(one.backups), store]
    });
    let titles = ["Server", "Oldest newest proof", ">Databases", ">Backups", "Store"];
    let fresh = fleet.servers.iter().filter(|one| one.fresh).count() as u64;
    format!(
        "<section aria-labelledby=\"fleet\"><header><h2 id=\"fleet\" tabindex=\"-1\">Fleet</h2><p class=\"muted\">{} of {} servers have fresh proved \
         backups</p></header>\n{}</section>\n",
        grouped(fresh),
        grouped(fleet.servers.len() as u64),
        table("Servers of the fleet", &titles, lines, Fits::Scrolled)
    )
}
