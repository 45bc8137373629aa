//! Triggers, events and routines, each in the session that it was made in.

use super::literal;
use crate::manifest::ObjectKind;

/// A stored program, as `SHOW CREATE` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// What it is.
    pub(super) kind: ObjectKind,
    /// Its name.
    pub(super) name: String,
    /// The session's `sql_mode`.
    pub(super) sql_mode: String,
    /// The session's time zone; of an event only.
    pub(super) time_zone: Option<String>,
    /// The session's `character_set_client`, which `text` is written in.
    pub(super) charset: String,
    /// The session's `collation_connection`.
    pub(super) collation: String,
    /// The database's default collation when it was made.
    pub(super) database_collation: String,
    /// The `CREATE` statement.
    pub(super) text: Vec<u8>,
}

/// Writes a program, for a database whose default collation is `home`. The statement that makes it stands under a delimiter that it does not hold, and in no executable
/// comment: comments in its body would end that one.
pub(super) fn program(sql: &mut Vec<u8>, program: &Program, home: &str) {
    let other = Some(program.database_collation.as_str())
        .filter(|collation| !collation.is_empty() && *collation != home);
    if let Some(collation) = other {
        alter_database(sql, collation);
    }
    let zone = program.time_zone.as_deref();
    push(sql, "/*!50003 SET @saved_cs_client      = @@character_set_client */ ;\n");
    push(sql, "/*!50003 SET @saved_cs_results     = @@character_set_results */ ;\n");
    push(sql, "/*!50003 SET @saved_col_connection = @@collation_connection */ ;\n");
    push(sql, "/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;\n");
    if zone.is_some() {
        push(sql, "/*!50003 SET @saved_time_zone      = @@time_zone */ ;\n");
    }
    push(sql, "/*!50003 SET sql_mode              = ");
    literal::quoted(sql, program.sql_mode.as_bytes());
    push(sql, " */ ;\n");
    // Its name is UTF-8, so this comes before the character set changes; and packages are known to ORACLE's mode alone.
    push(sql, &format!("DROP {} IF EXISTS ", program.kind.as_sql()));
    literal::name(sql, &program.name);
    push(sql, " ;\n");
    push(sql, &format!("/*!50003 SET character_set_client  = {} */ ;\n", program.charset));
    push(sql, &format!("/*!50003 SET character_set_results = {} */ ;\n", program.charset));
    push(sql, &format!("/*!50003 SET collation_connection  = {} */ ;\n", program.collation));
    if let Some(zone) = zone {
        push(sql, "/*!50003 SET time_zone             = ");
        literal::quoted(sql, zone.as_bytes());
        push(sql, " */ ;\n");
    }
    let delimiter = delimiter(&program.text);
    push(sql, &format!("DELIMITER {delimiter}\n"));
    sql.extend_from_slice(&program.text);
    push(sql, &format!("\n{delimiter}\nDELIMITER ;\n"));
    if zone.is_some() {
        push(sql, "/*!50003 SET time_zone             = @saved_time_zone */ ;\n");
    }
    push(sql, "/*!50003 SET sql_mode              = @saved_sql_mode */ ;\n");
    push(sql, "/*!50003 SET character_set_client  = @saved_cs_client */ ;\n");
    push(sql, "/*!50003 SET character_set_results = @saved_cs_results */ ;\n");
    push(sql, "/*!50003 SET collation_connection  = @saved_col_connection */ ;\n");
    if other.is_some() {
        alter_database(sql, home);
    }
}

fn push(sql: &mut Vec<u8>, text: &str) {
    sql.extend_from_slice(text.as_bytes());
}

/// A program keeps the default collation of the database that it is made in. No name is told: it is said of the database
/// that the dump is loaded into.
fn alter_database(sql: &mut Vec<u8>, collation: &str) {
    // A collation's name begins with its character set's (MariaDB's manual, "Setting Character Sets and Collations").
    let charset = collation.split('_').next().unwrap_or(collation);
    push(sql, &format!("ALTER DATABASE CHARACTER SET {charset} COLLATE {collation} ;\n"));
}

