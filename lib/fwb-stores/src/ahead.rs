//! Reads an object by ranges. What is said to be read from beginning to end is fetched ahead in windows; anything else as little as
//! will do.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use fwb::{Error, ReadAt, Refusal, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetRange};

use crate::client::{Client, runtime};

/// Bytes of a window that is fetched ahead.
const WINDOW: u64 = 4 << 20;
/// Windows that are kept: bounds the memory, with what is under way.
const KEPT: usize = 7;
/// Windows that are fetched before they are asked for, of all readers together.
const AHEAD: usize = 3;
/// The least that is fetched where nothing was said.
const LEAST: u64 = 64 << 10;

type Bytes = Result<Arc<Vec<u8>>, Arc<Error>>;
type Fetched = Shared<BoxFuture<'static, Bytes>>;

/// An object of a known version.
pub(crate) struct Remote {
    client: Client,
    name: String,
    path: Path,
    e_tag: Option<String>,
    size: u64,
    state: Mutex<State>,
    counts: Counts,
}

#[derive(Default)]
struct State {
    /// By where they begin.
    windows: BTreeMap<u64, Window>,
    /// What will be read from beginning to end.
    announced: Vec<Range<u64>>,
    /// Counts the uses, so that the oldest is known.
    uses: u64,
}

struct Window {
    end: u64,
    fetched: Fetched,
    used: u64,
    /// Whether somebody has asked for it.
    wanted: bool,
}

/// What was fetched.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl fmt::Debug for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Remote").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Remote {
    /// An object, of which the last bytes are known: from `from` on.
    pub(crate) fn new(
        client: Client,
        name: &str,
        path: Path,
        e_tag: Option<String>,
        size: u64,
        (from, tail): (u64, Vec<u8>),
    ) -> Self {
        let known = async move { Ok(Arc::new(tail)) }.boxed().shared();
        let mut state = State::default();
        state.windows.insert(from, Window { end: size, fetched: known, used: 0, wanted: true });
        let counts = Counts { requests: AtomicU64::new(1), bytes: AtomicU64::new(size - from) };
        Self { client, name: name.into(), path, e_tag, size, state: Mutex::new(state), counts }
    }

    /// The window that has the byte at `offset`, which is fetched where it is not there.
    fn window(&self, offset: u64, wanted: u64) -> io::Result<(u64, Fetched)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.uses += 1;
        let uses = state.uses;
        let announced = state.announced.iter().find(|range| range.contains(&offset)).cloned();
        let found = state.windows.range_mut(..=offset).next_back().filter(|(_, window)| offset < window.end);
        let (start, fetched, end) = match found {
            Some((start, window)) => {
                (window.used, window.wanted) = (uses, true);
                (*start, window.fetched.clone(), window.end)
            }
            None => {
                let next = state.windows.range(offset..).next().map_or(self.size, |(next, _)| *next);
                let end = match &announced {
                    Some(range) => (offset + WINDOW).min(range.end).max(offset + wanted),
                    None => offset + wanted.max(LEAST),
                };
                let end = end.min(next).min(self.size);
                let fetched = self.fetch(offset..end)?;
                let window = Window { end, fetched: fetched.clone(), used: uses, wanted: true };
                state.windows.insert(offset, window);
                (offset, fetched, end)
            }
        };
        if let Some(range) = announced {
            self.read_ahead(&mut state, end, range.end)?;
        }
        // The oldest go; whoever reads one of them has it.
        while state.windows.len() > KEPT {
            let oldest = state
                .windows
                .iter()
                .filter(|(_, window)| window.wanted)
                .min_by_key(|(_, window)| window.used);
            let Some(oldest) = oldest.map(|(start, _)| *start) else { break };
            state.windows.remove(&oldest);
        }
        Ok((start, fetched))
    }

    /// Fetches what comes next, as far as not enough is under way.
    fn read_ahead(&self, state: &mut State, mut from: u64, to: u64) -> io::Result<()> {
        while from < to {
            if let Some(known) = state.windows.get(&from) {
                from = known.end;
                continue;
            }
            if state.windows.values().filter(|window| !window.wanted).count() >= AHEAD {
                break;
            }
            let next = state.windows.range(from..).next().map_or(to, |(next, _)| *next);
            let end = (from + WINDOW).min(to).min(next);
            let fetched = self.fetch(from..end)?;
            state.windows.insert(from, Window { end, fetched, used: state.uses, wanted: false });
            from = end;
        }
        Ok(())
    }

    /// Begins to fetch a range.
    fn fetch(&self, range: Range<u64>) -> io::Result<Fetched> {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(range.end - range.start, Ordering::Relaxed);
        let (client, name, path) = (self.client.clone(), self.name.clone(), self.path.clone());
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: self.e_tag.clone(),
            ..GetOptions::default()
        };
        let fetching = async move {
            let got = async { client.bulk.get_opts(&path, options).await?.bytes().await };
            let bytes = got.await.map_err(|said| match said {
                object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. } => {
                    Arc::new(client.problem(
                        "read",
                        &name,
                        "it was replaced or removed while it was read",
                        Refusal::Changed,
                    ))
                }
                said => Arc::new(client.error("read", &name, &said)),
            })?;
            if bytes.len() as u64 != range.end - range.start {
                let problem = format!("the answer has {} bytes of {}", bytes.len(), range.end - range.start);
                return Err(Arc::new(client.problem("read", &name, problem, Refusal::Failure)));
            }
            Ok(Arc::new(Vec::from(bytes)))
        };
        let fetched = fetching.boxed().shared();
        runtime().map_err(io::Error::other)?.spawn(fetched.clone());
        Ok(fetched)
    }

    /// What was fetched, so that it need not be kept when it failed.
    fn forget(&self, start: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).windows.remove(&start);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let Counts { requests, bytes } = &self.counts;
        log::info!(
            "{}: {} bytes were read by {} requests",
            self.path,
            bytes.load(Ordering::Relaxed),
            requests.load(Ordering::Relaxed)
        );
    }
}

impl ReadAt for Remote {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut at = offset;
        while at < end {
            let (start, fetched) = self.window(at, end - at)?;
            let done = match fetched.peek() {
                Some(done) => done.clone(),
                None => self.client.wait(fetched).map_err(io::Error::other)?,
            };
            let bytes = match done {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.forget(start);
                    return Err(io::Error::other(again(&error)));
                }
            };
            let skip = usize::try_from(at - start).unwrap_or(usize::MAX);
            let here = bytes.get(skip..).unwrap_or_default();
            let filled = usize::try_from(at - offset).unwrap_or(usize::MAX);
            let target = &mut buffer[filled..];
            let size = here.len().min(target.len());
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            target[..size].copy_from_slice(&here[..size]);
            at += size as u64;
        }
        Ok(())
    }

    fn will_read(&self, from: u64, to: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut range = from..to.min(self.size);
        if range.is_empty() {
            return;
        }
        // Those that touch are one, or nothing would be fetched ahead of the end of a small table.
        state.announced.retain(|other| {
            let touches = other.start <= range.end && range.start <= other.end;
            if touches {
                range = range.start.min(other.start)..range.end.max(other.end);
            }
            !touches
        });
        state.announced.push(range);
    }
}

/// An error that several readers are told.
fn again(error: &Error) -> Error {
    match error {
        Error::ObjectStore { action, object, problem, refusal } => {
            Error::ObjectStore { action, object: object.clone(), problem: problem.clone(), refusal: *refusal }
        }
        Error::Interrupted(signal) => Error::Interrupted(*signal),
        other => Error::Stream { action: "read an object", source: io::Error::other(other.to_string()) },
    }
}
