//! Which connection dumps which tables.

use std::cmp::Reverse;

/// How much data makes another connection worth its while, in bytes.
const WORTH_A_CONNECTION: u64 = 16 << 20;
/// The least that is worth naming a table for, in bytes.
const WORTH_A_NAME: u64 = 1 << 20;
/// How many jobs keep one connection busy: the dump program and the server take about as much of a processor as
/// compressing what they give. Measured with two: a second connection made the dump 4 % slower, because what waits for its
/// turn is decompressed again for its hash.
const JOBS_PER_CONNECTION: usize = 2;
/// No more connections than these: a server has other clients.
const MOST_CONNECTIONS: usize = 8;
/// No more tables are named than these: arguments have a limit (execve(2), 2 MiB in all), and names are up to 256 bytes
/// long.
const MOST_NAMES: usize = 1000;

/// Divides tables, of so many bytes, among the connections that pay with so many jobs: the largest first, each to the connection that has
/// the least so far. The first connection takes whatever the others do not; returned are the shares of the others.
pub(super) fn divide(tables: &[(String, u64)], jobs: usize) -> Vec<Vec<String>> {
    let total: u64 = tables.iter().map(|(_, size)| *size).fold(0, u64::saturating_add);
    let worth = usize::try_from(total / WORTH_A_CONNECTION).unwrap_or(usize::MAX);
    let connections = jobs.div_ceil(JOBS_PER_CONNECTION).min(worth).min(MOST_CONNECTIONS);
    if connections < 2 {
        return Vec::new();
    }
    let mut large: Vec<&(String, u64)> = tables.iter().filter(|(_, size)| *size >= WORTH_A_NAME).collect();
    large.sort_by_key(|(_, size)| Reverse(*size));
    large.truncate(MOST_NAMES);
    let named: u64 = large.iter().map(|(_, size)| *size).fold(0, u64::saturating_add);
    let mut loads = vec![0; connections];
    loads[0] = total - named;
    let mut shares = vec![Vec::new(); connections];
    for (table, size) in large {
        let least = (0..connections).min_by_key(|index| loads[*index]).unwrap_or_default();
        loads[least] += size;
        shares[least].push(table.clone());
    }
    shares.drain(..1);
    shares.retain(|share| !share.is_empty());
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn shares(sizes: &[u64], connections: usize) -> Vec<Vec<String>> {
        let tables: Vec<_> =
            sizes.iter().enumerate().map(|(n, size)| (format!("t{n}"), size * MIB)).collect();
        divide(&tables, JOBS_PER_CONNECTION * connections)
    }

    #[test]
    fn what_is_small_has_one_connection() {
        assert!(shares(&[], 4).is_empty());
        assert!(shares(&[5, 10, 16], 4).is_empty());
        assert!(shares(&[500, 500], 1).is_empty());
        assert!(shares(&[500], 4).is_empty(), "a single table is not divided");
    }

    #[test]
    fn connections_have_about_the_same_to_do() {
        assert_eq!(shares(&[100, 60, 50, 0], 2), [["t1", "t2"]]);
        assert_eq!(shares(&[40, 40, 40], 8), [["t1"], ["t2"]]);
        assert_eq!(divide(&[("a".into(), u64::MAX), ("b".into(), u64::MAX)], 4), [["b"]]);
    }

    #[test]
    fn few_are_named_and_the_first_connection_takes_the_rest() {
        let small = vec![(String::from("x"), WORTH_A_NAME - 1); 200];
        assert!(divide(&small, 4).is_empty());
        let many = vec![(String::from("x"), 2 * MIB); 5000];
        let named: usize = divide(&many, 4).iter().map(Vec::len).sum();
        assert!(named <= MOST_NAMES, "{named}");
    }
}
