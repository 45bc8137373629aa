//! The steps of a swap, written down in the database that keeps what there was. The server carries them out from there,
//! as one compound statement that goes on when the program that sent it is gone.

use super::mark::Marked;
use super::steps::{Side, Stage, Step};
use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::restore::session::{LoadSession, Quoting};
use crate::server::{Definition, ServerClient, definition_kind, quote_name, quote_text};

/// The journal's name; figures follow where a table has it.
const NAME: &str = "fwb_journal";
/// How long the server waits for one client that uses a table, in seconds: all others wait meanwhile.
const LOCK_WAIT: u32 = 1;
/// How often it tries.
const TRIES: u32 = 120;

/// How far a swap has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything is written down.
    Prepared,
    /// The live database is wholly the new one.
    Swapped,
    /// Nothing is left to do.
    Done,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Swapped => "swapped",
            Self::Done => "done",
        }
    }
}

/// A journal on the server.
pub(super) struct Journal<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) quoting: Quoting,
    /// The database that it is in, which keeps what there was.
    pub(super) database: String,
    table: String,
    /// How far it has come.
    pub(super) phase: Phase,
    /// The database that the tables come from.
    pub(super) incoming: String,
    /// How long the live database had no triggers, in seconds.
    pub(super) gap: f64,
}

impl<'a> Journal<'a> {
    /// Writes the steps down.
    pub(super) fn write(
        server: &'a ServerClient,
        quoting: Quoting,
        keeper: &Marked,
        steps: &[Step],
        sides: [&Side; 2],
        cancel: &Cancel,
    ) -> Result<Self> {
        let taken = |name: &String| sides.iter().any(|side| side.tables.contains(name));
        let mut names =
            std::iter::once(NAME.to_owned()).chain((1..).map(|number| format!("{NAME}_{number}")));
        let table = names.find(|name| !taken(name)).unwrap_or_else(|| NAME.to_owned());
        let incoming = sides[0].database.clone();
        let journal = Self {
            server,
            quoting,
            database: keeper.database.clone(),
            table,
            phase: Phase::Prepared,
            incoming,
            gap: 0.0,
        };
        let place = journal.place();
        let mut sql = format!(
            "CREATE TABLE {place} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, stage VARCHAR(10) NOT NULL, kind VARCHAR(16) NOT NULL, \
             name TEXT NOT NULL, of_table TEXT NOT NULL, sql_mode TEXT NOT NULL, charset VARCHAR(64) NOT NULL, collation VARCHAR(64) NOT NULL, \
             database_collation VARCHAR(64) NOT NULL, time_zone VARCHAR(64) NOT NULL, text LONGBLOB NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
             COMMENT 'How fwb-restore made the swap that left this database, and what --undo needs';\n\
             START TRANSACTION;\n\
             INSERT INTO {place} VALUES (NULL, 'phase', '', '', {}, '', '', '', '', '', 'prepared');\n",
            quote_text(&journal.incoming),
        );
        for Step { stage, definition } in steps {
            let texts = [
                &definition.name,
                definition.table.as_deref().unwrap_or_default(),
                &definition.sql_mode,
                &definition.charset,
                &definition.collation,
                definition.database_collation.as_deref().unwrap_or_default(),
                &definition.time_zone,
            ];
            let texts: Vec<String> = texts.iter().map(|text| quote_text(text)).collect();
            sql += &format!(
                "INSERT INTO {place} VALUES (NULL, '{}', '{}', {}, X'{}');\n",
                stage.as_str(),
                definition.kind.as_sql(),
                texts.join(", "),
                hex::encode(&definition.text),
            );
        }
        sql += "COMMIT;\n";
        server.query(None, &sql, "writing down what the swap will do", cancel)?;
        Ok(journal)
    }

