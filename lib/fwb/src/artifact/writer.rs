//! Writes an artifact: members are compressed and hashed on several threads and written in order.
//!
//! Whoever has the SQL pushes pieces; a worker compresses each, the writer puts the members one after another, and the
//! hasher takes the SHA-256 of the SQL. Queues are bounded, so memory is too: at most three pieces for each worker are
//! under way.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::codec::{Codec, Compression};
use super::crc32::Crc32;
use super::cutter::Piece;
use super::format::{self, End};
use super::member::{PackedMember, Packer};
use crate::error::{Error, Result};
use crate::thread;

/// How a failure to write the artifact is named.
pub(crate) const WRITE_ARTIFACT: &str = "write the artifact";

/// Where a section's members lie, and what they hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Offset of the first one, in bytes.
    pub(crate) offset: u64,
    /// Size of all of them, in bytes.
    pub(crate) size: u64,
    /// CRC-32 of the SQL in them.
    pub(crate) crc32: Crc32,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The artifact's size, in bytes.
    pub(crate) size: u64,
    /// SHA-256 of the artifact.
    pub(crate) sha256: [u8; 32],
}

/// A section that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its index.
    pub(crate) section: usize,
    /// Where its members lie.
    pub(crate) extent: Extent,
}

/// A compressed member, or why there is none.
type Packed = Result<PackedMember>;

struct Task {
    piece: Arc<Piece>,
    done: Sender<Packed>,
}

/// A member that comes next.
struct Order {
    section: usize,
    packed: Receiver<Packed>,
}

/// An artifact that is being written.
pub(crate) struct ArtifactWriter<W> {
    workers: Vec<JoinHandle<()>>,
    hasher: JoinHandle<[u8; 32]>,
    writer: JoinHandle<Result<Members<W>>>,
}

/// Takes the pieces of the SQL, in order.
pub(crate) struct PieceSender {
    codec: Codec,
    tasks: Sender<Task>,
    orders: Sender<Order>,
    to_hash: Sender<Arc<Piece>>,
}

/// The data members, written; the footer is still to come.
pub(crate) struct Members<W> {
    sink: W,
    codec: Codec,
    sha256: Sha256,
    size: u64,
    /// The sections, in the order of the file.
    pub(crate) placed: Vec<Placed>,
}

impl<W: Write + Send + 'static> ArtifactWriter<W> {
    /// Begins an artifact in `sink`, compressing on `jobs` threads.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(crate) fn new(sink: W, compression: Compression, jobs: usize) -> Result<(Self, PieceSender)> {
        let (jobs, codec) = (jobs.max(1), compression.codec());
        let (tasks, task_queue) = bounded::<Task>(jobs);
        let (to_hash, hash_queue) = bounded::<Arc<Piece>>(jobs);
        let (orders, order_queue) = bounded::<Order>(2 * jobs);
        let workers = (0..jobs)
            .map(|_| {
                let queue = task_queue.clone();
                let packer = Packer::new(compression)?;
                thread::start(move || compress(&queue, packer))
            })
            .collect::<Result<_>>()?;
        let hasher = thread::start(move || hash(&hash_queue))?;
        let writer = thread::start(move || write(Members::new(sink, codec), &order_queue))?;
        Ok((Self { workers, hasher, writer }, PieceSender { codec, tasks, orders, to_hash }))
    }

    /// Waits until all members are written, which they are when the sender is gone. Returns them and the SHA-256 of
    /// the SQL.
    ///
    /// # Errors
    /// Compressing or writing failed.
    pub(crate) fn finish(self) -> Result<(Members<W>, [u8; 32])> {
        let panicked =
            |_| Error::Stream { action: WRITE_ARTIFACT, source: io::Error::other("a thread panicked") };
        for worker in self.workers {
            worker.join().map_err(panicked)?;
        }
        let raw_sha256 = self.hasher.join().map_err(panicked)?;
        let members = self.writer.join().map_err(panicked)??;
        Ok((members, raw_sha256))
    }
}

impl PieceSender {
    /// How the artifact is compressed.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// Writing has failed; [`ArtifactWriter::finish`] says why.
    pub(crate) fn push(&self, piece: Piece) -> Result<()> {
        let stopped = || Error::Stream { action: WRITE_ARTIFACT, source: io::ErrorKind::BrokenPipe.into() };
        let (done, packed) = bounded(1);
        let piece = Arc::new(piece);
        self.orders.send(Order { section: piece.section, packed }).map_err(|_| stopped())?;
        self.tasks.send(Task { piece: Arc::clone(&piece), done }).map_err(|_| stopped())?;
        self.to_hash.send(piece).map_err(|_| stopped())
    }
}

fn compress(queue: &Receiver<Task>, mut packer: Packer) {
    for Task { piece, done } in queue {
        let made = packer.member(&piece.raw, piece.flags, piece.rows);
        // The writer is gone only after a failure of its own, which is reported in its place.
        let _sent = done.send(made);
    }
}

fn hash(queue: &Receiver<Arc<Piece>>) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for piece in queue {
        sha256.update(&piece.raw);
    }
    sha256.finalize().into()
}

fn write<W: Write>(mut members: Members<W>, orders: &Receiver<Order>) -> Result<Members<W>> {
    for Order { section, packed } in orders {
        let member = packed.recv().map_err(|_| failed(io::Error::other("a worker is gone")))??;
        members.add(section, &member.bytes, member.crc32)?;
    }
    Ok(members)
}

/// That the artifact could not be written.
fn failed(source: io::Error) -> Error {
    Error::Stream { action: WRITE_ARTIFACT, source }
}

impl<W: Write> Members<W> {
    /// None yet.
    pub(crate) fn new(sink: W, codec: Codec) -> Self {
        Self { sink, codec, sha256: Sha256::new(), size: 0, placed: Vec::new() }
    }

    /// Writes the next member.
    ///
    /// # Errors
    /// The sink cannot be written.
    fn add(&mut self, section: usize, member: &[u8], crc32: Crc32) -> Result<()> {
        if self.placed.last().is_none_or(|last| last.section != section) {
            let extent = Extent { offset: self.size, ..Extent::default() };
            self.placed.push(Placed { section, extent });
        }
        self.put(member)?;
        if let Some(placed) = self.placed.last_mut() {
            placed.extent.size += member.len() as u64;
            placed.extent.crc32.append(crc32);
        }
        Ok(())
    }

    /// Writes bytes as they are: members of another artifact, whose places are known.
    ///
    /// # Errors
    /// The sink cannot be written.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        self.sink.write_all(bytes).map_err(failed)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Writes the footer and returns the sink.
    ///
    /// # Errors
    /// The sink cannot be written, or the core is not JSON.
    pub(crate) fn finish(mut self, core: &Map<String, Value>) -> Result<(W, Written)> {
        let core = serde_json::to_vec(core)?;
        if core.len() as u64 > format::MAX_CORE {
            return Err(failed(io::Error::other("its manifest is larger than any reader takes")));
        }
        let footer_offset = self.size;
        self.put(&format::footer_pieces(self.codec, &core))?;
        let end = End {
            codec: self.codec,
            footer_offset,
            core_size: core.len() as u64,
            core_sha256: Sha256::digest(&core).into(),
            sha256: self.sha256.clone().finalize().into(),
        };
        self.put(&end.encode())?;
        self.sink.flush().map_err(failed)?;
        Ok((self.sink, Written { size: self.size, sha256: self.sha256.finalize().into() }))
    }
}
