//! The codes of errors and notices: stable from one version to the next, for whoever reads logs by machine. The table is the
//! only place where a code is given; `docs/CODES.md` has it too.

/// A code, and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `FWB-1…` for errors, which end the work; `FWB-2…` for notices.
    pub code: &'static str,
    /// What it stands for.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $name: Code = Code { code: $code, meaning: $meaning };
        )*

        /// All codes, in their order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    IO = "FWB-1001", "An operation on a file or directory failed";
    STREAM = "FWB-1002", "A stream without a name could not be read or written";
    SPAWN = "FWB-1003", "A program could not be started";
    CHILD = "FWB-1004", "A program failed";
    JSON = "FWB-1005", "A manifest could not be written as JSON";
    USAGE = "FWB-1010", "The command line or the configuration is wrong";
    INTERRUPTED = "FWB-1011", "A signal ended the work";
    SERVER = "FWB-1101", "The server refused a statement; `number` and `sqlstate` say why";
    UNREACHABLE = "FWB-1102", "The server does not answer";
    NO_CONNECTION = "FWB-1103", "A connection cannot be made as it was asked for: TLS, a password in the open";
    LOST = "FWB-1104", "A connection to the server ended before its work did";
    NO_DATABASE = "FWB-1105", "The server has no such database";
    NO_POD = "FWB-1106", "No pod can be used";
    CHANNEL = "FWB-1107", "The connection to a pod broke";
    GAVE_UP = "FWB-1108", "What was tried several times never worked";
    BUSY = "FWB-1109", "A restore works on the database";
    INCOMPLETE_DUMP = "FWB-1201", "A dump is not whole; nothing was published";
    CHANGED = "FWB-1202", "Tables changed while they were dumped";
    STRICT = "FWB-1203", "Something would be left out, and --strict forbids it";
    RIGHTS = "FWB-1204", "The account may not see all of the database, so a dump would not be whole";
    UNRESTORABLE = "FWB-1205", "A restore would refuse an object of the database, so nothing was published";
    LOCKED = "FWB-1301", "Another run holds the lock of the store";
    NO_BACKUP = "FWB-1302", "The store has no such backup";
    NOTHING_FOUND = "FWB-1303", "Nothing fits what was asked for";
    UNREADABLE = "FWB-1304", "Backups cannot be read";
    DAMAGED = "FWB-1401", "An artifact or a manifest is damaged";
    INADMISSIBLE = "FWB-1402", "A backup holds SQL that no dump contains";
    NOT_PROVED = "FWB-1403", "Proof was asked for, and did not hold";
    NO_DRILL = "FWB-1404", "A drill cannot be made, which says nothing of the backup";
    DRILL_FAILED = "FWB-1405", "A backup is intact and did not restore as it should";
    REFUSED_BY_RESTORE = "FWB-1406", "A backup is intact, and a restore refuses it";
    PREFLIGHT = "FWB-1501", "A restore was refused before anything was written";
    REHEARSAL = "FWB-1502", "What a restore would make cannot be made; nothing was removed";
    SAFETY_BACKUP = "FWB-1503", "What is there cannot be backed up, so nothing was restored";
    DIFFERS = "FWB-1504", "What was restored differs from the backup";
    ROLLED_BACK = "FWB-1505", "A restore failed and was undone";
    UNTOUCHED = "FWB-1506", "A restore failed; the live database is as it was";
    NOT_AS_IT_WAS = "FWB-1507", "A restore failed; the live database is not as it was";
    NOT_LOOKED = "FWB-1508", "A restore failed; whether the live database is as it was is not known";
    NOT_ROLLED_BACK = "FWB-1509", "A restore failed, and there was no safety backup";
    ROLLBACK_FAILED = "FWB-1510", "A restore failed, and so did its rollback";
    LOOK = "FWB-1511", "The server ended the connection while a live table was read";
    TORN = "FWB-1512", "A swap was carried out in part; the message has the statements that bring the tables back";
    NOT_OURS = "FWB-1513", "A database looks like one of ours and is not proved to be one";
    NOT_MOVED = "FWB-1514", "Tables did not move in a swap";
    UNSETTLED = "FWB-1515", "A swap was cut off and is still to be settled";
    UNFINISHED = "FWB-1516", "A swap was cut off and cannot be settled now";
    INCOMPLETE = "FWB-1517", "A swap was made, and something could not be made afterwards";
    OTHER = "FWB-2001", "Something failed that does not change the outcome";
    WAITS = "FWB-2002", "Something is waited for: a server, a restore, a statement";
    TRIES_AGAIN = "FWB-2003", "What failed is tried again";
    LEFT_ALONE = "FWB-2004", "Something that is not proved to be ours is left alone";
    LEFT_BEHIND = "FWB-2005", "Something of ours could not be removed";
    REMOVED_LEFTOVER = "FWB-2006", "Something was removed that an earlier run left behind";
    BACKUP = "FWB-2101", "A backup lacks something, or rounds it: the manifest says the same";
    DEFINITION = "FWB-2102", "A definition cannot be read";
    DATED_AHEAD = "FWB-2103", "A backup is dated in the future";
    VERIFICATION = "FWB-2104", "A backup is damaged, or failed its last verification";
    DRILL = "FWB-2105", "What a drill found that is no failure";
    EXPECT = "FWB-2201", "What a restore does to the live database that the operator may not expect";
    NOT_KEPT = "FWB-2202", "Something of the live database will not come back with a rollback or an undo";
    ROLLS_BACK = "FWB-2203", "A restore failed and is rolled back";
    NO_SAFETY = "FWB-2204", "What is there cannot be backed up; the swap keeps it all the same";
    SWAP = "FWB-2205", "What a swap did beyond what was asked: a table dropped, a swap completed late";
    OUTPUT = "FWB-2301", "Standard output leads nowhere";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_given_once_and_stands_in_the_documentation() {
        let documented = include_str!("../../../docs/CODES.md");
        for (at, one) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.code < one.code), "{}", one.code);
            let line = format!("| `{}` | {} |", one.code, one.meaning);
            assert!(documented.contains(&line), "docs/CODES.md lacks: {line}");
        }
        assert_eq!(documented.matches("| `FWB-").count(), ALL.len());
    }
}
