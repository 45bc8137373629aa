//! The codes of errors and notices: stable from one version to the next, for whoever reads logs by machine. The table is the
//! only place where a code is given; `docs/ERRORS.md` has it too.

/// A code, and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `FWB-1…` for errors, which end the work; `FWB-2…` for notices; `FWB-3…` for troubles: what is no failure and needs a
    /// person.
    pub code: &'static str,
    /// What it stands for.
    pub meaning: &'static str,
    /// Why it usually comes.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal, $cause:literal, $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $name: Code = Code { code: $code, meaning: $meaning, cause: $cause, remedy: $remedy };
        )*

        /// All codes, in their order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    IO = "FWB-1001", "An operation on a file or directory failed",
        "the disk is full, a right lacks, or a directory is gone: the message names the file",
        "make room, or let the user of the tool read and write there; run again";
    STREAM = "FWB-1002", "A stream without a name could not be read or written",
        "whoever reads the output has ended, or the input broke off",
        "look at the other programs of the pipe";
    SPAWN = "FWB-1003", "A program could not be started",
        "a program that is needed (kubectl, mariadbd for a drill) is not there, or may not be executed",
        "install it, or name it: --kubectl, PATH";
    CHILD = "FWB-1004", "A program failed",
        "the program said why: its last words are in the message",
        "do what it says; try the same by hand";
    JSON = "FWB-1005", "A manifest could not be written as JSON",
        "a bug: no manifest is known that cannot be written",
        "report it";
    USAGE = "FWB-1010", "The command line or the configuration is wrong",
        "an option is misspelled, lacks its value, or contradicts another one",
        "see --help; the hint names the option";
    INTERRUPTED = "FWB-1011", "A signal ended the work",
        "Ctrl-C, a deadline, or the pod was ended",
        "run again; what was cut off is put in order by the next run";
    NOT_ALL = "FWB-1018", "Some of several databases failed; the others are done",
        "the causes are in the message, and each was told before with its own code",
        "by the code of each cause, then run again";
    SERVER = "FWB-1101", "The server refused a statement; `number` and `sqlstate` say why",
        "a right lacks, a limit of the server, or SQL that this version does not know: see the server's number below",
        "by the server's number, below";
    UNREACHABLE = "FWB-1102", "The server does not answer",
        "the server is down or starts, the address is wrong, or a firewall is in between",
        "start it; check --host, --port, --socket; --wait-server waits for it";
    NO_CONNECTION = "FWB-1103", "A connection cannot be made as it was asked for: TLS, a password in the open",
        "the server's certificate is not of the CA that is named, or a password would go over the network unencrypted",
        "name the CA (ssl-ca), or connect by socket";
    LOST = "FWB-1104", "A connection to the server ended before its work did",
        "the server crashed, was restarted, or an administrator ended the connection",
        "look at the server's error log, then run again";
    NO_DATABASE = "FWB-1105", "The server has no such database",
        "the name is misspelled, or the account may not see the database",
        "SHOW DATABASES as that account; check -B";
    NO_POD = "FWB-1106", "No pod can be used",
        "no pod has the label, or none is ready",
        "kubectl get pods; check --pod-selector and --namespace";
    CHANNEL = "FWB-1107", "The connection to a pod broke",
        "the pod was ended, or the API server closed the connection",
        "run again; --retries does so by itself";
    GAVE_UP = "FWB-1108", "What was tried several times never worked",
        "the cause is in the message, and its code in `cause`",
        "by the code of the cause";
    BUSY = "FWB-1109", "A restore works on the database",
        "a restore of the same database is under way",
        "wait for its end; --wait-server says for how long";
    INCOMPLETE_DUMP = "FWB-1201", "A dump is not whole; nothing was published",
        "the server or the connection ended before the last row",
        "look at the server's error log, then run again";
    CHANGED = "FWB-1202", "Tables changed while they were dumped",
        "somebody changed tables while they were read",
        "run again when no migration runs, or without --no-hold-ddl";
    STRICT = "FWB-1203", "Something would be left out, and --strict forbids it",
        "--strict was given, and something cannot be in the backup",
        "mend what the message names, or leave --strict out";
    RIGHTS = "FWB-1204", "The account may not see all of the database, or all accounts, so a dump would not be whole",
        "the account lacks rights that the message names",
        "run the GRANT of the hint; --allow-partial makes a part on purpose";
    UNRESTORABLE = "FWB-1205", "A restore would refuse an object of the database, so nothing was published",
        "a definition that no server reads again, such as one of more than a megabyte",
        "make the object anew, in a form that the server takes";
    ACCOUNTS_UNREAD = "FWB-1206", "The accounts of a server cannot be read whole",
        "they change meanwhile, the server shows none, or it keeps them in a way that is not known",
        "by the hint";
    LOCKED = "FWB-1301", "Another run holds the lock of the store",
        "another dump, prune or verify is at work in the store",
        "wait, or say for how long to wait: --wait";
    NO_BACKUP = "FWB-1302", "The store has no such backup",
        "the name is misspelled, or retention has removed it",
        "fwb-ls";
    NOTHING_FOUND = "FWB-1303", "Nothing fits what was asked for",
        "no backup of that database, kind or time is in the store",
        "fwb-ls without filters";
    UNREADABLE = "FWB-1304", "Backups cannot be read",
        "sidecars or artifacts cannot be read: rights, or a disk that fails",
        "look at what the message names; fwb-verify makes a lost sidecar again";
    ENCRYPTED = "FWB-1305", "A backup is encrypted, and no key fits",
        "no identity was given, or none that was given is the key to one of its recipients",
        "--identity FILE (FWB_IDENTITY); the manifest's `encryption` names the recipients";
    OBJECT_STORE = "FWB-1306", "An object store refused a request, or did not answer",
        "credentials, a bucket or an endpoint are wrong, the network fails, or the store is down: the message says which",
        "docs/STORES.md; the store's own log";
    LOCK_LOST = "FWB-1307", "The lease on an object store ran out before the work was done",
        "the process was stopped or the network was away for longer than the lease",
        "run again; what was done before stands";
    DAMAGED = "FWB-1401", "An artifact or a manifest is damaged",
        "a bit was flipped, a file was cut short, or edited",
        "use another backup: fwb-ls --latest --verified. Tables that are whole can be had: --tables";
    INADMISSIBLE = "FWB-1402", "A backup holds SQL that no dump contains",
        "the file was made or changed by somebody else than a dump program",
        "do not restore it on a server that matters; the message names the statement and its place";
    NOT_PROVED = "FWB-1403", "Proof was asked for, and did not hold",
        "the last verification failed, or there was none",
        "fwb-verify it, or use one that is proved";
    NO_DRILL = "FWB-1404", "A drill cannot be made, which says nothing of the backup",
        "no server of the backup's flavor and series is here, or the one that is lacks an engine, a collation or a right, or does not start",
        "install one like the backup's, or say where it is: --drill-server-dir, --drill-server";
    DRILL_FAILED = "FWB-1405", "A backup is intact and did not restore as it should",
        "an object cannot be made, or rows are not those of the manifest",
        "look at `problems`; make a new backup, and drill it";
    REFUSED_BY_RESTORE = "FWB-1406", "A backup is intact, and a restore refuses it",
        "a statement in it is none that a restore executes",
        "look at the statement that the message names; make a new backup";
    PREFLIGHT = "FWB-1501", "A restore was refused before anything was written",
        "the server, the account or the backup lacks something that the restore needs",
        "by the hint; --dry-run shows all findings";
    REHEARSAL = "FWB-1502", "What a restore would make cannot be made; nothing was removed",
        "a definition of the backup cannot be made on this server",
        "mend what the server's reason names: a right, a setting, an engine";
    SAFETY_BACKUP = "FWB-1503", "What is there cannot be backed up, so nothing was restored",
        "a table is damaged, or the account lacks rights",
        "RUNBOOK.md, its first page; --no-safety-backup goes on without";
    DIFFERS = "FWB-1504", "What was restored differs from the backup",
        "somebody wrote to the database meanwhile, or the server changed what it was given",
        "look at what differs; with --strategy swap nobody writes there";
    ROLLED_BACK = "FWB-1505", "A restore failed and was undone",
        "the cause is in the message",
        "by the code of the cause, then run again";
    UNTOUCHED = "FWB-1506", "A restore failed; the live database is as it was",
        "the cause is in the message",
        "by the code of the cause, then run again";
    NOT_AS_IT_WAS = "FWB-1507", "A restore failed; the live database is not as it was",
        "the server undid half, or somebody changed the database meanwhile",
        "the message names what differs; RUNBOOK.md";
    NOT_LOOKED = "FWB-1508", "A restore failed; whether the live database is as it was is not known",
        "the server ended before anybody could look",
        "start it, look, and run the same again: it puts in order what was cut off";
    NOT_ROLLED_BACK = "FWB-1509", "A restore failed, and there was no safety backup",
        "--no-safety-backup was given",
        "restore another backup: the live database holds a part";
    ROLLBACK_FAILED = "FWB-1510", "A restore failed, and so did its rollback",
        "the server failed twice, or its disk is full",
        "mend the server, then restore the safety backup that the message names";
    LOOK = "FWB-1511", "The server ended the connection while a live table was read",
        "a table of the live database is damaged",
        "name it: --damaged; RUNBOOK.md, its first page";
    TORN = "FWB-1512", "A swap was carried out in part; the message has the statements that bring the tables back",
        "the server moved some tables and not others, which damaged ones do",
        "execute the statements of the message, then run again";
    NOT_OURS = "FWB-1513", "A database looks like one of ours and is not proved to be one",
        "an account without our rights made it, or somebody removed its seal",
        "look at it; if nobody needs it: DROP DATABASE";
    NOT_MOVED = "FWB-1514", "Tables did not move in a swap",
        "a client holds a table, or a trigger came meanwhile",
        "end its transaction (SHOW PROCESSLIST), or what the message names; run again";
    UNSETTLED = "FWB-1515", "A swap was cut off and is still to be settled",
        "a restore was cut off",
        "run fwb-restore once more: it settles it first";
    UNFINISHED = "FWB-1516", "A swap was cut off and cannot be settled now",
        "the cause is in the message; the tables have changed places",
        "mend it, then run any restore or --drop-before of the database: it completes the swap";
    INCOMPLETE = "FWB-1517", "A swap was made, and something could not be made afterwards",
        "a view or program needs something that is not there, or a right",
        "make it by hand from the backup (fwb-restore --stdout), or --undo";
    ACCOUNTS_NOT_RESTORED = "FWB-1518", "Accounts that were to be restored are not there as the backup has them",
        "a plugin or a right lacks, a password rule refuses a hash, or somebody changed accounts meanwhile: the message says of each account what became of it",
        "remove the cause, then run it again: accounts that are there as the backup has them are left";
    NO_LOG = "FWB-1601", "The binary log of the server cannot be followed",
        "the server writes none, or in a form that cannot be followed",
        "by the hint; docs/ANY-MOMENT.md";
    FOLLOWED = "FWB-1602", "Another follower writes the same chain of the log",
        "two fwb-follow of one server write into one store",
        "let one of them run; the chain is whole";
    REPLAY = "FWB-1611", "A log could not be replayed; nothing was restored",
        "a statement needs what is not in the backup or the log (another database, a file of the server's), or base and log do not fit",
        "look at the group that the message names; --before or --skip goes around it, another base may come after it";
    NO_MOMENT = "FWB-1612", "A moment cannot be reached from any backup and the log",
        "no proved backup is older than the moment, the log has a gap in between, or does not go that far",
        "fwb-ls --timeline shows what can be reached";
    NOT_REPRODUCED = "FWB-1613", "A backup and the log after it do not make the next backup",
        "something was written that is not in the log (sql_log_bin=0, a filter, a file that was changed on disk), or replays to other rows (binlog_format=STATEMENT)",
        "moments between the two may lack it; the backups stand as they are. docs/ANY-MOMENT.md";
    OTHER = "FWB-2001", "Something failed that does not change the outcome",
        "the message says what",
        "none is needed; look when there is time";
    WAITS = "FWB-2002", "Something is waited for: a server, a restore, a statement",
        "the message says for what",
        "none is needed";
    TRIES_AGAIN = "FWB-2003", "What failed is tried again",
        "a connection broke",
        "none is needed; if it comes often, look at the network";
    LEFT_ALONE = "FWB-2004", "Something that is not proved to be ours is left alone",
        "it has no seal, or another account's",
        "look at it; if nobody needs it: DROP DATABASE";
    LEFT_BEHIND = "FWB-2005", "Something of ours could not be removed",
        "the server or a disk refused it",
        "by the reason; the next run tries again";
    REMOVED_LEFTOVER = "FWB-2006", "Something was removed that an earlier run left behind",
        "an earlier run was killed",
        "none is needed; if it comes often, look at what kills it";
    BACKUP = "FWB-2101", "A backup lacks something, or rounds it: the manifest says the same",
        "a right, the server's version, or a definition that cannot be had",
        "by the message; --strict makes an error of it";
    DEFINITION = "FWB-2102", "A definition cannot be read",
        "the view or program is broken",
        "SHOW CREATE it; drop it or make it anew";
    DATED_AHEAD = "FWB-2103", "A backup is dated in the future",
        "a clock was wrong",
        "set it; retention lets such a backup push nothing out";
    VERIFICATION = "FWB-2104", "A backup is damaged, or failed its last verification",
        "see FWB-1401",
        "use another one; let the damaged one go with fwb-prune";
    DRILL = "FWB-2105", "What a drill found that is no failure",
        "something cannot be compared, or a view needs another database",
        "none is needed";
    LOCKED_CONTENT = "FWB-2106", "What an encrypted backup holds is not told without an identity",
        "its sidecar is minimal, and no identity was given",
        "--identity FILE (FWB_IDENTITY)";
    NOTHING_YET = "FWB-2107", "There is nothing to prove yet",
        "the backup is the first of its database: that the log makes the next one out of it, the next one proves",
        "none is needed; where it comes again and again, retention keeps too few backups";
    PLUGIN = "FWB-2108", "A plugin of age says something",
        "it waits for a token to be touched, or tells what it does",
        "do what it says";
    EXPECT = "FWB-2201", "What a restore does to the live database that the operator may not expect",
        "the plan says so: --dry-run",
        "read it before you say yes";
    NOT_KEPT = "FWB-2202", "Something of the live database will not come back with a rollback or an undo",
        "a table is damaged, or a view cannot be shown",
        "none; it is named so that nobody looks for it later";
    ROLLS_BACK = "FWB-2203", "A restore failed and is rolled back",
        "see the error that follows",
        "by the error that follows";
    NO_SAFETY = "FWB-2204", "What is there cannot be backed up; the swap keeps it all the same",
        "a table is damaged, or a right lacks",
        "none is needed; --undo brings it back";
    SWAP = "FWB-2205", "What a swap did beyond what was asked: a table dropped, a swap completed late",
        "an earlier run was cut off, or a table was damaged",
        "none is needed";
    ACCOUNTS_LEFT = "FWB-2206", "What a restore of accounts has left: accounts that exist and differ, grants on what is not there yet, roles that nobody else administers",
        "the accounts were there before, or the databases are restored later",
        "look at the differences: --replace-accounts makes them as they were; --missing-grants gives what lacks";
    SETTING_DIFFERS = "FWB-2207", "A setting is otherwise than on the backup's server, and decides what data mean or who may log in",
        "the server was set up anew",
        "set it as it was, before the restore, and in the server's option file";
    PLUGIN_LACKS = "FWB-2208", "A plugin or a component that the backup's server had is not here",
        "the server was set up anew",
        "install it: INSTALL SONAME, INSTALL COMPONENT, or the package that has it";
    NO_TIME_ZONES = "FWB-2209", "The server knows no time zones by their names, and the backup's did",
        "the tables of time zones are empty",
        "mariadb-tzinfo-to-sql /usr/share/zoneinfo, into the database mysql (mysql_tzinfo_to_sql on MySQL)";
    OUTPUT = "FWB-2301", "Standard output leads nowhere",
        "the manifest goes to /dev/null or a closed pipe",
        "keep it, if the next program in a pipe needs it";
    NOTICE_FAILED = "FWB-2302", "A notice was not taken: somebody was not told of a run",
        "the address is wrong, or the service is down: the message names kind, host and reason",
        "fwb-run notify-test tries all of them";
    CHAIN_BEGUN = "FWB-2401", "A new chain of the log begins: between it and the one before it something is missing",
        "the server's log was purged or reset, the server is another one, or segments were lost: the message says which",
        "make a backup now: it is the new chain's base";
    CLOCK = "FWB-2402", "The clock of the follower's host was set back",
        "somebody set it, or it was wrong before",
        "none is needed: changes count as of the moment before, until the clock has caught up";
    SPOOL = "FWB-2403", "A follower's spool has what the store does not have",
        "a follower was killed, the store was away, or another follower went on with the chain",
        "none is needed where the message says that it is published; what is kept aside is for a person, as segments one behind the other";
    SEMI_SYNC_OFF = "FWB-2404", "The server does not wait for a follower that answers it",
        "semi-synchronous replication is off on the server",
        "turn it on, as the message says, or follow without --semi-sync";
    PROVED_TOO_OLD = "FWB-3001", "The newest proved backup is too old",
        "runs fail, are not started, or do not verify",
        "fwb-report lists the runs; make a backup now, and prove it: fwb-dump | fwb-verify";
    BACKUP_DAMAGED = "FWB-3002", "Backups are damaged, failed their last verification, or cannot be read",
        "a disk fails, or somebody changed a file",
        "prove the others: fwb-ls | fwb-verify; look at the disk; let the damaged one go with fwb-prune";
    RUN_FAILED = "FWB-3003", "The last run of its kind failed",
        "its record has the stage, the code and the reason",
        "remove the cause that its record names, then run it again";
    RUN_LOST = "FWB-3004", "The last run of its kind ended without a word",
        "it was killed: no memory, a deadline, a host that went down",
        "look at the log and the memory limit of its host or pod; then run it again";
    DRILL_TOO_OLD = "FWB-3005", "No drill has held for too long",
        "drills fail, are not started, or there is none",
        "fwb-ls --latest | fwb-verify --level drill; where nobody is to drill: --drill-age none";
    COPY_MISSING = "FWB-3006", "Backups have no copy in the second store",
        "the second store was away, or is full; or nothing copies",
        "fwb-ls --verified | fwb-copy --to the second store";
    STORE_FULL = "FWB-3007", "The store is full soon",
        "backups grow, retention keeps more than there is room for, or others fill the file system",
        "keep fewer: fwb-prune; or give the store more room";
    TABLE_VANISHED = "FWB-3008", "A table is not in the backups any more",
        "a migration dropped it, or somebody did by mistake",
        "if nobody meant it: restore it from the last backup that has it (fwb-restore --tables), before retention deletes that one";
    ROWS_CHANGED = "FWB-3009", "A table's rows jumped or fell",
        "a bulk load, an archive job, or rows deleted by mistake",
        "if nobody meant it: restore the table from the backup before, before retention deletes that one";
    SIZE_CHANGED = "FWB-3010", "The backups' size jumped or fell",
        "much was loaded or deleted, or the form of backups was changed",
        "compare what two backups hold: fwb-ls --tables";
    PILE = "FWB-3011", "Backups pile up: not proved, or never deleted",
        "nothing verifies them, or no run prunes",
        "fwb-ls | fwb-verify; give the runs a retention: fwb-prune";
    CERTIFICATE = "FWB-3012", "A certificate or a key expires soon",
        "nobody has renewed it",
        "renew it, and put the new one into its place";
    LOG_LAGS = "FWB-3013", "Nothing more of a server's log has become safe for too long",
        "the follower was killed, stopped, or hangs; or its schedule does not start it",
        "start it again: fwb-follow; it goes on where the chain ends, as long as the server keeps its log";
    LOG_HOLE = "FWB-3014", "The newest moments of a database cannot be reached: the log is broken, or goes on from no proved backup",
        "segments were lost or changed, or a new chain has begun since the last backup",
        "make a backup now, and prove it: fwb-dump | fwb-verify; fwb-ls --timeline shows what can be reached";
    LOG_WAITS = "FWB-3015", "The follower of a log cannot go on, and says why",
        "the server or the store does not answer, refuses the account, or is full",
        "remove the cause that its word names; a follower that waits goes on by itself, one that gave up is started again";
    LOG_LACKS = "FWB-3016", "A backup and the log after it did not make the next backup",
        "something was written that is not in the log: sql_log_bin=0, a filter of the log, a file that was changed on disk",
        "do not count on moments between the two; find who writes past the log. The next proof that holds makes an end of it";
    SERVER_MISSING = "FWB-3017", "A server of the fleet, or a database that its line names, has no backup at all",
        "its runs have never gone well, or no part of the fleet's job takes its line",
        "run it by hand: fwb-run backup --fleet FILE --server-id NAME; a server that is gone leaves the file";
}

