//! The scanner against what is known of its input.

use super::reference::assert_agreement;
use proptest::prelude::*;

/// What SQL is made of, as far as splitting it is concerned.
fn soup() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'",
        "\"",
        "`",
        "\\",
        "(",
        ")",
        ",",
        ";",
        ";;",
        "\n",
        "\n\n",
        " ",
        "\t",
        "\x0b",
        "\0",
        "\r\n",
        "--",
        "-- ",
        "--\n",
        "#",
        "/*",
        "*/",
        "/*!",
        "/*!50003 ",
        "/*M!100100 ",
        "/*/",
        "*/*",
        "\nDELIMITER ;;\n",
        "\nDELIMITER ;\n",
        "DELIMITER ",
        "INSERT INTO `t` VALUES ",
        "INSERT INTO t (a) VALUES",
        "REPLACE INTO t VALUES",
        "(1,'x')",
        "VALUES",
        "value",
        "CREATE TABLE `t` (a int)",
        "CREATE TABLE `u",
        "DROP TABLE IF EXISTS `t`",
        "DROP VIEW IF EXISTS `t`",
        "CREATE VIEW `t` AS ",
        "CREATE SEQUENCE `t`",
        "DO SETVAL(`t`,1,0)",
        "CREATE TRIGGER x ",
        "CREATE EVENT x ",
        "CREATE FUNCTION f",
        "\n--\n-- Table structure for table `t`\n--\n",
        "\n--\n-- Dumping data for table `t`\n--\n\n",
        "\n--\n-- Temporary table structure for view `t`\n--\n",
        "\n--\n-- Final view structure for view `t`\n--\n",
        "\n--\n-- Dumping routines for database 'd'\n--\n",
        "-- Dump completed\n",
        "\n-- Dump completed on 2026",
        "SET sql_mode='NO_BACKSLASH_ESCAPES';",
        "SET sql_mode='ANSI_QUOTES';",
        "SET sql_mode='';",
        "SET @saved_sql_mode=@@sql_mode;",
        "SET sql_mode=@saved_sql_mode;",
        "SET SQL_MODE=@OLD_SQL_MODE;",
        "SET @OLD_SQL_MODE=@@SQL_MODE;",
        "SET SQL_NOTES=@OLD_SQL_NOTES;",
        "SET @save_time_zone= @@TIME_ZONE;",
        "/*M!999999\\- enable the sandbox mode */",
        "0x00ff",
        "NULL",
        "-1",
        "_binary ",
        "N'",
        "é",
        "*",
        "/",
        "!",
        "M",
        "-",
        "x",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ALTER TABLE `t` DISABLE KEYS",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000_000))]
    #[test]
    fn soup_is_read_as_the_client_would(sql in soup()) {
        assert_agreement(sql.as_bytes());
    }
}
