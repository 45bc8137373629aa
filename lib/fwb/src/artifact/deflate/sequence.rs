//! What DEFLATE writes: literals, and matches with what came before (RFC 1951, section 3.2.5).

/// Symbols for literals, the end of a block and lengths.
pub(super) const LITERALS: usize = 286;
/// Symbols for distances.
pub(super) const DISTANCES: usize = 30;
/// The symbol that ends a block.
pub(super) const END: usize = 256;
/// The shortest and the longest match that the format has, in bytes.
pub(super) const MIN_MATCH: usize = 3;
pub(super) const MAX_MATCH: usize = 258;
/// The farthest that a match reaches back, in bytes.
pub(super) const WINDOW: usize = 32 << 10;

/// Some literals, and then a match. One without a match ends a part of the data: what follows may be of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// How many literals.
    pub(super) literals: usize,
    /// The match's length in bytes, [`MIN_MATCH`] to [`MAX_MATCH`]; 0 for none.
    pub(super) length: u16,
    /// How far back it lies in bytes, 1 to [`WINDOW`].
    pub(super) distance: u16,
}

impl Sequence {
    /// How many bytes it stands for.
    pub(super) fn size(&self) -> usize {
        self.literals + usize::from(self.length)
    }
}

/// The sequences of some data, as they are found.
#[derive(Default)]
pub(super) struct Sequences {
    found: Vec<Sequence>,
    /// Where the last match ended: what follows are literals so far.
    end: usize,
    /// Where the present part began.
    part: usize,
}

impl Sequences {
    pub(super) fn clear(&mut self) {
        self.found.clear();
        (self.end, self.part) = (0, 0);
    }

    pub(super) fn as_slice(&self) -> &[Sequence] {
        &self.found
    }

    /// Where the last match ended.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Where the present part began.
    pub(super) fn part(&self) -> usize {
        self.part
    }

    /// From `start` to `end` the data is what it was `distance` bytes before.
    pub(super) fn push(&mut self, mut start: usize, end: usize, distance: usize) {
        while end - start >= MIN_MATCH {
            let length = MAX_MATCH.min(end - start);
            let literals = start - self.end;
            self.found.push(Sequence { literals, length: length as u16, distance: distance as u16 });
            start += length;
            self.end = start;
        }
    }

    /// A part of the data ends here.
    pub(super) fn end_part(&mut self, at: usize) {
        self.found.push(Sequence { literals: at - self.end, length: 0, distance: 0 });
        (self.end, self.part) = (at, at);
    }
}

/// A symbol and the bits that follow its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) number: usize,
    pub(super) extra: u32,
    pub(super) value: u32,
}

impl Symbol {
    pub(super) fn of_length(length: u16) -> Self {
        let length = u32::from(length);
        match length.saturating_sub(3) {
            255.. => Self { number: 285, extra: 0, value: 0 },
            short @ 0..8 => Self { number: 257 + short as usize, extra: 0, value: 0 },
            rest => {
                let extra = rest.ilog2() - 2;
                let number = 257 + (4 * (extra + 1) + (rest >> extra & 3)) as usize;
                Self { number, extra, value: rest & ((1 << extra) - 1) }
            }
        }
    }

    pub(super) fn of_distance(distance: u16) -> Self {
        match u32::from(distance).saturating_sub(1) {
            near @ 0..4 => Self { number: near as usize, extra: 0, value: 0 },
            rest => {
                let extra = rest.ilog2() - 1;
                let number = (2 * (extra + 1) + (rest >> extra & 1)) as usize;
                Self { number, extra, value: rest & ((1 << extra) - 1) }
            }
        }
    }
}
