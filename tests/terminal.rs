//! What people see on a terminal: a few lines that say what happened, in no more columns than there are; and records,
//! unchanged, for whatever is no terminal.

use serde_json::{Value, json};

use crate::support::{Database, Store, Terminal, Tool, name, width_of};

fn told(columns: usize, tool: Tool) -> Terminal {
    Terminal::run(columns, tool.env("TERM", "xterm").args(["--progress", "never"]))
}

fn is_record(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|record| record.is_object())
}

/// A wall of JSON hides at three in the morning whether the backup was made.
#[test]
fn every_tool_says_what_it_did_in_a_few_lines() {
    let (database, store, copies) = (Database::sample("told"), Store::new(), Store::new());
    let tool = |name: &str| store.tool(name);
    let dump = || tool("fwb-dump").args(["-B", &database.name]);
    let shown = told(100, dump()).exits(0);
    let lines = shown.lines();
    assert!(lines[0].starts_with(&format!("dumped {} into ", database.name)), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(" tables, ") && line.contains(" rows")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(" of SQL, in ")), "{lines:?}");
    assert!(lines.len() <= 6, "{lines:?}");
    assert!(shown.shown.contains("\x1b[32mdumped\x1b[0m"), "{:?}", shown.shown);
    let listed = store.tool("fwb-ls").run().ok().json();
    let backup = name(&listed);

    let lines = told(100, tool("fwb-verify").arg(backup)).exits(0).lines();
    assert!(lines[0].starts_with(&format!("proved {backup} (full, ")), "{lines:?}");
    let lines = told(100, tool("fwb-copy").arg("--to").arg(copies.path()).arg(backup)).exits(0).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("copied {backup} to ")), "{lines:?}");
    let lines = told(100, tool("fwb-copy").arg("--to").arg(copies.path()).arg(backup)).exits(0).lines();
    assert!(lines[0].starts_with("there "), "{lines:?}");
    let lines = told(100, tool("fwb-prune").arg("-n").arg(backup)).exits(0).lines();
    assert!(lines[0].starts_with(&format!("keep {backup}: within 7 days")), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "nothing to delete: the one backup stays");

    let restore = |more: &[&str]| tool("fwb-restore").args(["-f", backup]).args(more);
    let lines = told(100, restore(&["--dry-run"])).exits(0).lines();
    assert!(lines[0].starts_with(&format!("Restore {backup}, begun ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("If it fails, nothing is lost")), "{lines:?}");
    let lines = told(100, restore(&["--yes"])).exits(0).lines();
    assert_eq!(lines[0], format!("restored {} from {backup}", database.name));
    assert!(lines.iter().any(|line| line.contains("fwb-restore --undo -B ")), "{lines:?}");
    let undo = |more: &[&str]| tool("fwb-restore").args(["--undo", "-B", &database.name]).args(more);
    let lines = told(100, undo(&["--dry-run"])).exits(0).lines();
    assert!(lines[0].starts_with("put back what the restore of "), "{lines:?}");
    let lines = told(100, undo(&["--yes"])).exits(0).lines();
    assert!(lines[0].starts_with(&format!("undone {} is again what ", database.name)), "{lines:?}");
    // With nothing on standard input; a terminal brings nothing.
    let drop = |more: &[&str]| tool("fwb-restore").args(["--drop-before", "-B", &database.name]).args(more);
    let lines = told(100, drop(&["--dry-run"])).exits(0).lines();
    assert!(lines[0].starts_with("remove ") && lines[0].contains("__before_"), "{lines:?}");
    let lines = told(100, drop(&["--yes"])).exits(0).lines();
    assert!(lines[0].starts_with("removed "), "{lines:?}");

    std::fs::write(store.artifact(&listed), "nothing of the kind").unwrap();
    let lines = told(100, tool("fwb-verify").arg(backup)).exits(3).lines();
    assert!(lines[0].starts_with(&format!("FAILED {backup} (full, ")), "{lines:?}");
}

/// A tool with more options.
type With<'a> = &'a dyn Fn(&[&str]) -> Tool;

/// Scripts parse what they were given yesterday.
#[test]
fn a_pipe_has_the_record_and_format_chooses() {
    let (database, store) = (Database::sample("formats"), Store::new());
    let dump = |more: &[&str]| store.tool("fwb-dump").args(["-B", &database.name]).args(more);
    let made = dump(&[]).run().ok().json();
    let verify = |more: &[&str]| store.tool("fwb-verify").arg(name(&made)).args(more);
    let prune = |more: &[&str]| store.tool("fwb-prune").args(["-n", name(&made)]).args(more);
    let plan = |more: &[&str]| store.tool("fwb-restore").args(["--dry-run", name(&made)]).args(more);
    let copies = Store::new();
    let copy =
        |more: &[&str]| store.tool("fwb-copy").arg("--to").arg(copies.path()).arg(name(&made)).args(more);
    let tools: [With<'_>; 4] = [&verify, &prune, &plan, &copy];
    for tool in tools {
        assert!(is_record(tool(&[]).run().ok().stdout_text().trim_end()), "a pipe has a record");
        let text = tool(&["--format", "text"]).run().ok().stdout_text();
        assert!(!text.contains(['{', '\x1b']), "no record, and no colour in a pipe: {text}");
        let record = told(60, tool(&["--format", "jsonl"])).exits(0);
        let line = record.shown.trim_end();
        assert!(is_record(line) && !line.contains('\n'), "one line, whatever the width: {line}");
    }
    // fwb-ls has a table in the place of lines.
    let list = |format: &str| store.tool("fwb-ls").args(["--format", format]).run().ok().stdout_text();
    assert_eq!(list("text"), list("table"));
    assert!(store.tool("fwb-ls").run().ok().records().len() == 1);
}

/// `NO_COLOR`, `TERM=dumb` and `CLICOLOR_FORCE`, as other programs take them.
#[test]
fn colours_are_for_whoever_wants_them() {
    let (database, store) = (Database::new("colours"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    let made = store.dump_verified(&database);
    let tools = || [store.tool("fwb-ls"), store.tool("fwb-verify").arg(name(&made))];
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
        for tool in tools() {
            let shown = Terminal::run(80, tool.env("TERM", "xterm").env(variable, value)).exits(0).shown;
            assert!(!shown.contains('\x1b') && shown.contains(name(&made)), "{variable}: {shown:?}");
        }
    }
    for tool in tools() {
        let text = tool.args(["--format", "text"]).env("CLICOLOR_FORCE", "1").run().ok().stdout_text();
        assert!(text.contains("\x1b[32mproved"), "{text:?}");
    }
    // An error's word and its hint, and never in a log that a program reads.
    let failing = || store.tool("fwb-verify").arg("no_such.sql.gz").env("CLICOLOR_FORCE", "1");
    let shown = failing().run().exits(3).stderr;
    assert!(shown.contains("fwb-verify: \x1b[1;31merror\x1b[0m: "), "{shown:?}");
    let log = failing().args(["--log-format", "json"]).run().exits(3).stderr;
    assert!(!log.contains('\x1b') && is_record(log.trim_end()), "{log:?}");
}

/// A telephone, or half a screen: lines that are broken anywhere cannot be read.
#[test]
fn tables_fit_into_what_there_is() {
    let store = Store::new();
    let (database, korean) = (Database::new("narrow"), Database::named("fwb_좁은_화면_데이터베이스"));
    database.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    korean.sql("CREATE TABLE `사용자_업로드_파일` (id INT PRIMARY KEY)");
    let made = store.dump_verified(&database);
    store.dump_verified(&korean);
    store.edit(name(&made), "verification", json!({
        "level": "full", "ok": false, "at": "2025-07-25T10:00:00Z", "seconds": 1.0, "problems": ["it is ".repeat(30)],
    }));
    let width = |line: &String| line.chars().map(width_of).sum::<usize>();
    let list = |more: &[&str]| store.tool("fwb-ls").args(more).env("TERM", "xterm");
    for columns in [40, 60, 80, 100] {
        for more in [&[][..], &["--tables", "-B", &database.name]] {
            if columns < 60 && !more.is_empty() {
                // The name above the table is whole, and wider than that.
                continue;
            }
            let shown = Terminal::run(columns, list(more)).exits(0);
            // What a terminal has no room for it breaks: as many lines are left as were written.
            assert_eq!(
                shown.lines().len(),
                shown.shown.trim_end().lines().count(),
                "{columns}: {}",
                shown.shown
            );
            assert!(shown.lines().iter().all(|line| width(line) <= columns), "{columns}: {}", shown.shown);
            assert!(shown.shown.contains("NAME"), "{}", shown.shown);
        }
    }
    let narrow = Terminal::run(60, list(&[])).exits(0);
    assert!(
        narrow.lines().iter().any(|line| line.starts_with("NAME") && line.ends_with("STATE")),
        "{}",
        narrow.shown
    );
    assert!(narrow.shown.contains("FAILED") && narrow.shown.contains("no room for"), "{}", narrow.shown);
    // COLUMNS counts where the terminal does not know, or there is none.
    let by_variable = Terminal::run(0, list(&[]).env("COLUMNS", "60")).exits(0);
    let piped = list(&["--format", "table"]).env("COLUMNS", "60").run().ok().stdout_text();
    for shown in [by_variable.shown, piped] {
        assert!(shown.contains("no room for"), "{shown}");
    }
    let whole = list(&["--format", "table"]).run().ok().stdout_text();
    assert!(!whole.contains("no room for") && whole.contains("STARTED"), "{whole}");
}

/// A table name in a message must not drive the terminal of whoever restores it.
#[test]
fn names_cannot_drive_the_terminal() {
    let (database, store) = (Database::new("drives"), Store::new());
    database.sql("CREATE TABLE `a\x1b[2Jb` (id INT PRIMARY KEY)");
    let made = store.dump_verified(&database);
    let plan = store.tool("fwb-restore").args(["--dry-run", name(&made), "--tables", "a\x1b[2Jb"]);
    let shown = told(80, plan.env("NO_COLOR", "1")).exits(0).shown;
    assert!(!shown.contains('\x1b') && shown.contains("a\\u{1b}[2Jb"), "{shown:?}");
}

/// A bar that stays when the tool has ended looks as if it had not.
#[test]
fn nothing_of_the_bar_is_left() {
    let (database, store) = (Database::new("bar"), Store::new());
    database.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    store.dump(&database);
    let lock = std::fs::File::options().write(true).open(store.file(".lock")).unwrap();
    lock.lock().unwrap();
    let dump = store.tool("fwb-dump").args(["-B", &database.name, "--lock-wait", "--progress", "auto"]);
    let waiting = std::thread::spawn(move || Terminal::run(60, dump.env("TERM", "xterm")));
    // Longer than a run that gets no bar.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    drop(lock);
    let shown = waiting.join().unwrap().exits(0);
    let lines = shown.lines();
    assert!(lines[0].starts_with("dumped ") && lines.iter().all(|line| !line.contains("s] ")), "{lines:?}");
    assert!(shown.lines().iter().all(|line| line.chars().count() <= 60 || !line.contains(' ')), "{lines:?}");
}
