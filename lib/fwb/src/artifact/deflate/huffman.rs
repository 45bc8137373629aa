//! Huffman codes for DEFLATE (RFC 1951, section 3.2.2): as short as a limit on their length allows.
//!
//! The lengths come from package-merge (Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman
//! codes", 1990). It costs more than the usual repair of an unlimited code, and is shorter to write and optimal.

/// The longest code that the format has, in bits.
pub(super) const MAX_LENGTH: u8 = 15;

/// The length of each symbol's code, in bits, none longer than `limit`; 0 for symbols that do not occur.
///
/// A code has two symbols at least, whatever occurs: every decoder takes a complete code, and not every one takes
/// another. `2^limit` must not be less than the number of symbols.
fn code_lengths(frequencies: &[u32], limit: u8) -> Vec<u8> {
    let mut lengths = vec![0; frequencies.len()];
    let mut symbols: Vec<usize> = (0..frequencies.len()).filter(|&symbol| frequencies[symbol] > 0).collect();
    let unused = (0..frequencies.len()).filter(|&symbol| frequencies[symbol] == 0);
    symbols.extend(unused.take(2_usize.saturating_sub(symbols.len())));
    symbols.sort_by_key(|&symbol| frequencies[symbol]);
    let leaves: Vec<u64> = symbols.iter().map(|&symbol| u64::from(frequencies[symbol]).max(1)).collect();

    // Level by level, what is worth picking, cheapest first: symbols, and pairs of what the level before has.
    let mut levels: Vec<Vec<Item>> = Vec::with_capacity(usize::from(limit));
    for _ in 0..limit {
        let below = levels.last().map_or(&[][..], Vec::as_slice);
        levels.push(merge(&leaves, below));
    }
    // The cheapest 2n - 2 of the last level make the code: a symbol's length is how often it was picked.
    let mut picked = (2 * leaves.len()).saturating_sub(2);
    for level in levels.iter().rev() {
        let leaves = level[..picked].iter().filter(|item| item.leaf).count();
        for &symbol in &symbols[..leaves] {
            lengths[symbol] += 1;
        }
        picked = 2 * (picked - leaves);
    }
    lengths
}

/// A code: the length and the bits of each symbol.
pub(super) struct Code {
    /// Lengths in bits; 0 for symbols that have no code.
    pub(super) lengths: Vec<u8>,
    /// Bits in the order in which they are written: first bit lowest.
    pub(super) codes: Vec<u16>,
}

impl Code {
    /// The best code for these frequencies, none longer than `limit`.
    pub(super) fn new(frequencies: &[u32], limit: u8) -> Self {
        let lengths = code_lengths(frequencies, limit);
        let codes = codes(&lengths);
        Self { lengths, codes }
    }

    /// Whether it fills the whole space of codes, no more and no less, and no code is longer than the format has.
    pub(super) fn is_complete(&self) -> bool {
        let room = |&length: &u8| MAX_LENGTH.checked_sub(length).map(|left| 1 << left);
        let used = self.lengths.iter().filter(|&&length| length > 0);
        used.map(room).sum::<Option<u32>>() == Some(1 << MAX_LENGTH)
    }

    /// What all symbols together take, in bits.
    pub(super) fn cost(&self, frequencies: &[u32]) -> u64 {
        frequencies
            .iter()
            .zip(&self.lengths)
            .map(|(&count, &length)| u64::from(count) * u64::from(length))
            .sum()
    }
}

struct Item {
    weight: u64,
    leaf: bool,
}

fn merge(leaves: &[u64], below: &[Item]) -> Vec<Item> {
    let mut leaves = leaves.iter().copied().peekable();
    let mut pairs = below.chunks_exact(2).map(|pair| pair[0].weight + pair[1].weight).peekable();
    std::iter::from_fn(|| match (leaves.peek(), pairs.peek()) {
        (Some(leaf), Some(pair)) if pair < leaf => pairs.next().map(|weight| Item { weight, leaf: false }),
        (None, _) => pairs.next().map(|weight| Item { weight, leaf: false }),
        _ => leaves.next().map(|weight| Item { weight, leaf: true }),
    })
    .collect()
}

