//! What events need of a server, in a preflight.

use super::finding::{Finding, Gravity};
use crate::admission::Survey;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{ServerClient, ServerFacts, Sql, quote_text};

/// Time zones that the server does not know: no event that was made in one can be made (error 1298).
///
/// # Errors
/// The server cannot be reached.
pub(super) fn time_zones(server: &ServerClient, survey: &Survey, cancel: &Cancel) -> Result<Option<Finding>> {
    if survey.time_zones.is_empty() {
        return Ok(None);
    }
    let ask = |zone: &String| {
        let zone = quote_text(zone);
        format!("SELECT {zone}, CONVERT_TZ('2024-01-01 00:00:00', '+00:00', {zone}) IS NULL;\n")
    };
    let sql: String = survey.time_zones.iter().map(ask).collect();
    let rows = server.query(None, Sql::Read(&sql), "asking for time zones", cancel)?;
    let unknown: Vec<&str> = rows
        .iter()
        .filter(|row| row.get(1).is_some_and(|unknown| unknown == "1"))
        .filter_map(|row| row.first().map(String::as_str))
        .collect();
    Ok((!unknown.is_empty()).then(|| Finding {
        gravity: Gravity::Refusal,
        message: format!("the server does not know these time zones, in which events run: {}", unknown.join(", ")),
        remedy: "load them: mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql (for MySQL: mysql_tzinfo_to_sql)"
            .into(),
    }))
}

/// That events come back, and do not run.
pub(super) fn scheduler(facts: &ServerFacts, survey: &Survey) -> Option<Finding> {
    (survey.running_events && !facts.runs_events).then(|| Finding {
        gravity: Gravity::Warning,
        message: "the backup has events, and this server runs none (event_scheduler)".into(),
        remedy: "SET GLOBAL event_scheduler=ON; once they shall run, and in its configuration".into(),
    })
}
