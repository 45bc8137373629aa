//! What fuzz targets call.

use std::io::Write as _;

use crate::{Events, FormatDescription, Groups, GtidPosition, Sieve, Sifted, Splice};

/// Reads bytes as a log, leaves changes out of it, and puts together what is left. Whatever they are, nothing panics, and what is put together is read
/// again as the same events.
pub fn log(bytes: &[u8]) {
    let Ok(mut events) = Events::of_file(bytes) else { return };
    let mut groups: Option<Groups> = None;
    let mut spliced: Option<(Splice, Vec<u8>)> = None;
    let mut sieve = Sieve::default();
    let mut count = 0;
    while let Ok(Some(event)) = events.next() {
        let (header, start) = (event.header, event.start);
        if let Ok(format) = FormatDescription::parse(event.bytes) {
            if let (None, Ok(begun)) = (&spliced, Splice::begin(event.bytes)) {
                spliced = Some(begun);
            }
            groups.get_or_insert_with(|| Groups::new(format, GtidPosition::default()));
            continue;
        }
        let mut left_out = None;
        if let Some(groups) = &mut groups {
            let _ = groups.numbers(&header, event.bytes);
            if let Ok((Sifted::LeftOut(omission), _)) =
                sieve.take(&header, event.bytes, start, 0, groups.format(), &|_| false)
            {
                left_out = Some(omission);
            }
            let _ = groups.take(&header, event.bytes, start);
        }
        let mut whole = event.bytes.to_vec();
        if events.rest(&mut whole).is_err() {
            break;
        }
        if let Some(mut omission) = left_out {
            omission.pass(&mut whole);
        }
        if let Some((splice, file)) = &mut spliced
            && splice.pass(&mut whole).is_ok()
            && file.write_all(&whole).is_ok()
        {
            count += 1;
        }
    }
    let Some((_, file)) = spliced else { return };
    let Ok(mut again) = Events::of_file(&file[..]) else { return };
    let mut seen = 0;
    while let Ok(Some(event)) = again.next() {
        assert!(u64::from(event.header.end) == event.start + u64::from(event.header.size));
        seen += 1;
    }
    assert_eq!(seen, count + 1, "what was put together is read again");
}
