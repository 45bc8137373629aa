//! A database that goes when its test ends.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Server, client, sample, sha256};

/// A database on the shared server, dropped with this value.
pub(crate) struct Database {
    /// Its name.
    pub(crate) name: String,
}

impl Database {
    /// An empty one, whose name begins with `name` and is unique.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        Self::named(&format!("{name}_{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// An empty one of exactly this name, which no other test may use.
    pub(crate) fn named(name: &str) -> Self {
        let name = name.to_owned();
        Server::shared().sql(format!("CREATE DATABASE {} CHARACTER SET utf8mb4", quoted(&name)));
        Self { name }
    }

    /// One with the FileWallBall schema and a few rows: see [`sample`].
    pub(crate) fn sample(name: &str) -> Self {
        let database = Self::new(name);
        database.sql(sample());
        database
    }

    /// One that a test's restore makes: it is dropped before and after the test.
    pub(crate) fn reserved(name: &str) -> Self {
        let database = Self::new(name);
        Server::shared().sql(format!("DROP DATABASE {}", quoted(&database.name)));
        database
    }

    /// Its name as an identifier in SQL.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// Runs SQL in it; panics with what the server says when it fails.
    #[track_caller]
    pub(crate) fn sql(&self, sql: impl AsRef<[u8]>) {
        client::sql(&Server::shared().defaults_file(), &self.name, sql.as_ref());
    }

    /// What a query in it answers: a line a row, a tab between columns.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> String {
        client::query(&Server::shared().defaults_file(), &self.name, sql.as_bytes())
    }

    /// Whether the server has it.
    pub(crate) fn exists(&self) -> bool {
        let name = self.name.replace('\\', "\\\\").replace('\'', "''");
        let count = format!("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}'");
        Server::shared().query(count) == "1"
    }

    /// Drops it now.
    pub(crate) fn drop_now(&self) {
        Server::shared().sql(format!("DROP DATABASE IF EXISTS {}", quoted(&self.name)));
    }

    /// Every row of every table as text, in order of the first column: what a user would lose. Of rows that are no text, their
    /// digest.
    pub(crate) fn content(&self) -> String {
        let tables = self.query("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'");
        let cnf = Server::shared().defaults_file();
        let dump = |table: &str| {
            let sql = format!("SELECT * FROM {} ORDER BY 1", quoted(table));
            let rows = client::answer(&cnf, &self.name, sql.as_bytes());
            let rows = String::from_utf8(rows).unwrap_or_else(|binary| sha256(binary.as_bytes()));
            rows.trim_end_matches('\n').to_owned()
        };
        let names = tables.lines().filter_map(|line| line.split('\t').next());
        names.map(|table| [table, ":\n", &dump(table), "\n"].concat()).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let cnf = Server::shared().defaults_file();
        let left = format!(
            "SELECT CONCAT('DROP DATABASE `', REPLACE(schema_name, '`', '``'), '`;') FROM information_schema.schemata WHERE LEFT(schema_name, {}) = '{}'",
            self.name.chars().count() + 2,
            format!("{}__", self.name).replace('\\', "\\\\").replace('\'', "''")
        );
        // A server that a test stopped is no reason to hide that test's own failure.
        let left = client::run(&cnf, "", left.as_bytes()).and_then(Result::ok).unwrap_or_default();
        let left: Vec<u8> = left.into_iter().flatten().flatten().flatten().collect();
        let dropped = format!("DROP DATABASE IF EXISTS {};", quoted(&self.name));
        let _ = client::run(&cnf, "", &[dropped.as_bytes(), &left].concat());
    }
}

/// A name as an identifier in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
