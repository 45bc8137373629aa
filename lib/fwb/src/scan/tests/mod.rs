//! The scanner against what is known of its input: dumps made up with the truth beside them, real dumps, the traps
//! that a simple reading falls into, and soup, which only the reference can judge.

mod cuts;
mod dump;
mod fixtures;
mod plan;
mod traps;

use proptest::prelude::*;

use super::reference::{assert_agreement, read};

/// What SQL is made of, as far as splitting it is concerned.
const INGREDIENTS: [&str; 92] = [
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
    "\x01",
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
    "\nDELIMITER $x\n",
    "$x\n",
    "DELIMITER ",
    "INSERT INTO `t` VALUES ",
    "INSERT INTO t (a) VALUES",
    "REPLACE INTO t VALUES",
    "(1,'x')",
    "(2,'y\\'\n'),",
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
    "ALTER TABLE `t` DISABLE KEYS",
    "\n--\n-- Table structure for table `t`\n--\n",
    "\n--\n-- Table structure for table `u`\n--\n",
    "\n--\n-- Dumping data for table `t`\n--\n\n",
    "\n--\n-- Dumping data for table `u`\n--\n\n",
    "\n--\n-- Temporary table structure for view `t`\n--\n",
    "\n--\n-- Final view structure for view `t`\n--\n",
    "\n--\n-- Sequence structure for `t`\n--\n",
    "\n--\n-- Dumping events for database 'd'\n--\n",
    "\n--\n-- Dumping routines for database 'd'\n--\n",
    "-- Table structure for table `",
    "-- Dump completed\n",
    "\n-- Dump completed on 2026",
    ";\nCREATE TABLE `t` (a int);\n",
    ";\nINSERT INTO `t` VALUES (1);\n",
    ";\nCREATE TABLE `u` (a int);\n",
    ";\nSET sql_mode='NO_BACKSLASH_ESCAPES';\n",
    ";\nSET sql_mode='ANSI_QUOTES';\n",
    ";\nSET @@SESSION.sql_mode='';\n",
    "SET @saved_sql_mode=@@sql_mode, sql_mode='ANSI';",
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
    "\n-- ",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "insert ",
    "--\r\n",
];

fn soup() -> impl Strategy<Value = String> {
    let ingredient = prop::sample::select(&INGREDIENTS[..]);
    prop::collection::vec(ingredient, 0..40).prop_map(|ingredients| ingredients.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn soup_is_read_as_the_reference_reads_it(sql in soup()) {
        assert_agreement(sql.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_as_the_reference_reads_them(sql in prop::collection::vec(any::<u8>(), 0..300)) {
        assert_agreement(&sql);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_made_up_dump_is_what_it_was_made_of(plan in plan::plan()) {
        let dump = plan.build();
        prop_assert_eq!(&read(&dump.sql), &dump.truth, "the reference");
        assert_agreement(&dump.sql);
    }

    #[test]
    fn a_dump_cut_short_is_not_complete(plan in plan::plan(), at in any::<prop::sample::Index>()) {
        let dump = plan.build();
        let cut = &dump.sql[..at.index(dump.last_statement + 1)];
        prop_assert!(!read(cut).complete);
        assert_agreement(cut);
    }
}
