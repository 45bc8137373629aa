//! Fifty accounts with rights of every kind.

use std::fmt::Write as _;

/// Everybody's password.
pub(super) const PASSWORD: &str = "the password of us all";

/// What rights are on.
pub(super) const DATABASE: &str = "
CREATE DATABASE IF NOT EXISTS shop; CREATE DATABASE IF NOT EXISTS `a_b`;
USE shop;
CREATE TABLE t (id INT PRIMARY KEY, `a,b` INT, v INT);
INSERT INTO t VALUES (1, 1, 1), (2, 2, 2);
CREATE PROCEDURE p() SELECT 1;
CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
";

/// Both flavors have these; `{role}` is how a role is named.
const COMMON: &str = r#"
CREATE USER app@'%' IDENTIFIED BY '{pw}';
CREATE USER plain@'%' IDENTIFIED BY '{pw}';
CREATE USER `o'x\"``b`@'%' IDENTIFIED BY '{pw}';
CREATE USER nopw@'10.0.0.0/255.255.255.0';
CREATE USER ''@'10.1.1.1';
CREATE USER tls@'%' IDENTIFIED BY '{pw}' REQUIRE SUBJECT '/CN=a''b' AND ISSUER '/CN=ca\\' AND CIPHER 'AES' WITH MAX_QUERIES_PER_HOUR 5 MAX_USER_CONNECTIONS 3;
CREATE USER x509@'%' REQUIRE X509;
CREATE USER `ssl`@'%' REQUIRE SSL;
CREATE USER `limited`@'%' IDENTIFIED BY '{pw}' WITH MAX_CONNECTIONS_PER_HOUR 1000 MAX_UPDATES_PER_HOUR 7;
CREATE USER `locked`@'%' IDENTIFIED BY '{pw}' ACCOUNT LOCK;
CREATE USER `expired`@'%' IDENTIFIED BY '{pw}' PASSWORD EXPIRE;
CREATE USER `month`@'%' IDENTIFIED BY '{pw}' PASSWORD EXPIRE INTERVAL 30 DAY;
CREATE USER `both`@'%' IDENTIFIED BY '{pw}' PASSWORD EXPIRE INTERVAL 30 DAY; ALTER USER `both`@'%' PASSWORD EXPIRE;
CREATE USER `never`@'%' IDENTIFIED BY '{pw}' PASSWORD EXPIRE NEVER;
CREATE ROLE readers; CREATE ROLE writers; CREATE ROLE `r'3`; CREATE ROLE idle;
GRANT readers TO writers; GRANT writers TO app@'%'; GRANT readers TO plain@'%'; GRANT `r'3` TO tls@'%' WITH ADMIN OPTION;
GRANT SELECT ON `a\_b`.* TO readers; GRANT SELECT ON `sh%`.* TO readers WITH GRANT OPTION; GRANT ALL ON shop.* TO writers;
GRANT SELECT, INSERT (id, `a,b`), UPDATE (v) ON shop.t TO plain@'%' WITH GRANT OPTION;
GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE shop.p TO plain@'%';
GRANT EXECUTE ON FUNCTION shop.f TO writers WITH GRANT OPTION;
GRANT PROXY ON app@'%' TO tls@'%' WITH GRANT OPTION; GRANT PROXY ON ''@'' TO `ssl`@'%';
GRANT RELOAD, PROCESS, SUPER ON *.* TO tls@'%' WITH GRANT OPTION;
GRANT ALL ON *.* TO `month`@'%'; GRANT USAGE ON *.* TO x509@'%' WITH GRANT OPTION; GRANT SELECT ON *.* TO `never`@'%';
GRANT SELECT, EXECUTE ON shop.* TO app@'%';
CREATE DEFINER = app@'%' PROCEDURE shop.total() SELECT SUM(v) FROM shop.t;
"#;

const MARIADB: &str = r#"
SET DEFAULT ROLE writers FOR app@'%';
CREATE USER `multi`@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('{pw}') OR unix_socket OR mysql_old_password USING '0123456789abcdef';
CREATE USER `quoted`@'%' IDENTIFIED VIA unix_socket USING 'it''s a \\ "thing"';
CREATE USER `timed`@'%' IDENTIFIED BY '{pw}' WITH MAX_STATEMENT_TIME 1.5;
CREATE USER `nobody`@'%' IDENTIFIED VIA mysql_native_password USING 'invalid';
CREATE USER `none at once`@'%' IDENTIFIED BY '{pw}' WITH MAX_USER_CONNECTIONS -1;
CREATE USER `switch`@'%' IDENTIFIED BY '{pw}'; GRANT READ_ONLY ADMIN ON *.* TO `switch`@'%';
CREATE USER `switches`@'%' IDENTIFIED BY '{pw}'; GRANT READ_ONLY ADMIN, BINLOG ADMIN ON *.* TO `switches`@'%' WITH GRANT OPTION;
GRANT idle TO `month`@'%';
"#;

const PUBLIC: &str = "GRANT SELECT ON shop.* TO PUBLIC; GRANT EXECUTE ON PROCEDURE shop.p TO PUBLIC;\n";

const MYSQL: &str = r#"
ALTER USER app@'%' DEFAULT ROLE writers; SET DEFAULT ROLE ALL TO tls@'%';
CREATE USER `rules`@'%' IDENTIFIED BY '{pw}' PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 10 DAY PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED;
CREATE USER `current`@'%' IDENTIFIED BY '{pw}' PASSWORD REQUIRE CURRENT FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2;
CREATE USER `comment`@'%' IDENTIFIED BY '{pw}' COMMENT 'it''s "x" \\ y';
CREATE USER `attributes`@'%' IDENTIFIED BY '{pw}' ATTRIBUTE '{"a": "it''s", "b": [1, "\\"q\\""]}';
CREATE USER sha256@'%' IDENTIFIED WITH sha256_password BY '{pw}';
CREATE ROLE elsewhere@localhost; GRANT elsewhere@localhost TO readers;
GRANT BACKUP_ADMIN ON *.* TO tls@'%' WITH GRANT OPTION; GRANT CONNECTION_ADMIN ON *.* TO tls@'%';
CREATE USER `part`@'%' IDENTIFIED BY '{pw}'; GRANT SELECT, INSERT ON *.* TO `part`@'%'; REVOKE INSERT ON shop.* FROM `part`@'%';
"#;

/// The statements that make them.
pub(super) fn accounts(kind: &str) -> String {
    let mut sql = COMMON.to_owned();
    sql += if kind.starts_with("mysql") { MYSQL } else { MARIADB };
    if ["mariadb-10.11", "mariadb-11.8"].contains(&kind) {
        sql += PUBLIC;
    }
    for number in 0..30 {
        let right = ["SELECT", "INSERT", "UPDATE, DELETE", "SELECT, SHOW VIEW"][number % 4];
        writeln!(
            sql,
            "CREATE USER u{number:02}@'%' IDENTIFIED BY '{{pw}}'; GRANT {right} ON `db{}`.* TO u{number:02}@'%';",
            number % 7
        )
        .unwrap();
    }
    sql.replace("{pw}", PASSWORD)
}
