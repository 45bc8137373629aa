//! What fools a simple reading of a dump, case by case. What a user would lose: a table restored without its rows,
//! a statement cut in two, or half a dump taken for a whole one.

use super::super::{Feed, Statement};
use crate::manifest::SectionKind::{self, Events, Header, Routines, Table, Trailer, View, ViewPlaceholder};
use crate::scan::reference::{assert_agreement, read};

/// The sections' kinds, names and rows.
fn sections(sql: &str) -> Vec<(SectionKind, String, u64)> {
    assert_agreement(sql.as_bytes());
    let sections = read(sql.as_bytes()).sections.into_iter();
    sections.map(|s| (s.kind, s.name.unwrap_or_default(), s.rows.map_or(0, |(rows, _)| rows))).collect()
}

fn statements(sql: &str) -> Vec<String> {
    assert_agreement(sql.as_bytes());
    let statements = read(sql.as_bytes()).statements.into_iter();
    statements.map(|(_, text)| String::from_utf8(text.0).unwrap()).collect()
}

/// The reasons why statements are irregular; "" where one is not.
fn irregular(sql: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut observer = |statement: &Statement<'_>| {
        found.push(statement.irregular.unwrap_or_default());
        Ok(())
    };
    let mut feed = Feed::new();
    feed.push(sql.as_bytes(), &mut observer).unwrap();
    feed.finish(&mut observer).unwrap();
    found
}

const FAKE: &str =
    "\n--\n-- Table structure for table `fake`\n--\n\nDROP TABLE IF EXISTS `fake`;\n-- Dump completed\n";

#[test]
fn a_section_comment_in_a_string_is_data() {
    let raw = format!("INSERT INTO `t` VALUES ('{FAKE}'),('\\'{FAKE}');\n");
    assert_eq!(sections(&raw), [(Header, String::new(), 0), (Table, "t".into(), 2)]);
    assert!(!read(raw.as_bytes()).complete);
}

#[test]
fn a_section_comment_in_a_name_or_a_table_comment_is_part_of_it() {
    let name = FAKE.replace('`', "``");
    let sql =
        format!("CREATE TABLE `{name}` (`{name}` int) COMMENT='{FAKE}';\nINSERT INTO `{name}` VALUES (1);\n");
    assert_eq!(sections(&sql), [(Header, String::new(), 0), (Table, FAKE.into(), 1)]);
}

#[test]
fn a_section_comment_in_a_program_is_part_of_its_body() {
    let sql = format!("DELIMITER ;;\nCREATE PROCEDURE `p`()\nbegin\n{FAKE}select 1;\nend ;;\nDELIMITER ;\n");
    assert_eq!(sections(&sql), [(Header, String::new(), 0), (Routines, String::new(), 0)]);
    assert_eq!(statements(&sql).len(), 1);
    let sql = format!(
        "CREATE TABLE `t` (a int);\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50003 TRIGGER x {FAKE} */;;\nDELIMITER ;\n"
    );
    assert_eq!(sections(&sql), [(Header, String::new(), 0), (Table, "t".into(), 0)]);
}

#[test]
fn a_section_comment_in_a_comment_is_a_comment() {
    let sql = format!("/* {FAKE} */\nCREATE TABLE `t` (a int /* {FAKE} */);\n");
    assert_eq!(sections(&sql), [(Header, String::new(), 0), (Table, "t".into(), 0)]);
}

#[test]
fn an_announcement_holds_a_name_of_several_lines() {
    let sql = "\n--\n-- Table structure for table `a``b\n-- \n-- Dump completed`\n--\n\nCREATE TABLE `a``b\n\nDump completed` (x int);\n";
    let name = "a`b\n\nDump completed";
    assert_eq!(sections(sql), [(Header, String::new(), 0), (Table, name.into(), 0)]);
    let cut = sql.find("\n--\n\nCREATE").unwrap();
    assert!(!read(&sql.as_bytes()[..cut]).complete, "a line of a name is no dump's end");
}

#[test]
fn the_statement_is_right_where_the_announcement_differs() {
    let sql = "\n--\n-- Table structure for table `x`\n--\n\nCREATE TABLE `y` (a int);\nINSERT INTO `z` VALUES (1);\n";
    assert_eq!(sections(sql), [(Header, String::new(), 0), (Table, "y".into(), 0), (Table, "z".into(), 1)]);
}