    /// The journal in a database; none where it has none, or none that was completed.
    pub(super) fn open(
        server: &'a ServerClient,
        quoting: Quoting,
        database: &str,
        cancel: &Cancel,
    ) -> Result<Option<Self>> {
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME REGEXP '^{NAME}(_[0-9]+)?$' \
             AND TABLE_COMMENT LIKE 'How fwb-restore made%';\n",
            quote_text(database)
        );
        let rows = server.query(None, &sql, "looking for a journal", cancel)?;
        let Some(table) = rows.into_iter().next().and_then(|row| row.into_iter().next()) else {
            return Ok(None);
        };
        let mut journal = Self {
            server,
            quoting,
            database: database.to_owned(),
            table,
            phase: Phase::Prepared,
            incoming: String::new(),
            gap: 0.0,
        };
        Ok(journal.look(cancel)?.then_some(journal))
    }

    /// Reads how far it has come.
    pub(super) fn look(&mut self, cancel: &Cancel) -> Result<bool> {
        let sql = format!("SELECT text, of_table, name FROM {} WHERE stage = 'phase';\n", self.place());
        let rows = self.server.query(None, &sql, "reading the journal", cancel)?;
        let Some([text, incoming, gap]) = rows.first().map(Vec::as_slice) else { return Ok(false) };
        let phases = [Phase::Prepared, Phase::Swapped, Phase::Done];
        let Some(phase) = phases.into_iter().find(|phase| phase.as_str() == text) else { return Ok(false) };
        self.phase = phase;
        incoming.clone_into(&mut self.incoming);
        self.gap = gap.parse::<f64>().unwrap_or_default() / 1e6;
        Ok(true)
    }

    /// The journal's own name, which is not among the tables that were kept.
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    fn place(&self) -> String {
        format!("{}.{}", quote_name(&self.database), quote_name(&self.table))
    }

    /// The steps of a stage.
    pub(super) fn read(&self, stage: Stage, cancel: &Cancel) -> Result<Vec<Definition>> {
        self.read_as(stage.as_str(), cancel)
    }

    fn read_as(&self, stage: &str, cancel: &Cancel) -> Result<Vec<Definition>> {
        let sql = format!(
            "SELECT kind, HEX(name), HEX(of_table), sql_mode, charset, collation, database_collation, time_zone, HEX(text) FROM {} WHERE stage = '{}' ORDER BY id;\n",
            self.place(),
            stage
        );
        let rows = self.server.query(None, &sql, "reading the journal", cancel)?;
        // What cannot be read would be left undone without a word.
        let unreadable = || Error::Stream {
            action: "read the journal of the swap",
            source: std::io::Error::other("a step of it is not what was written"),
        };
        rows.iter().map(|row| definition(row).ok_or_else(unreadable)).collect()
    }

    /// Carries out the swap over `session`. When this program or the client dies, the server goes on to the end, or gives
    /// up before the tables have moved; when a table cannot be had, everything is as it was.
    ///
    /// # Errors
    /// A step failed; [`Journal::look`] and the tables say how far it came.
    pub(super) fn swap(&self, mut session: LoadSession) -> Result<()> {
        let sql = format!(
            "BEGIN NOT ATOMIC\n\
             DECLARE tries, failed, number INT DEFAULT 0;\n\
             DECLARE why TEXT;\n\
             DECLARE began DATETIME(6) DEFAULT SYSDATE(6);\n\
             attempt: LOOP\n\
             SET failed = 0, began = SYSDATE(6);\n\
             {clear}{rename}\
             IF failed = 0 THEN LEAVE attempt; END IF;\n\
             SET tries = tries + 1;\n\
             {back}\
             IF number NOT IN (1205, 1213) OR tries >= {TRIES} THEN\n\
             SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = number, MESSAGE_TEXT = why;\n\
             END IF;\n\
             DO SLEEP(0.1 + RAND() * 0.2);\n\
             END LOOP;\n\
             {after}\
             END",
            clear = self.run(Stage::Clear, STOP),
            rename = self.run(Stage::Rename, STOP),
            back = self.run(Stage::Back, GO_ON),
            after = self.after("began"),
        );
        session.mark(|| "the swap".into());
        settle(&mut session).and_then(|()| session.compound(&sql)).ok();
        session.finish()
    }

    /// Carries out what follows the exchange of the tables; a second time does no harm.
    pub(super) fn complete(&self, live: &str, cancel: &Cancel) -> Result<()> {
        self.execute(live, &format!("BEGIN NOT ATOMIC\n{}END", self.after("SYSDATE(6)")), cancel)
    }

    /// Puts back what was cleared, where the tables did not change places.
    pub(super) fn put_back(&self, live: &str, cancel: &Cancel) -> Result<()> {
        self.execute(live, &format!("BEGIN NOT ATOMIC\n{}END", self.run(Stage::Back, GO_ON)), cancel)
    }

    /// Makes what belongs into the database that keeps what there was. What cannot be made there, such as a view that
    /// was broken before, is still in the journal.
    pub(super) fn keep(&self, cancel: &Cancel) -> Result<()> {
        let sql = format!("BEGIN NOT ATOMIC\n{}END", self.run(Stage::Keep, GO_ON));
        self.execute(&self.database, &sql, cancel)
    }

    /// Notes that nothing is left to do.
    pub(super) fn close(&self, cancel: &Cancel) -> Result<()> {
        let sql = self.note(Phase::Done, "name");
        self.server.query(None, &sql, "writing the journal", cancel).map(drop)
    }

    fn execute(&self, database: &str, sql: &str, cancel: &Cancel) -> Result<()> {
        let mut session = LoadSession::start(&self.server.sql_client(Some(database)), self.quoting, cancel)?;
        session.mark(|| "the swap".into());
        settle(&mut session).and_then(|()| session.compound(sql)).ok();
        session.finish().map_err(|error| cancel.explain(error))
    }

    fn after(&self, began: &str) -> String {
        // What cannot be made must not keep the rest from being made: it is written down.
        let written = format!(
            "GET DIAGNOSTICS CONDITION 1 @why = MESSAGE_TEXT;\nUPDATE {} SET stage = 'failed', of_table = @why WHERE id = step.id;\n",
            self.place()
        );
        format!(
            "{}SET @gap = TIMESTAMPDIFF(MICROSECOND, {began}, SYSDATE(6));\n{}{}",
            self.run(Stage::Triggers, &written),
            self.run(Stage::Make, &written),
            self.note(Phase::Swapped, "@gap"),
        )
    }

    /// What could not be made in the live database: each with the server's reason.
    pub(super) fn failures(&self, cancel: &Cancel) -> Result<Vec<(Definition, String)>> {
        let failed = self.read_as("failed", cancel)?;
        Ok(failed
            .into_iter()
            .map(|mut definition| {
                let why = definition.table.take().unwrap_or_default();
                (definition, why)
            })
            .collect())
    }

    fn note(&self, phase: Phase, gap: &str) -> String {
        format!(
            "UPDATE {} SET text = '{}', name = {gap} WHERE stage = 'phase';\n",
            self.place(),
            phase.as_str()
        )
    }

    /// Executes the steps of a stage, each in the session that it was made in, and `failed` where one fails. No handler
    /// leaves the loop: the server would keep its cursor open.
    fn run(&self, stage: Stage, failed: &str) -> String {
        let (ask, end) = if failed == STOP { ("IF failed = 0 THEN\n", "END IF;\n") } else { ("", "") };
        format!(
            "FOR step IN (SELECT id, sql_mode, charset, collation, database_collation, time_zone, text FROM {} WHERE stage = '{}' ORDER BY id) DO\n\
             BEGIN\n\
             DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN\n{failed}END;\n\
             {ask}\
             SET SESSION sql_mode = step.sql_mode, SESSION character_set_client = step.charset, \
             SESSION collation_connection = step.collation, SESSION time_zone = step.time_zone;\n\
             IF step.database_collation NOT IN ('', @@collation_database) THEN\n\
             EXECUTE IMMEDIATE CONCAT('ALTER DATABASE COLLATE ', step.database_collation);\n\
             END IF;\n\
             EXECUTE IMMEDIATE step.text;\n\
             {end}\
             END;\n\
             END FOR;\n\
             SET SESSION sql_mode = '', SESSION character_set_client = utf8mb4, SESSION collation_connection = utf8mb4_general_ci;\n",
            self.place(),
            stage.as_str()
        )
    }
}

/// Sets what must hold in the session of a swap.
fn settle(session: &mut LoadSession) -> std::io::Result<()> {
    session.compound(&format!(
        "SET SESSION foreign_key_checks=0, SESSION lock_wait_timeout={LOCK_WAIT}, SESSION max_statement_time=0"
    ))
}

/// After a failure, the steps that follow are left out.
const STOP: &str = "SET failed = 1;\nGET DIAGNOSTICS CONDITION 1 number = MYSQL_ERRNO, why = MESSAGE_TEXT;\nSET why = LEFT(why, 128);\n";
/// After a failure, the steps that follow are carried out all the same.
const GO_ON: &str = "";

/// What a row of the journal says; none where it is not one of ours.
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
