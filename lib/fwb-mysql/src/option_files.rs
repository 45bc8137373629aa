//! The option files of MariaDB's and MySQL's programs (MariaDB's manual, "Configuring MariaDB with Option Files"): where
//! they are, how they are written, and what of them says how to connect. Nothing else in them concerns us.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The sections that are read; of an option that several have, the last one in a file wins.
const SECTIONS: [&str; 5] = ["client", "client-server", "client-mariadb", "mysql-client", "fwb"];
/// How deep files may include files.
const DEEPEST: u32 = 10;

/// Options by their names, with `-` for `_` and without `loose-`. One without a value has none.
pub(crate) type Options = BTreeMap<String, Option<String>>;

/// Reads one file in the place of the usual ones.
///
/// # Errors
/// The file, or one that it includes, cannot be read.
pub(crate) fn read_file(path: &Path) -> Result<Options, Unreadable> {
    let mut options = Options::new();
    read_into(path, 0, &mut options)?;
    Ok(options)
}

/// Reads the usual files; those that are not there are left out.
///
/// # Errors
/// A file that includes another one that cannot be read.
pub(crate) fn read_usual() -> Result<Options, Unreadable> {
    let mut options = Options::new();
    for path in usual_files() {
        // Everybody could have written it: client programs leave it alone too.
        if path.metadata().is_ok_and(|found| found.mode() & 0o002 != 0 && found.is_file()) {
            log::warn!(code = fwb::notice::LEFT_ALONE.code; "the option file {} is left alone, because everybody may write it", path.display());
            continue;
        }
        match read_into(&path, 0, &mut options) {
            Err(Unreadable { path: of, source })
                if of == path
                    && matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            }
            read => read?,
        }
    }
    Ok(options)
}

/// Reads a text that includes nothing.
pub(crate) fn read_text(text: &str) -> Options {
    let mut options = Options::new();
    let mut is_ours = false;
    for line in lines(text) {
        if let Some(section) = section(line) {
            is_ours = SECTIONS.contains(&section);
        } else if is_ours {
            let (name, value) = assignment(line);
            options.insert(name, value);
        }
    }
    options
}

/// The lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

fn section(line: &str) -> Option<&str> {
    line.strip_prefix('[').map(|section| section.split(']').next().unwrap_or_default().trim())
}

/// The usual files in the order in which they are read.
fn usual_files() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/my.cnf"), PathBuf::from("/etc/mysql/my.cnf")];
    let homes = ["MARIADB_HOME", "MYSQL_HOME"].iter().find_map(std::env::var_os);
    files.extend(homes.map(|home| Path::new(&home).join("my.cnf")));
    files.extend(std::env::var_os("HOME").map(|home| Path::new(&home).join(".my.cnf")));
    files
}

/// An option file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

fn read_into(path: &Path, depth: u32, options: &mut Options) -> Result<(), Unreadable> {
    let unreadable = |source| Unreadable { path: path.to_owned(), source };
    if depth > DEEPEST {
        return Err(unreadable(io::Error::other("too many files include one another")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut is_ours = false;
    for line in lines(&text) {
        if let Some(include) = directive(line, "!includedir") {
            for file in included(&resolved(path, include)).map_err(unreadable)? {
                read_into(&file, depth + 1, options)?;
            }
        } else if let Some(include) = directive(line, "!include") {
            read_into(&resolved(path, include), depth + 1, options)?;
        } else if let Some(section) = section(line) {
            is_ours = SECTIONS.contains(&section);
        } else if is_ours {
            let (name, value) = assignment(line);
            options.insert(name, value);
        }
    }
    Ok(())
}

fn directive<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix(word).filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim)
}

fn resolved(from: &Path, include: &str) -> PathBuf {
    from.parent().unwrap_or(Path::new("/")).join(include)
}

/// The files of a directory that are option files by their names, in order.
fn included(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "cnf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `name = value  # comment`.
fn assignment(line: &str) -> (String, Option<String>) {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(unquoted(value.trim()))),
        None => (line.split(['#', ';']).next().unwrap_or_default(), None),
    };
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    (name.strip_prefix("loose-").map_or(name.clone(), ToOwned::to_owned), value)
}

/// A value without its quotes and its comment; escapes mean what the manual says.
fn unquoted(value: &str) -> String {
    let quote = value.chars().next().filter(|first| ['"', '\''].contains(first));
    let body = match quote {
        Some(quote) => {
            let inner = &value[1..];
            // A quote ends where the value does, or before a comment.
            let end = inner.char_indices().filter(|(_, c)| *c == quote).map(|(at, _)| at).find(|at| {
                let rest = inner[at + 1..].trim_start();
                (rest.is_empty() || rest.starts_with('#')) && !is_escaped(&inner[..*at])
            });
            end.map_or(value, |end| &inner[..end])
        }
        None => value.find(" #").or_else(|| value.find("\t#")).map_or(value, |at| value[..at].trim_end()),
    };
    let mut plain = String::new();
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('b') => plain.push('\u{8}'),
            Some('s') => plain.push(' '),
            Some(other @ ('\\' | '"' | '\'')) => plain.push(other),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

/// Whether what follows is escaped: an odd number of backslashes stands before it.
fn is_escaped(before: &str) -> bool {
    before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_manual_says() {
        for (line, name, value) in [
            ("user=app", "user", Some("app")),
            ("  port = 3307 # not the usual one", "port", Some("3307")),
            ("password=\"a\\\"b\\\\c#d\"", "password", Some("a\"b\\c#d")),
            ("password='it is' # said", "password", Some("it is")),
            ("password=with#inside", "password", Some("with#inside")),
            ("password=\"open", "password", Some("\"open")),
            ("loose_ssl_mode=REQUIRED", "ssl-mode", Some("REQUIRED")),
            ("password=a\\sb\\nc\\d", "password", Some("a b\nc\\d")),
            ("password=가", "password", Some("가")),
            ("ssl", "ssl", None),
            ("password=", "password", Some("")),
        ] {
            let (read, text) = assignment(line.trim());
            assert_eq!((read.as_str(), text.as_deref()), (name, value), "{line}");
        }
    }

    #[test]
    fn only_our_sections_count_and_files_may_include_files() {
        let dir = std::env::temp_dir().join(format!("fwb-option-files-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("conf.d")).unwrap();
        let main = dir.join("my.cnf");
        std::fs::write(
            &main,
            "user=nobody\n[mysqldump]\nwhere=1=0\nuser=dump\n[client]\nuser=app\nport=1\n!includedir conf.d\n[mysql]\nhost=x\n",
        )
        .unwrap();
        std::fs::write(dir.join("conf.d/b.cnf"), "[fwb]\nport=2\n").unwrap();
        std::fs::write(dir.join("conf.d/a.cnf"), "[client]\nport=3\n").unwrap();
        std::fs::write(dir.join("conf.d/c.txt"), "[client]\nport=4\n").unwrap();
        let read = read_file(&main).unwrap();
        assert_eq!(read.get("user"), Some(&Some("app".into())));
        assert_eq!(read.get("port"), Some(&Some("2".into())));
        assert_eq!(read.len(), 2);
        std::fs::write(dir.join("conf.d/b.cnf"), "!include b.cnf\n").unwrap();
        assert!(read_file(&main).is_err(), "a file that includes itself");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
