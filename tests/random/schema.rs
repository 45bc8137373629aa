//! Schemas and rows drawn by lot. What a server does not take of them, it refuses; what it takes must come back.

use crate::support::{Numbers, quoted};

/// Names that are hard to quote, sort or spell.
const NAMES: [&str; 24] = [
    "a",
    "b",
    "C",
    "order",
    "a b",
    "x`y",
    "it's",
    "q\"q",
    "back\\slash",
    "한글",
    "é",
    "dot.dot",
    "semi;",
    "-- c",
    "/* c */",
    "select",
    "ROW START",
    "100",
    "$d",
    "a/b",
    "per%cent",
    "end_",
    "trailing",
    "quote'`\"",
];
const CHARSETS: [&str; 16] = [
    "utf8mb4 COLLATE utf8mb4_bin",
    "utf8mb4 COLLATE utf8mb4_unicode_ci",
    "utf8mb4 COLLATE utf8mb4_nopad_bin",
    "utf8mb3",
    "latin1",
    "latin2",
    "ucs2",
    "utf16",
    "utf32",
    "binary",
    "sjis",
    "cp932",
    "euckr",
    "gbk",
    "cp1251",
    "ascii",
];
const TEXTS: [&str; 26] = [
    "''",
    "' '",
    "'a'",
    "'A '",
    "'it''s'",
    "'back\\\\slash'",
    "'line\\nfeed\\r\\t\\0\\Z'",
    "'\"double\"'",
    "'한글 😀'",
    "'é'",
    "'%_'",
    "'-- no comment'",
    "'/* no */'",
    "'; DROP TABLE x'",
    "'`'",
    "NULL",
    "'NULL'",
    "'0x41'",
    "REPEAT('x', 255)",
    "REPEAT('한', 60)",
    "x'00ff'",
    "x'275c'",
    "'$$'",
    "'//'",
    "'DELIMITER ;;'",
    "_latin1 x'e9'",
];
const INTEGERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "127",
    "-128",
    "255",
    "32767",
    "-2147483648",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "NULL",
];
const NUMBERS: [&str; 14] = [
    "0",
    "-0.0",
    "0.1",
    "1.1",
    "1e-300",
    "1.7976931348623157e308",
    "3.402823466e38",
    "1e-45",
    "16777217",
    "0.3333333333333333333333",
    "99999999999999999999999999999",
    "-12345.6789",
    "123456789.123456789",
    "NULL",
];
const TIMES: [&str; 16] = [
    "'0000-00-00'",
    "'0000-00-00 00:00:00'",
    "'2024-00-00'",
    "'2024-02-30'",
    "'1000-01-01'",
    "'9999-12-31 23:59:59.999999'",
    "'1970-01-01 00:00:01'",
    "'2038-01-19 03:14:07'",
    "'2024-10-27 00:30:00'",
    "'2024-10-27 02:30:00.5'",
    "'-838:59:59'",
    "'838:59:59.999'",
    "'00:00:00.000001'",
    "'24:00:00'",
    "'2024-06-30 23:59:60'",
    "NULL",
];

/// One kind of column: its type, and what its values are drawn from.
fn column_type(numbers: &mut Numbers) -> (String, &'static [&'static str]) {
    let length = [1, 2, 10, 40, 255][numbers.index(5)];
    let charset = format!("CHARACTER SET {}", CHARSETS[numbers.index(CHARSETS.len())]);
    let unsigned = ["", " UNSIGNED", " ZEROFILL"][numbers.index(3)];
    let digits = numbers.index(7);
    match numbers.index(20) {
        0 => (format!("TINYINT{unsigned}"), &INTEGERS),
        1 => (format!("SMALLINT{unsigned}"), &INTEGERS),
        2 => (format!("INT({}){unsigned}", length % 20 + 1), &INTEGERS),
        3 => (format!("BIGINT{unsigned}"), &INTEGERS),
        4 => (format!("DECIMAL({}, {}){unsigned}", 10 + length % 50, digits), &NUMBERS),
        5 => (format!("FLOAT{unsigned}"), &NUMBERS),
        6 => (format!("DOUBLE{unsigned}"), &NUMBERS),
        7 => (format!("BIT({})", length % 64 + 1), &["b'0'", "b'1'", "b'101'", "NULL"]),
        8 => (format!("CHAR({length}) {charset}"), &TEXTS),
        9 | 10 => (format!("VARCHAR({length}) {charset}"), &TEXTS),
        11 => (format!("{} {charset}", ["TINYTEXT", "TEXT", "LONGTEXT"][numbers.index(3)]), &TEXTS),
        12 => (format!("{}({length})", ["BINARY", "VARBINARY"][numbers.index(2)]), &TEXTS),
        13 => (["TINYBLOB", "BLOB", "LONGBLOB"][numbers.index(3)].to_owned(), &TEXTS),
        14 => (format!("{}({digits})", ["DATETIME", "TIME", "TIMESTAMP"][numbers.index(3)]), &TIMES),
        15 => (["DATE", "YEAR", "TIMESTAMP NULL"][numbers.index(3)].to_owned(), &TIMES),
        16 => (
            format!(
                "{}('', 'a', 'A', 'b ', 'it''s', '한글', 'é', 'e', ',,'){charset}",
                ["ENUM", "SET"][numbers.index(2)]
            )
            .replace(", ',,')", if numbers.index(2) == 0 { ")" } else { ", 'z')" }),
            &["1", "2", "3", "0", "5", "7", "'a'", "'A'", "''", "NULL"],
        ),
        17 => ("JSON".into(), &["'{}'", "'{\"a\": [1, \"\\\\u00e9\"]}'", "'[1.0, null]'", "NULL"]),
        18 => (
            ["UUID", "INET6", "INET4"][numbers.index(3)].into(),
            &["'::1'", "'127.0.0.1'", "'123e4567-e89b-12d3-a456-426655440000'", "NULL"],
        ),
        _ => ("POINT NULL".into(), &["POINT(1, -2.5)", "POINT(0, 0)", "NULL"]),
    }
}

