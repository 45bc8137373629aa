//! Writes an artifact: members are compressed and hashed on several threads and written in order.
//!
//! The caller pushes pieces; a worker compresses each, the hasher takes the SHA-256 of the SQL, and the writer
//! thread puts the members one after another. Queues are bounded, so memory is too: at most two pieces for each
//! worker are under way.

use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use libdeflater::{CompressionLvl, Compressor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::cutter::Piece;
use super::format::{self, End};
use crate::error::{Error, Result};

/// How a failure to write the artifact is named.
pub(crate) const WRITE_ARTIFACT: &str = "write the artifact";

/// How hard to compress: libdeflate's levels, 1 (fastest) to 12 (smallest).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionLevel(CompressionLvl);

impl CompressionLevel {
    /// A level from 1 to 12; none for other numbers.
    pub fn new(level: u8) -> Option<Self> {
        (1..=12).contains(&level).then_some(())?;
        CompressionLvl::new(i32::from(level)).ok().map(Self)
    }
}

impl Default for CompressionLevel {
    /// Level 6.
    fn default() -> Self {
        Self(CompressionLvl::default())
    }
}

/// Where a section's members lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Offset of the first one, in bytes.
    pub(crate) offset: u64,
    /// Size of all of them, in bytes.
    pub(crate) size: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The artifact's size, in bytes.
    pub(crate) size: u64,
    /// SHA-256 of the artifact.
    pub(crate) sha256: [u8; 32],
}

type Packed = Result<Vec<u8>>;

struct Task {
    piece: Arc<Piece>,
    done: Sender<Packed>,
}

struct Order {
    section: usize,
    packed: Receiver<Packed>,
}

/// An artifact that is being written.
pub(crate) struct ArtifactWriter<W> {
    tasks: Sender<Task>,
    order: Sender<Order>,
    to_hash: Sender<Arc<Piece>>,
    workers: Vec<JoinHandle<()>>,
    hasher: JoinHandle<[u8; 32]>,
    writer: JoinHandle<Result<Members<W>>>,
}

/// The data members, written; the footer is still to come.
pub(crate) struct Members<W> {
    sink: W,
    sha256: Sha256,
    size: u64,
    /// Where each section lies, by its index.
    pub(crate) extents: Vec<Extent>,
}

impl<W: Write + Send + 'static> ArtifactWriter<W> {
    /// Begins an artifact in `sink`, compressing on `jobs` threads.
    pub(crate) fn new(sink: W, level: CompressionLevel, jobs: usize) -> Self {
        let jobs = jobs.max(1);
        let (tasks, task_queue) = bounded::<Task>(jobs);
        let (order, order_queue) = bounded::<Order>(2 * jobs);
        let (to_hash, hash_queue) = bounded::<Arc<Piece>>(2 * jobs);
        let workers = (0..jobs)
            .map(|_| {
                let queue = task_queue.clone();
                std::thread::spawn(move || compress(&queue, level))
            })
            .collect();
        let hasher = std::thread::spawn(move || hash(&hash_queue));
        let writer = std::thread::spawn(move || write(sink, &order_queue));
        Self { tasks, order, to_hash, workers, hasher, writer }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// Writing has failed; [`ArtifactWriter::finish`] says why.
    pub(crate) fn push(&self, piece: Piece) -> Result<()> {
        let stopped =
            || Error::Stream { action: WRITE_ARTIFACT, source: std::io::ErrorKind::BrokenPipe.into() };
        let (done, packed) = bounded(1);
        let section = piece.section;
        let piece = Arc::new(piece);
        self.order.send(Order { section, packed }).map_err(|_| stopped())?;
        self.to_hash.send(Arc::clone(&piece)).map_err(|_| stopped())?;
        self.tasks.send(Task { piece, done }).map_err(|_| stopped())
    }

    /// Waits until all members are written. Returns them and the SHA-256 of the SQL.
    ///
    /// # Errors
    /// Compressing or writing failed.
    pub(crate) fn finish(self) -> Result<(Members<W>, [u8; 32])> {
        drop((self.tasks, self.order, self.to_hash));
        let panicked =
            |_| Error::Stream { action: WRITE_ARTIFACT, source: std::io::Error::other("a thread panicked") };
        for worker in self.workers {
            worker.join().map_err(panicked)?;
        }
        let raw_sha256 = self.hasher.join().map_err(panicked)?;
        let members = self.writer.join().map_err(panicked)??;
        Ok((members, raw_sha256))
    }
}

fn compress(queue: &Receiver<Task>, level: CompressionLevel) {
    let mut compressor = Compressor::new(level.0);
    for Task { piece, done } in queue {
        let mut member = Vec::new();
        let packed = format::data_member(&mut compressor, &piece.raw, piece.flags, piece.rows, &mut member);
        // The writer is gone only after a failure of its own, which is reported in its place.
        let _sent = done.send(packed.map(|()| member));
    }
}

fn hash(queue: &Receiver<Arc<Piece>>) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for piece in queue {
        sha256.update(&piece.raw);
    }
    sha256.finalize().into()
}

fn write<W: Write>(sink: W, queue: &Receiver<Order>) -> Result<Members<W>> {
    let mut members = Members { sink, sha256: Sha256::new(), size: 0, extents: Vec::new() };
    for Order { section, packed } in queue {
        let lost =
            |_| Error::Stream { action: "compress", source: std::io::Error::other("a worker ended early") };
        let member = packed.recv().map_err(lost)??;
        members.begin(section);
        members.put(&member)?;
    }
    members.begin_all_after_last();
    Ok(members)
}

impl<W: Write> Members<W> {
    /// Sections without a byte lie where the next one begins.
    fn begin(&mut self, section: usize) {
        while self.extents.len() <= section {
            self.extents.push(Extent { offset: self.size, size: 0 });
        }
    }

    fn begin_all_after_last(&mut self) {
        if self.extents.is_empty() {
            self.begin(0);
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        self.sink.write_all(bytes).map_err(|source| Error::Stream { action: WRITE_ARTIFACT, source })?;
        self.size += bytes.len() as u64;
        if let Some(extent) = self.extents.last_mut() {
            extent.size += bytes.len() as u64;
        }
        Ok(())
    }

    /// Where a section lies.
    pub(crate) fn extent(&self, section: usize) -> Extent {
        self.extents.get(section).copied().unwrap_or(Extent { offset: self.size, size: 0 })
    }

    /// Writes the footer and returns the sink.
    ///
    /// # Errors
    /// The sink cannot be written, or the core is not JSON.
    pub(crate) fn finish(mut self, core: &Map<String, Value>) -> Result<(W, Written)> {
        let core = serde_json::to_vec(core)?;
        let footer_offset = self.size;
        self.put(&format::footer_pieces(&core))?;
        let end = End {
            footer_offset,
            core_size: core.len() as u64,
            core_sha256: Sha256::digest(&core).into(),
            sha256: self.sha256.clone().finalize().into(),
        };
        self.put(&end.encode())?;
        self.sink.flush().map_err(|source| Error::Stream { action: WRITE_ARTIFACT, source })?;
        Ok((self.sink, Written { size: self.size, sha256: self.sha256.finalize().into() }))
    }
}