/// A delimiter that the text does not hold. Clients keep 15 bytes of one.
fn delimiter(text: &[u8]) -> String {
    let usual = [";;", "$$", "//", "@@"].map(String::from).into_iter();
    // There are fewer numbers in a text than it has bytes.
    let numbered = (0..=text.len()).map(|number| format!("${number}$"));
    let is_free = |candidate: &String| memchr::memmem::find(text, candidate.as_bytes()).is_none();
    usual.chain(numbered).find(is_free).unwrap_or_else(|| ";;".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Feed, Head, Statement, Verb};

    const HOME: &str = "utf8mb4_general_ci";

    fn sample(text: &str) -> Program {
        Program {
            kind: ObjectKind::Procedure,
            name: "p".into(),
            sql_mode: String::new(),
            time_zone: None,
            charset: "utf8mb4".into(),
            collation: "utf8mb4_general_ci".into(),
            database_collation: HOME.into(),
            text: text.into(),
        }
    }

    /// The statements that make something, as a client and our scanner split what was written.
    fn made(written: &Program) -> Vec<String> {
        let mut sql = Vec::new();
        program(&mut sql, written, HOME);
        let mut made = Vec::new();
        let mut feed = Feed::new();
        let mut observe = |statement: &Statement<'_>| {
            assert_eq!(statement.irregular, None);
            if matches!(statement.head, Head::Program(Verb::Create, ..)) {
                made.push(String::from_utf8(statement.text.trim_ascii().to_vec()).unwrap());
            }
            Ok(())
        };
        feed.push(&sql, &mut observe).unwrap();
        feed.finish(&mut observe).unwrap();
        made
    }

    #[test]
    fn every_body_is_one_statement() {
        let bodies = [
            "SELECT 1",
            "BEGIN SELECT ';;', \";;\"; END",
            "BEGIN /* c */ SET @a = '/* y */'; END",
            "BEGIN /*! SELECT 1; */ SELECT '*/'; END",
            "BEGIN -- it's; \n SELECT 1; # `\n END -- ends here",
            "SELECT ';; $$ // @@ $0$ $1$'",
            "SELECT '\\\\', '\\'', `a``b`",
            "SELECT 'multi\nline;\nDELIMITER x\n'",
        ];
        for body in bodies {
            let text = format!("CREATE DEFINER=`r`@`%` PROCEDURE `p`()\n{body}");
            assert_eq!(made(&sample(&text)), [text.trim()], "{body}");
        }
    }

    #[test]
    fn quotes_are_read_by_the_programs_own_mode() {
        for (sql_mode, body) in [
            ("NO_BACKSLASH_ESCAPES", "SELECT '\\', ';'; SELECT \"\\\", ';;x'"),
            ("ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "SELECT '\\', \"x\" FROM (SELECT 1 AS \"x\") \"y\\\""),
            ("ANSI_QUOTES", "SELECT 'it''s;\\' \"', \"a b\""),
        ] {
            let text = format!("CREATE PROCEDURE p() BEGIN {body}; END");
            let program = Program { sql_mode: sql_mode.into(), ..sample(&text) };
            assert_eq!(made(&program), [text], "{sql_mode}");
        }
    }

    #[test]
    fn a_delimiter_is_nowhere_in_the_text() {
        for (text, expected) in [
            ("SELECT 1;", ";;"),
            ("SELECT ';;'", "$$"),
            ("';;$$'", "//"),
            ("';;$$//'", "@@"),
            ("';;$$//@@'", "$0$"),
            ("';;$$//@@$0$1$2$'", "$3$"),
        ] {
            assert_eq!(delimiter(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_program_is_made_in_the_session_that_it_was_made_in() {
        let event = Program {
            kind: ObjectKind::Event,
            name: "a*/b".into(),
            sql_mode: "ANSI_QUOTES".into(),
            time_zone: Some("+09:00".into()),
            charset: "latin1".into(),
            collation: "latin1_swedish_ci".into(),
            database_collation: "latin1_bin".into(),
            text: b"CREATE EVENT x DO SELECT '\xE4'".to_vec(),
        };
        let mut sql = Vec::new();
        program(&mut sql, &event, HOME);
        let text = String::from_utf8_lossy(&sql);
        let mut from = 0;
        for line in [
            "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin ;",
            "SET @saved_time_zone      = @@time_zone",
            "SET sql_mode              = 'ANSI_QUOTES' */",
            "DROP EVENT IF EXISTS `a*/b` ;",
            "SET character_set_client  = latin1 */",
            "SET collation_connection  = latin1_swedish_ci */",
            "SET time_zone             = '+09:00' */",
            "DELIMITER ;;\nCREATE EVENT x DO SELECT '\u{FFFD}'\n;;\nDELIMITER ;\n",
            "SET time_zone             = @saved_time_zone */",
            "SET character_set_client  = @saved_cs_client */",
            "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci ;\n",
        ] {
            let found = text[from..].find(line);
            assert!(found.is_some(), "{line} after {}", &text[..from]);
            from += found.unwrap_or_default();
        }
    }
}