/// A table with its rows, as one statement a line. Those that a server does not take are refused, and the next ones tried.
fn table(numbers: &mut Numbers, name: &str, parents: &[String]) -> Vec<String> {
    let columns = 1 + numbers.index(7);
    let mut parts = vec![format!(
        "id {} NOT NULL AUTO_INCREMENT PRIMARY KEY",
        ["INT", "BIGINT UNSIGNED", "SMALLINT"][numbers.index(3)]
    )];
    let mut values: Vec<(String, &[&str])> = Vec::new();
    for _ in 0..columns {
        let name = quoted(NAMES[numbers.index(NAMES.len())]);
        if values.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            continue;
        }
        let (kind, drawn) = column_type(numbers);
        let generated = numbers.index(9) == 0;
        let extra = match numbers.index(8) {
            _ if generated => {
                [" AS (id + 1) VIRTUAL", " AS (CONCAT(id, 'x')) PERSISTENT", " AS (NULL) VIRTUAL"]
                    [numbers.index(3)]
                .to_owned()
            }
            0 => " NOT NULL".into(),
            1 => format!(" DEFAULT {}", drawn[numbers.index(drawn.len())]),
            2 => " DEFAULT (UUID())".into(),
            3 => format!(" COMMENT {}", TEXTS[numbers.index(14)]),
            4 => " INVISIBLE DEFAULT NULL".into(),
            5 => " DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP".into(),
            _ => String::new(),
        };
        parts.push(format!("{name} {kind}{extra}"));
        if numbers.index(3) == 0 {
            let key = ["KEY", "UNIQUE KEY", "FULLTEXT KEY", "KEY"][numbers.index(4)];
            let part = ["", "(1)", " DESC"][numbers.index(3)];
            parts.push(format!("{key} {} ({name}{part})", quoted(&format!("k {}", parts.len()))));
        }
        if !generated {
            values.push((name, drawn));
        }
    }
    if let Some(parent) = parents.get(numbers.index(3)) {
        parts.push(format!(
            "parent INT, CONSTRAINT {} FOREIGN KEY (parent) REFERENCES {} (id) ON DELETE {}",
            quoted(&format!("fk {name}")),
            quoted(parent),
            ["CASCADE", "SET NULL", "RESTRICT"][numbers.index(3)]
        ));
    }
    if numbers.index(5) == 0 {
        parts.push("CHECK (id <> 'it''s' /* odd */)".into());
    }
    let engine = ["InnoDB", "InnoDB", "InnoDB", "MyISAM", "Aria", "MEMORY"][numbers.index(6)];
    let option = [
        "",
        " ROW_FORMAT=COMPRESSED",
        " ROW_FORMAT=REDUNDANT",
        " WITH SYSTEM VERSIONING",
        " COMMENT='it''s -- /* one */'",
        " STATS_PERSISTENT=1",
        " PAGE_COMPRESSED=1",
        " CHECKSUM=1",
    ][numbers.index(8)];
    let partition = [
        "",
        "",
        "",
        " PARTITION BY HASH (id) PARTITIONS 3",
        " PARTITION BY RANGE (id) (PARTITION `p 0` VALUES LESS THAN (3), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    ][numbers.index(5)];
    let charset = CHARSETS[numbers.index(CHARSETS.len())];
    let table = quoted(name);
    // Each with less, where the server refuses what came before.
    let mut sql = vec![
        format!(
            "CREATE TABLE {table} ({}) ENGINE={engine} CHARACTER SET {charset}{option}{partition}",
            parts.join(", ")
        ),
        format!("CREATE TABLE IF NOT EXISTS {table} ({}) CHARACTER SET {charset}", parts.join(", ")),
    ];
    let plain: Vec<&String> =
        parts.iter().filter(|part| !part.contains("KEY ") || part.starts_with("id ")).collect();
    sql.push(format!(
        "CREATE TABLE IF NOT EXISTS {table} ({})",
        plain.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ")
    ));
    sql.push(format!("CREATE TABLE IF NOT EXISTS {table} (id INT PRIMARY KEY AUTO_INCREMENT, a TEXT)"));
    for number in 0..numbers.index(14) {
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        let row: Vec<&str> = values.iter().map(|(_, drawn)| drawn[numbers.index(drawn.len())]).collect();
        let id = [number, number * 1000, 0][numbers.index(3)];
        let ignore = ["", " IGNORE"][numbers.index(2)];
        sql.push(format!(
            "INSERT{ignore} INTO {table} ({}) VALUES ({})",
            [vec!["id"], names].concat().join(", "),
            [vec![id.to_string().as_str()], row].concat().join(", ")
        ));
    }
    if numbers.index(3) == 0 {
        sql.push(format!("DELETE FROM {table} ORDER BY id LIMIT 1"));
    }
    sql
}

