//! Cuts a stream of SQL into the pieces that become members: at statement boundaries, anew for each section and
//! wherever rows follow definitions, and inside a statement only where it would not fit in memory.

use std::io::Read;

use super::codec::Codec;
use super::deflate::digits;
use super::format::DataHeader;
use crate::error::{Error, Result};
use crate::scan::{Event, Observer, Scanner, Summary};

/// A member is cut inside a statement after this many bytes of SQL.
const HARD_SIZE: usize = 4 << 20;
/// How much is read at once, in bytes.
const READ_SIZE: u64 = ROOM as u64;
/// How much comes at once, in bytes, as a rule.
const ROOM: usize = 256 << 10;

/// What becomes a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The SQL.
    pub(crate) raw: Vec<u8>,
    /// The flags of [`DataHeader`].
    pub(crate) flags: u16,
    /// Rows that end in it.
    pub(crate) rows: u64,
    /// The index of the section it belongs to.
    pub(crate) section: usize,
}

/// The state of cutting.
pub(crate) struct Cutter {
    scanner: Scanner,
    codec: Codec,
    buffer: Vec<u8>,
    /// Where in the buffer the present piece begins.
    start: usize,
    /// Where in the buffer the scanner is.
    scanned: usize,
    /// Absolute offset of the buffer's first byte.
    base: u64,
    rows_before: u64,
    section: usize,
    flags: u16,
}

