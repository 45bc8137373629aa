//! What a server keeps and would not make again: put aside by name, or told of, when the dump is made.

use serde_json::Value;

use crate::support::{Before, Database, Server, Store, name};
use crate::swap::can_swap;

fn names(of: &Value) -> Vec<&str> {
    of.as_array().into_iter().flatten().filter_map(|left_out| left_out["name"].as_str()).collect()
}

/// The server makes no view whose parts do not go together, and keeps one when what it selects from is made anew.
#[test]
fn views_whose_collations_do_not_go_together_are_put_aside() {
    let (store, database) = (Store::new(), Database::new("collations"));
    database.sql(
        "SET collation_connection = latin1_bin;
         CREATE VIEW v0 AS SELECT 1 AS id, 'x' AS x; CREATE VIEW v1 AS SELECT * FROM v0 UNION SELECT 1, 'x';
         CREATE VIEW v2 AS SELECT id FROM v1; CREATE VIEW fine AS SELECT 1 AS v1, 'x' AS x;
         SET collation_connection = cp1251_bin; CREATE OR REPLACE VIEW v0 AS SELECT 1 AS id, 'x' AS x;",
    );
    let backup = store.dump_verified(&database);
    let mut aside = names(&backup["broken_views"]);
    aside.sort_unstable();
    assert_eq!(aside, ["v1", "v2"], "{}", backup["broken_views"]);
    database.drop_now();
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert_eq!(database.query("SELECT * FROM v0; SELECT * FROM fine"), "1\tx\n1\tx");
}

/// A column that has the name of a view says nothing of the view: the order in which views are made is that of what they select
/// from. Here `a` seems to need `b`, which would then come first and fail: a swap makes no stand-ins, and elsewhere a view
/// `WITH CHECK OPTION` is not made over one (error 1368).
#[test]
fn views_come_in_the_order_in_which_they_select_from_one_another() {
    let (store, database) = (Store::new(), Database::new("names_of_views"));
    database.sql(
        "CREATE TABLE t (a INT, b INT); INSERT INTO t VALUES (1, 2); CREATE VIEW a AS SELECT a, b FROM t;
         CREATE VIEW b AS SELECT a.a, a.b FROM a WHERE a.a > 0 WITH CHECK OPTION",
    );
    let backup = store.dump_verified(&database);
    database.drop_now();
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert_eq!(database.query("SELECT * FROM b"), "1\t2");
}

#[test]
fn a_foreign_key_without_a_key_is_told_of() {
    let (store, database) = (Store::new(), Database::new("keyless"));
    database.sql(
        "CREATE TABLE p (a INT PRIMARY KEY); CREATE TABLE c (a INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES p (a));
         SET foreign_key_checks = 0; ALTER TABLE c DROP KEY fk",
    );
    let backup = store.dump_verified(&database);
    let told = backup["warnings"].to_string();
    assert!(told.contains("foreign keys of table c have no key of their columns"), "{told}");
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert!(!store.dump(&database)["warnings"].to_string().contains("no key"));
}

/// In a circle, a server takes the foreign key that does not fit only before its parent is there.
#[test]
fn a_circle_with_a_foreign_key_that_does_not_fit_comes_back() {
    let (store, database) = (Store::new(), Database::new("circle"));
    database.sql(
        "SET foreign_key_checks = 0;
         CREATE TABLE ca (a INT PRIMARY KEY, b INT, KEY (b), CONSTRAINT f1 FOREIGN KEY (b) REFERENCES cb (a));
         CREATE TABLE cb (a BIGINT PRIMARY KEY, b INT, KEY (b), CONSTRAINT f2 FOREIGN KEY (b) REFERENCES ca (a));
         INSERT INTO ca VALUES (1, 7)",
    );
    let before = Before::new(&database);
    let backup = store.dump_verified(&database);
    for options in [&["--strategy", "in-place"][..], &[]] {
        if !options.is_empty() || can_swap() {
            store.tool("fwb-restore").arg("--yes").args(options).arg(name(&backup)).run().ok();
            before.holds("after the restore");
        }
    }
}

/// The period in a key is no column: a look at the live table's ends asked for it, and took the table for damaged.
#[test]
fn a_live_table_with_a_period_in_its_key_is_replaced() {
    if !Server::shared().is_mariadb((10, 5)) {
        return;
    }
    let (store, database) = (Store::new(), Database::new("overlaps"));
    database.sql(
        "CREATE TABLE t (id INT, s DATE, e DATE, PERIOD FOR app (s, e), PRIMARY KEY (id, app WITHOUT OVERLAPS));
         INSERT INTO t VALUES (1, '2020-01-01', '2021-01-01')",
    );
    let backup = store.dump_verified(&database);
    database.sql("DELETE FROM t");
    store.tool("fwb-restore").arg("--yes").arg(name(&backup)).run().ok();
    assert_eq!(database.query("SELECT id FROM t"), "1");
}

/// 1901 and 2001 are two values of a YEAR(2), and both are shown as 01.
#[test]
fn years_of_two_digits_come_back_with_all_four() {
    let (store, database) = (Store::new(), Database::new("years"));
    database.sql(
        "SET sql_mode = ''; CREATE TABLE t (y YEAR(2), PRIMARY KEY (y));
         INSERT INTO t VALUES (1901), (2001), (1970), (2070), (2155), ('00'), ('0000')",
    );
    let years = || database.query("SELECT YEAR(y) FROM t ORDER BY YEAR(y)");
    let before = years();
    assert_eq!(before, "1900\n1901\n1970\n2000\n2001\n2070\n2155");
    let backup = store.dump_verified(&database);
    database.drop_now();
    store.tool("fwb-restore").args(["--yes", "--prove", "digest"]).arg(name(&backup)).run().ok();
    assert_eq!(years(), before);
}
