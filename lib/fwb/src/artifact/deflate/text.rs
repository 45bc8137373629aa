//! Matches in the text between binary values.

use super::digits::is_digit;
use super::sequence::{MAX_MATCH, Sequences, WINDOW};

/// Bits in a hash.
const HASH_BITS: u32 = 12;
/// How many earlier places are tried for a match.
const TRIES: usize = 12;
/// Where nothing was seen yet.
const NOWHERE: u32 = u32::MAX;

/// Finds matches by chains of places with the same hash, as zlib does, and prefers what saves most bits.
pub(super) struct TextMatcher {
    /// By the hash of four bytes, where they were seen last.
    heads: Vec<u32>,
    /// By place in the window, where the same hash was seen before.
    chain: Vec<u32>,
}

impl TextMatcher {
    pub(super) fn new() -> Self {
        Self { heads: vec![NOWHERE; 1 << HASH_BITS], chain: vec![NOWHERE; WINDOW] }
    }

    pub(super) fn clear(&mut self) {
        self.heads.fill(NOWHERE);
    }

    /// Finds matches from `at` to `end`; the last may reach beyond. Returns where the search ended.
    pub(super) fn find(&mut self, raw: &[u8], mut at: usize, end: usize, sequences: &mut Sequences) -> usize {
        while at < end {
            let found = self.best(raw, at);
            self.remember(raw, at);
            // A better match may begin one byte later.
            let later = if at + 1 < end { self.best(raw, at + 1) } else { None };
            let Some(found) = found.filter(|found| later.is_none_or(|later| later.gain <= found.gain)) else {
                at += 1;
                continue;
            };
            let mut next = at + found.length;
            if found.length == MAX_MATCH {
                next += same(&raw[next..], &raw[next - found.distance..]);
            }
            sequences.push(at, next, found.distance);
            for place in at + 1..next.min(end) {
                self.remember(raw, place);
            }
            at = next;
        }
        at
    }

    fn remember(&mut self, raw: &[u8], at: usize) {
        if let Some(hash) = hash(raw, at) {
            self.chain[at % WINDOW] = self.heads[hash];
            self.heads[hash] = at as u32;
        }
    }

    /// The match that saves most.
    fn best(&self, raw: &[u8], at: usize) -> Option<Match> {
        let mut best: Option<Match> = None;
        let mut place = self.heads[hash(raw, at)?] as usize;
        for _ in 0..TRIES {
            if place >= at || at - place > WINDOW {
                break;
            }
            let found = Match::new(raw, at, place);
            if found.gain > best.map_or(0, |best| best.gain) {
                best = Some(found);
            }
            // What the chain says of a place at the window's end may belong to another, later one.
            let before = self.chain[place % WINDOW] as usize;
            if before >= place {
                break;
            }
            place = before;
        }
        best
    }
}

/// What may be written in place of literals.
#[derive(Clone, Copy)]
struct Match {
    length: usize,
    distance: usize,
    /// What it saves, in bits, by and large.
    gain: u32,
}

impl Match {
    /// What a match takes beside the bits of its distance.
    const COST: u32 = 9;
    /// The shortest that is worth it, in bytes.
    const LEAST: usize = 4;

    fn new(raw: &[u8], at: usize, place: usize) -> Self {
        let here = &raw[at..raw.len().min(at + MAX_MATCH)];
        let length = same(here, &raw[place..]);
        // A digit takes 4 bits among binary values, everything else about twice as many.
        let bits: u32 = here[..length].iter().map(|&byte| if is_digit(byte) { 4 } else { 8 }).sum();
        let distance = at - place;
        let saved = bits.saturating_sub(Self::COST + distance.ilog2());
        Self { length, distance, gain: if length < Self::LEAST { 0 } else { saved } }
    }
}

/// How many bytes are the same.
pub(super) fn same(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn hash(raw: &[u8], at: usize) -> Option<usize> {
    let bytes = u32::from_le_bytes(*raw[at..].first_chunk()?);
    Some((bytes.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize)
}
