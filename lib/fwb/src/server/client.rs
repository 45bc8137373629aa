//! The MariaDB client programs: which there are, how they are told where the server is, and short queries.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::MemfdFlags;

use super::{ClientProgram, ServerOptions, session};
use crate::error::{Error, Result};
use crate::pod::{self, Exec, Header, Pod};
use crate::progress::Cancel;

/// Access to a server.
#[derive(Debug, Clone)]
pub struct ServerClient {
    connection: Vec<OsString>,
    /// Where the client programs run.
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// Here.
    Here {
        /// The option file that holds the password, kept open for the children.
        _secret: Option<Arc<OwnedFd>>,
    },
    /// In a pod, which is told by its header who we are.
    Pod { pod: Arc<Pod>, header: Header, user: Option<String> },
}

/// The SQL client, by its names.
const SQL_CLIENTS: &[&str] = &["mariadb", "mysql"];
/// The dump program, by its names.
const DUMP_PROGRAMS: &[&str] = &["mariadb-dump", "mysqldump"];

/// A row of a result, its columns as text.
pub(crate) type Row = Vec<String>;

impl ServerClient {
    /// Prepares access; nothing is contacted yet.
    ///
    /// # Errors
    /// An option file cannot be read, the system gives no memory file for the password, or the pod's options name what
    /// cannot be.
    pub fn new(options: &ServerOptions) -> Result<Self> {
        let (mut connection, place) = match &options.pod {
            None => here(options)?,
            Some(pod) => (Vec::new(), in_pod(options, Pod::new(pod.clone())?)?),
        };
        if let Some(host) = &options.host {
            connection.push(format!("--host={host}").into());
        }
        if let Some(port) = options.port {
            connection.push(format!("--port={port}").into());
        }
        if let Some(socket) = &options.socket {
            connection.push(join("--socket=", socket.as_os_str()));
        }
        if let (Some(user), Place::Here { .. }) = (&options.user, &place) {
            connection.push(format!("--user={user}").into());
        }
        Ok(Self { connection, place })
    }

    /// How often a broken connection is worth another attempt.
    pub(crate) fn retries(&self) -> u32 {
        match &self.place {
            Place::Here { .. } => 0,
            Place::Pod { pod, .. } => pod.retries(),
        }
    }

