//! The steps of a swap, written down on the server in the database that keeps what there was, for whoever comes after a
//! crash, and for an undo. They are believed where their hash is the one in the database's [`Seal`](super::seal::Seal).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::mark::{self, Marked};
use super::seal::{JournalSeal, Phase, unguessable};
use super::steps::{Step, SwapStage};
use super::whereabouts::Moves;
use crate::error::Result;
use crate::progress::Cancel;
use crate::server::{Definition, ServerClient, Sql, definition_kind, quote_name, quote_text};

/// What a journal's name begins with. Digits that nobody can guess follow, so that no table of a live database has it.
const NAME: &str = "fwb_journal_";
/// Rows that are no steps, in the column `stage`: a step that failed; a move of a damaged table that was begun; that the
/// swap shall stop waiting. They say how it went, and nothing is done because of what they say.
pub(super) const FAILED: &str = "failed";
pub(super) const BEGUN: &str = "begun";
pub(super) const STOP: &str = "stop";

/// The columns of a journal, and of the table that a session carries a copy of it in.
pub(super) const COLUMNS: &str = "id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, stage VARCHAR(10) NOT NULL, kind VARCHAR(16) NOT NULL, \
     name TEXT NOT NULL, of_table TEXT NOT NULL, sql_mode TEXT NOT NULL, charset VARCHAR(64) NOT NULL, collation VARCHAR(64) NOT NULL, \
     database_collation VARCHAR(64) NOT NULL, time_zone VARCHAR(64) NOT NULL, text LONGBLOB NOT NULL";

/// A journal whose steps were written, or read and found to be what was written.
pub(super) struct Journal {
    /// The database that it is in, with the seal that proves it.
    pub(super) keeper: Marked,
    /// The table that it is.
    pub(super) table: String,
    /// How far the swap has come.
    pub(super) phase: Phase,
    /// The tables, and how they move.
    pub(super) moves: Moves,
    /// Everything that is done, in order.
    pub(super) steps: Vec<Step>,
}

impl Journal {
    /// Writes the steps down in `keeper`. It is sealed before, as one in which nothing is done yet, and after: so what is
    /// cut off while it writes leaves no table there that nobody knows.
    pub(super) fn write(
        server: &ServerClient,
        mut keeper: Marked,
        moves: Moves,
        steps: Vec<Step>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let table = unguessable(NAME);
        let place = place(&keeper.database, &table);
        let mut seal = |phase| {
            let sealed = JournalSeal { table: table.clone(), sha256: digest(&steps), phase };
            keeper.seal.journal = Some(sealed);
            keeper.seal.statement()
        };
        let sql = format!(
            "{};\nCREATE TABLE {place} ({COLUMNS}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
             COMMENT 'How fwb-restore made the swap that left this database, and what --undo needs';\n\
             START TRANSACTION;\n{};\nCOMMIT;\n{};\n",
            seal(Phase::Writing)?,
            insert(&place, &steps).join(";\n"),
            seal(Phase::Prepared)?,
        );
        let written = server.query(None, Sql::Write(&sql), "writing down what the swap will do", cancel);
        if let Err(error) = written {
            // The next restore looks again.
            mark::remove_if_empty(server, &keeper.database, Some(&table), &cancel.with_grace()).ok();
            return Err(error);
        }
        Ok(Self { keeper, table, phase: Phase::Prepared, moves, steps })
    }