/// Everything of one database, a statement each; bodies stand between `//`.
pub(super) fn schema(numbers: &mut Numbers) -> String {
    let mut sql = Vec::new();
    let mut tables: Vec<String> = Vec::new();
    for number in 0..=numbers.index(5) {
        let name = format!("{}{number}", NAMES[numbers.index(NAMES.len())]);
        sql.push(format!("SET sql_mode='{}'", MODES[numbers.index(MODES.len())]));
        sql.extend(table(numbers, &name, &tables));
        tables.push(name);
    }
    let pick = |numbers: &mut Numbers| quoted(&tables[numbers.index(tables.len())]);
    if numbers.index(2) == 0 {
        sql.push(
            "CREATE SEQUENCE `seq 1` START WITH -5 INCREMENT BY 3 MINVALUE -100 MAXVALUE 1000 CYCLE CACHE 7"
                .into(),
        );
        sql.push("DO NEXTVAL(`seq 1`), NEXTVAL(`seq 1`)".into());
        sql.push("CREATE TABLE counted (id INT PRIMARY KEY, n INT DEFAULT NEXTVAL(`seq 1`)); INSERT INTO counted (id) VALUES (1), (2)".into());
    }
    for number in 0..numbers.index(5) {
        let mode = MODES[numbers.index(MODES.len())];
        let client = ["utf8mb4", "latin1", "cp1251", "euckr"][numbers.index(4)];
        sql.push(format!(
            "SET sql_mode='{mode}', character_set_client={client}, collation_connection={client}_bin"
        ));
        let name = quoted(&format!("{} {number}", NAMES[numbers.index(16)]));
        let (table, other) = (pick(numbers), quoted(&format!("v{}", numbers.index(3))));
        let text = TEXTS[numbers.index(TEXTS.len())];
        let definer =
            ["", "DEFINER=gone@nowhere ", "DEFINER=root@localhost SQL SECURITY INVOKER "][numbers.index(3)];
        sql.push(match numbers.index(7) {
            0 => format!("CREATE {definer}VIEW v{number} AS SELECT t.id, {text} AS x FROM {table} t WHERE t.id > 0 WITH CHECK OPTION"),
            1 => format!("CREATE {definer}VIEW v{number} AS SELECT * FROM {other} UNION SELECT 1, 'x'"),
            2 => format!("CREATE {definer}VIEW v{number} AS WITH c AS (SELECT id FROM {table}) SELECT c.id, COUNT(*) OVER () AS `n n` FROM c"),
            3 => format!("CREATE TRIGGER {name} {} ON {table} FOR EACH ROW BEGIN /* {number} -- */ SET @x = {text}; # line\n END", ["BEFORE INSERT", "AFTER UPDATE", "BEFORE DELETE"][numbers.index(3)]),
            4 => format!("CREATE PROCEDURE {name}(IN a INT) COMMENT {text} BEGIN SELECT {text}; /* ; */ END"),
            5 => format!("CREATE FUNCTION {name}(a VARCHAR(10)) RETURNS VARCHAR(20) DETERMINISTIC RETURN CONCAT(a, {text})"),
            _ => format!("CREATE EVENT {name} ON SCHEDULE EVERY 3 DAY STARTS '2037-01-01 00:00:00' {} COMMENT {text} DO DELETE FROM {table} WHERE id < -1000", ["ENABLE", "DISABLE"][numbers.index(2)]),
        });
    }
    format!("DELIMITER //\n{}\n//\n", sql.join("\n//\n"))
}

/// Modes under which definitions are made.
const MODES: [&str; 7] = [
    "",
    "STRICT_ALL_TABLES",
    "ANSI",
    "NO_BACKSLASH_ESCAPES",
    "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO",
    "PIPES_AS_CONCAT,IGNORE_SPACE",
    "TRADITIONAL",
];