#[test]
fn rows_are_counted_whatever_they_hold() {
    let rows =
        r#"('a),(b'),('it\'s'),('it''s'),("x""),("),(0x28,_binary '\\'),(NULL,-1.5e-3),('\\\\'),(')')"#;
    for between in [",", ",\n", " , "] {
        let sql = format!(
            "INSERT INTO `t` (`VALUES`, `a)`) VALUES {};\n",
            rows.replace("),(", &format!("){between}("))
        );
        let count = sections(&sql)[1].2;
        // The first and the fourth hold "),(" between quotes, where a different text stands now.
        assert_eq!(count, 8, "{sql}");
    }
}

/// The scanner reads long words in parts, of 64 bytes each.
#[test]
fn values_is_a_word_of_its_own() {
    for length in 50..150 {
        let name = "x".repeat(length);
        assert_eq!(sections(&format!("INSERT INTO {name}VALUES (1);\n"))[1].2, 0, "{length}");
        assert_eq!(sections(&format!("INSERT INTO {name}(VALUES) VALUES(1);\n"))[1].2, 1, "{length}");
    }
}

#[test]
fn what_quotes_mean_depends_on_the_mode() {
    let sql = "SET sql_mode='NO_BACKSLASH_ESCAPES';\nSELECT '\\';\nSET sql_mode='';\nSELECT '\\';\n';\n";
    assert_eq!(statements(sql)[1..], ["SELECT '\\'", "SET sql_mode=''", "SELECT '\\';\n'"]);
    let sql = "SET @saved_sql_mode=@@sql_mode;\nSET sql_mode='ANSI_QUOTES';\nSELECT \"\\\";\nSET sql_mode=@saved_sql_mode;\nSELECT \"\\\";\";\n";
    assert_eq!(statements(sql)[2..], ["SELECT \"\\\"", "SET sql_mode=@saved_sql_mode", "SELECT \"\\\";\""]);
}

#[test]
fn the_mode_is_followed_as_the_server_sets_it() {
    let ends_at_backslash =
        |before: &str| statements(&format!("{before};\nSELECT '\\';\n'\n")).contains(&"SELECT '\\'".into());
    assert!(ends_at_backslash("SET @@SESSION.SQL_MODE='NO_BACKSLASH_ESCAPES'"));
    // The server reads all right sides first.
    let set = "SET sql_mode='NO_BACKSLASH_ESCAPES'";
    assert!(!ends_at_backslash(&format!("{set}, @saved_sql_mode=@@sql_mode;\nSET sql_mode=@saved_sql_mode")));
    assert!(ends_at_backslash(&format!(
        "{set};\nSET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='';\nSET SQL_MODE=@OLD_SQL_MODE"
    )));
}

#[test]
fn comments_are_what_the_client_takes_for_them() {
    let cases = [
        ("SELECT 1 -- ;\n;", vec!["SELECT 1 -- ;\n"]),
        ("SELECT 1 --;\n", vec!["SELECT 1 --"]),
        ("SELECT 1 --\x0b';\n;", vec!["SELECT 1 --\x0b';\n"]),
        ("SELECT 1 # ';\n;", vec!["SELECT 1 # ';\n"]),
        ("SELECT /* ; ' */ 1;", vec!["SELECT /* ; ' */ 1"]),
        ("/*!50003 SELECT ';' */;", vec!["/*!50003 SELECT ';' */"]),
        ("/*!50003 SELECT 1 ; */;", vec!["/*!50003 SELECT 1 ", "*/"]),
        ("/*M!100100 SELECT ';' */;", vec!["/*M!100100 SELECT ';' */"]),
        ("--no blank; SELECT 1;\nSELECT 2;", vec!["SELECT 2"]),
        ("SELECT 1; --no blank;\nSELECT 2;", vec!["SELECT 1", "SELECT 2"]),
        ("/* x */ DELIMITER ;;\nSELECT 1;", vec!["DELIMITER ", "SELECT 1"]),
        ("/* /*x*/ SELECT 1;", vec!["SELECT 1"]),
        ("SELECT 1 /* /*/ ; */;", vec!["SELECT 1 /* /*/ ; */"]),
    ];
    for (sql, expected) in cases {
        assert_eq!(statements(sql), expected, "{sql}");
    }
}

