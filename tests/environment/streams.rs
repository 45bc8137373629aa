//! Standard streams that are closed, full, or not read any more.

use std::process::Stdio;

use crate::faults::{code, signal};
use crate::support::{Database, Output, Store, Tool, digests, name, until};

/// Every choice of closed streams, as a shell writes it.
const CLOSED: [&str; 7] = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"];

/// The program that a tool would run, with some of its streams closed.
fn closed(streams: &str, tool: Tool) -> Tool {
    let command = tool.command();
    let script = format!("exec \"$@\" {streams}");
    let mut outer = Tool::program("bash").args(["-c", &script, "bash"]).arg(command.get_program());
    outer = outer.args(command.get_args());
    for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?))) {
        outer = outer.env(name, value);
    }
    outer
}

/// A file opened in the place of a closed stream gets what was meant for the terminal: an error message in a backup.
#[test]
fn a_closed_stream_spoils_no_backup() {
    let (database, store) = (Database::sample("closed"), Store::new());
    let usual = store.dump_verified(&database);
    for streams in CLOSED {
        let names = store.names();
        let run = |tool: Tool| closed(streams, tool).run();
        run(store.tool("fwb-dump").arg("-vvv").arg("-B").arg(&database.name)).exits(0);
        let made = store.names().into_iter().find(|name| !names.contains(name)).expect("a backup");
        let proved = store.tool("fwb-verify").arg(&made).run().ok().json();
        assert_eq!(digests(&proved), digests(&usual), "{streams}");
        let sidecar = store.read_sidecar(&proved);
        assert_eq!((&sidecar["name"], &sidecar["sha256"]), (&proved["name"], &proved["sha256"]), "{streams}");
        for level in ["quick", "full", "drill"] {
            run(store.tool("fwb-verify").args(["-vv", "--level", level, &made])).exits(0);
        }
        run(store.tool("fwb-ls").args(["--max-age", "26h"])).exits(0);
        run(store.tool("fwb-ls").args(["--format", "table"])).exits(0);
        run(store.tool("fwb-restore").args(["--yes", "-vv", &made])).exits(0);
        run(store.tool("fwb-prune").args(["--keep-days", "0", "--min-keep", "9", &made])).exits(0);
        run(store.tool("fwb-prune").args(["--keep-days", "0", &made])).exits(0);
        // What fails does so quietly, and no less.
        run(store.tool("fwb-dump").args(["-B", "nowhere"])).exits(1);
        run(store.tool("fwb-verify").arg("nothing.sql.gz")).exits(3);
        run(store.tool("fwb-ls").arg("--nonsense")).exits(2);
        for name in store.names().iter().filter(|name| name.contains("_safety_")) {
            assert!(!name.starts_with('.'), "{streams}: {name}");
        }
    }
    for record in store.tool("fwb-ls").run().ok().records() {
        store.tool("fwb-verify").stdin(record.to_string()).run().ok();
    }
}

/// A backup that went nowhere is not taken for one without a word. It is no failure, because a stream that a caller has
/// thrown away may look the same.
#[test]
fn an_artifact_for_a_closed_stream_is_told() {
    let (database, store) = (Database::sample("nowhere"), Store::new());
    let dump = store.dump(&database);
    for streams in CLOSED.iter().filter(|streams| streams.contains(" >&-") || streams.starts_with(">&-")) {
        let says = |ended: Output| {
            let ended = ended.ok();
            assert!(
                streams.contains("2>&-") || ended.stderr.contains("what goes there is lost"),
                "{}",
                ended.stderr
            );
        };
        says(closed(streams, Tool::new("fwb-dump").arg("-B").arg(&database.name).args(["-o", "-"])).run());
        says(closed(streams, store.tool("fwb-restore").args([name(&dump), "--stdout"])).run());
    }
    let thrown = "fwb-dump -B \"$DB\" -o - > /dev/null";
    let ended = crate::support::bash(thrown).env("DB", &database.name).run().ok();
    assert!(!ended.stderr.contains("lost"), "{}", ended.stderr);
}

/// Without its messages a tool does its work all the same.
#[test]
fn messages_that_cannot_be_written_stop_nothing() {
    let (database, store) = (Database::sample("mute"), Store::new());
    let run = |line: &str| {
        let script = crate::support::bash(line).env("STORE", store.path()).env("DB", &database.name);
        script.run().ok()
    };
    run(r#"fwb-dump -vvv -s "$STORE" -B "$DB" 2> /dev/full | fwb-verify -vv 2> /dev/full > /dev/null"#);
    run(
        r#"fwb-dump -vvv -s "$STORE" -B "$DB" --progress always 2> >(exec true) | fwb-verify -q > /dev/null"#,
    );
    run(r#"fwb-ls -s "$STORE" --latest --verified 2>&- | fwb-restore --yes -vv 2> /dev/full > /dev/null"#);
    run(r#"fwb-ls -s "$STORE" | fwb-prune -vv --keep-days 0 --keep-last 1 2> /dev/full > /dev/null"#);
    assert_eq!(store.tool("fwb-ls").args(["--kind", "full"]).run().ok().records().len(), 1);
}

/// A reader that hangs, such as an upload whose other end is gone, must not make a tool that nobody can end.
#[test]
fn a_signal_ends_a_tool_whose_reader_hangs() {
    let (database, store) = (Database::new("hangs"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY, d BLOB); INSERT INTO t SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_9000;");
    let dump = store.dump(&database);
    // Enough for more than a pipe holds.
    (1..400).for_each(|hours| drop(store.aged(&dump, hours)));
    let tools = || {
        [
            Tool::new("fwb-dump").arg("-B").arg(&database.name).args(["-o", "-"]),
            store.tool("fwb-restore").args([name(&dump), "--stdout"]),
            store.tool("fwb-ls"),
        ]
    };
    for (sent, expected) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        for tool in tools() {
            let mut command = tool.command();
            let what = format!("{sent}: {command:?}");
            // Its end is held and never read.
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            until("a full pipe", || waits_for_its_reader(child.id()).then_some(()));
            signal(child.id(), sent);
            assert_eq!(code(&mut child), Some(expected), "{what}");
        }
    }
    assert_eq!(store.names().len(), 800);
}

/// Whether a thread of the process waits for room in a pipe (proc(5), wchan), or all of them sleep.
fn waits_for_its_reader(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.into_iter().any(|task| {
        let call = std::fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
        // write(2) is system call 1 on x86-64 and 64 on arm64; its first argument is a descriptor.
        let mut words = call.split(' ');
        matches!(words.next(), Some("1" | "64")) && words.next().is_some()
    })
}
