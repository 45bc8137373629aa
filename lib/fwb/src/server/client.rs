//! The MariaDB client programs: which there are, how they are told where the server is, and short queries.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::MemfdFlags;

use super::ServerOptions;
use crate::error::{Error, Result};
use crate::process::Program;
use crate::progress::Cancel;

/// Access to a server.
#[derive(Debug, Clone)]
pub struct ServerClient {
    connection: Vec<OsString>,
    /// The option file that holds the password, kept open for the children.
    _secret: Option<Arc<OwnedFd>>,
}

/// A row of a result, its columns as text.
pub(crate) type Row = Vec<String>;

impl ServerClient {
    /// Prepares access; nothing is contacted yet.
    ///
    /// # Errors
    /// The system gives no memory file for the password.
    pub fn new(options: &ServerOptions) -> Result<Self> {
        let mut connection: Vec<OsString> = Vec::new();
        let secret = match &options.password {
            Some(password) => {
                let content = option_file(options.defaults_file.as_deref(), password.reveal())?;
                let file = memory_file(&content)?;
                let flag =
                    if options.defaults_file.is_some() { "defaults-file" } else { "defaults-extra-file" };
                connection.push(format!("--{flag}=/dev/fd/{}", file.as_raw_fd()).into());
                Some(Arc::new(file))
            }
            None => {
                if let Some(path) = &options.defaults_file {
                    readable(path)?;
                    connection.push(join("--defaults-file=", path.as_os_str()));
                }
                None
            }
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
        if let Some(user) = &options.user {
            connection.push(format!("--user={user}").into());
        }
        Ok(Self { connection, _secret: secret })
    }

    /// The SQL client, ready to read statements from its stdin. It obeys no client command but `DELIMITER`, reads
    /// no local file, and stops at the first error.
    pub(crate) fn sql_client(&self, database: Option<&str>) -> Program {
        let program = Program::new(first_of(&["mariadb", "mysql"]))
            .args(&self.connection)
            .args(["--batch", "--skip-column-names", "--binary-mode", "--local-infile=0", "--skip-reconnect"])
            .args(["--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--comments"]);
        match database {
            Some(database) => program.arg(format!("--database={database}")),
            None => program,
        }
    }

    /// The dump program, told where the server is and nothing else.
    pub(crate) fn dump_program(&self) -> Program {
        Self::bare_dump_program().args(&self.connection)
    }

    /// The dump program without any argument.
    pub(crate) fn bare_dump_program() -> Program {
        Program::new(first_of(&["mariadb-dump", "mysqldump"]))
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
        let output =
            self.sql_client(database).run(sql.as_bytes(), doing, cancel).map_err(|error| match &error {
                Error::Child { reason, .. } if reason.starts_with("ERROR 1049") => {
                    Error::NoDatabase { database: database.unwrap_or_default().to_owned() }
                }
                _ => error,
            })?;
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(|line| line.split(|byte| *byte == b'\t').map(unescape).collect()).collect())
    }
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
    std::fs::File::open(path).map(drop).map_err(|error| Error::Usage {
        message: format!("the option file {} cannot be read: {error}", path.display()),
        hint: Some("check --defaults-file or FWB_DEFAULTS_FILE".into()),
    })
}

fn first_of(names: &[&str]) -> String {
    let found = names.iter().find(|name| Program::new(**name).exists());
    (*found.unwrap_or(&names[0])).to_owned()
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

fn unescape(column: &[u8]) -> String {
    String::from_utf8_lossy(&unescaped(column)).into_owned()
}

/// An option file (MariaDB's manual, "Configuring MariaDB with Option Files") with the password, and the operator's
/// own file before it. Escapes are those of option files: `\\`, `\"`, `\n` and so on.
fn option_file(defaults: Option<&Path>, password: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    if let Some(path) = defaults {
        readable(path)?;
        let path = std::fs::canonicalize(path).map_err(Error::io("read", path))?;
        content.extend_from_slice(b"!include ");
        content.extend_from_slice(path.as_os_str().as_encoded_bytes());
        content.push(b'\n');
    }
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
    content.extend_from_slice(format!("[client]\npassword=\"{quoted}\"\n").as_bytes());
    Ok(content)
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
        let content = String::from_utf8(option_file(None, "a\"b\\c#d 'e").unwrap()).unwrap();
        assert_eq!(content, "[client]\npassword=\"a\\\"b\\\\c#d 'e\"\n");
    }
}
