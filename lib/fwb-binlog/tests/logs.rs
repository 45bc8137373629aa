//! Logs of real servers: the groups in them, and what becomes of changed ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fwb_binlog::{
    Change, Events, FormatDescription, Group, GroupKind, Groups, GtidPosition, Sieve, Sifted, Splice, Step,
};

const LOGS: [(&str, &[u8]); 3] = [
    ("mariadb-10.11", include_bytes!("../testdata/mariadb-10.11.binlog")),
    ("mariadb-11.8", include_bytes!("../testdata/mariadb-11.8.binlog")),
    ("mysql-9.7", include_bytes!("../testdata/mysql-9.7.binlog")),
];

/// The groups of a log, and what is before the end of it.
fn groups(log: &[u8]) -> (Vec<Group>, String) {
    let mut events = Events::of_file(log).unwrap();
    let format = FormatDescription::parse(events.next().unwrap().unwrap().bytes).unwrap();
    let (mut all, mut groups) = (Vec::new(), None);
    while let Some(event) = events.next().unwrap() {
        let groups = groups.get_or_insert_with(|| Groups::new(format.clone(), GtidPosition::default()));
        match groups.take(&event.header, event.bytes, event.start).unwrap() {
            Step::Ends(group) => all.push(*group),
            Step::File(fwb_binlog::Event::Position(position)) => {
                *groups = Groups::new(format.clone(), position);
            }
            _ => {}
        }
    }
    (all, groups.unwrap().position().to_string())
}

fn count(groups: &[Group], kind: impl Fn(&GroupKind) -> bool) -> usize {
    groups.iter().filter(|group| kind(&group.kind)).count()
}

#[test]
fn the_groups_are_those_that_the_server_made() {
    for (name, log) in &LOGS[..2] {
        let (all, end) = groups(log);
        assert_eq!((all.len(), end.as_str()), (24, "0-7-24"), "{name}");
        assert_eq!(count(&all, |kind| matches!(kind, GroupKind::XaPrepared(_))), 2, "{name}");
        assert_eq!(
            count(&all, |kind| matches!(kind, GroupKind::XaCompleted { is_committed: true, .. })),
            1,
            "{name}"
        );
        assert_eq!(count(&all, |kind| *kind == GroupKind::Standalone), 9, "{name}");
        let prepared = all.iter().find_map(|group| match &group.kind {
            GroupKind::XaPrepared(prepared) => Some(prepared.clone()),
            _ => None,
        });
        let completed = all.iter().find_map(|group| match &group.kind {
            GroupKind::XaCompleted { name, .. } => Some(name.clone()),
            _ => None,
        });
        assert_eq!(prepared, completed, "{name}: by one name");
        let rows = all.iter().find_map(|group| group.tables.get(&("shop".into(), "u".into()))).unwrap();
        assert_eq!((rows.inserted, rows.at_least), (9, false), "{name}");
        // Groups lie one behind the other.
        for pair in all.windows(2) {
            assert_eq!(pair[0].start + pair[0].size, pair[1].start, "{name}");
        }
    }
    let (all, end) = groups(LOGS[2].1);
    assert_eq!((all.len(), end.as_str()), (10, "16e3694b-eda2-11f1-b94e-02fc00000001:1-30"));
    assert!(all.iter().all(|group| group.committed.is_some()));
}

/// The events of a log without the second of its groups, as a file of their own.
fn without_the_second(log: &[u8]) -> Vec<u8> {
    let skipped = &groups(log).0[1];
    let mut events = Events::of_file(log).unwrap();
    let (mut splice, mut file) = Splice::begin(events.next().unwrap().unwrap().bytes).unwrap();
    while let Some(event) = events.next().unwrap() {
        if (skipped.start..skipped.start + skipped.size).contains(&event.start) {
            continue;
        }
        // In pieces of a few bytes, the first of which has the header.
        let mut bytes = event.bytes.to_vec();
        let (head, rest) = bytes.split_at_mut(19);
        splice.pass(head).unwrap();
        rest.chunks_mut(5).for_each(|piece| splice.pass(piece).unwrap());
        file.extend(bytes);
    }
    file
}

