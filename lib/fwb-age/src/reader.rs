//! Reads an encrypted file at any offset. The format has chunks of 64 KiB, each authenticated for itself, so nothing but the
//! chunks that hold what is asked for is read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use age::DecryptError;
use age::stream::StreamReader;
use fwb::{Identities, ReadAt, Result, Unreadable};

use crate::key::{Key, Learning, is_of_the_system};

/// Bytes of plain text in a chunk, and what the cipher adds to each.
const CHUNK: u64 = 64 << 10;
const TAG: u64 = 16;

/// The key of a file that we write or have opened, for further readers.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    key: Key,
}

impl Reading {
    pub(crate) fn by_key(key: Key) -> Self {
        Self { key }
    }

    /// Opens a file by the identities.
    pub(crate) fn open<'a>(
        file: File,
        identities: impl Iterator<Item = &'a dyn age::Identity>,
    ) -> Result<Box<dyn ReadAt>, Unreadable> {
        let key = Key::default();
        let learning: Vec<Learning<'_>> =
            identities.map(|identity| Learning { identity, key: &key }).collect();
        let opened = decryptor(Arc::new(file), learning.iter().map(|one| one as &dyn age::Identity))?;
        Ok(Box::new(Plain { key, ..opened }))
    }
}

impl Identities for Reading {
    fn decrypt(&self, file: File) -> Result<Box<dyn ReadAt>, Unreadable> {
        let opened = decryptor(Arc::new(file), std::iter::once(&self.key as &dyn age::Identity))?;
        Ok(Box::new(Plain { key: self.key.clone(), ..opened }))
    }
}

fn decryptor<'a>(
    file: Arc<File>,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Plain, Unreadable> {
    let stored = file.metadata().map_err(Unreadable::Io)?.len();
    let mut input = At { file: Arc::clone(&file), offset: 0 };
    // It reads no further than the header.
    let decryptor = age::Decryptor::new(&mut input).map_err(unreadable)?;
    let _ = decryptor;
    let begins = input.offset;
    input.offset = 0;
    let decryptor = age::Decryptor::new(input).map_err(unreadable)?;
    let reader = decryptor.decrypt(identities).map_err(unreadable)?;
    let cipher_text = stored.saturating_sub(begins);
    let size = cipher_text.saturating_sub(cipher_text.div_ceil(CHUNK + TAG) * TAG);
    Ok(Plain { file, key: Key::default(), size, readers: Mutex::new(vec![Reader { next: 0, reader }]) })
}

fn unreadable(error: DecryptError) -> Unreadable {
    match error {
        DecryptError::NoMatchingKeys => Unreadable::NotForUs,
        DecryptError::Io(error) if is_of_the_system(&error) => Unreadable::Io(error),
        DecryptError::KeyDecryptionFailed => Unreadable::Passphrase,
        error => Unreadable::Damaged(error.to_string()),
    }
}

/// The plain text of an encrypted file.
struct Plain {
    file: Arc<File>,
    key: Key,
    size: u64,
    /// Readers that nobody uses at present.
    readers: Mutex<Vec<Reader>>,
}

/// A reader, and the offset in the plain text from which it goes on without seeking.
struct Reader {
    next: u64,
    reader: StreamReader<At>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Plain").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Plain {
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
        let decryptor = age::Decryptor::new(At { file: Arc::clone(&self.file), offset: 0 });
        let reader = decryptor
            .and_then(|decryptor| decryptor.decrypt(std::iter::once(&self.key as &dyn age::Identity)));
        Ok(Reader { next: 0, reader: reader.map_err(io::Error::other)? })
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
}

/// A file, read through an offset of its own.
struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(offset) => {
                self.offset = offset;
                return Ok(offset);
            }
            SeekFrom::End(by) => (self.file.metadata()?.len(), by),
            SeekFrom::Current(by) => (self.offset, by),
        };
        self.offset = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

    use fwb::Recipients as _;

    use super::*;
    use crate::AgeRecipients;

    /// A file that is encrypted, its plain text, and the key that its writer has.
    fn encrypted(size: usize) -> (tempfile::NamedTempFile, Vec<u8>, Arc<dyn Identities>) {
        let plain: Vec<u8> = (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        let identity = age::x25519::Identity::generate();
        let recipients = AgeRecipients::parse(&[identity.to_public().to_string()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut encrypting = recipients.encrypt(Box::new(file.reopen().unwrap())).unwrap();
        encrypting.stream.write_all(&plain).unwrap();
        encrypting.stream.finish().unwrap();
        (file, plain, encrypting.key)
    }

    #[test]
    fn any_part_is_read_as_it_was() {
        const FULL: usize = 64 << 10;
        for size in [0, 1, FULL - 1, FULL, FULL + 1, 2 * FULL, 3 * FULL + 5] {
            let (file, plain, key) = encrypted(size);
            let opened = key.decrypt(file.reopen().unwrap()).unwrap();
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
        let opened = key.decrypt(file.reopen().unwrap()).unwrap();
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

    #[test]
    fn a_key_of_another_file_opens_nothing() {
        let ((one, ..), (_, _, key)) = (encrypted(10), encrypted(10));
        let opened = key.decrypt(one.reopen().unwrap());
        assert!(matches!(opened, Err(Unreadable::Damaged(_) | Unreadable::NotForUs)), "{opened:?}");
    }
}
