//! Dumps that are made up, with all that is known of them.

use xxhash_rust::xxh3::xxh3_128;

use super::plan::{Mode, Object, Plan, Value};
use crate::manifest::SectionKind;
use crate::scan::reference::{Part, Reference, Text};

/// A dump, and what the scanner must find in it.
pub(super) struct Dump {
    pub(super) sql: Vec<u8>,
    pub(super) truth: Reference,
    /// Where the last statement begins: no beginning of the dump up to here is complete.
    pub(super) last_statement: usize,
}

fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Mode {
    fn as_sql(self) -> &'static str {
        match self {
            Self::Default => "STRICT_TRANS_TABLES",
            Self::NoBackslash => "STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES",
            Self::Ansi => "PIPES_AS_CONCAT,ANSI_QUOTES",
        }
    }

    fn text(self, decoy: &str) -> String {
        match self {
            Self::NoBackslash => format!("'{}'", decoy.replace('\'', "''")),
            Self::Default | Self::Ansi => text(decoy),
        }
    }

    /// Statements with quotes and comments of all kinds, for a program's body.
    fn body(self, decoy: &str) -> String {
        let literal = self.text(decoy);
        let other = match self {
            Self::Ansi | Self::NoBackslash => format!("\"{}\"", decoy.replace('"', "\"\"")),
            Self::Default => format!("\"{}\"", decoy.replace('\\', "\\\\").replace('"', "\\\"")),
        };
        format!(
            "begin\n  set @a = {literal}; -- don't; \"stop\" `here`\n  # nor 'here\n  /* or (\" there */\n  select {other}, {};\n\
             --\n-- Table structure for table `fake`\n--\nend",
            name(decoy)
        )
    }
}

struct Builder<'a> {
    plan: &'a Plan,
    dump: Dump,
}

impl Plan {
    pub(super) fn build(&self) -> Dump {
        let truth = Reference { complete: true, ..Reference::default() };
        let mut builder = Builder { plan: self, dump: Dump { sql: Vec::new(), truth, last_statement: 0 } };
        builder.header();
        let is = |kinds: fn(&Object) -> bool| self.objects.iter().enumerate().filter(move |(_, o)| kinds(o));
        for (index, object) in is(|_| true) {
            builder.object(index, object);
        }
        builder.events(&is(|object| matches!(object, Object::Event { .. })).collect::<Vec<_>>());
        builder.routines(&is(|object| matches!(object, Object::Routine { .. })).collect::<Vec<_>>());
        for (index, object) in is(|object| matches!(object, Object::View { .. })) {
            builder.view(index, object);
        }
        builder.trailer();
        builder.dump
    }
}

