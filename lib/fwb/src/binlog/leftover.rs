//! What a follower that was killed has left in its spool, published by the next one.

use std::collections::BTreeMap;
use std::path::Path;

use super::compaction::joined;
use super::delivery::create;
use super::segment::{Segment, WithPayload};
use super::spool::Spool;
use crate::error::Result;
use crate::manifest::now_to_the_millisecond;
use crate::progress::Cancel;
use crate::store::Store;

/// Publishes what an earlier follower has left in the spool. Returns how many segments. What does not go on with the store's
/// chain, and is not in it either, is kept aside: another follower has gone on elsewhere.
///
/// # Errors
/// The store or the disk does not let us; what is not published stays.
pub(super) fn publish_left(store: &Store, spool: &mut Spool, cancel: &Cancel) -> Result<usize> {
    let finished = spool.finished().clone();
    let names = finished.names()?;
    let (tail, cut_off) = spool.tail()?;
    if cut_off > 0 {
        log::warn!(code = crate::notice::SPOOL.code;
            "{cut_off} bytes at the end of {} are no whole segment, and nobody was told that they are safe",
            finished.path().display()
        );
    }
    if names.is_empty() && tail.is_empty() {
        spool.clear_tail()?;
        return Ok(0);
    }
    let chains = store.chains(cancel)?.chains;
    let mut ends: Ends =
        chains.iter().filter_map(|chain| Some((chain.id.clone(), chain.last()?.clone()))).collect();
    let mut published = 0;
    for name in names {
        cancel.check()?;
        let file = finished.read(&name)?;
        let (segment, _) = Segment::decode(&name, &file)?;
        match standing(&ends, &segment) {
            Standing::Follows => {
                create(store, &name, &file)?;
                ends.insert(segment.chain.clone(), segment);
                published += 1;
            }
            Standing::Covered => {}
            Standing::Unfit => {
                tell_unfit(&segment, &finished.put_aside(&name)?);
                continue;
            }
        }
        finished.remove(&name)?;
    }
    let follows = |(segment, _): &WithPayload| matches!(standing(&ends, segment), Standing::Follows);
    if let Some(begin) = tail.iter().position(follows) {
        for (mut segment, payload) in joined(tail.into_iter().skip(begin).collect())? {
            cancel.check()?;
            let file = segment.encode(&payload)?;
            create(store, &segment.name(), &file)?;
            published += 1;
        }
    } else if let Some((last, _)) = tail.last()
        && matches!(standing(&ends, last), Standing::Unfit)
    {
        let at = now_to_the_millisecond().format("%Y%m%dT%H%M%S%3f").to_string();
        tell_unfit(last, &spool.keep_tail(&at)?);
    }
    spool.clear_tail()?;
    Ok(published)
}

/// The last segment of each chain of a store.
type Ends = BTreeMap<String, Segment>;

/// How a segment of the spool stands to the store's chain.
enum Standing {
    /// It is the next.
    Follows,
    /// The chain has all of the log up to its end.
    Covered,
    /// Neither.
    Unfit,
}

fn standing(ends: &Ends, segment: &Segment) -> Standing {
    let Some(end) = ends.get(&segment.chain) else {
        return if segment.first == 1 { Standing::Follows } else { Standing::Unfit };
    };
    let is_past = end.file == segment.file && end.end >= segment.end || end.file > segment.file;
    if segment.previous.as_ref() == Some(&end.hash) {
        Standing::Follows
    } else if end.hash == segment.hash || end.source == segment.source && is_past {
        Standing::Covered
    } else {
        Standing::Unfit
    }
}

fn tell_unfit(segment: &Segment, aside: &Path) {
    log::warn!(code = crate::notice::SPOOL.code;
        "the store's chain {} does not end where what waited here begins, {}:{}: that is kept in {}",
        segment.chain, segment.file, segment.start, aside.display()
    );
}
