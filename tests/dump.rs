//! `fwb-dump`.
use crate::support::*;

#[test]
fn smoke() {
    let db = Database::sample("smoke");
    let store = Store::new();
    let m = store.dump_verified(&db);
    println!("{m}");
    println!("{:?}", store.names());
    println!("{}", db.content());
}
