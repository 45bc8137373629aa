//! Reads artifacts: the footer from the end, members one after another from any section's offset. Of an encrypted one, offsets
//! and sizes are those of what is inside, but for the stored size and hash.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::codec::Codec;
use super::format::{self, DataHeader, End, MAX_END, MAX_HEADER};
use crate::encryption::{self, HEAD, Keys, NoKey, ReadAt, Unreadable, is_armored, is_encrypted};
use crate::error::{Error, Result};
use crate::manifest::Timestamp;
use crate::store::Opened;

/// An artifact that is open for reading.
#[derive(Debug)]
pub(crate) struct Artifact {
    file: Arc<dyn ReadAt>,
    modified: SystemTime,
    content: Content,
    path: PathBuf,
    name: String,
    stored_size: u64,
    /// What its beginning says of its codec, once it was read.
    begins: OnceLock<Option<Codec>>,
}

/// How an artifact's bytes are had.
#[derive(Debug)]
enum Content {
    /// As they are stored.
    Stored,
    /// Decrypted.
    Decrypted(Box<dyn ReadAt>),
    /// Not at all: no key fits.
    Locked(NoKey),
    /// Not at all: the beginning of the encrypted file is damaged.
    Broken(String),
}

/// Bytes that are read at once where all of it is.
const PIECE: usize = 1 << 20;

/// What an artifact says of itself at its end.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    /// The manifest's immutable core.
    pub(crate) core: Value,
    /// Where the footer begins, in bytes: the end of the data members.
    pub(crate) offset: u64,
    /// Where the last member begins, in bytes.
    pub(crate) end_offset: u64,
    /// SHA-256 of everything before the last member.
    pub(crate) sha256: [u8; 32],
}

/// A data member's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its offset in the artifact, in bytes.
    pub(crate) offset: u64,
    /// What it says of itself.
    pub(crate) header: DataHeader,
}

impl Artifact {
    /// Takes an open file. Where it is encrypted, a key of `keys` decrypts it.
    ///
    /// # Errors
    /// It cannot be read, or an identity cannot be used.
    pub(crate) fn new(file: Opened, path: &Path, keys: &Keys) -> Result<Self> {
        let Opened { bytes: file, modified } = file;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let stored_size = file.size();
        let mut head = [0; HEAD];
        let begins_encrypted = stored_size >= HEAD as u64 && {
            file.read_exact_at(&mut head, 0).map_err(Error::io("read", path))?;
            is_encrypted(&head)
        };
        let content = if begins_encrypted {
            match keys.open(&file) {
                Ok(Some(plain)) => Content::Decrypted(plain),
                Ok(None) => Content::Locked(NoKey::Given),
                Err(Unreadable::Identity(error)) => return Err(*error),
                Err(Unreadable::Io(source)) => return Err(Error::io("read", path)(source)),
                Err(Unreadable::NotForUs) => Content::Locked(NoKey::Fits),
                Err(Unreadable::Damaged(why)) => Content::Broken(format!("it cannot be decrypted: {why}")),
            }
        } else if stored_size >= HEAD as u64 && is_armored(&head) {
            Content::Broken(
                "it is an armored file of age, which is not read: decrypt it, and encrypt it without -a"
                    .into(),
            )
        } else if name.ends_with(encryption::SUFFIX) {
            Content::Broken("it does not begin as an encrypted file does".into())
        } else {
            Content::Stored
        };
        Ok(Self {
            file,
            modified,
            content,
            path: path.to_owned(),
            name,
            stored_size,
            begins: OnceLock::new(),
        })
    }

    /// Why nothing of it can be read, where it is encrypted and no key fits.
    pub(crate) fn locked(&self) -> Option<NoKey> {
        match self.content {
            Content::Locked(why) => Some(why),
            _ => None,
        }
    }