impl Builder<'_> {
    fn put(&mut self, sql: &str) {
        self.dump.sql.extend_from_slice(sql.as_bytes());
    }

    fn section(&mut self, kind: SectionKind, name: Option<&str>) {
        let raw_offset = self.dump.sql.len() as u64;
        let rows = (kind == SectionKind::Table).then(|| (0, "0".repeat(32)));
        let name = name.map(ToOwned::to_owned);
        if let Some(former) = self.dump.truth.sections.last_mut() {
            former.raw_size = raw_offset - former.raw_offset;
        }
        self.dump.truth.sections.push(Part { kind, name, raw_offset, raw_size: 0, rows });
    }

    fn announce(&mut self, title: &str) {
        if self.plan.comments {
            self.put(&format!("\n--\n-- {}\n--\n", title.replace('\n', "\n-- ")));
            // The programs put a blank line here, but not before events and routines.
            if !title.starts_with("Dumping events") && !title.starts_with("Dumping routines") {
                self.put("\n");
            }
        }
    }

    /// A statement; `delimiter` with the blank that may stand before it.
    fn statement(&mut self, text: &str, delimiter: &str) {
        self.dump.last_statement = self.dump.sql.len();
        let blank = if delimiter.starts_with(' ') { " " } else { "" };
        let text = format!("{text}{blank}");
        self.dump.truth.statements.push((self.dump.sql.len() as u64, Text(text.clone().into_bytes())));
        self.put(&format!("{text}{}\n", delimiter.strip_prefix(' ').unwrap_or(delimiter)));
    }

    fn header(&mut self) {
        self.section(SectionKind::Header, None);
        if self.plan.sandbox {
            self.put("/*M!999999\\- enable the sandbox mode */ \n");
        }
        if self.plan.comments {
            self.put(
                "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n-- Host: localhost    Database: d\n",
            );
            self.put(
                "-- ------------------------------------------------------\n-- Server version\t10.11.6\n\n",
            );
        }
        self.statement("/*!40101 SET NAMES utf8mb4 */", ";");
        self.statement("/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */", ";");
        self.statement("/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */", ";");
    }

    fn object(&mut self, index: usize, object: &Object) {
        match object {
            Object::Sequence(decoy) => {
                let title = format!("{decoy}{index}");
                let quoted = name(&title);
                self.section(SectionKind::Sequence, Some(&title));
                self.announce(&format!("Sequence structure for {quoted}"));
                self.statement(&format!("DROP SEQUENCE IF EXISTS {quoted}"), ";");
                self.statement(&format!("CREATE SEQUENCE {quoted} start with 1 ENGINE=InnoDB"), ";");
                self.statement(&format!("DO SETVAL({quoted}, 1001, 0)"), ";");
            }
            Object::Table { name, comment, inserts, trigger } => {
                self.table(&format!("{name}{index}"), comment, inserts);
                if let Some((mode, decoy)) = trigger {
                    let body = format!("TRIGGER `tr` BEFORE INSERT ON x FOR EACH ROW {}", mode.body(decoy));
                    let text = format!("/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 {body} */");
                    self.program(*mode, &text);
                }
            }
            Object::View { name: decoy, .. } => {
                let title = format!("{decoy}{index}");
                let quoted = name(&title);
                self.section(SectionKind::ViewPlaceholder, Some(&title));
                self.announce(&format!("Temporary table structure for view {quoted}"));
                self.statement(&format!("DROP TABLE IF EXISTS {quoted}"), ";");
                self.statement(&format!("/*!50001 DROP VIEW IF EXISTS {quoted}*/"), ";");
                self.statement("SET character_set_client = utf8mb4", ";");
                self.statement(&format!("/*!50001 CREATE VIEW {quoted} AS SELECT\n 1 AS {quoted} */"), ";");
            }
            Object::Event { .. } | Object::Routine { .. } => {}
        }
    }

    fn table(&mut self, title: &str, comment: &str, inserts: &[Vec<Vec<Value>>]) {
        let quoted = name(title);
        self.section(SectionKind::Table, Some(title));
        self.announce(&format!("Table structure for table {quoted}"));
        self.statement(&format!("DROP TABLE IF EXISTS {quoted}"), ";");
        self.statement("/*!40101 SET character_set_client = utf8mb4 */", ";");
        self.statement(&format!("CREATE TABLE {quoted} (\n  {quoted} int\n) COMMENT={}", text(comment)), ";");
        if self.plan.locks || self.plan.keys || !inserts.is_empty() {
            self.announce(&format!("Dumping data for table {quoted}"));
        }
        if self.plan.locks {
            self.statement(&format!("LOCK TABLES {quoted} WRITE"), ";");
        }
        if self.plan.keys {
            self.statement(&format!("/*!40000 ALTER TABLE {quoted} DISABLE KEYS */"), ";");
        }
        let columns = if self.plan.columns { "(`VALUES`, `a)b`, `c``(` )" } else { "" };
        let (mut count, mut sum) = (0, 0_u128);
        for insert in inserts {
            let rows: Vec<String> = insert.iter().map(|row| row_text(row)).collect();
            count += rows.len() as u64;
            sum = rows.iter().fold(sum, |sum, row| sum.wrapping_add(xxh3_128(row.as_bytes())));
            let prelude = format!("INSERT INTO {quoted} {columns} VALUES");
            self.statement(&prelude, &format!("\n{};", rows.join(self.plan.comma)));
        }
        if let Some(section) = self.dump.truth.sections.last_mut() {
            section.rows = Some((count, format!("{sum:032x}")));
        }
        if self.plan.keys {
            self.statement(&format!("/*!40000 ALTER TABLE {quoted} ENABLE KEYS */"), ";");
        }
        if self.plan.locks {
            self.statement("UNLOCK TABLES", ";");
        }
    }

    /// A program under its own `sql_mode` and delimiter.
    fn program(&mut self, mode: Mode, text: &str) {
        self.statement("/*!50003 SET @saved_sql_mode       = @@sql_mode */", " ;");
        self.statement(&format!("/*!50003 SET sql_mode              = '{}' */", mode.as_sql()), " ;");
        self.put("DELIMITER ;;\n");
        self.statement(text, ";;");
        self.put("DELIMITER ;\n");
        self.statement("/*!50003 SET sql_mode              = @saved_sql_mode */", " ;");
    }

    fn events(&mut self, events: &[(usize, &Object)]) {
        if events.is_empty() && !self.plan.comments {
            return;
        }
        self.section(SectionKind::Events, None);
        self.announce("Dumping events for database 'd'");
        if events.is_empty() {
            return;
        }
        self.statement("/*!50106 SET @save_time_zone= @@TIME_ZONE */", " ;");
        for (index, object) in events {
            let Object::Event { name: decoy, text } = object else { continue };
            let quoted = name(&format!("{decoy}{index}"));
            self.statement(&format!("/*!50106 DROP EVENT IF EXISTS {quoted} */"), ";");
            let body = Mode::Default.body(text);
            let body = format!("EVENT {quoted} ON SCHEDULE EVERY 1 DAY DO {body}");
            self.program(
                Mode::Default,
                &format!("/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`%`*/ /*!50106 {body} */"),
            );
        }
        self.statement("/*!50106 SET TIME_ZONE= @save_time_zone */", " ;");
    }

    fn routines(&mut self, routines: &[(usize, &Object)]) {
        if routines.is_empty() && !self.plan.comments {
            return;
        }
        if routines.is_empty() || self.plan.comments {
            self.section(SectionKind::Routines, None);
        }
        self.announce("Dumping routines for database 'd'");
        for (nth, (index, object)) in routines.iter().enumerate() {
            let Object::Routine { name: decoy, mode, text } = object else { continue };
            let quoted = name(&format!("{decoy}{index}"));
            if nth == 0 && !self.plan.comments {
                self.section(SectionKind::Routines, None);
            }
            self.statement(&format!("/*!50003 DROP PROCEDURE IF EXISTS {quoted} */"), ";");
            self.program(
                *mode,
                &format!("CREATE DEFINER=`r`@`%` PROCEDURE {quoted}()\n{}\n", mode.body(text)),
            );
        }
    }

    fn view(&mut self, index: usize, object: &Object) {
        let Object::View { name: decoy, text: value } = object else { return };
        let title = format!("{decoy}{index}");
        let quoted = name(&title);
        self.section(SectionKind::View, Some(&title));
        self.announce(&format!("Final view structure for view {quoted}"));
        self.statement(&format!("/*!50001 DROP VIEW IF EXISTS {quoted}*/"), ";");
        let create =
            "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`r`@`%` SQL SECURITY DEFINER */\n";
        self.statement(&format!("{create}/*!50001 VIEW {quoted} AS select {} */", text(value)), ";");
    }

    fn trailer(&mut self) {
        self.section(SectionKind::Trailer, None);
        // An announcement of nothing goes with what follows it.
        let last_statement = self.dump.last_statement as u64;
        if let [.., announced, trailer] = &mut self.dump.truth.sections[..]
            && announced.raw_offset > last_statement
        {
            announced.raw_size = 0;
            trailer.raw_offset = announced.raw_offset;
        }
        self.statement("/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */", ";");
        self.put("\n");
        self.statement("/*!40101 SET SQL_MODE=@OLD_SQL_MODE */", ";");
        self.statement("/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */", ";");
        if self.plan.comments {
            self.put("\n-- Dump completed on 2026-01-01  0:00:00\n");
        }
        let end = self.dump.sql.len() as u64;
        if let Some(last) = self.dump.truth.sections.last_mut() {
            last.raw_size = end - last.raw_offset;
        }
    }
}

fn row_text(row: &[Value]) -> String {
    let values = row.iter().map(|value| match value {
        Value::Text(decoy) => text(decoy),
        Value::Raw(literal) => (*literal).to_owned(),
    });
    format!("({})", values.collect::<Vec<_>>().join(","))
}
