//! Reads an encrypted file at any offset. The format has chunks of 64 KiB, each authenticated for itself, so nothing but the
//! chunks that hold what is asked for is read.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use age::DecryptError;
use age::stream::StreamReader;
use fwb::{Error, Identities, ReadAt, Result, Unreadable, is_of_the_file};

use crate::key::{Key, Learning};

/// Bytes of plain text in a chunk, and what the cipher adds to each.
const CHUNK: u64 = 64 << 10;
const TAG: u64 = 16;

/// The longest header that is read, in bytes, and its end: a line of the authentication code, and the nonce after it.
const LONGEST_HEADER: usize = 64 << 10;
const LAST_LINE: &[u8] = b"\n--- ";
const NONCE: usize = 16;
/// How each recipient's part of a header begins, and how many there may be.
const STANZA: &[u8] = b"\n-> ";
pub(crate) const MOST_RECIPIENTS: usize = 64;

/// Opens a file by the identities.
pub(crate) fn open<'a>(
    file: Arc<dyn ReadAt>,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Box<dyn ReadAt>, Unreadable> {
    let key = Key::default();
    let learning: Vec<Learning<'_>> = identities.map(|identity| Learning { identity, key: &key }).collect();
    let opened = Plain::open(file, &key, learning.iter().map(|one| one as &dyn age::Identity))?;
    Ok(Box::new(opened))
}

/// Reads the one file of which the key is known.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    key: Key,
}

impl Reading {
    pub(crate) fn by_key(key: Key) -> Self {
        Self { key }
    }
}

impl Identities for Reading {
    fn decrypt(&self, file: Arc<dyn ReadAt>) -> Result<Box<dyn ReadAt>, Unreadable> {
        let opened = Plain::open(file, &self.key, std::iter::once(&self.key as &dyn age::Identity))?;
        Ok(Box::new(opened))
    }
}

/// Where the chunks begin. A header that is longer than any of ours is not given to the crate, whose work grows faster than it.
fn end_of_header(file: &Arc<dyn ReadAt>) -> Result<usize, Unreadable> {
    let mut head = Vec::new();
    let mut input = At { file: Arc::clone(file), offset: 0 }.take(LONGEST_HEADER as u64);
    input.read_to_end(&mut head).map_err(Unreadable::Io)?;
    let count = |what: &[u8]| head.windows(what.len()).filter(|window| *window == what).count();
    let last = head.windows(LAST_LINE.len()).position(|window| window == LAST_LINE);
    let end = last.and_then(|last| {
        let line = head.get(last + 1..)?.iter().position(|byte| *byte == b'\n')?;
        Some(last + 1 + line + 1 + NONCE)
    });
    match end {
        None => Err(Unreadable::Damaged("its header has no end, or is too long".into())),
        Some(_) if count(STANZA) > MOST_RECIPIENTS => {
            Err(Unreadable::Damaged(format!("its header has more than {MOST_RECIPIENTS} recipients")))
        }
        Some(end) => Ok(end),
    }
}

fn unreadable(error: DecryptError) -> Unreadable {
    match error {
        DecryptError::NoMatchingKeys => Unreadable::NotForUs,
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) => of_plugin(&error.to_string()),
        // What ends a plugin ends a pipe; no store's error is of these kinds.
        DecryptError::Io(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) =>
        {
            of_plugin(&error.to_string())
        }
        DecryptError::Io(error) if is_of_the_file(&error) => Unreadable::Io(error),
        error => Unreadable::Damaged(error.to_string()),
    }
}

/// A plugin has failed: nothing is known of the file then.
fn of_plugin(said: &str) -> Unreadable {
    let is_shown = |letter: &char| !letter.is_control() && !('\u{2066}'..='\u{2069}').contains(letter);
    let said: String = said.lines().next().unwrap_or_default().chars().filter(is_shown).collect();
    Unreadable::Identity(Box::new(Error::Usage {
        message: format!("an identity of a plugin cannot be used: {said}"),
        hint: Some(
            "is its token here, and its PIN right? AGEDEBUG=plugin shows what is said, and the keys".into(),
        ),
    }))
}

/// The plain text of an encrypted file.
struct Plain {
    file: Arc<dyn ReadAt>,
    /// Where its chunks begin.
    begins: u64,
    key: Key,
    size: u64,
    /// Readers that nobody uses at present.
    readers: Mutex<Vec<Reader>>,
}

/// A reader, and the offset in the plain text from which it goes on without seeking.
struct Reader {
    next: u64,
    reader: StreamReader<BufReader<At>>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Plain").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Reader {
    /// A new one, from the beginning of the file.
    fn new<'a>(
        file: &Arc<dyn ReadAt>,
        identities: impl Iterator<Item = &'a dyn age::Identity>,
    ) -> Result<Self, DecryptError> {
        let input = BufReader::new(At { file: Arc::clone(file), offset: 0 });
        let reader = age::Decryptor::new_buffered(input)?.decrypt(identities)?;
        Ok(Self { next: 0, reader })
    }
}

