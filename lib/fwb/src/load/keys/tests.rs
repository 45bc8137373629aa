use super::*;

const FILES: &str = "CREATE TABLE `files` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `uuid` char(36) NOT NULL COMMENT 'KEY (`a`), (',
  `project_id` int(10) unsigned NOT NULL,
  `up` varchar(16) GENERATED ALWAYS AS (ucase(`uuid`)) VIRTUAL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u,``)` (`uuid`(10)) COMMENT 'a, b) it''s',
  KEY `ix` (`project_id`,`uuid` DESC) USING BTREE,
  CONSTRAINT `fk` FOREIGN KEY (`project_id`) REFERENCES `projects` (`id`) ON DELETE CASCADE,
  CONSTRAINT `ck` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='x'";
const PROJECTS: &str = "CREATE TABLE `projects` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `slug` varchar(64) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `slug` (`slug`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

fn divided(tables: &[&str]) -> Vec<Option<Divided>> {
    let candidate = |sql: &&str| (sql.as_bytes().to_vec(), QuoteMode::default());
    let tables: Vec<_> = tables.iter().map(candidate).collect();
    let candidates = tables.iter().map(|(create, mode)| Candidate { create, mode: *mode, large: true });
    divide(&candidates.collect::<Vec<_>>())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_table_is_divided_into_rows_keys_and_foreign_keys() {
    let divided = divided(&[FILES, PROJECTS]);
    let files = divided[0].as_ref().unwrap();
    let create = "CREATE TABLE `files` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `uuid` char(36) NOT NULL COMMENT 'KEY (`a`), (',
  `project_id` int(10) unsigned NOT NULL,
  `up` varchar(16) GENERATED ALWAYS AS (ucase(`uuid`)) VIRTUAL,
  PRIMARY KEY (`id`),
  CONSTRAINT `ck` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='x'";
    assert_eq!(text(&files.create), create);
    let keys = "ALTER TABLE `files`
  ADD UNIQUE KEY `u,``)` (`uuid`(10)) COMMENT 'a, b) it''s',
  ADD KEY `ix` (`project_id`,`uuid` DESC) USING BTREE";
    assert_eq!(text(&files.keys), keys);
    let references = "ALTER TABLE `files`
  ADD CONSTRAINT `fk` FOREIGN KEY (`project_id`) REFERENCES `projects` (`id`) ON DELETE CASCADE";
    assert_eq!(files.references.as_deref().map(text), Some(references));
    assert_eq!(
        text(&divided[1].as_ref().unwrap().keys),
        "ALTER TABLE `projects`\n  ADD UNIQUE KEY `slug` (`slug`)"
    );
}

#[test]
fn small_tables_are_made_as_they_stand() {
    let candidate = |large| Candidate { create: PROJECTS.as_bytes(), mode: QuoteMode::default(), large };
    let divided = divide(&[candidate(false)]);
    assert_eq!(divided, [None]);
}

#[test]
fn keys_that_stay_keep_their_place() {
    // The second key is of a generated column, so the first one, which stands before it, stays too.
    let table = FILES.replace("KEY `ix` (`project_id`,", "KEY `up` (`up`),\n  KEY `ix` (`project_id`,");
    let divided = divided(&[&table, PROJECTS]);
    let keys = &divided[0].as_ref().unwrap().keys;
    assert_eq!(text(keys), "ALTER TABLE `files`\n  ADD KEY `ix` (`project_id`,`uuid` DESC) USING BTREE");
}

#[test]
fn a_table_with_anything_unusual_is_made_as_it_stands() {
    let cases = [
        ("  KEY `ix`", "  FULLTEXT KEY `ft` (`uuid`),\n  KEY `ix`"),
        ("  KEY `ix`", "  SPATIAL KEY `s` (`uuid`),\n  KEY `ix`"),
        ("USING BTREE,", "USING HASH,"),
        ("USING BTREE,", "KEY_BLOCK_SIZE=4,"),
        ("USING BTREE,", "IGNORED,"),
        ("(`project_id`,`uuid` DESC)", "(`up`)"),
        ("(`project_id`,`uuid` DESC)", "((lower(`uuid`)))"),
        ("(`project_id`,`uuid` DESC)", "(`project_id`, `s` WITHOUT OVERLAPS)"),
        ("  PRIMARY KEY (`id`),\n", ""),
        ("  PRIMARY KEY (`id`)", "  PRIMARY KEY (`uuid`)"),
        ("ENGINE=InnoDB", "ENGINE=MyISAM"),
        ("ENGINE=InnoDB ", ""),
        ("COMMENT='x'", "WITH SYSTEM VERSIONING"),
        ("COMMENT='x'", "PAGE_COMPRESSED=1"),
        ("COMMENT='x'", "\n PARTITION BY HASH (`id`)\nPARTITIONS 4"),
        ("COMMENT='x'", "/*!50100 PARTITION BY HASH (`id`) */"),
        ("  KEY `ix`", "  PERIOD FOR `p` (`s`, `e`),\n  KEY `ix`"),
        ("`uuid` char(36)", "`uuid` char(36) /*!100301 COMPRESSED*/"),
        ("REFERENCES `projects`", "REFERENCES `live`.`projects`"),
        ("REFERENCES `projects`", "REFERENCES `elsewhere`"),
        ("REFERENCES `projects` (`id`)", "REFERENCES `projects` (`slug`)"),
        ("`project_id` int(10) unsigned", "`project_id` int(10)"),
        ("`project_id` int(10) unsigned", "`project_id` bigint(20) unsigned"),
        ("CONSTRAINT `fk` ", ""),
    ];
    for (from, to) in cases {
        assert!(FILES.contains(from), "{from}");
        let table = FILES.replace(from, to);
        let divided = divided(&[&table, PROJECTS]);
        // What can go is a key that stands after the unusual one.
        let all = divided[0].as_ref().is_some_and(|divided| text(&divided.keys).contains("`u,``)`"));
        assert!(!all, "{to}");
    }
}

#[test]
fn a_key_that_a_foreign_key_refers_to_is_there_from_the_beginning() {
    let child = FILES.replace("`projects` (`id`)", "`Projects` (`slug`)");
    assert_eq!(divided(&[&child, PROJECTS]), [None, None]);
}

#[test]
fn strings_refer_to_strings_of_one_character_set() {
    let parent =
        PROJECTS.replace("PRIMARY KEY (`id`)", "PRIMARY KEY (`slug`)").replace(" AUTO_INCREMENT", "");
    let child = "CREATE TABLE `c` (`id` int(11) NOT NULL, `s` varchar(64) NOT NULL, PRIMARY KEY (`id`), KEY `s` (`s`),
      CONSTRAINT `f` FOREIGN KEY (`s`) REFERENCES `projects` (`slug`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
    assert!(divided(&[child, &parent])[0].is_some());
    assert!(divided(&[&child.replace("utf8mb4", "latin1"), &parent])[0].is_none());
    assert!(
        divided(&[&child.replace("varchar(64)", "varchar(64) CHARACTER SET ascii"), &parent])[0].is_none()
    );
}

#[test]
fn nothing_is_put_off_beside_what_cannot_be_read() {
    for odd in [
        "CREATE TABLE `o` (`a` int REFERENCES `projects` (`slug`))",
        "CREATE TABLE `o` (`a` int",
        "CREATE TABLE `o` LIKE `projects`",
    ] {
        assert_eq!(divided(&[PROJECTS, odd]), [None, None], "{odd}");
    }
}

#[test]
fn quotes_are_read_as_the_session_has_them() {
    let mode = QuoteMode { ansi: true, no_backslash: true };
    let sql = PROJECTS.replace('`', "\"").replace("DEFAULT NULL", "DEFAULT '\\'");
    let candidate = Candidate { create: sql.as_bytes(), mode, large: true };
    let divided = divide(&[candidate]).remove(0).unwrap();
    assert_eq!(text(&divided.keys), "ALTER TABLE \"projects\"\n  ADD UNIQUE KEY \"slug\" (\"slug\")");
}

/// A definition may have as much of everything as fits into a statement: whoever reads it must come back.
#[test]
fn a_monstrous_definition_is_divided_or_left_alone() {
    let keys = |tail: &str, count: usize| {
        let key = |number: usize| [",KEY `k", &number.to_string(), "` (`a`) ", tail].concat();
        let keys: String = (0..count).map(key).collect();
        format!("CREATE TABLE `t` (`a` int NOT NULL,PRIMARY KEY (`a`){keys}) ENGINE=InnoDB")
    };
    let depth = "(".repeat(500_000);
    let texts = [
        keys(&"COMMENT '' ".repeat(100_000), 1),
        keys("", 40_000),
        keys(&format!("{depth} "), 1),
        format!("CREATE TABLE `t` {depth}"),
    ];
    let large = |create: &'static str| Candidate {
        create: create.as_bytes(),
        mode: QuoteMode::default(),
        large: true,
    };
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let divided = texts.map(|text| divide(&[large(leak(text))]).remove(0).is_some());
    assert_eq!(divided, [true, true, false, false]);
}
