//! Carrying a swap out: one compound statement, which the server goes on with when the program that sent it is gone.
//!
//! The steps come from a temporary table of the session that carries them out: what is executed is what was worked out, or
//! what was read and found to be sealed, and nobody else can reach it in between.

use std::time::Duration;

use super::journal::{self, BEGUN, COLUMNS, FAILED, Journal, STOP};
use super::seal::{Phase, unguessable};
use super::steps::SwapStage;
use super::whereabouts::Damaged;
use crate::error::Result;
use crate::load::LoadSession;
use crate::progress::Cancel;
use crate::server::{ServerClient, Sql, quote_name, quote_text};

/// How long the server waits for one client that uses a table, in seconds: all others wait meanwhile. A prepared
/// transaction holds no table any more, but its rows, for which the engine waits.
const LOCK_WAIT: u32 = 1;
/// How long it waits once the tables have changed places, in seconds: what is not made then is missing.
const LATE_LOCK_WAIT: u32 = 300;
/// How often it tries to have all tables.
const TRIES: u32 = 120;
/// After how many tries in vain tables that cannot be used at all are taken to be what keeps the others from moving.
const BLOCKED: u32 = 3;
/// Between two looks whether the client program has ended, or somebody has asked to stop.
const PAUSE: Duration = Duration::from_millis(5);

/// What is done where a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    /// The steps that follow are left out.
    Stop,
    /// The steps that follow are carried out all the same.
    GoOn,
    /// So too, and the failure is written down.
    WriteDown,
    /// So too, unless it is that the table has gone before; what fails otherwise keeps the swap from being over.
    UnlessDone,
}

impl OnFailure {
    fn handler(self, journal: &str) -> String {
        match self {
            Self::GoOn => String::new(),
            Self::Stop => {
                "SET failed = 1;\nGET DIAGNOSTICS CONDITION 1 number = MYSQL_ERRNO, why = MESSAGE_TEXT;\n\
                           SET why = LEFT(why, 128);\n"
                    .into()
            }
            Self::WriteDown => format!(
                "GET DIAGNOSTICS CONDITION 1 @why = MESSAGE_TEXT;\n\
                 INSERT INTO {journal} VALUES (NULL, '{FAILED}', step.kind, step.name, @why, '', '', '', '', '', '');\n"
            ),
            Self::UnlessDone => "GET DIAGNOSTICS CONDITION 1 number = MYSQL_ERRNO;\n\
                                 IF number <> 1146 THEN SET unfinished = 1; END IF;\n"
                .into(),
        }
    }
}

/// Carries out swaps of one journal.
pub(super) struct CarryOut<'a> {
    pub(super) server: &'a ServerClient,
    pub(super) journal: &'a Journal,
}

