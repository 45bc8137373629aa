//! Tests of [`super`]: what is told of a message, and what is not.

use super::*;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn values_are_blanked_and_names_stay() {
    for (text, told) in [
        ("", ""),
        ("nothing quoted", "nothing quoted"),
        ("Duplicate entry 'bob@example.org' for key 'email'", "Duplicate entry '…' for key 'email'"),
        ("Duplicate entry 'a-b' for key 'users.PRIMARY'", "Duplicate entry '…' for key 'users.PRIMARY'"),
        ("Duplicate entry 'O'Brien' for key 'name'", "Duplicate entry '…' for key 'name'"),
        ("Duplicate entry 'John' Smith' for key 'name'", "Duplicate entry '…' for key 'name'"),
        ("Duplicate entry 'x' for key 'y' z' for key 'k'", "Duplicate entry '…' for key 'k'"),
        ("Duplicate entry '' for key 'k'", "Duplicate entry '…' for key 'k'"),
        ("Duplicate entry 'bob@exam…", "Duplicate entry '…'"),
        ("Data truncated for column 'birthday' at row 1", "Data truncated for column 'birthday' at row 1"),
        (
            "Incorrect integer value: 'Bob's' for column `shop`.`users`.`age` at row 3",
            "Incorrect integer value: '…' for column `shop`.`users`.`age` at row 3",
        ),
        ("Truncated incorrect DOUBLE value: 'abc'", "Truncated incorrect DOUBLE value: '…'"),
        ("Table 'shop.users' doesn't exist", "Table 'shop.users' doesn't exist"),
        ("Table './shop/users' is marked as crashed", "Table './shop/users' is marked as crashed"),
        ("Unknown column 'a.b' in 'field list'", "Unknown column 'a.b' in '…'"),
        ("Unknown database 'shop'", "Unknown database 'shop'"),
        ("Unknown collation: 'utf8mb4_x'", "Unknown collation: 'utf8mb4_x'"),
        (
            "Access denied for user 'bob'@'10.0.0.1' (using password: YES)",
            "Access denied for user '…'@'…' (using password: YES)",
        ),
        (
            "syntax; right syntax to use near 'it's 'bob'' at line 1",
            "syntax; right syntax to use near '…' at line 1",
        ),
        ("near 'INSERT INTO t VALUES ('bob', 'b", "near '…'"),
        (
            "INSERT INTO t VALUES (1,'bob',\"x\",'it\\'s','O''Brien')",
            "INSERT INTO t VALUES (1,'…','…','…','…')",
        ),
        ("x'4142', _utf8mb4'bob', N'bob', LIKE'bob'", "x'…', _utf8mb4'…', N'…', LIKE'…'"),
        ("fails for `shop`.`it's`", "fails for `shop`.`it's`"),
        ("the server's answer doesn't say; users' tables", "the server's answer doesn't say; users' tables"),
        ("O'Brien's", "O'Brien's"),
        ("the value 'a' b' was cut", "the value '…'"),
        ("the value 'a' bob' was cut", "the value '…'"),
        ("key 'bob smith' and table 'bob@example.org'", "key '…' and table '…'"),
        ("key '010-1234-5678'", "key '…'"),
        ("Key 'k' doesn't exist in table 't'", "Key 'k' doesn't exist in table 't'"),
        ("refused: Key 'k' is too long", "refused: Key 'k' is too long"),
        ("the access key 'AKIA' is wrong", "the access key '…' is wrong"),
        ("Field 'age' has no default", "Field 'age' has no default"),
        ("Unknown character set: 'utf9'; set 'bob'", "Unknown character set: 'utf9'; set '…'"),
        ("monkey 'bob'", "monkey '…'"),
        ("a ` alone, 'bob', `t`", "a ` alone, '…', `t`"),
        ("'", "'…'"),
        ("say \"it's bob\" twice", "say '…' twice"),
        ("Duplicate entry '밥' for key '이름'", "Duplicate entry '…' for key '이름'"),
    ] {
        assert_eq!(blank_quoted(text), told, "{text}");
    }
}

#[test]
fn what_is_blanked_stays_blanked() {
    for text in ["Duplicate entry 'a' for key 'k'", "x 'a' y \"b\"", "near 'a", "'a'@'b'"] {
        let once = blank_quoted(text);
        assert_eq!(blank_quoted(&once), once);
    }
}

#[test]
fn long_texts_take_no_longer_than_they_are() {
    for text in ["'a',".repeat(100_000), "'".repeat(100_000), "'a\"".repeat(30_000), "a' ".repeat(100_000)] {
        assert!(!blank_quoted(&text).is_empty());
    }
}

proptest! {
    #[test]
    fn a_duplicate_is_blanked_whatever_it_is(value in ".*", key in "[a-z][a-z_]{0,8}") {
        let text = format!("failed: Duplicate entry '{value}' for key '{key}'");
        let told = format!("failed: Duplicate entry '…' for key '{key}'");
        prop_assert_eq!(blank_quoted(&text), told);
    }

    #[test]
    fn a_value_is_blanked(value in "[^'\"`\\\\]*", before in "[a-z ]{0,9} ", after in "[ ,;)][a-z ]{0,9}") {
        prop_assume!(!is_name_next(&before) && !last_words(&before).trim_end().ends_with("near"));
        prop_assert_eq!(blank_quoted(&format!("{before}'{value}'{after}")), format!("{before}'…'{after}"));
        prop_assert_eq!(blank_quoted(&format!("{before}\"{value}\"{after}")), format!("{before}'…'{after}"));
    }
}

#[test]
fn all_texts_of_a_record_are_blanked() {
    let mut record = json!({
        "reason": "Duplicate entry 'bob' for key 'k'", "exit": 1, "hint": null,
        "verification": {"problems": ["value 'bob'"]}, "steps": [{"log": ["a \"bob\""]}], "name": "shop.sql.gz",
    });
    blank_record(&mut record);
    assert_eq!(
        record,
        json!({
            "reason": "Duplicate entry '…' for key 'k'", "exit": 1, "hint": null,
            "verification": {"problems": ["value '…'"]}, "steps": [{"log": ["a '…'"]}], "name": "shop.sql.gz",
        })
    );
}