    /// Whether it is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        !matches!(self.content, Content::Stored)
    }

    /// The file's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The size of what can be read, in bytes, when the file was opened.
    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Content::Stored => self.stored_size,
            Content::Decrypted(plain) => plain.size(),
            Content::Locked(_) | Content::Broken(_) => 0,
        }
    }

    /// The size of the file itself, in bytes, when it was opened.
    pub(crate) fn stored_size(&self) -> u64 {
        self.stored_size
    }

    /// SHA-256 of the file itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn stored_sha256(&self) -> Result<[u8; 32]> {
        let mut sha256 = Sha256::new();
        self.each_stored(|bytes| {
            sha256.update(bytes);
            Ok(())
        })?;
        Ok(sha256.finalize().into())
    }

    /// Hands over the bytes of the file itself, from beginning to end.
    ///
    /// # Errors
    /// It cannot be read, or what `take` returns.
    pub(crate) fn each_stored(&self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.file.will_read(0, self.stored_size);
        let (mut offset, mut buffer) = (0, vec![0; PIECE]);
        while offset < self.stored_size {
            let size = usize::try_from(self.stored_size - offset).unwrap_or(PIECE).min(PIECE);
            self.file.read_exact_at(&mut buffer[..size], offset).map_err(Error::io("read", &self.path))?;
            take(&buffer[..size])?;
            offset += size as u64;
        }
        Ok(())
    }

    /// Hands over the bytes of what is inside, from its beginning up to `to`.
    ///
    /// # Errors
    /// It cannot be read or decrypted, or what `take` returns.
    pub(crate) fn each_plain(&self, to: u64, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.will_read(0, to);
        let (mut offset, mut buffer) = (0, Vec::new());
        while offset < to {
            let size = usize::try_from(to - offset).unwrap_or(PIECE).min(PIECE);
            buffer = self.read_into(buffer, offset, size)?;
            if buffer.is_empty() {
                return Err(self.damaged("it is shorter than it says"));
            }
            take(&buffer)?;
            offset += buffer.len() as u64;
        }
        Ok(())
    }

    /// When the file was last written.
    pub(crate) fn modified(&self) -> Timestamp {
        chrono::DateTime::<chrono::Local>::from(self.modified).fixed_offset()
    }

    /// Says which bytes will be read soon, from beginning to end: what is far away can be fetched ahead.
    pub(crate) fn will_read(&self, from: u64, to: u64) {
        match &self.content {
            Content::Stored => self.file.will_read(from, to),
            Content::Decrypted(plain) => plain.will_read(from, to),
            Content::Locked(_) | Content::Broken(_) => {}
        }
    }

    fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::damaged(&self.name, problem)
    }

    /// Reads `size` bytes at `offset`, or as many as there are.
    pub(crate) fn read_at(&self, offset: u64, size: usize) -> Result<Vec<u8>> {
        self.read_into(Vec::new(), offset, size)
    }

    /// As [`Artifact::read_at`], in the place of what a buffer holds.
    pub(crate) fn read_into(&self, mut bytes: Vec<u8>, offset: u64, size: usize) -> Result<Vec<u8>> {
        let size = size.min(usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX));
        bytes.resize(size, 0);
        match &self.content {
            Content::Stored => {
                self.file.read_exact_at(&mut bytes, offset).map_err(Error::io("read", &self.path))?;
            }
            Content::Decrypted(plain) => match plain.read_exact_at(&mut bytes, offset) {
                Err(error) if encryption::is_of_the_file(&error) => {
                    return Err(Error::io("read", &self.path)(error));
                }
                Err(error) => {
                    let problem =
                        format!("it cannot be decrypted at byte {offset} of what is inside: {error}");
                    return Err(self.damaged(problem));
                }
                Ok(()) => {}
            },
            Content::Locked(why) => return Err(Error::Encrypted { name: self.name.clone(), why: *why }),
            Content::Broken(problem) => return Err(self.damaged(problem.clone())),
        }
        Ok(bytes)
    }

    /// Whether the file begins as ours do.
    pub(crate) fn is_ours(&self) -> Result<bool> {
        Ok(self.codec()?.is_some())
    }

    /// How an artifact of ours is compressed; none where the file begins as none does.
    pub(crate) fn codec(&self) -> Result<Option<Codec>> {
        if let Some(known) = self.begins.get() {
            return Ok(*known);
        }
        let codec = format::codec_of(&self.read_at(0, MAX_HEADER)?);
        Ok(*self.begins.get_or_init(|| codec))
    }

    /// The footer; none where the file ends in another way. The core's own hash is checked, the data's is not.
    ///
    /// # Errors
    /// The file cannot be read, or it ends as an artifact does and the footer is damaged.
    pub(crate) fn footer(&self) -> Result<Option<Footer>> {
        let last = self.read_at(self.size().saturating_sub(MAX_END as u64), MAX_END)?;
        let Some(end) = End::decode(&last) else { return Ok(None) };
        if self.codec()?.is_some_and(|codec| codec != end.codec) {
            return Err(self.damaged("its beginning and its end are of different codecs"));
        }
        let end_offset = self.size() - end.size() as u64;
        let fits = end.core_size <= format::MAX_CORE
            && end.footer_offset.checked_add(end.pieces_size()) == Some(end_offset);
        if !fits {
            return Err(self.damaged("its footer does not lie where its last member says"));
        }
        let pieces_size = usize::try_from(end.pieces_size()).unwrap_or(usize::MAX);
        let pieces = self.read_at(end.footer_offset, pieces_size)?;
        let core = end.core_of(&pieces).ok_or_else(|| self.damaged("its footer is malformed"))?;
        if Sha256::digest(&core)[..] != end.core_sha256 {
            return Err(self.damaged("its footer differs from its own hash"));
        }
        let core = serde_json::from_slice(&core).map_err(|_| self.damaged("its footer is not JSON"))?;
        Ok(Some(Footer { core, offset: end.footer_offset, end_offset, sha256: end.sha256 }))
    }

    /// The data member at `offset`.
    ///
    /// # Errors
    /// The file cannot be read, or something else stands there.
    pub(crate) fn member(&self, offset: u64) -> Result<Member> {
        let header = match self.codec()? {
            Some(codec) => DataHeader::decode(codec, &self.read_at(offset, MAX_HEADER)?),
            None => None,
        };
        let header = header.ok_or_else(|| self.damaged(format!("no member begins at byte {offset}")))?;
        Ok(Member { offset, header })
    }

    /// The data members from `from` up to `to`, in order, by hopping from header to header.
    pub(crate) fn members(&self, from: u64, to: u64) -> impl Iterator<Item = Result<Member>> + '_ {
        let mut offset = from;
        std::iter::from_fn(move || {
            if offset >= to {
                return None;
            }
            let member = self.member(offset).and_then(|member| {
                if member.header.size > to - offset {
                    return Err(self.damaged(format!("the member at byte {offset} is too long")));
                }
                Ok(member)
            });
            offset = member.as_ref().map_or(to, |member| offset + member.header.size);
            Some(member)
        })
    }
}