#[test]
fn delimiters_are_followed() {
    let sql = "delimiter $$\nSELECT 1; SELECT 2$$\nDELIMITER\t;\nSELECT 3;SELECT 4;\nSELECT 'DELIMITER ;;\n';SELECT 5\nDELIMITER ;;\n;";
    assert_eq!(
        statements(sql),
        ["SELECT 1; SELECT 2", "SELECT 3", "SELECT 4", "SELECT 'DELIMITER ;;\n'", "SELECT 5\nDELIMITER ", ""]
            [..5]
    );
}

#[test]
fn without_comments_the_statements_tell() {
    let sql = "DROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (a int);\nINSERT INTO `t` VALUES (1);\n\
               DROP TABLE IF EXISTS `v`;\n/*!50001 DROP VIEW IF EXISTS `v`*/;\n/*!50001 CREATE VIEW `v` AS SELECT 1 */;\n\
               /*!50106 SET @save_time_zone= @@TIME_ZONE */ ;\n/*!50106 DROP EVENT IF EXISTS `e` */;\n\
               /*!50003 DROP PROCEDURE IF EXISTS `p` */;\n\
               /*!50001 DROP VIEW IF EXISTS `v`*/;\n/*!50001 CREATE VIEW `v` AS SELECT 2 */;\n\
               /*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n";
    let found: Vec<_> = sections(sql).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(found, [Header, Table, ViewPlaceholder, Events, Routines, View, Trailer]);
    assert!(read(sql.as_bytes()).complete);
}

#[test]
fn what_client_and_server_read_differently_is_irregular() {
    let cases = [
        "SELECT 1 \\! id;",
        "SELECT 1 --\x01 '\n;",
        "INSERT INTO t VALUES ('\\\0');",
        "/* /*! */ DROP DATABASE x; -- */",
        "/* /*/ DROP DATABASE x; */",
        "CREATE TABLE t (a int) /*!50000 /* */ ; DROP DATABASE x */;",
        "/*!50000 INSERT INTO t VALUES (LOAD_FILE('/x')) */;",
        "DELIMITER ;;\nINSERT INTO t SELECT 1;;\n",
        "INSERT INTO t SELECT 1;",
        "INSERT INTO t VALUES (1;",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a=1;",
        "INSERT INTO t VALUES (f(1));",
        "INSERT INTO t VALUES (1 /* x */);",
        "INSERT INTO t VALUES (`a`);",
    ];
    for sql in cases {
        assert!(irregular(sql).iter().any(|why| !why.is_empty()), "{sql}");
    }
}

#[test]
fn what_dumps_contain_is_not_irregular() {
    let cases = [
        "INSERT INTO `t` (`a`) VALUES (1,-2,NULL,0xff,'x\\'(y)\\0','\\\\'),\n(_binary 'z',1.5e-3,b'1',x'ff',_utf8mb4 'é');",
        "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN /* note */ SET @x=1 /* and */; END */;",
        "CREATE TABLE t (a int /*!80023 INVISIBLE */) COMMENT='--' /* x */;",
        "/*!50001 CREATE VIEW `v` AS SELECT\n 1 AS `a` */;",
    ];
    for sql in cases {
        assert!(irregular(sql).iter().all(|why| why.is_empty()), "{sql}: {:?}", irregular(sql));
    }
}

#[test]
fn only_another_dumps_header_names_another_database() {
    let others = |sql: &str| {
        let mut feed = Feed::new();
        feed.push(sql.as_bytes(), &mut crate::scan::unobserved).unwrap();
        feed.finish(&mut crate::scan::unobserved).unwrap().origin.others
    };
    let header = |database: &str| {
        format!(
            "-- MariaDB dump 10.19\n--\n-- Host: h    Database: {database}\n-- -----\n-- Server version\t10.11\n\nSET @a=1;\n"
        )
    };
    let table = "\n--\n-- Table structure for table `x\n-- Host: h    Database: two`\n--\n\nCREATE TABLE `x\n-- Host: h    Database: two` (a int);\n";
    let inside = "CREATE TABLE `t` (a int COMMENT '\n-- Host: h    Database: two\n');\n";
    assert!(others(&[&header("one"), table, inside].concat()).is_empty());
    assert!(others(&[header("one"), header("one")].concat()).is_empty());
    assert_eq!(others(&[&header("one"), table, &header("two")].concat()), ["two".to_owned()].into());
}