    /// Whether the client programs run here, and not in a pod.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.place, Place::Here { .. })
    }

    fn program(&self, names: &'static [&'static str]) -> ClientProgram {
        match &self.place {
            Place::Here { .. } => ClientProgram::here(names),
            Place::Pod { pod, header, user } => ClientProgram::in_pod(Exec {
                pod: Arc::clone(pod),
                header: header.clone(),
                user: user.clone(),
                programs: names,
            }),
        }
    }

    /// The SQL client, ready to read statements from its stdin. It obeys no client command but `DELIMITER`, reads
    /// no local file, and stops at the first error; its session has the settings of [`session::SETTINGS`].
    pub(crate) fn sql_client(&self, database: Option<&str>) -> ClientProgram {
        let program = self
            .program(SQL_CLIENTS)
            .args(&self.connection)
            .args(session::OPTIONS)
            .arg(format!("--init-command={}", session::SETTINGS));
        match database {
            Some(database) => program.arg(format!("--database={database}")),
            None => program,
        }
    }

    /// The dump program, told where the server is and nothing else.
    pub(crate) fn dump_program(&self) -> ClientProgram {
        self.program(DUMP_PROGRAMS).args(&self.connection)
    }

    /// The dump program, which knows of no server and reads no option file.
    pub(crate) fn bare_dump_program(&self) -> ClientProgram {
        self.program(DUMP_PROGRAMS).without_account().arg("--no-defaults")
    }

    /// Runs statements that only read, and returns what the client program prints. Where a connection to a pod breaks,
    /// they run again.
    ///
    /// # Errors
    /// As [`ServerClient::query`].
    pub(crate) fn read(
        &self,
        database: Option<&str>,
        sql: &str,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Vec<u8>> {
        pod::retrying(self.retries(), cancel, || self.send(database, sql, doing, cancel))
    }

    fn send(&self, database: Option<&str>, sql: &str, doing: &str, cancel: &Cancel) -> Result<Vec<u8>> {
        run(&self.sql_client(database), sql, doing, cancel).map_err(|error| match &error {
            Error::Child { reason, .. } if reason.starts_with("ERROR 1049") => {
                Error::NoDatabase { database: database.unwrap_or_default().to_owned() }
            }
            _ => error,
        })
    }

    /// Runs one `SHOW` and returns each of its rows by the names of its columns, in lower case: which columns there are
    /// depends on the server's version.
    ///
    /// # Errors
    /// As [`ServerClient::query`].
    pub(crate) fn show(
        &self,
        sql: &str,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Vec<BTreeMap<String, String>>> {
        let printed = pod::retrying(self.retries(), cancel, || {
            run(&self.sql_client(None).arg("--column-names"), sql, doing, cancel)
        })?;
        Ok(named(&rows(&printed)))
    }

    /// Runs statements and returns all rows of all results.
    ///
    /// # Errors
    /// The server cannot be reached, the database does not exist, or a statement fails.
    pub(crate) fn query(
        &self,
        database: Option<&str>,
        sql: &str,
        doing: &str,
        cancel: &Cancel,
    ) -> Result<Vec<Row>> {
        let output = if only_reads(sql) {
            self.read(database, sql, doing, cancel)?
        } else {
            self.send(database, sql, doing, cancel)?
        };
        Ok(rows(&output))
    }
}

/// Runs statements by this client program, and returns what it prints of them: all of it, or an error.
fn run(program: &ClientProgram, sql: &str, doing: &str, cancel: &Cancel) -> Result<Vec<u8>> {
    let printed = program.run(session::marked(sql).as_bytes(), doing, cancel)?;
    if let Some(rows) = session::unmarked(&printed) {
        return Ok(rows.to_vec());
    }
    if session::is_cut(&printed) {
        return Err(Error::Child {
            program: program.name().into(),
            doing: doing.into(),
            reason: "it did not come to the last statement; one-database in an option file does that too"
                .into(),
        });
    }
    Err(Error::Usage {
        message: format!("the SQL client did not do as it was told while {doing}"),
        hint: Some(
            "take execute, verbose and their like out of the [mysql] and [mariadb-client] sections of the option files"
                .into(),
        ),
    })
}

/// The rows of one result by the names of its columns, which the first row has. The marks around it have names too: the
/// first one's row comes before, the last one's names after.
fn named(printed: &[Row]) -> Vec<BTreeMap<String, String>> {
    let [_, names, rows @ .., _] = printed else { return Vec::new() };
    let names = names.iter().map(|name| name.to_ascii_lowercase());
    rows.iter().map(|row| names.clone().zip(row.iter().cloned()).collect()).collect()
}

/// Whether statements only read: none of ours begins with a read and writes afterwards.
fn only_reads(sql: &str) -> bool {
    ["SELECT ", "SHOW "].iter().any(|word| sql.trim_start().starts_with(word))
}

/// The rows that `mariadb --batch` has printed.
pub(crate) fn rows(output: &[u8]) -> Vec<Row> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| line.split(|byte| *byte == b'\t').map(unescape).collect()).collect()
}

/// A name quoted as an identifier.
pub(crate) fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal that means the same under every `sql_mode`.
pub(crate) fn quote_text(text: &str) -> String {
    if text.is_empty() { "''".into() } else { format!("_utf8mb4 0x{}", hex::encode(text)) }
}

/// ` CHARACTER SET … COLLATE …`, of what is known. A manifest may say anything: what is no bare word is left out.
pub(crate) fn charset_clause(charset: Option<&str>, collation: Option<&str>) -> String {
    let is_word = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let charset = charset.filter(is_word).map(|charset| format!(" CHARACTER SET {charset}"));
    let collation = collation.filter(is_word).map(|collation| format!(" COLLATE {collation}"));
    charset.unwrap_or_default() + &collation.unwrap_or_default()
}

/// The client programs say nothing of an option file that they cannot read.
fn readable(path: &Path) -> Result<()> {
    std::fs::File::open(path).map(drop).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Usage {
        message: format!("the option file {} cannot be read: {error}", path.display()),
        hint: Some("check --defaults-file or FWB_DEFAULTS_FILE".into()),
    }
}

/// The arguments by which the client programs here connect.
fn here(options: &ServerOptions) -> Result<(Vec<OsString>, Place)> {
    if let Some(password) = &options.password {
        let mut content = Vec::new();
        if let Some(path) = &options.defaults_file {
            readable(path)?;
            let path = std::fs::canonicalize(path).map_err(Error::io("read", path))?;
            content = [b"!include ", path.as_os_str().as_encoded_bytes(), b"\n"].concat();
        }
        content.extend(client_section(password.reveal())?);
        let file = memory_file(&content)?;
        let flag = if options.defaults_file.is_some() { "defaults-file" } else { "defaults-extra-file" };
        let argument = format!("--{flag}=/dev/fd/{}", file.as_raw_fd()).into();
        return Ok((vec![argument], Place::Here { _secret: Some(Arc::new(file)) }));
    }
    let arguments = match &options.defaults_file {
        Some(path) => {
            readable(path)?;
            vec![join("--defaults-file=", path.as_os_str())]
        }
        None => Vec::new(),
    };
    Ok((arguments, Place::Here { _secret: None }))
}

