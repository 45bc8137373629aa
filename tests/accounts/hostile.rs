//! An artifact that somebody has made up.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};

use super::{Scene, shown};
use crate::monsters::claims::{artifact, data};
use crate::support::{Store, gunzip, name, sha256};

/// A store is not as well guarded as a server: whoever can write there must not become its administrator by what he adds.
#[test]
fn what_no_artifact_of_accounts_has_is_refused() {
    let scene = Scene::new("mariadb-10.11", "hostile");
    let dump = scene.dump();
    let sql = String::from_utf8(gunzip(&fs::read(scene.store.file(name(&dump))).unwrap())).unwrap();
    let before = shown(&scene.target);
    for (what, from, to) in [
        ("another's password", "GRANT PROXY", "SET PASSWORD FOR root@localhost = 'x';\nGRANT PROXY"),
        ("a right of somebody else", "GRANT PROXY", "GRANT SELECT ON *.* TO `x`@`%`;\nGRANT PROXY"),
        ("a right of root", "GRANT PROXY", "GRANT SELECT ON *.* TO `root`@`127.0.0.1`;\nGRANT PROXY"),
        ("a second grantee", "GRANT `readers` TO `plain`@`%`", "GRANT `readers` TO `plain`@`%`, `x`@`%`"),
        (
            "a comment that is executed",
            "GRANT `readers` TO `plain`@`%`",
            "GRANT `readers` TO `plain`@`%` /*!50000 WITH ADMIN OPTION */",
        ),
        ("a program", "GRANT PROXY", "CREATE DATABASE x;\nGRANT PROXY"),
        ("other quotes", "SQL_MODE=''", "SQL_MODE='ANSI_QUOTES'"),
        ("a password in clear", "IDENTIFIED VIA unix_socket USING", "IDENTIFIED BY"),
        ("a file", "GRANT PROXY", "SELECT 1 INTO OUTFILE '/tmp/x';\nGRANT PROXY"),
    ] {
        assert!(sql.contains(from), "{from}");
        let store = made_up(&dump, &sql.replacen(from, to, 1));
        let verified = store.tool("fwb-verify").arg("accounts.sql.gz").run();
        assert_eq!(verified.code, Some(3), "{what}: {}", verified.stderr);
        let restore = store.tool("fwb-restore").env("FWB_DEFAULTS_FILE", scene.target.defaults_file());
        let refused = restore.args(["--accounts", "--yes", "accounts.sql.gz"]).run();
        assert!(refused.code != Some(0), "{what}");
        assert!(refused.stderr.contains("is refused:"), "{what}: {}", refused.stderr);
        assert_eq!(shown(&scene.target), before, "{what}");
    }
    // As it was, it is taken.
    let store = made_up(&dump, &sql);
    store.tool("fwb-verify").arg("accounts.sql.gz").run().ok();
}

/// A store with an artifact of this SQL, whose members, footer and hashes fit it.
fn made_up(dump: &Value, sql: &str) -> Store {
    let mut core = dump.clone();
    let fields = core.as_object_mut().unwrap();
    for outside in ["store", "size", "sha256", "accounts"] {
        fields.remove(outside);
    }
    let begin = sql.find("\n--\n-- Accounts of the server").unwrap();
    let end = sql.find("\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE").unwrap();
    let (mut members, mut sections, mut raw_offset) = (Vec::new(), Vec::new(), 0);
    for (kind, text) in [("header", &sql[..begin]), ("accounts", &sql[begin..end]), ("trailer", &sql[end..])]
    {
        let mut stream = DeflateEncoder::new(Vec::new(), Compression::fast());
        stream.write_all(text.as_bytes()).unwrap();
        let stream = stream.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let raw_size = text.len() as u64;
        let size = 44 + stream.len() as u64 + 8;
        let member = data(1, [size, raw_size, 0], &stream, crc.sum(), u32::try_from(raw_size).unwrap());
        assert_eq!(member.len() as u64, size);
        sections.push(json!({"kind": kind, "offset": members.len(), "size": size, "raw_offset": raw_offset,
            "raw_size": raw_size, "crc32": format!("{:08x}", crc.sum())}));
        members.extend(member);
        raw_offset += raw_size;
    }
    core["name"] = json!("accounts.sql.gz");
    core["raw_size"] = json!(raw_offset);
    core["raw_sha256"] = json!(sha256(sql.as_bytes()));
    core["sections"] = json!(sections);
    // Which statement is the longest, a reader finds out; the account of `tls` is, and stays so.
    let store = Store::new();
    store.write("accounts.sql.gz", artifact(&members, &core));
    store
}
