//! The comments between statements: mariadb-dump's announcements, its header and its last line.

use std::collections::BTreeSet;

use super::sections::Announcement;
use super::tokens::QuoteMode;
use crate::manifest::Binlog;

/// The longest comment that is looked at, in bytes: a name of 64 characters, all quoted, and the words around it.
const KEPT: usize = 4096;
/// The last line of a complete dump.
const END_MARK: &[u8] = b"-- Dump completed";

/// The most databases of other dumps that are noted.
const OTHERS: usize = 20;

/// What the header's comments say of a dump.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The database, from `-- Host: … Database: …`.
    pub(crate) database: Option<String>,
    /// Other databases, from such lines further on: dumps that were appended to one another.
    pub(crate) others: BTreeSet<String>,
    /// The server's version, from `-- Server version`.
    pub(crate) server_version: Option<String>,
    /// The program, from the first line.
    pub(crate) program: Option<String>,
    /// The binary log's coordinates, from `-- CHANGE MASTER TO`, and from `-- SET GLOBAL gtid_slave_pos` near the end.
    pub(crate) binlog: Option<Binlog>,
}

/// The state of reading comments.
#[derive(Debug, Default)]
pub(super) struct Comments {
    /// Where the blank lines before the next comment begin.
    gap: u64,
    line: Vec<u8>,
    /// A comment that began with the line `--`.
    block: Option<Block>,
    origin: Origin,
}

/// What may become an announcement.
#[derive(Debug)]
struct Block {
    /// Where it begins.
    at: u64,
    text: Vec<u8>,
    /// Whether its first line ends as lines do on Windows: then a `\r` at the end of another one is no part of a name.
    is_crlf: bool,
}

impl Comments {
    /// Nothing but blanks stands between `at` and the next comment.
    pub(super) fn mark_gap(&mut self, at: u64) {
        if self.block.is_none() {
            self.gap = at;
        }
    }

    pub(super) fn begin_line(&mut self) {
        self.line.clear();
    }

    /// More of the line; what is beyond [`KEPT`] does not matter.
    pub(super) fn extend(&mut self, piece: &[u8]) {
        let room = KEPT.saturating_sub(self.line.len());
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Whether the line is the one that ends a dump. In an announcement it is part of a name.
    pub(super) fn is_end_mark(&self) -> bool {
        self.block.is_none() && self.line.starts_with(END_MARK)
    }

    /// Something other than a comment's line stands here: an announcement that has not come to its last line is
    /// none.
    pub(super) fn end_block(&mut self) {
        self.block = None;
    }

    /// The line has ended. Returns the announcement that it completes.
    pub(super) fn end_line(&mut self, in_header: bool, mode: QuoteMode) -> Option<Announcement> {
        let line = self.line.trim_ascii_end();
        if line != b"--" || self.line.len() > 2 && self.line[2] == b' ' {
            let text = String::from_utf8_lossy(line);
            if in_header {
                self.origin.read(&text);
            }
            // A header's line follows a line `--`; after another one it is part of a name.
            if self.block.as_ref().is_none_or(|block| block.text.is_empty()) {
                self.origin.read_other(&text);
            }
            // In an announcement it is part of a name.
            if self.block.is_none() {
                self.origin.read_binlog(&text, in_header);
            }
            if let Some(Block { text, is_crlf, .. }) = &mut self.block {
                // A name that holds a line break goes on after "-- ".
                let part = self.line.strip_prefix(b"-- ").unwrap_or(&self.line);
                let part = part.strip_suffix(b"\r").filter(|_| *is_crlf).unwrap_or(part);
                if text.len() + part.len() < KEPT {
                    if !text.is_empty() {
                        text.push(b'\n');
                    }
                    text.extend_from_slice(part);
                }
            }
            return None;
        }
        match self.block.take() {
            Some(Block { at, text, .. }) if !text.is_empty() => {
                Announcement::parse(&String::from_utf8_lossy(&text), at, mode)
            }
            _ => {
                let is_crlf = self.line.ends_with(b"\r");
                self.block = Some(Block { at: self.gap, text: Vec::new(), is_crlf });
                None
            }
        }
    }

    pub(super) fn into_origin(self) -> Origin {
        self.origin
    }
}

/// The database that `-- Host: localhost    Database: shop` names; none where it names none, or the line is another one.
fn database(line: &str) -> Option<&str> {
    let (_, name) = line.strip_prefix("-- Host: ")?.split_once("Database: ")?;
    (!name.is_empty()).then_some(name)
}

impl Origin {
    fn read(&mut self, line: &str) {
        if let Some(name) = database(line) {
            self.database.get_or_insert_with(|| name.to_owned());
        } else if let Some(version) = line.strip_prefix("-- Server version") {
            self.server_version.get_or_insert_with(|| version.trim().to_owned());
        } else if line.starts_with("-- MariaDB dump") || line.starts_with("-- MySQL dump") {
            self.program.get_or_insert_with(|| line["-- ".len()..].to_owned());
        }
    }

    /// The line of another dump's header.
    fn read_other(&mut self, line: &str) {
        let is_first = |name: &&str| self.database.as_deref().is_none_or(|first| first == *name);
        if let Some(name) = database(line).filter(|name| !is_first(name))
            && self.others.len() < OTHERS
        {
            self.others.insert(name.to_owned());
        }
    }

    /// As `--master-data=2` writes it (MariaDB's client/mysqldump.c, `do_show_master_status`).
    fn read_binlog(&mut self, line: &str, in_header: bool) {
        let between = |from: &str, to| line.split_once(from).and_then(|(_, rest)| rest.split_once(to));
        if in_header && self.binlog.is_none() && line.starts_with("-- CHANGE ") {
            let file = between("_LOG_FILE='", '\'').map(|(file, _)| file.to_owned());
            let position = between("_LOG_POS=", ';').and_then(|(position, _)| position.parse().ok());
            self.binlog = file.zip(position).map(|(file, position)| Binlog { file, position, gtid: None });
        }
        if let (Some(binlog), Some((gtid, _))) = (
            &mut self.binlog,
            line.strip_prefix("-- SET GLOBAL gtid_slave_pos='").and_then(|rest| rest.split_once('\'')),
        ) && gtid.bytes().all(|byte| byte.is_ascii_digit() || b"-,".contains(&byte))
            && !gtid.is_empty()
        {
            binlog.gtid = Some(gtid.to_owned());
        }
    }
}