impl CarryOut<'_> {
    /// Makes the swap over `session`. When this program or the client dies, the server goes on to the end, or gives up
    /// before the tables have moved. A signal ends the wait for a client that holds a table; what is begun is finished.
    ///
    /// # Errors
    /// A step failed; where the tables are says how far it came.
    pub(super) fn swap(&self, mut session: LoadSession, cancel: &Cancel) -> Result<()> {
        let steps = temporary(&self.journal.keeper.database);
        let journal = self.journal.place();
        let sql = format!(
            "BEGIN NOT ATOMIC\n\
             DECLARE tries, failed, number, unfinished INT DEFAULT 0;\n\
             DECLARE why TEXT;\n\
             {clear}\
             IF failed = 1 THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = number, MESSAGE_TEXT = why; END IF;\n\
             attempt: LOOP\n\
             IF EXISTS (SELECT 1 FROM {journal} FORCE INDEX (PRIMARY) WHERE stage = '{STOP}') THEN\n\
             SIGNAL SQLSTATE '70100' SET MYSQL_ERRNO = 1317, MESSAGE_TEXT = 'asked to stop waiting for a table';\n\
             END IF;\n\
             SET failed = 0;\n\
             {rename}\
             IF failed = 0 THEN LEAVE attempt; END IF;\n\
             SET tries = tries + 1;\n\
             IF number NOT IN (1205, 1213) OR tries >= {TRIES} THEN\n\
             SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = number, MESSAGE_TEXT = why;\n\
             END IF;\n\
             {closed}\
             DO SLEEP(0.1 + RAND() * 0.2);\n\
             END LOOP;\n\
             {after}\
             END",
            clear = self.run(&steps, SwapStage::Clear, OnFailure::Stop),
            rename = self.run(&steps, SwapStage::Rename, OnFailure::Stop),
            closed = self.unblock(),
            after = self.after(&steps)?,
        );
        session.mark(|| "the swap".into());
        self.send(&mut session, &steps, &sql).ok();
        session.finish_watched(|waits| self.watch(waits, cancel))
    }

    /// Waits for the session's end, and asks it to stop waiting for tables where a signal has come.
    fn watch(&self, waits: &dyn Fn() -> bool, cancel: &Cancel) {
        let mut asked = false;
        while waits() {
            if !asked && cancel.check().is_err() {
                asked = true;
                let sql = format!(
                    "INSERT INTO {} VALUES (NULL, '{STOP}', '', '', '', '', '', '', '', '', '');\n",
                    self.journal.place()
                );
                if let Err(error) =
                    self.server.query(None, Sql::Write(&sql), "ending the swap's wait", &cancel.with_grace())
                {
                    log::debug!("{error}");
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Carries out what follows the exchange of the tables; a second time does no harm.
    pub(super) fn complete(&self, cancel: &Cancel) -> Result<()> {
        let steps = temporary(&self.journal.keeper.database);
        let sql = format!(
            "BEGIN NOT ATOMIC\nDECLARE failed, number, unfinished INT DEFAULT 0;\nDECLARE why TEXT;\n{}END",
            self.after(&steps)?
        );
        self.execute(&self.journal.moves.live, &steps, &sql, cancel)
    }

    /// Makes what belongs into the database that keeps what there was. What cannot be made there, such as a view that
    /// was broken before, is still in the journal.
    pub(super) fn keep(&self, cancel: &Cancel) -> Result<()> {
        let database = &self.journal.keeper.database;
        let steps = temporary(database);
        let sql = format!("BEGIN NOT ATOMIC\n{}END", self.run(&steps, SwapStage::Keep, OnFailure::GoOn));
        self.execute(database, &steps, &sql, cancel)
    }

    /// Makes what is kept once more, where it is kept, and tells what could not be made.
    pub(super) fn rehearse_kept(&self, cancel: &Cancel) -> Result<Vec<(String, String, String)>> {
        let database = &self.journal.keeper.database;
        let steps = temporary(database);
        let forget = format!("DELETE FROM {} WHERE stage = '{FAILED}';\n", self.journal.place());
        let kept = self.run(&steps, SwapStage::Keep, OnFailure::WriteDown);
        self.execute(database, &steps, &format!("BEGIN NOT ATOMIC\n{forget}{kept}END"), cancel)?;
        let failures = self.journal.failures(self.server, cancel)?;
        self.server.query(None, Sql::Write(&forget), "writing the journal", cancel)?;
        Ok(failures)
    }

    fn execute(&self, database: &str, steps: &str, sql: &str, cancel: &Cancel) -> Result<()> {
        let mut session = LoadSession::start(self.server, Some(database), cancel)?;
        session.mark(|| "the swap".into());
        self.send(&mut session, steps, sql).ok();
        session.finish().map_err(|error| cancel.explain(error))
    }

    /// Sends the steps, and the statement that carries them out. A failure to write shows when the session ends.
    fn send(&self, session: &mut LoadSession, steps: &str, sql: &str) -> std::io::Result<()> {
        let settings = format!(
            "SET SESSION foreign_key_checks=0, SESSION lock_wait_timeout={LOCK_WAIT}, \
             SESSION innodb_lock_wait_timeout={LOCK_WAIT}, SESSION max_statement_time=0"
        );
        session.statement(settings.as_bytes())?;
        let table = format!(
            "CREATE TEMPORARY TABLE {steps} ({COLUMNS}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        );
        session.statement(table.as_bytes())?;
        for insert in journal::insert(steps, &self.journal.steps) {
            session.statement(insert.as_bytes())?;
        }
        session.send(sql.as_bytes())
    }

    fn after(&self, steps: &str) -> Result<String> {
        let journal = self.journal.place();
        let run = |stage, failure| self.run(steps, stage, failure);
        let damaged: String =
            self.journal.moves.damaged.iter().map(|damaged| self.replace_damaged(damaged)).collect();
        Ok(format!(
            "SET @began = SYSDATE(6);\n\
             SET SESSION lock_wait_timeout={LATE_LOCK_WAIT}, SESSION innodb_lock_wait_timeout={LATE_LOCK_WAIT};\n\
             DELETE FROM {journal} WHERE stage = '{FAILED}';\n\
             {triggers}\
             SET @gap = TIMESTAMPDIFF(MICROSECOND, @began, SYSDATE(6));\n\
             INSERT INTO {journal} VALUES (NULL, '{BEGUN}', 'GAP', @gap, '', '', '', '', '', '', '');\n\
             {aside}{loosen}{damaged}{late}{make}\
             IF unfinished = 0 THEN EXECUTE IMMEDIATE {seal}; END IF;\n",
            triggers = run(SwapStage::Triggers, OnFailure::WriteDown),
            aside = run(SwapStage::Aside, OnFailure::UnlessDone),
            loosen = run(SwapStage::Loosen, OnFailure::GoOn),
            late = run(SwapStage::LateTriggers, OnFailure::WriteDown),
            make = run(SwapStage::Make, OnFailure::WriteDown),
            seal = quote_text(&self.journal.seal(Phase::Swapped)?),
        ))
    }

    /// Drops tables that cannot be used at all, where the others could not be had several times: the engine keeps a table from
    /// moving to which such a table refers, until it is gone or the server starts anew, and answers as if a client held it.
    fn unblock(&self) -> String {
        let closed = self.journal.moves.damaged.iter().filter(|damaged| damaged.closed);
        let dropped: String = closed.map(|damaged| self.drop_damaged(damaged, "1")).collect();
        if dropped.is_empty() { dropped } else { format!("IF tries = {BLOCKED} THEN\n{dropped}END IF;\n") }
    }

    /// Drops a damaged table, in two steps where it needs them: first its definition, then what the engine has.
    fn drop_damaged(&self, Damaged { table, parts, .. }: &Damaged, condition: &str) -> String {
        let live = &self.journal.moves.live;
        let drop = |name: &str| format!("DROP TABLE IF EXISTS {}.{}", quote_name(live), quote_name(name));
        let twice = [("DROP", drop(table)), ("AGAIN", drop(table))];
        let mut sql: String =
            twice.iter().map(|(kind, drop)| self.once(table, kind, condition, drop)).collect();
        // A partition's own name is that of its file.
        for (number, part) in parts.iter().enumerate() {
            sql +=
                &self.once(table, &format!("PART {number}"), condition, &drop(&format!("#mysql50#{part}")));
        }
        sql
    }

    /// Executes a statement that may end the server: it is written down before, and not tried a second time, unless it only
    /// waited for a client in vain.
    fn once(&self, table: &str, kind: &str, condition: &str, statement: &str) -> String {
        let (journal, name) = (self.journal.place(), quote_text(table));
        format!(
            "IF {condition} AND NOT EXISTS (SELECT 1 FROM {journal} FORCE INDEX (PRIMARY) WHERE stage = '{BEGUN}' AND kind = '{kind}' AND name = {name}) THEN\n\
             INSERT INTO {journal} VALUES (NULL, '{BEGUN}', '{kind}', {name}, '', '', '', '', '', '', '');\n\
             SET failed = 0, number = 0;\n\
             BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN\n\
             SET failed = 1;\n\
             GET DIAGNOSTICS CONDITION 1 number = MYSQL_ERRNO;\n\
             IF number IN (1205, 1213, 1317) THEN\n\
             DELETE FROM {journal} WHERE stage = '{BEGUN}' AND kind = '{kind}' AND name = {name};\n\
             END IF;\n\
             END;\n\
             EXECUTE IMMEDIATE {};\n\
             END;\n\
             END IF;\n",
            quote_text(statement)
        )
    }

    /// Moves a damaged table aside, or drops it where it cannot be moved, and lets the new one take its place. Each of
    /// these may end the server: it is written down before, and not tried a second time.
    fn replace_damaged(&self, damaged: &Damaged) -> String {
        let Damaged { table, replaced, .. } = damaged;
        let moves = &self.journal.moves;
        let (journal, name) = (self.journal.place(), quote_text(table));
        let place = |database: &str| format!("{}.{}", quote_name(database), quote_name(table));
        let is_in = |database: &str| {
            format!(
                "EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {name})",
                quote_text(database)
            )
        };
        // What came in the place of the damaged table must never be taken for it.
        let waits = if *replaced { is_in(&moves.incoming) } else { "1".into() };
        let aside = format!("RENAME TABLE {} TO {}", place(&moves.live), place(&moves.outgoing));
        let aside = self.once(table, "ASIDE", "1", &aside);
        // One that nothing replaces must not be taken for another that came to its name since it was moved aside.
        let kept = is_in(&moves.outgoing);
        // One that only a client keeps from moving is not dropped for that.
        let drop = self.drop_damaged(damaged, &format!("number NOT IN (1205, 1213) AND NOT {kept}"));
        let come = if *replaced {
            format!(
                "BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN\n\
                 GET DIAGNOSTICS CONDITION 1 @why = MESSAGE_TEXT;\n\
                 SET unfinished = 1;\n\
                 INSERT INTO {journal} VALUES (NULL, '{FAILED}', 'TABLE', {name}, @why, '', '', '', '', '', '');\n\
                 END;\n\
                 EXECUTE IMMEDIATE {};\n\
                 END;\n",
                quote_text(&format!("RENAME TABLE {} TO {}", place(&moves.incoming), place(&moves.live)))
            )
        } else {
            String::new()
        };
        format!("IF {waits} THEN\nSET number = 0;\n{aside}{drop}{come}END IF;\n")
    }

    /// Executes the steps of a stage, each in the session that it was made in. No handler leaves the loop: the server
    /// would keep its cursor open. Warnings have a handler of their own: without it, the one for errors takes the warning
    /// that a program is of a deprecated form, although the program is made (tried on MariaDB 10.11).
    fn run(&self, steps: &str, stage: SwapStage, failure: OnFailure) -> String {
        let is_last = failure == OnFailure::Stop;
        let (ask, end) = if is_last { ("IF failed = 0 THEN\n", "END IF;\n") } else { ("", "") };
        format!(
            "FOR step IN (SELECT id, kind, name, sql_mode, charset, collation, database_collation, time_zone, text FROM {steps} WHERE stage = '{}' ORDER BY id) DO\n\
             BEGIN\n\
             DECLARE bad INT DEFAULT 0;\n\
             DECLARE CONTINUE HANDLER FOR SQLWARNING BEGIN END;\n\
             DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN\nSET bad = 1;\n{}END;\n\
             {ask}\
             SET SESSION sql_mode = step.sql_mode, SESSION character_set_client = step.charset, \
             SESSION collation_connection = step.collation, SESSION time_zone = step.time_zone;\n\
             IF step.database_collation NOT IN ('', @@collation_database) THEN\n\
             EXECUTE IMMEDIATE CONCAT('ALTER DATABASE COLLATE ', step.database_collation);\n\
             END IF;\n\
             IF bad = 0 THEN EXECUTE IMMEDIATE step.text; END IF;\n\
             {end}\
             END;\n\
             END FOR;\n\
             SET SESSION sql_mode = '', SESSION character_set_client = utf8mb4, SESSION collation_connection = utf8mb4_general_ci;\n",
            stage.as_str(),
            failure.handler(&self.journal.place()),
        )
    }

    /// How long the live database had no triggers, in seconds: after each exchange of the tables, all added up.
    pub(super) fn gap(&self, cancel: &Cancel) -> Result<f64> {
        let sql = format!(
            "SELECT IFNULL(SUM(name), 0) FROM {} WHERE stage = '{BEGUN}' AND kind = 'GAP';\n",
            self.journal.place()
        );
        let rows = self.server.query(None, Sql::Read(&sql), "reading the journal", cancel)?;
        let micros = rows.into_iter().flatten().next().and_then(|gap| gap.parse::<f64>().ok());
        Ok(micros.unwrap_or_default() / 1e6)
    }
}

/// The place of a temporary table, in a database that the account may make one in.
fn temporary(database: &str) -> String {
    format!("{}.{}", quote_name(database), quote_name(&unguessable("fwb_steps_")))
}