/// The canonical codes of these lengths, each with its bits in the order in which they are written: first bit lowest.
fn codes(lengths: &[u8]) -> Vec<u16> {
    let mut of_length = [0_u16; MAX_LENGTH as usize + 1];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        of_length[usize::from(length)] += 1;
    }
    let mut next = [0_u16; MAX_LENGTH as usize + 2];
    for (length, count) in of_length.into_iter().enumerate() {
        next[length + 1] = (next[length] + count) << 1;
    }
    let mut code = |length: u8| {
        let code = next[usize::from(length)];
        next[usize::from(length)] += 1;
        code.reverse_bits() >> (16 - length)
    };
    lengths.iter().map(|&length| if length == 0 { 0 } else { code(length) }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_complete(lengths: &[u8]) -> bool {
        Code { lengths: lengths.to_vec(), codes: codes(lengths) }.is_complete()
    }

    #[test]
    fn a_code_with_a_gap_or_an_overlap_is_not_complete() {
        let cases: [(&[u8], bool); 6] = [
            (&[1, 1], true),
            (&[1, 2, 2], true),
            (&[1], false),
            (&[1, 1, 2], false),
            (&[1, 2, 3], false),
            (&[], false),
        ];
        for (lengths, complete) in cases {
            assert_eq!(is_complete(lengths), complete, "{lengths:?}");
        }
        assert!(!Code { lengths: vec![1, 16], codes: vec![0, 1] }.is_complete());
    }

    fn cost(frequencies: &[u32], lengths: &[u8]) -> u64 {
        frequencies.iter().zip(lengths).map(|(&count, &length)| u64::from(count) * u64::from(length)).sum()
    }

    /// What a code without limit costs: the sum of all inner nodes of the Huffman tree.
    fn unlimited_cost(frequencies: &[u32]) -> u64 {
        let mut nodes: Vec<u64> = frequencies.iter().map(|&count| count.into()).filter(|&c| c > 0).collect();
        let mut cost = 0;
        while nodes.len() > 1 {
            nodes.sort_unstable_by(|a, b| b.cmp(a));
            let node = nodes.pop().unwrap() + nodes.pop().unwrap();
            cost += node;
            nodes.push(node);
        }
        cost
    }

    #[test]
    fn lengths_are_those_of_the_cheapest_code() {
        let cases: [(&[u32], u8, &[u8]); 8] = [
            (&[0, 0, 0], 15, &[1, 1, 0]),
            (&[0, 0, 9], 15, &[1, 0, 1]),
            (&[5, 0, 9], 15, &[1, 0, 1]),
            (&[1, 1, 2, 4], 15, &[3, 3, 2, 1]),
            (&[1, 1, 2, 4], 2, &[2, 2, 2, 2]),
            (&[1, 1, 2, 4, 8], 3, &[3, 3, 3, 3, 1]),
            (&[7, 7, 7, 7], 15, &[2, 2, 2, 2]),
            (&[u32::MAX, u32::MAX, 1], 15, &[2, 1, 2]),
        ];
        for (frequencies, limit, expected) in cases {
            let lengths = code_lengths(frequencies, limit);
            assert!(is_complete(&lengths), "{frequencies:?}");
            assert_eq!(
                cost(frequencies, &lengths),
                cost(frequencies, expected),
                "{frequencies:?} {lengths:?}"
            );
        }
    }

    #[test]
    fn fibonacci_frequencies_reach_every_limit_and_never_exceed_it() {
        let mut frequencies = vec![1, 1];
        for at in 2..30 {
            frequencies.push(frequencies[at - 1] + frequencies[at - 2]);
        }
        for symbols in 2..=30_u8 {
            let frequencies = &frequencies[..symbols.into()];
            for limit in 5..=MAX_LENGTH {
                let lengths = code_lengths(frequencies, limit);
                assert!(is_complete(&lengths));
                assert_eq!(lengths.iter().max(), Some(&limit.min(symbols - 1)));
                let optimal = cost(frequencies, &lengths) == unlimited_cost(frequencies);
                assert_eq!(optimal, limit >= symbols - 1);
            }
        }
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 1951, 3.2.2: ABCDEFGH with lengths 3,3,3,3,3,2,4,4.
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let expected = [0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111];
        assert_eq!(codes, expected);
    }

    proptest! {
        #[test]
        fn any_code_is_complete_and_none_is_cheaper(
            frequencies in proptest::collection::vec(prop_oneof![Just(0), 1..9_u32, 1..100_000_u32], 2..288),
        ) {
            for limit in [9, 13, 15] {
                let lengths = code_lengths(&frequencies, limit);
                prop_assert!(is_complete(&lengths));
                prop_assert!(lengths.iter().all(|&length| length <= limit));
                let least = unlimited_cost(&frequencies);
                prop_assert!(cost(&frequencies, &lengths) >= least);
                if limit == 15 && frequencies.iter().filter(|&&count| count > 0).count() > 1 {
                    // Frequencies of this range need no more than 15 bits but in rare cases, and then hardly more.
                    prop_assert!(cost(&frequencies, &lengths) <= least + least / 100);
                }
            }
        }
    }
}