impl Plain {
    /// Opens a file. `key` is known, or has learnt the file's once one of the identities fits.
    fn open<'a>(
        file: Arc<dyn ReadAt>,
        key: &Key,
        identities: impl Iterator<Item = &'a dyn age::Identity>,
    ) -> Result<Self, Unreadable> {
        let stored = file.size();
        let begins = end_of_header(&file)?;
        let reader = Reader::new(&file, identities).map_err(unreadable)?;
        let cipher_text = stored.saturating_sub(begins as u64);
        let size = cipher_text.saturating_sub(cipher_text.div_ceil(CHUNK + TAG) * TAG);
        Ok(Self { file, begins: begins as u64, key: key.clone(), size, readers: Mutex::new(vec![reader]) })
    }

    /// A reader that goes on at `offset`, or any, or a new one.
    fn reader(&self, offset: u64) -> io::Result<Reader> {
        let mut idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle.iter().position(|reader| reader.next == offset);
        let reader = match fitting {
            Some(index) => Some(idle.swap_remove(index)),
            None => idle.pop(),
        };
        drop(idle);
        if let Some(reader) = reader {
            return Ok(reader);
        }
        Reader::new(&self.file, std::iter::once(&self.key as &dyn age::Identity)).map_err(io::Error::other)
    }
}

impl ReadAt for Plain {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let mut reader = self.reader(offset)?;
        if reader.next != offset {
            reader.reader.seek(SeekFrom::Start(offset))?;
        }
        reader.reader.read_exact(buffer)?;
        reader.next = offset + buffer.len() as u64;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(())
    }

    fn will_read(&self, from: u64, to: u64) {
        let chunk = |offset: u64| self.begins + offset / CHUNK * (CHUNK + TAG);
        let end = chunk(to.saturating_add(CHUNK - 1)).min(self.file.size());
        self.file.will_read(chunk(from), end);
    }
}

/// A file, read through an offset of its own.
struct At {
    file: Arc<dyn ReadAt>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.size().saturating_sub(self.offset);
        let size = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.file.read_exact_at(&mut buffer[..size], self.offset)?;
        self.offset += size as u64;
        Ok(size)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(offset) => {
                self.offset = offset;
                return Ok(offset);
            }
            SeekFrom::End(by) => (self.file.size(), by),
            SeekFrom::Current(by) => (self.offset, by),
        };
        self.offset = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

    use std::io::Write as _;

    use fwb::Recipients as _;

    use super::*;
    use crate::recipients::AgeRecipients;

    /// A file that is encrypted, its plain text, and the key that its writer has.
    fn encrypted(size: usize) -> (Arc<dyn ReadAt>, Vec<u8>, Arc<dyn Identities>) {
        let plain: Vec<u8> = (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        let identity = age::x25519::Identity::generate();
        let recipients = AgeRecipients::parse(&[identity.to_public().to_string()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut encrypting = recipients.encrypt(Box::new(file.reopen().unwrap())).unwrap();
        encrypting.stream.write_all(&plain).unwrap();
        encrypting.stream.finish().unwrap();
        (Arc::new(std::fs::read(file.path()).unwrap()), plain, encrypting.key)
    }

    #[test]
    fn any_part_is_read_as_it_was() {
        const FULL: usize = 64 << 10;
        for size in [0, 1, FULL - 1, FULL, FULL + 1, 2 * FULL, 3 * FULL + 5] {
            let (file, plain, key) = encrypted(size);
            let opened = key.decrypt(file).unwrap();
            assert_eq!(opened.size(), size as u64);
            for from in [0, 1, FULL - 1, FULL, 2 * FULL + 3] {
                for length in [1, 5, FULL, FULL + 2] {
                    let Some(expected) = plain.get(from..from + length) else { continue };
                    let mut buffer = vec![0; length];
                    opened.read_exact_at(&mut buffer, from as u64).unwrap();
                    assert!(buffer == expected, "{size}: {length} at {from}");
                }
            }
            let beyond = opened.read_exact_at(&mut [0], size as u64);
            assert!(beyond.is_err(), "{size}");
        }
    }

    #[test]
    fn several_threads_read_at_once() {
        let (file, plain, key) = encrypted(1 << 20);
        let opened = key.decrypt(file).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let (opened, plain) = (&opened, &plain);
                scope.spawn(move || {
                    for at in (thread * 1000..plain.len() - 100).step_by(33_333) {
                        let mut buffer = [0; 100];
                        opened.read_exact_at(&mut buffer, at as u64).unwrap();
                        assert_eq!(buffer, plain[at..at + 100]);
                    }
                });
            }
        });
    }

    /// A header that would keep a reader busy for minutes is no header.
    #[test]
    fn a_header_is_bounded() {
        let long = format!("age-encryption.org/v1\n-> X {}\n", "a".repeat(200_000));
        let many = format!(
            "age-encryption.org/v1{}\n--- {}\n{}",
            "\n-> X a\nAAAA".repeat(65),
            "a".repeat(43),
            "n".repeat(16)
        );
        for text in [long, many, "age-encryption.org/v1\n".into(), "age-encryption.org/v1\n--- ".into()] {
            let (.., key) = encrypted(1);
            let opened = key.decrypt(Arc::new(text.clone().into_bytes()));
            assert!(matches!(opened, Err(Unreadable::Damaged(_))), "{:?}", &text[..40.min(text.len())]);
        }
    }

    #[test]
    fn a_key_of_another_file_opens_nothing() {
        let ((one, ..), (_, _, key)) = (encrypted(10), encrypted(10));
        let opened = key.decrypt(one);
        assert!(matches!(opened, Err(Unreadable::Damaged(_) | Unreadable::NotForUs)), "{opened:?}");
    }
}
