//! Events that are left out of a log. In the place of each stands one of the same size that no server executes
//! (`Ignorable_log_event` of both flavors), so that every other event stays where it is. It has zeros in it, and says which kind of
//! event was there: on that depends where a group ends.

use crate::format::{CHECKSUM_SIZE, Checksum, FormatDescription};
use crate::header::{EventHeader, EventKind, HEADER_SIZE, IGNORABLE};
use crate::rows::RowsEvent;

/// What the body begins with.
const MARK: [u8; 3] = *b"fwb";
/// Behind it the kind of what was there, and whether that ended a statement.
const BODY: usize = MARK.len() + 2;

/// An event that is left out: what comes of it becomes what stands in its place.
#[derive(Debug, Clone)]
pub struct Omission {
    head: [u8; HEADER_SIZE + BODY],
    /// Bytes without the checksum.
    content: u64,
    hasher: crc32fast::Hasher,
    at: u64,
}

impl Omission {
    /// Begins with an event, or the beginning of one that is long. None where it is so short that nothing is left out by it.
    pub fn of(header: &EventHeader, event: &[u8], format: &FormatDescription) -> Option<Self> {
        let sum = match format.checksum {
            Checksum::None => 0,
            Checksum::Crc32 => CHECKSUM_SIZE,
        };
        let content = (header.size as usize).checked_sub(sum)?;
        let (start, body) = event.split_at_checked(HEADER_SIZE)?;
        let mut head = [0; HEADER_SIZE + BODY];
        if content < head.len() {
            return None;
        }
        let ends_statement =
            RowsEvent::parse(header.kind, body, format).is_ok_and(|rows| rows.ends_statement);
        head[..HEADER_SIZE].copy_from_slice(start);
        head[4] = EventKind::IGNORABLE.0;
        head[17..HEADER_SIZE].copy_from_slice(&(header.flags | IGNORABLE).to_le_bytes());
        head[HEADER_SIZE..][..MARK.len()].copy_from_slice(&MARK);
        head[HEADER_SIZE + MARK.len()..].copy_from_slice(&[header.kind.0, ends_statement.into()]);
        Some(Self { head, content: content as u64, hasher: crc32fast::Hasher::new(), at: 0 })
    }

    /// Takes the next bytes of the event, from its first on, and makes them what stands in their place.
    pub fn pass(&mut self, bytes: &mut [u8]) {
        let left = usize::try_from(self.content.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let (content, sum) = bytes.split_at_mut(left.min(bytes.len()));
        let place = usize::try_from(self.at).unwrap_or(usize::MAX);
        let head = self.head.get(place..).unwrap_or_default();
        let head = &head[..head.len().min(content.len())];
        content[..head.len()].copy_from_slice(head);
        content[head.len()..].fill(0);
        self.hasher.update(content);
        self.at += content.len() as u64;
        if sum.is_empty() {
            return;
        }
        let hash = self.hasher.clone().finalize().to_le_bytes();
        for byte in sum {
            let place = usize::try_from(self.at - self.content).unwrap_or(usize::MAX);
            *byte = hash.get(place).copied().unwrap_or(0);
            self.at += 1;
        }
    }
}

/// The kind of the event that this one stands for, and whether that ended a statement; none where it stands for none.
pub(crate) fn omitted(header: &EventHeader, body: &[u8]) -> Option<(EventKind, bool)> {
    let is_it = header.kind == EventKind::IGNORABLE && header.flags & IGNORABLE != 0;
    let rest = body.strip_prefix(&MARK).filter(|_| is_it)?;
    Some((EventKind(*rest.first()?), *rest.get(1)? != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::format::checksum_fits;

    fn format(checksum: Checksum) -> FormatDescription {
        FormatDescription { server_version: "10.11-MariaDB".into(), checksum, table_map: 8, rows: 8 }
    }

    /// An event of a kind, whole but for its checksum.
    fn event(kind: EventKind, body: &[u8], sum: usize) -> Vec<u8> {
        let size = u32::try_from(HEADER_SIZE + body.len() + sum).unwrap();
        let mut event = vec![1, 0, 0, 0, kind.0, 7, 0, 0, 0];
        event.extend(size.to_le_bytes());
        event.extend([9, 0, 0, 0, 8, 0]);
        event.extend(body);
        event.extend(vec![0xAA; sum]);
        event
    }

    #[test]
    fn what_stands_there_is_as_long_and_says_what_was_there() {
        for (checksum, sum) in [(Checksum::Crc32, 4), (Checksum::None, 0)] {
            for pieces in [1, 3, 20, 1000] {
                let format = format(checksum);
                // The number of a table, and that the statement ends.
                let body = [&[1, 0, 0, 0, 0, 0, 1, 0][..], &b"secret".repeat(20)].concat();
                let mut event = event(EventKind(23), &body, sum);
                let before = event.clone();
                let header = EventHeader::parse(&event).unwrap();
                let mut omission = Omission::of(&header, &event[..40], &format).unwrap();
                for piece in event.chunks_mut(pieces) {
                    omission.pass(piece);
                }
                assert_eq!(event.len(), before.len());
                assert!(checksum == Checksum::None || checksum_fits(&event), "in pieces of {pieces}");
                assert!(!event.windows(6).any(|part| part == b"secret"));
                let omitted = EventHeader::parse(&event).unwrap();
                assert_eq!(
                    (omitted.size, omitted.end, omitted.server_id),
                    (header.size, header.end, header.server_id)
                );
                let parsed = Event::parse(&omitted, &event, &format).unwrap();
                assert_eq!(parsed, Event::Omitted { kind: EventKind(23), ends_statement: true });
            }
        }
    }

    #[test]
    fn what_is_too_short_stays() {
        let format = format(Checksum::Crc32);
        for (size, fits) in [(4, false), (5, true)] {
            let event = event(EventKind::ANNOTATE_ROWS, &b"x".repeat(size), 4);
            let header = EventHeader::parse(&event).unwrap();
            assert_eq!(Omission::of(&header, &event, &format).is_some(), fits, "{size}");
        }
    }
}
