//! Decompresses members on several threads and hands them on in order.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest, Sha256};

use super::crc32::Crc32;
use super::format::DataHeader;
use super::member::{Unpacker, crc32_of};
use super::reader::{Artifact, Member};
use crate::error::{Error, Result};
use crate::thread;

/// A member's SQL.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Where it lies in the artifact and what its header says.
    pub(crate) member: Member,
    /// The SQL.
    pub(crate) raw: Vec<u8>,
    /// Its CRC-32.
    pub(crate) crc32: Crc32,
}

/// Members that are being decompressed.
pub(crate) struct Decoder {
    decoded: Option<Receiver<Receiver<Result<Decoded>>>>,
    reader: Option<JoinHandle<Sha256>>,
    workers: Vec<JoinHandle<()>>,
    spare: Spare,
}

/// Buffers that have been used. New ones of this size cost the kernel as much as reading into them.
#[derive(Clone)]
pub(crate) struct Spare {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
}

impl Spare {
    fn new(jobs: usize) -> Self {
        let (give, take) = bounded(2 * jobs);
        Self { give, take }
    }

    /// Takes a buffer that nobody needs any more.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        // Where there are enough of them it is dropped.
        self.give.try_send(buffer).ok();
    }

    fn take(&self) -> Vec<u8> {
        self.take.try_recv().unwrap_or_default()
    }
}

struct Task {
    member: Member,
    bytes: Vec<u8>,
    done: Sender<Result<Decoded>>,
}

impl Decoder {
    /// Begins to read the extents (offset and end, in bytes), in this order, on `jobs` threads.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(crate) fn new(artifact: &Arc<Artifact>, extents: Vec<(u64, u64)>, jobs: usize) -> Result<Self> {
        Self::of(artifact, extents, |_| true, jobs)
    }

    /// As [`Decoder::new`], of the members alone whose headers are `wanted`: nothing but the headers is read of the
    /// others.
    pub(crate) fn of(
        artifact: &Arc<Artifact>,
        extents: Vec<(u64, u64)>,
        wanted: fn(&DataHeader) -> bool,
        jobs: usize,
    ) -> Result<Self> {
        let jobs = jobs.max(1);
        let (tasks, task_queue) = bounded::<Task>(jobs);
        let (order, decoded) = bounded(2 * jobs);
        let (spare, packed) = (Spare::new(jobs), Spare::new(jobs));
        let workers = (0..jobs)
            .map(|_| {
                let (queue, artifact) = (task_queue.clone(), Arc::clone(artifact));
                let (spare, packed) = (spare.clone(), packed.clone());
                thread::start(move || decompress(&queue, &artifact, &spare, &packed))
            })
            .collect::<Result<_>>()?;
        let artifact = Arc::clone(artifact);
        let reader = thread::start(move || read(&artifact, &extents, wanted, &packed, &order, &tasks))?;
        Ok(Self { decoded: Some(decoded), reader: Some(reader), workers, spare })
    }

    /// Where to give the SQL's buffers when they are done with, so that they are used again.
    pub(crate) fn spare(&self) -> Spare {
        self.spare.clone()
    }

    /// The next member; none after the last.
    ///
    /// # Errors
    /// The artifact cannot be read, or the member is damaged.
    pub(crate) fn next(&mut self) -> Result<Option<Decoded>> {
        let Some(Ok(next)) = self.decoded.as_ref().map(Receiver::recv) else { return Ok(None) };
        let ended =
            |_| Error::Stream { action: "decompress", source: std::io::Error::other("a worker ended early") };
        next.recv().map_err(ended)?.map(Some)
    }

    /// SHA-256 of the bytes read, as far as they were: all of them after [`Decoder::next`] gave none.
    pub(crate) fn finish(mut self) -> Sha256 {
        self.stop().unwrap_or_default()
    }

    fn stop(&mut self) -> Option<Sha256> {
        self.decoded = None;
        let sha256 = self.reader.take().and_then(|reader| reader.join().ok());
        for worker in self.workers.drain(..) {
            // A worker's panic has already shown as a member that did not arrive.
            let _joined = worker.join();
        }
        sha256
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read(
    artifact: &Artifact,
    extents: &[(u64, u64)],
    wanted: fn(&DataHeader) -> bool,
    packed: &Spare,
    order: &Sender<Receiver<Result<Decoded>>>,
    tasks: &Sender<Task>,
) -> Sha256 {
    let mut sha256 = Sha256::new();
    for (from, to) in extents {
        artifact.will_read(*from, *to);
    }
    let members = extents.iter().flat_map(|(from, to)| artifact.members(*from, *to));
    for member in members.filter(|member| member.as_ref().map_or(true, |member| wanted(&member.header))) {
        let (done, decoded) = bounded(1);
        if order.send(decoded).is_err() {
            break;
        }
        let bytes = member.and_then(|member| {
            let size = usize::try_from(member.header.size).unwrap_or(usize::MAX);
            artifact.read_into(packed.take(), member.offset, size).map(|bytes| (member, bytes))
        });
        match bytes {
            Ok((member, bytes)) => {
                sha256.update(&bytes);
                if tasks.send(Task { member, bytes, done }).is_err() {
                    break;
                }
            }
            Err(error) => {
                let _nobody_waits = done.send(Err(error));
                break;
            }
        }
    }
    sha256
}

fn decompress(queue: &Receiver<Task>, artifact: &Artifact, spare: &Spare, packed: &Spare) {
    let mut unpacker = Unpacker::default();
    for Task { member, bytes, done } in queue {
        let raw = unpacker.unpack(&bytes, &member.header, spare.take());
        let crc32 = crc32_of(&bytes, &member.header);
        packed.give(bytes);
        let damaged = || {
            Error::damaged(
                artifact.name(),
                format!("the member at byte {} does not decompress to what it says", member.offset),
            )
        };
        let _nobody_waits = done.send(raw.ok_or_else(damaged).map(|raw| Decoded { member, raw, crc32 }));
    }
}