impl Code {
    /// Where docs/RUNBOOK.md says what to do: the anchor of a section. None of what is no trouble.
    pub fn section(&self) -> Option<&'static str> {
        let sections = [
            (PROVED_TOO_OLD, "no-fresh-backup-is-proved"),
            (BACKUP_DAMAGED, "a-backup-is-damaged"),
            (RUN_FAILED, "the-last-run-failed"),
            (RUN_LOST, "a-run-ended-without-a-word"),
            (DRILL_TOO_OLD, "no-drill-has-held"),
            (COPY_MISSING, "a-copy-is-missing"),
            (STORE_FULL, "the-store-is-full-soon"),
            (TABLE_VANISHED, "a-table-has-vanished"),
            (ROWS_CHANGED, "a-tables-rows-jumped-or-fell"),
            (SIZE_CHANGED, "the-backups-size-jumped-or-fell"),
            (PILE, "backups-pile-up"),
            (CERTIFICATE, "a-certificate-expires-soon"),
            (LOG_LAGS, "the-log-lags"),
            (LOG_HOLE, "the-log-has-a-hole"),
            (LOG_WAITS, "the-follower-cannot-go-on"),
            (LOG_LACKS, "the-log-lacks-something"),
            (SERVER_MISSING, "a-server-has-no-backup"),
        ];
        sections.into_iter().find(|(code, _)| code == self).map(|(_, section)| section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_given_once_and_stands_in_the_documentation() {
        let documented = include_str!("../../../docs/ERRORS.md");
        for (at, one) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.code < one.code), "{}", one.code);
            let line = format!("| `{}` | {} | {} | {} |", one.code, one.meaning, one.cause, one.remedy);
            assert!(documented.contains(&line), "docs/ERRORS.md lacks: {line}");
        }
        assert_eq!(documented.matches("| `FWB-").count(), ALL.len());
    }

    #[test]
    fn every_trouble_has_its_section_in_the_runbook() {
        let runbook = include_str!("../../../docs/RUNBOOK.md");
        let anchor = |title: &str| {
            let kept = title.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect::<String>()
        };
        let anchors: Vec<String> =
            runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(anchor).collect();
        for code in ALL {
            assert_eq!(code.section().is_some(), code.code.starts_with("FWB-3"), "{}", code.code);
            let has = |section: &str| anchors.iter().any(|anchor| anchor == section);
            assert!(code.section().is_none_or(has), "docs/RUNBOOK.md lacks {:?}", code.section());
        }
    }
}