/// Who the client programs in the pod are: the option file and the password go there over stdin.
fn in_pod(options: &ServerOptions, pod: Arc<Pod>) -> Result<Place> {
    let mut content = match &options.defaults_file {
        Some(path) => std::fs::read(path).map_err(|error| unreadable(path, &error))?,
        None => Vec::new(),
    };
    if content.contains(&0) {
        return Err(Error::usage("the option file holds a NUL byte"));
    }
    if let Some(password) = &options.password {
        if !content.is_empty() && !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        content.extend(client_section(password.reveal())?);
    }
    let header = if content.is_empty() && options.defaults_file.is_none() {
        Header::Environment
    } else {
        Header::File { content, only: options.defaults_file.is_some() }
    };
    Ok(Place::Pod { pod, header, user: options.user.clone() })
}

fn join(flag: &str, value: &std::ffi::OsStr) -> OsString {
    let mut joined = OsString::from(flag);
    joined.push(value);
    joined
}

/// What `mariadb --batch` escapes: tab, line break, backslash and NUL.
pub(super) fn unescaped(column: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(column.len());
    let mut bytes = column.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'0') => b'\0',
                Some(other) => other,
                None => b'\\',
            },
            other => other,
        });
    }
    plain
}

/// As [`unescaped`], as text.
pub(crate) fn unescape(column: &[u8]) -> String {
    String::from_utf8_lossy(&unescaped(column)).into_owned()
}

/// An option file (MariaDB's manual, "Configuring MariaDB with Option Files") with the password. Escapes are those of
/// option files: `\\`, `\"`, `\n` and so on.
pub(crate) fn client_section(password: &str) -> Result<Vec<u8>> {
    let mut quoted = String::new();
    for character in password.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0' => return Err(Error::usage("the password holds a NUL byte")),
            other => quoted.push(other),
        }
    }
    Ok(format!("[client]\npassword=\"{quoted}\"\n").into_bytes())
}

/// A file without a name that the children inherit: the secret is never on a disk, in an argument list or in an
/// environment.
fn memory_file(content: &[u8]) -> Result<OwnedFd> {
    let failed = |source: std::io::Error| Error::Stream { action: "make a memory file", source };
    let fd =
        rustix::fs::memfd_create("fwb-client-options", MemfdFlags::empty()).map_err(|e| failed(e.into()))?;
    // The client programs ignore an option file that others may write.
    rustix::fs::fchmod(&fd, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).map_err(|e| failed(e.into()))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(content).map_err(failed)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_become_statements() {
        assert_eq!(quote_name("a`; DROP"), "`a``; DROP`");
        assert_eq!(quote_text("a'b"), "_utf8mb4 0x612762");
        assert_eq!(quote_text(""), "''");
        assert_eq!(unescape(b"a\\tb\\nc\\\\d\\0"), "a\tb\nc\\d\0");
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let named = |printed: &str| {
            let printed = session::marked_by_name(printed);
            let rows = super::named(&rows(session::unmarked(printed.as_bytes()).unwrap()));
            rows.into_iter().map(|row| row.into_iter().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(named("").is_empty(), "no row, no names");
        assert_eq!(
            named("File\tBinlog_Do_DB\nmysql-bin.1\t\n"),
            [[pair("binlog_do_db", ""), pair("file", "mysql-bin.1")]]
        );
        assert_eq!(named("A\n1\n2\n"), [[pair("a", "1")], [pair("a", "2")]]);
    }

    /// What only reads is asked again where the connection to a pod breaks; whatever writes is not.
    #[test]
    fn reads_are_known_by_their_first_word() {
        for (sql, reads) in [
            ("SELECT 1;\n", true),
            ("SHOW TABLES;\n", true),
            ("\nSELECT 'schema', VERSION();\n", true),
            ("\n  SHOW TABLES;\n", true),
            ("", false),
            ("DROP DATABASE d;\n", false),
            ("SET foreign_key_checks=0;\nSELECT 1;\n", false),
        ] {
            assert_eq!(only_reads(sql), reads, "{sql:?}");
        }
    }

    #[test]
    fn a_charset_is_a_word_or_nothing() {
        let both = charset_clause(Some("utf8mb4"), Some("utf8mb4_bin"));
        assert_eq!(both, " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        assert_eq!(
            charset_clause(Some("utf8mb4; DROP DATABASE x"), Some("latin1_bin")),
            " COLLATE latin1_bin"
        );
        assert_eq!(charset_clause(None, Some("x COMMENT 'y'")), "");
    }

    #[test]
    fn a_password_is_quoted_for_an_option_file() {
        let content = String::from_utf8(client_section("a\"b\\c#d 'e").unwrap()).unwrap();
        assert_eq!(content, "[client]\npassword=\"a\\\"b\\\\c#d 'e\"\n");
    }
}
