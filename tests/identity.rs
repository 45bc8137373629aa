//! Which server a backup is of, and which names a server takes for one. Two servers that are mixed up lose each other's
//! backups; two names that are mixed up lose a database's.

use std::collections::BTreeMap;

use fwb::NameCase;

use crate::support::Server;

/// A character that the tools fold and the server does not would make two databases one; every character that a server
/// folds and the tools do not is a backup that is not found by its name.
#[test]
fn names_are_folded_as_the_server_folds_them() {
    let every = "SET NAMES utf8mb3;
        SELECT seq, HEX(LOWER(CONVERT(CHAR(seq USING ucs2) USING utf8mb3) COLLATE utf8mb3_general_ci))
            FROM mysql.seq_1_to_65535 WHERE seq NOT BETWEEN 55296 AND 57343;";
    let answer = Server::shared().query(every);
    let of_server: BTreeMap<char, &str> = answer
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(number, lower)| (char::from_u32(number.parse().unwrap()).unwrap(), lower))
        .collect();
    assert!(of_server.len() > 63_000, "{}", of_server.len());
    for (character, lower) in of_server {
        let folded: String = NameCase::Insensitive.key(&character.to_string());
        let ours: Vec<String> = folded.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(ours.concat(), lower, "U+{:04X}", u32::from(character));
    }
}

#[test]
fn a_server_is_asked_how_it_compares_names() {
    let server = Server::private("name-case", &["--lower-case-table-names=1"]);
    server.sql("CREATE DATABASE ShopDB");
    assert_eq!(
        server.query("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shopdb'"),
        "1"
    );
    let options = |cnf| fwb::ServerOptions { defaults_file: Some(cnf), ..fwb::ServerOptions::default() };
    let case_of = |server: &Server| {
        let client = fwb::ServerClient::new(&options(server.defaults_file())).unwrap();
        client.name_case(&fwb::Cancel::default()).unwrap()
    };
    assert_eq!(case_of(&server), NameCase::Insensitive);
    assert_eq!(case_of(Server::shared()), NameCase::Sensitive);
}
