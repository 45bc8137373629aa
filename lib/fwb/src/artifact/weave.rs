//! Weaves the sections of several streams of SQL into one file.
//!
//! One stream at a time is *live*: its members are written as they come. Those of the others wait, a few in memory and
//! the rest in a file without a name, until the live stream's section has ended. Then the next stream takes its turn:
//! what it has waiting is written, and its section goes on live. So every section lies in one piece, and no stream waits
//! for another.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Select, Sender};

use super::cutter::Piece;
use super::writer::{Hashed, Members, Spill, failed};
use crate::error::{Error, Result};

/// How much of a stream waits in memory, in bytes of members.
const IN_MEMORY: usize = 4 << 20;

/// A compressed member, or why there is none.
pub(super) type Packed = Result<Vec<u8>>;

/// A member that comes next in its stream.
pub(super) struct Order {
    pub(super) section: usize,
    /// Whether it belongs after all that other streams hold.
    pub(super) tail: bool,
    pub(super) piece: Arc<Piece>,
    pub(super) packed: Receiver<Packed>,
}

/// What puts the members one after another.
pub(super) struct Weaver<W> {
    members: Members<W>,
    streams: Vec<Stream>,
    live: usize,
    to_hash: Sender<Hashed>,
    spill: Spill,
}

struct Stream {
    /// None at its end.
    orders: Option<Receiver<Order>>,
    section: usize,
    waiting: Waiting,
    /// The first member of its tail, while other streams are not at their end.
    tail: Option<Order>,
}

impl Stream {
    /// Whether more is to come from it before all others have ended.
    fn goes_on(&self) -> bool {
        self.orders.is_some() && self.tail.is_none()
    }
}

impl<W: Write> Weaver<W> {
    pub(super) fn new(
        members: Members<W>,
        queues: Vec<Receiver<Order>>,
        to_hash: Sender<Hashed>,
        spill: Spill,
    ) -> Self {
        let stream =
            |orders| Stream { orders: Some(orders), section: 0, waiting: Waiting::default(), tail: None };
        Self { members, streams: queues.into_iter().map(stream).collect(), live: 0, to_hash, spill }
    }

    /// Writes all members of all streams.
    ///
    /// # Errors
    /// A member could not be made, or not be written.
    pub(super) fn run(mut self) -> Result<Members<W>> {
        while let Some((stream, order)) = self.next() {
            match order {
                Some(order) => self.take(stream, order)?,
                None => self.end(stream)?,
            }
        }
        (0..self.streams.len()).try_for_each(|stream| self.write_waiting(stream))?;
        Ok(self.members)
    }

    /// What comes next from any stream: a member, or its end.
    fn next(&self) -> Option<(usize, Option<Order>)> {
        let mut select = Select::new();
        let mut open = Vec::new();
        for (index, stream) in self.streams.iter().enumerate() {
            if let (Some(orders), true) = (&stream.orders, stream.goes_on()) {
                select.recv(orders);
                open.push((index, orders));
            }
        }
        if open.is_empty() {
            return None;
        }
        let ready = select.select();
        let (index, orders) = open[ready.index()];
        Some((index, ready.recv(orders).ok()))
    }

    fn take(&mut self, stream: usize, order: Order) -> Result<()> {
        if self.streams[stream].section != order.section {
            self.streams[stream].section = order.section;
            if stream == self.live {
                self.turn()?;
            }
        }
        if order.tail && self.others_go_on(stream) {
            self.streams[stream].tail = Some(order);
            return Ok(());
        }
        let Order { section, piece, packed, .. } = order;
        if stream == self.live {
            self.hash(Hashed::Raw(piece));
            return self.members.add(stream, section, &unpacked(&packed)?);
        }
        drop(piece);
        let member = unpacked(&packed)?;
        self.streams[stream].waiting.push(section, member, &self.spill).map_err(failed)
    }

    fn others_go_on(&self, stream: usize) -> bool {
        self.streams.iter().enumerate().any(|(other, state)| other != stream && state.goes_on())
    }

    /// A stream has ended. The last one to do so lets the tail go on.
    fn end(&mut self, ended: usize) -> Result<()> {
        self.streams[ended].orders = None;
        if ended == self.live {
            self.turn()?;
        }
        let holder = self.streams.iter().position(|stream| stream.tail.is_some());
        let Some(holder) = holder.filter(|holder| !self.others_go_on(*holder)) else { return Ok(()) };
        (0..self.streams.len()).try_for_each(|stream| self.write_waiting(stream))?;
        self.live = holder;
        self.streams[holder].tail.take().map_or(Ok(()), |order| self.take(holder, order))
    }

    /// The live stream's section has ended: the next stream that goes on becomes live.
    fn turn(&mut self) -> Result<()> {
        let (count, ended) = (self.streams.len(), self.live);
        for next in (1..count).map(|step| (ended + step) % count) {
            self.write_waiting(next)?;
            if self.streams[next].goes_on() {
                self.live = next;
                break;
            }
        }
        Ok(())
    }

    fn write_waiting(&mut self, stream: usize) -> Result<()> {
        while let Some((section, member)) = self.streams[stream].waiting.pop().map_err(failed)? {
            self.members.add(stream, section, &member)?;
            self.hash(Hashed::Member(member));
        }
        Ok(())
    }

    /// A hasher that is gone has failed, and says so in the end.
    fn hash(&self, hashed: Hashed) {
        self.to_hash.send(hashed).ok();
    }
}

fn unpacked(packed: &Receiver<Packed>) -> Packed {
    let lost = |_| Error::Stream { action: "compress", source: io::Error::other("a worker ended early") };
    packed.recv().map_err(lost)?
}

/// Members that wait for their turn.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<(usize, Slot)>,
    in_memory: usize,
    file: Option<File>,
    /// Where the file ends, in bytes.
    end: u64,
}

enum Slot {
    Memory(Vec<u8>),
    /// Offset and size in the file, in bytes.
    File(u64, usize),
}

impl Waiting {
    fn push(&mut self, section: usize, member: Vec<u8>, spill: &Spill) -> io::Result<()> {
        if self.in_memory + member.len() <= IN_MEMORY {
            self.in_memory += member.len();
            self.queue.push_back((section, Slot::Memory(member)));
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(spill()?),
        };
        file.write_all_at(&member, self.end)?;
        self.queue.push_back((section, Slot::File(self.end, member.len())));
        self.end += member.len() as u64;
        Ok(())
    }

    fn pop(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        let Some((section, slot)) = self.queue.pop_front() else {
            // The file's space is free again.
            if let (Some(file), 1..) = (&self.file, self.end) {
                file.set_len(0)?;
                self.end = 0;
            }
            return Ok(None);
        };
        let member = match slot {
            Slot::Memory(member) => {
                self.in_memory -= member.len();
                member
            }
            Slot::File(offset, size) => {
                let mut member = vec![0; size];
                let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                file.read_exact_at(&mut member, offset)?;
                member
            }
        };
        Ok(Some((section, member)))
    }
}
