//! Pages of an InnoDB tablespace file, as far as damage needs them: which pages hold a table's rows, and how a page is
//! sealed so that the server believes it. Page size 16 KiB, checksums `full_crc32`, MariaDB's default since 10.5:
//! <https://mariadb.com/kb/en/innodb-page-checksums/>.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes in a page.
const SIZE: usize = 16 * 1024;
/// The page that a table's rows are found from.
pub(super) const ROOT: usize = 3;
/// The page that the first secondary index is found from.
pub(super) const SECOND_ROOT: usize = 4;

/// `FIL_PAGE_INDEX`, a page of an index.
const INDEX: u64 = 17855;
/// What stands for no neighbour.
const NONE: u64 = 0xFFFF_FFFF;

/// A tablespace file that is open for damage.
pub(super) struct Pages {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Which of a table's leaf pages, which hold its rows.
#[derive(Clone, Copy)]
pub(super) enum Leaf {
    /// With the first row.
    First,
    /// With neither the first nor the last row.
    Middle,
}

impl Pages {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), bytes: fs::read(path).unwrap() }
    }

    /// Overwrites whole pages with noise.
    pub(super) fn overwrite(mut self, pages: &[usize]) {
        for page in pages {
            let bytes = noise(SIZE);
            self.bytes[page * SIZE..][..SIZE].copy_from_slice(&bytes);
        }
        fs::write(&self.path, &self.bytes).unwrap();
    }

    /// The number of a leaf page of the primary key.
    pub(super) fn leaf(&self, which: Leaf) -> usize {
        let index = self.number(ROOT, 66, 8);
        let is_leaf = |page: &usize| {
            self.number(*page, 24, 2) == INDEX
                && self.number(*page, 64, 2) == 0
                && self.number(*page, 66, 8) == index
        };
        let leaves: Vec<usize> = (ROOT + 1..self.bytes.len() / SIZE).filter(is_leaf).collect();
        let mut found = leaves.into_iter().filter(|page| {
            let neighbours = [self.number(*page, 8, 4), self.number(*page, 12, 4)];
            match which {
                Leaf::First => neighbours[0] == NONE,
                Leaf::Middle => !neighbours.contains(&NONE),
            }
        });
        found.next_back().expect("a table of several pages")
    }

    /// Gives every row of a page a status that no row can have, and seals the page: the server believes it, and ends
    /// itself as soon as it reads such a row.
    pub(super) fn make_deadly(mut self, page: usize) {
        const STATUS: u8 = 7;
        let begin = page * SIZE;
        // The origin of the infimum record, where the chain of rows begins; each says where the next one is.
        let mut row: usize = 99;
        loop {
            let next = self.number(page, row - 2, 2);
            row = (row + usize::try_from(next).unwrap()) % 0x1_0000;
            if next == 0 || !(120..SIZE - 8).contains(&row) {
                break;
            }
            self.bytes[begin + row - 3] |= STATUS;
        }
        let checksum = crc32c(&self.bytes[begin..begin + SIZE - 4]);
        self.bytes[begin + SIZE - 4..][..4].copy_from_slice(&checksum.to_be_bytes());
        fs::write(&self.path, &self.bytes).unwrap();
    }

    /// The big-endian number of `size` bytes at `at` in a page.
    fn number(&self, page: usize, at: usize, size: usize) -> u64 {
        let bytes = &self.bytes[page * SIZE + at..][..size];
        bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Bytes that are no page, no definition and no text; always the same ones.
pub(super) fn noise(size: usize) -> Vec<u8> {
    let mut state: u32 = 0x2545_F491;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..size).map(|_| next()).collect()
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let step = |crc: u32| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_page_is_sealed_as_the_server_seals_it() {
    // The check value of CRC-32C's definition (RFC 3720, B.4 has others).
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
}