    /// The journal in a database of ours; the inner error says why it is not believed, or that there is none.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) fn open(
        server: &ServerClient,
        keeper: &Marked,
        cancel: &Cancel,
    ) -> Result<std::result::Result<Self, String>> {
        let written = keeper.seal.journal.clone().filter(|_| keeper.seal.is_written());
        let Some(JournalSeal { table, sha256, phase }) = written else {
            return Ok(Err("no swap was written down in it".into()));
        };
        if !server.table_names(&keeper.database, cancel)?.contains(&table) {
            return Ok(Err(format!("its journal, {table}, is gone")));
        }
        let sql = format!(
            "SELECT stage, kind, HEX(name), HEX(of_table), sql_mode, charset, collation, database_collation, time_zone, HEX(text) \
             FROM {} WHERE stage NOT IN ('{FAILED}', '{BEGUN}', '{STOP}') ORDER BY id;\n",
            place(&keeper.database, &table),
        );
        let rows = server.query(None, Sql::Read(&sql), "reading the journal", cancel)?;
        let steps: Option<Vec<Step>> = rows.iter().map(|row| step(row)).collect();
        let Some(steps) = steps.filter(|steps| digest(steps) == sha256) else {
            return Ok(Err(format!("its journal, {table}, is not what was sealed")));
        };
        let plan = steps.iter().find(|step| step.stage == SwapStage::Plan);
        let moves = plan.and_then(|plan| serde_json::from_slice::<Moves>(&plan.definition.text).ok());
        let Some(moves) = moves else { return Ok(Err(format!("its journal, {table}, has no plan"))) };
        Ok(Ok(Self { keeper: keeper.clone(), table, phase, moves, steps }))
    }

    /// The journal's own place, for SQL.
    pub(super) fn place(&self) -> String {
        place(&self.keeper.database, &self.table)
    }

    /// The steps of a stage.
    pub(super) fn stage(&self, stage: SwapStage) -> Vec<Definition> {
        let steps = self.steps.iter().filter(|step| step.stage == stage);
        steps.map(|step| step.definition.clone()).collect()
    }

    /// What has stayed in the live database, and stays when the swap is undone.
    pub(super) fn spared(&self) -> BTreeSet<String> {
        self.stage(SwapStage::Spared).into_iter().map(|spared| spared.name).collect()
    }

    /// The seal that says that the swap has come so far.
    pub(super) fn seal(&self, phase: Phase) -> Result<String> {
        let mut seal = self.keeper.seal.clone();
        if let Some(journal) = &mut seal.journal {
            journal.phase = phase;
        }
        seal.statement()
    }

    /// Notes how far the swap has come.
    pub(super) fn note(&mut self, server: &ServerClient, phase: Phase, cancel: &Cancel) -> Result<()> {
        let sql = self.seal(phase)? + ";\n";
        server.query(None, Sql::Write(&sql), "writing the journal", cancel)?;
        self.phase = phase;
        Ok(())
    }

    /// The damaged tables that were dropped, or should have been.
    pub(super) fn dropped(&self, server: &ServerClient, cancel: &Cancel) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT name FROM {} WHERE stage = '{BEGUN}' AND kind = 'DROP' ORDER BY id;\n",
            self.place()
        );
        let rows = server.query(None, Sql::Read(&sql), "reading the journal", cancel)?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// What could not be made in the live database: each with the server's reason. Whoever may write into the journal's
    /// database can make us tell more or less of it.
    pub(super) fn failures(
        &self,
        server: &ServerClient,
        cancel: &Cancel,
    ) -> Result<Vec<(String, String, String)>> {
        let sql = format!(
            "SELECT kind, name, of_table FROM {} WHERE stage = '{FAILED}' ORDER BY id;\n",
            self.place()
        );
        let rows = server.query(None, Sql::Read(&sql), "reading the journal", cancel)?;
        Ok(rows.into_iter().filter_map(|row| <[String; 3]>::try_from(row).ok()).map(Into::into).collect())
    }
}

fn place(database: &str, table: &str) -> String {
    format!("{}.{}", quote_name(database), quote_name(table))
}

/// Statements that write steps into a table of [`COLUMNS`], one for each.
pub(super) fn insert(place: &str, steps: &[Step]) -> Vec<String> {
    let one = |step: &Step| {
        let texts = fields(step).map(quote_text).join(", ");
        format!(
            "INSERT INTO {place} VALUES (NULL, '{}', '{}', {texts}, X'{}')",
            step.stage.as_str(),
            step.definition.kind.as_sql(),
            hex::encode(&step.definition.text),
        )
    };
    steps.iter().map(one).collect()
}

/// What a step has in the columns from `name` to `time_zone`.
fn fields(step: &Step) -> [&str; 7] {
    let definition = &step.definition;
    [
        &definition.name,
        definition.table.as_deref().unwrap_or_default(),
        &definition.sql_mode,
        &definition.charset,
        &definition.collation,
        definition.database_collation.as_deref().unwrap_or_default(),
        &definition.time_zone,
    ]
}

/// The SHA-256 of steps: of each field its length and its bytes.
fn digest(steps: &[Step]) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for step in steps {
        add(step.stage.as_str().as_bytes());
        add(step.definition.kind.as_sql().as_bytes());
        for field in fields(step) {
            add(field.as_bytes());
        }
        add(&step.definition.text);
    }
    hex::encode(hash.finalize())
}

/// What a row of the journal says; none where it is not one of ours.
pub(crate) fn step(row: &[String]) -> Option<Step> {
    let (stage, definition) = row.split_first()?;
    Some(Step { stage: SwapStage::read(stage)?, definition: self::definition(definition)? })
}

/// The columns of a row from `kind` to `text`.
pub(crate) fn definition(row: &[String]) -> Option<Definition> {
    let text = |hexadecimal: &String| {
        hex::decode(hexadecimal).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let [kind, name, table, sql_mode, charset, collation, database_collation, time_zone, statement] = row
    else {
        return None;
    };
    Some(Definition {
        kind: definition_kind(kind)?,
        name: text(name)?,
        table: text(table).filter(|table| !table.is_empty()),
        sql_mode: sql_mode.clone(),
        charset: charset.clone(),
        collation: collation.clone(),
        database_collation: Some(database_collation.clone()).filter(|collation| !collation.is_empty()),
        time_zone: time_zone.clone(),
        text: hex::decode(statement).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::swap::steps::own;

    #[test]
    fn another_step_another_order_or_another_cut_is_another_journal() {
        let step = |stage, name: &str, text: &str| Step { stage, definition: own(name, text.into()) };
        let one = vec![step(SwapStage::Clear, "a", "b"), step(SwapStage::Make, "c", "d")];
        let others = [
            vec![step(SwapStage::Make, "c", "d"), step(SwapStage::Clear, "a", "b")],
            vec![step(SwapStage::Clear, "a", "b")],
            vec![step(SwapStage::Clear, "ab", ""), step(SwapStage::Make, "c", "d")],
            vec![step(SwapStage::Back, "a", "b"), step(SwapStage::Make, "c", "d")],
        ];
        assert_eq!(digest(&one), digest(&one.clone()));
        for other in others {
            assert_ne!(digest(&one), digest(&other), "{other:?}");
        }
    }
}