impl Cutter {
    /// Cuts members for an artifact of this codec.
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            scanner: Scanner::new(),
            codec,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            base: 0,
            rows_before: 0,
            section: 0,
            flags: DataHeader::SECTION,
        }
    }

    /// The section that is being read: its kind and name.
    pub(crate) fn reading(&self) -> (crate::manifest::SectionKind, Option<&str>) {
        let (_, kind, name) = self.scanner.section();
        (kind, name)
    }

    /// Reads the next part of the stream and hands on the pieces that it completes. Returns how many bytes it
    /// read; 0 at the end.
    ///
    /// # Errors
    /// The stream cannot be read, or what `push` or `observer` returns.
    pub(crate) fn read_from(
        &mut self,
        stream: &mut impl Read,
        observer: &mut Observer<'_>,
        push: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<usize> {
        let read = stream
            .take(READ_SIZE)
            .read_to_end(&mut self.buffer)
            .map_err(|source| Error::Stream { action: "read the dump", source })?;
        self.take_in(read == 0, observer, push)?;
        Ok(read)
    }

    /// What of the stream has come and was not taken in yet is at its end. Whoever writes the stream himself appends to it.
    pub(crate) fn sql(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// How many bytes wait to be taken in.
    pub(crate) fn waiting(&self) -> usize {
        self.buffer.len() - self.scanned
    }

    /// Takes in what has come, and hands on the pieces that it completes. With `eof` nothing follows.
    ///
    /// # Errors
    /// What `push` or `observer` returns.
    pub(crate) fn take_in(
        &mut self,
        eof: bool,
        observer: &mut Observer<'_>,
        push: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        self.scanned += self.scanner.scan(&self.buffer[self.scanned..], eof, observer)?;
        self.act_on_events(push)?;
        if self.scanned - self.start >= HARD_SIZE {
            self.scanner.force_boundary();
            self.act_on_events(push)?;
        }
        if self.scanned - self.start >= HARD_SIZE {
            self.cut(self.scanned, self.scanner.rows(), push)?;
            self.flags &= DataHeader::DATA;
            if self.scanner.in_statement() {
                self.flags |= DataHeader::CONTINUES;
            }
        }
        self.compact();
        Ok(())
    }

    /// Ends the stream: hands on the last piece and returns what the whole was.
    ///
    /// # Errors
    /// What `push` or `observer` returns.
    pub(crate) fn finish(
        mut self,
        observer: &mut Observer<'_>,
        push: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<Summary> {
        let rows = self.scanner.rows();
        self.cut(self.buffer.len(), rows, push)?;
        self.scanner.finish(observer)
    }

    fn act_on_events(&mut self, push: &mut dyn FnMut(Piece) -> Result<()>) -> Result<()> {
        for event in self.scanner.take_events() {
            match event {
                Event::Segment { at, section, data, rows } => {
                    let at = self.index(at).max(self.start);
                    let empty = at == self.start;
                    self.cut(at, rows, push)?;
                    let opens = section != self.section || empty && self.flags & DataHeader::SECTION != 0;
                    self.section = section;
                    self.flags = if opens { DataHeader::SECTION } else { 0 };
                    self.flags |= if data { DataHeader::DATA } else { 0 };
                }
                Event::StatementEnd { at, rows } => {
                    let at = self.index(at);
                    if self.is_full(at) {
                        self.cut(at, rows, push)?;
                        self.flags &= DataHeader::DATA;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a member that ends here, which is an index in the buffer, is large enough.
    fn is_full(&self, end: usize) -> bool {
        let size = end.saturating_sub(self.start);
        size >= self.codec.member_size()
            && (size >= self.codec.member_size_of_digits()
                || !digits::are_most_of(&self.buffer[self.start..end]))
    }

    /// The index in the buffer of an absolute offset. Offsets never lie before the buffer.
    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX)
    }

    /// Hands on what lies before `end`, where `rows` rows have ended.
    fn cut(&mut self, end: usize, rows: u64, push: &mut dyn FnMut(Piece) -> Result<()>) -> Result<()> {
        if end == self.start {
            return Ok(());
        }
        let raw = self.take(end);
        let piece = Piece { raw, flags: self.flags, rows: rows - self.rows_before, section: self.section };
        self.rows_before = rows;
        push(piece)
    }

    /// Takes the bytes from `start` to `end` out of the buffer, copying the smaller side.
    fn take(&mut self, end: usize) -> Vec<u8> {
        let size = end - self.start;
        let rest = self.buffer.len() - end;
        if size <= rest {
            let raw = self.buffer[self.start..end].to_vec();
            self.start = end;
            return raw;
        }
        let mut next = Vec::with_capacity(self.codec.member_size() + 2 * ROOM);
        next.extend_from_slice(&self.buffer[end..]);
        let mut raw = std::mem::replace(&mut self.buffer, next);
        raw.truncate(end);
        raw.drain(..self.start);
        self.start = 0;
        self.scanned -= end;
        self.base += end as u64;
        raw
    }

    /// Forgets what lies before the present piece.
    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.base += self.start as u64;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::unobserved;

    fn cut(sql: &[u8]) -> (Vec<Piece>, Summary) {
        let mut pieces = Vec::new();
        let mut cutter = Cutter::new(Codec::Gzip);
        let mut stream = sql;
        let mut push = |piece| {
            pieces.push(piece);
            Ok(())
        };
        while cutter.read_from(&mut stream, &mut unobserved, &mut push).unwrap() > 0 {}
        let summary = cutter.finish(&mut unobserved, &mut push).unwrap();
        (pieces, summary)
    }

    #[test]
    fn pieces_join_to_the_stream_and_rows_lie_apart_from_definitions() {
        let mut sql = b"SET NAMES utf8mb4;
"
        .to_vec();
        for table in 0..5 {
            sql.extend(
                format!(
                    "\n--\n-- Table structure for table `t{table}`\n--\n\nCREATE TABLE `t{table}` (a int);\n"
                )
                .bytes(),
            );
            for row in 0..3000 {
                sql.extend(format!("INSERT INTO `t{table}` VALUES ({row},'{}');\n", "x".repeat(500)).bytes());
            }
            sql.extend(format!("/*!40000 ALTER TABLE `t{table}` ENABLE KEYS */;\n").bytes());
        }
        let (pieces, summary) = cut(&sql);
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.raw.clone()).collect();
        assert_eq!(joined, sql);
        assert_eq!(summary.sections.len(), 6);
        assert_eq!(pieces.iter().map(|piece| piece.rows).sum::<u64>(), 15_000);
        for piece in &pieces {
            let data = piece.flags & DataHeader::DATA != 0;
            assert_eq!(data, piece.raw.starts_with(b"INSERT"), "{:?}", &piece.raw[..20]);
            assert_eq!(data, piece.rows > 0);
            assert_eq!(
                piece.flags & DataHeader::SECTION != 0,
                piece.raw.starts_with(b"\n--") || piece.section == 0
            );
        }
        assert!(pieces.iter().filter(|piece| piece.section == 1).count() >= 4);
    }

    #[test]
    fn members_of_zstd_are_larger_and_those_of_binary_values_largest() {
        let rows =
            |value: &str| format!("INSERT INTO `t` VALUES (1,{});\n", value.repeat(8 << 10)).repeat(160);
        for (codec, value, least, most) in [
            (Codec::Gzip, "0x1A2B3C4D5E6F7089", 128 << 10, 300 << 10),
            (Codec::Zstd, "'some words'", 512 << 10, 700 << 10),
            (Codec::Zstd, "A1A2B3C4D5E6F708", 7 << 19, 4 << 20),
        ] {
            let sql = rows(value);
            let (mut pieces, mut cutter) = (Vec::new(), Cutter::new(codec));
            let mut push = |piece: Piece| {
                pieces.push(piece.raw);
                Ok(())
            };
            let mut stream = sql.as_bytes();
            while cutter.read_from(&mut stream, &mut unobserved, &mut push).unwrap() > 0 {}
            cutter.finish(&mut unobserved, &mut push).unwrap();
            assert_eq!(pieces.concat(), sql.as_bytes());
            let whole = &pieces[..pieces.len() - 1];
            assert!(whole.len() > 2, "{codec:?} {value}");
            for piece in whole {
                assert!((least..most).contains(&piece.len()), "{codec:?} {value}: {}", piece.len());
                assert!(piece.ends_with(b";\n"), "{codec:?} {value}");
            }
        }
    }

    #[test]
    fn a_statement_without_end_is_cut_and_memory_stays_small() {
        let mut sql = b"INSERT INTO `t` VALUES (1,'".to_vec();
        sql.resize(20 << 20, b'x');
        sql.extend_from_slice(b"');\n");
        let (pieces, summary) = cut(&sql);
        assert!(pieces.iter().all(|piece| piece.raw.len() <= HARD_SIZE + 2 * (256 << 10)));
        assert!(pieces[1].flags & DataHeader::CONTINUES != 0);
        assert_eq!(pieces.iter().map(|piece| piece.rows).collect::<Vec<_>>().iter().sum::<u64>(), 1);
        assert_eq!(summary.largest_statement, sql.len() as u64 - 2);
        assert_eq!(pieces.iter().map(|piece| piece.raw.len()).sum::<usize>(), sql.len());
    }
}
