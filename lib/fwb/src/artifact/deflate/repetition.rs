//! Repetitions in the digits of binary values: long ones become matches, short ones are a sign.
//!
//! Pictures and archives repeat nothing, and trying every place, as compressors do, is in vain there. So words are
//! remembered and looked up at few places: enough to find every long repetition, the same file stored twice, and to come
//! upon short ones where there are many. Then a compressor that tries every place makes more of these values.

use super::sequence::{Sequences, WINDOW};
use super::text::{TextMatcher, same};

/// Digits that are compared at once.
const WORD: usize = 8;
/// How far apart the words are that are remembered, and that are looked up: whatever the distance at which something
/// repeats itself, in [`ROUND`] digits one of these meets one of those.
const REMEMBERED: usize = 16;
const LOOKED_UP: usize = 15;
const ROUND: usize = REMEMBERED * LOOKED_UP;
/// Repetitions of fewer digits are likely to be missed.
const SHORT: usize = 64;
/// How many digits after a short repetition are searched at every place, like text. What repeats itself nearer than that
/// has a pattern, and counts as short.
const NEARBY: usize = 1024;
/// The most words that may begin a short repetition: one in so many.
const LEAST_DISTANCE: usize = 512;
/// So many digits in a part are looked at byte by byte: values may repeat themselves in three or four bytes only.
const SAMPLE: usize = 4 << 10;
/// The most of these bytes that may begin a repetition of three: one in so many.
const LEAST_SAMPLE_DISTANCE: usize = 64;
/// The digits of three bytes in a word.
const THREE_BYTES: u64 = 0xffff_ffff_ffff;
/// A part ends after so many digits.
const PART: usize = 64 << 10;
/// What is allowed before there is enough to judge by, and in the end.
const EARLY: usize = 16;
const LATE: usize = 2;
/// Bits in a hash.
const HASH_BITS: u32 = 12;
/// Where nothing was seen yet.
const NOWHERE: u32 = u32::MAX;

/// Finds repetitions in digits.
pub(super) struct RepetitionFinder {
    /// By the hash of a word, where it was seen last.
    words: Vec<u32>,
    /// The same of the three bytes of a sample.
    samples: Vec<u32>,
    signs: Signs,
}

/// Signs that a member's values repeat themselves.
#[derive(Default)]
struct Signs {
    /// Words that were looked up.
    looked_up: usize,
    /// Short repetitions that came to light.
    short: usize,
    /// Digits of the present part that are still to be looked at byte by byte.
    unsampled: usize,
    /// Bytes that were, and those that began a repetition.
    sampled: usize,
    familiar: usize,
}

impl Signs {
    /// Whether hardly anything repeats itself that is too short to be found reliably.
    fn are_few(&self, allowance: usize) -> bool {
        self.short <= allowance + self.looked_up / LEAST_DISTANCE
            && self.familiar <= 4 * allowance + self.sampled / LEAST_SAMPLE_DISTANCE
    }
}

impl RepetitionFinder {
    pub(super) fn new() -> Self {
        let table = || vec![NOWHERE; 1 << HASH_BITS];
        Self { words: table(), samples: table(), signs: Signs::default() }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(NOWHERE);
        self.samples.fill(NOWHERE);
        self.signs = Signs { unsampled: SAMPLE, ..Signs::default() };
    }

    /// Whether what was found is all that matters.
    pub(super) fn is_complete(&self) -> bool {
        self.signs.are_few(LATE)
    }

    /// A part of the data ends here.
    pub(super) fn end_part(&mut self, at: usize, sequences: &mut Sequences) {
        sequences.end_part(at);
        self.signs.unsampled = SAMPLE;
    }

    /// Finds repetitions in the digits from `at` to the end of `raw`; none as soon as too many are short.
    pub(super) fn find(
        &mut self,
        raw: &[u8],
        mut at: usize,
        text: &mut TextMatcher,
        sequences: &mut Sequences,
    ) -> Option<()> {
        self.sample(raw, at);
        while at + WORD <= raw.len() {
            at = match self.look_up(raw, at) {
                None => at + ROUND,
                Some((here, before)) => self.take(raw, here, before, text, sequences),
            };
            self.signs.are_few(EARLY).then_some(())?;
            if at - sequences.part() >= PART && at <= raw.len() {
                self.end_part(at, sequences);
                self.sample(raw, at);
            }
        }
        Some(())
    }

    /// Looks up words, and remembers others, for one round. Returns where one is, and where the same was before.
    fn look_up(&mut self, raw: &[u8], at: usize) -> Option<(usize, usize)> {
        let last = raw.len() - WORD;
        let places = (at..=last.min(at + ROUND - LOOKED_UP)).step_by(LOOKED_UP);
        for (here, place) in places.zip((at..).step_by(REMEMBERED)) {
            self.signs.looked_up += 1;
            let digits = word(raw, here);
            let before = self.words[hash(digits)] as usize;
            if before < here && here - before <= WINDOW && word(raw, before) == digits {
                return Some((here, before));
            }
            if place < at + ROUND && place <= last {
                self.words[hash(word(raw, place))] = place as u32;
            }
        }
        None
    }

    /// Makes matches of all that is the same here and before. Returns where the search goes on.
    fn take(
        &mut self,
        raw: &[u8],
        here: usize,
        before: usize,
        text: &mut TextMatcher,
        sequences: &mut Sequences,
    ) -> usize {
        let distance = here - before;
        let back = raw[sequences.end()..here].iter().rev().zip(raw[..before].iter().rev());
        let start = here - back.take_while(|(a, b)| a == b).count();
        let end = here + same(&raw[here..], &raw[before..]);
        sequences.push(start, end, distance);
        for place in (start..end.saturating_sub(WORD)).step_by(REMEMBERED) {
            self.words[hash(word(raw, place))] = place as u32;
        }
        if end - start >= SHORT && distance >= NEARBY {
            return end;
        }
        self.signs.short += 1;
        text.find(raw, end, raw.len().min(end + NEARBY), sequences)
    }

    /// Looks at the first digits of a part byte by byte.
    fn sample(&mut self, raw: &[u8], at: usize) {
        let end = raw.len().min(at + self.signs.unsampled);
        let size = end.saturating_sub(at);
        self.signs.unsampled -= size;
        self.signs.sampled += size / 2;
        let (mut streak, mut before) = (0, NOWHERE as usize);
        for here in (at..end.saturating_sub(WORD)).step_by(2) {
            let digits = word(raw, here) & THREE_BYTES;
            let last = std::mem::replace(&mut self.samples[hash(digits)], here as u32) as usize;
            before = if streak > 0 { before + 2 } else { last };
            if before < here && here - before <= WINDOW && word(raw, before) & THREE_BYTES == digits {
                streak += 1;
                continue;
            }
            // Long repetitions are found anyway.
            self.signs.familiar += if 2 * streak < SHORT { streak } else { 0 };
            streak = 0;
        }
    }
}

fn word(raw: &[u8], at: usize) -> u64 {
    raw[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn hash(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS)) as usize
}