#[test]
fn what_is_put_together_is_a_log() {
    for (name, log) in LOGS {
        let file = without_the_second(log);
        let mut before = groups(log).0;
        before.remove(1);
        let after = groups(&file).0;
        let names = |groups: &[Group]| groups.iter().map(|group| group.gtid).collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before), "{name}");
        let mut events = Events::of_file(&file[..]).unwrap();
        while let Some(event) = events.next().unwrap() {
            assert_eq!(u64::from(event.header.end), event.start + u64::from(event.header.size), "{name}");
        }
    }
}

/// A log without the changes that are not meant.
fn sifted(log: &[u8], is_meant: &dyn Fn(Change<'_>) -> bool) -> Vec<u8> {
    let mut events = Events::of_file(log).unwrap();
    let format = FormatDescription::parse(events.next().unwrap().unwrap().bytes).unwrap();
    let (mut sieve, mut kept) =
        (Sieve::default(), log[..usize::try_from(events.position()).unwrap()].to_vec());
    while let Some(event) = events.next().unwrap() {
        let (sifted, before) =
            sieve.take(&event.header, event.bytes, event.start, 0, &format, is_meant).unwrap();
        for range in before {
            let place = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            let header = fwb_binlog::EventHeader::parse(&kept[place.clone()]).unwrap();
            if let Some(mut omission) = fwb_binlog::Omission::of(&header, &kept[place.clone()], &format) {
                omission.pass(&mut kept[place]);
            }
        }
        let mut bytes = event.bytes.to_vec();
        if let Sifted::LeftOut(mut omission) = sifted {
            omission.pass(&mut bytes);
        }
        kept.extend(bytes);
    }
    kept
}

/// Groups are where they were and called as they were, whatever of them is left out.
#[test]
fn what_is_left_out_moves_nothing() {
    type Meant<'a> = &'a dyn Fn(Change<'_>) -> bool;
    let (all, nothing): (Meant<'_>, Meant<'_>) = (&|_| true, &|_| false);
    let of_rows: Meant<'_> = &|change| matches!(change, Change::Rows(_));
    for (name, log) in LOGS {
        let (before, end) = groups(log);
        let facts = |groups: &[Group]| -> Vec<_> {
            groups.iter().map(|group| (group.gtid, group.start, group.size, group.kind.clone())).collect()
        };
        for (what, is_meant) in [("all", all), ("nothing", nothing), ("rows", of_rows)] {
            let kept = sifted(log, is_meant);
            assert_eq!(kept.len(), log.len(), "{name}: {what}");
            let (after, end_after) = groups(&kept);
            assert_eq!(facts(&after), facts(&before), "{name}: {what}");
            assert_eq!(end_after, end, "{name}: {what}");
            assert_eq!(kept == log, what == "all", "{name}: {what}");
            let changes = |group: &Group| !group.tables.is_empty() || !group.statements.is_empty();
            let left: Vec<_> = after.iter().filter(|group| changes(group)).collect();
            if what == "nothing" {
                let is_of_transactions = |group: &&Group| {
                    let mut texts = group.statements.iter().map(|statement| &statement.text);
                    group.tables.is_empty()
                        && texts.all(|text| text.starts_with(b"XA ") || text.starts_with(b"SAVEPOINT "))
                };
                assert!(
                    left.iter().all(|group| group.is_opaque || is_of_transactions(group)),
                    "{name}: {left:?}"
                );
            }
        }
    }
}

/// Whatever is changed: nothing panics, and a checksum tells.
#[test]
fn no_changed_byte_is_taken_for_the_log() {
    for (name, log) in LOGS {
        for at in 0..log.len() {
            for bit in [0x01, 0x80] {
                let mut changed = log.to_vec();
                changed[at] ^= bit;
                let Ok(mut events) = Events::of_file(&changed[..]) else { continue };
                let found = loop {
                    match events.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                };
                // The flag of a file that is open is in no checksum.
                assert!(found || at == 4 + 17, "{name}: byte {at}");
            }
        }
        for size in 0..log.len() {
            if let Ok(mut events) = Events::of_file(&log[..size]) {
                while let Ok(Some(_)) = events.next() {}
            }
        }
    }
}
