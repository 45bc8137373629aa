//! What stands in a shadow for what the backup's views need and the backup does not bring.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::load::OpenBackup;
use crate::manifest::{ObjectKind, SectionKind};
use crate::progress::Cancel;
use crate::server::{Definition, DefinitionKind, Role, ServerClient, Sql, quote_name};

/// A view that is restored alone needs what it selects from and calls: views of the live database's tables stand in for
/// them while it is made, and copies of its functions. Of what stays because the backup leaves it out, views stand in too. Damaged
/// tables have no stand-in.
pub(super) fn stand_ins(
    server: &ServerClient,
    live: &str,
    shadow: &str,
    damaged: &BTreeSet<String>,
    input: &OpenBackup,
    cancel: &Cancel,
) -> Result<BTreeSet<String>> {
    let views = input.sections().any(|section| section.kind == SectionKind::View);
    if !input.leaves_some() || !views {
        return Ok(BTreeSet::new());
    }
    let scope = input.names();
    let inventory = server.inventory(live, cancel)?;
    let names = inventory.tables.into_keys().chain(inventory.views);
    let is_needed = |name: &String| {
        if input.is_partial() { !scope.contains(name) } else { input.stay().contains(name) }
    };
    let stand_ins: BTreeSet<String> =
        names.filter(|name| is_needed(name) && !damaged.contains(name)).collect();
    let views = stand_ins.iter().map(|name| {
        let (name, live) = (quote_name(name), quote_name(live));
        format!("CREATE VIEW {name} AS SELECT * FROM {live}.{name};\n")
    });
    // A whole backup brings its own functions.
    let functions = if input.is_partial() { server.definitions(live, damaged, cancel)? } else { Vec::new() };
    let functions = functions.into_iter();
    let functions =
        functions.filter(|definition| definition.kind == DefinitionKind::Program(ObjectKind::Function));
    server.query(Some(shadow), Sql::Write(&views.collect::<String>()), MAKING, cancel)?;
    // A text of one statement: in another character set, and with semicolons of its own.
    let mut connection = server.connect(Role::Single, Some(shadow), MAKING, cancel)?;
    for Definition { sql_mode, charset, collation, text, .. } in functions {
        let session = format!(
            "SET SESSION sql_mode='{sql_mode}', SESSION character_set_client={charset}, SESSION collation_connection={collation}"
        );
        connection.execute(&session, MAKING)?;
        let session = connection.session();
        let made = session.send(&text, true).and_then(|()| session.settle());
        made.map_err(|error| connection.explained(error, MAKING))?;
    }
    Ok(stand_ins)
}

/// What is being done, for errors.
const MAKING: &str = "making stand-ins";
