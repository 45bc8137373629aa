//! Files that would cost more than they are worth: gzip bombs, sizes that nobody has, statements without an end, a million
//! of everything. A backup is verified beside the database that it is of, in the middle of the night: a file that takes all
//! memory, or days, takes the database with it.
//!
//! Memory is the peak of the real programs (proc(5), `VmHWM`), and work their processor time, compared for an input and
//! four times as much of it: never with a clock.

pub(crate) mod claims;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::hostile::foreign;
use crate::support::{Database, Store, Tool, gzip, name, peak_memory};
use crate::torture::{count, whole};

/// What a tool may take whatever the file says, in KiB.
const MOST: u64 = 96 << 10;

/// How a tool ended, and what it took.
struct Run {
    code: Option<i32>,
    said: String,
    /// The most memory, in KiB; 0 where it ended before it could be looked at.
    memory: u64,
    /// Processor time, in ticks of 10 ms (proc(5), `stat`, fields 14 and 15).
    work: u64,
}

impl Run {
    /// Runs a tool to its end and watches it: a child that has ended can be looked at until it is waited for.
    fn of(tool: Tool) -> Self {
        let mut command = tool.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = drain(&mut child);
        let file = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
        let mut memory = 0;
        let work = loop {
            memory = memory.max(peak_memory(&child).unwrap_or_default());
            let stat = file("stat");
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let fields: Vec<&str> = fields.split(' ').collect();
            if fields[0] == "Z" {
                break fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let code = child.wait().unwrap().code();
        Self { code, said: said.join().unwrap(), memory, work }
    }

    #[track_caller]
    fn exits(self, codes: &[i32]) -> Self {
        assert!(self.code.is_some_and(|code| codes.contains(&code)), "{:?}: {}", self.code, self.said);
        self
    }

    #[track_caller]
    fn is_frugal(&self) {
        assert!(self.memory < MOST, "{} KiB: {}", self.memory, self.said);
    }
}

/// Reads all that a child says and prints.
fn drain(child: &mut Child) -> std::thread::JoinHandle<String> {
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let printed = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    std::thread::spawn(move || {
        let mut said = Vec::new();
        std::io::copy(&mut stderr, &mut said).unwrap();
        printed.join().unwrap().unwrap();
        String::from_utf8_lossy(&said[..said.len().min(4000)]).into_owned()
    })
}

/// A tool without a server, on a file.
fn on(tool: &str, file: &std::path::Path) -> Tool {
    Tool::alone(tool).arg(file)
}

/// One of a kind of input, so many times.
type Shape = (&'static str, fn(usize) -> String, usize);

/// Everything that a scanner, a reader of statements and a list of sections can have many of; how many there are first.
const SHAPES: [Shape; 33] = [
    ("tables", |n| lines(n, |i| format!("DROP TABLE `t{i}`;\nCREATE TABLE `t{i}` (a int);\n")), 10_000),
    ("announcements", |n| lines(n, |i| format!("--\n-- Table structure for table `t{i}`\n--\n\n")), 20_000),
    ("data announcements", |n| lines(n, |i| format!("--\n-- Dumping data for table `t{i}`\n--\n")), 20_000),
    ("half announcements", |n| "--\n-- Table structure for table `x\n".repeat(n), 50_000),
    ("columns", |n| format!("CREATE TABLE `t` ({} z int);", lines(n, |i| format!("`c{i}` int,"))), 10_000),
    (
        "keys",
        |n| format!("CREATE TABLE `t` (`a` int{}) ENGINE=InnoDB;", lines(n, |i| format!(",KEY `k{i}`(`a`)"))),
        10_000,
    ),
    (
        "comments on a key",
        |n| format!("CREATE TABLE `t` (`a` int, KEY `k` (`a`) {});", "COMMENT ''".repeat(n)),
        20_000,
    ),
    ("parentheses", |n| format!("CREATE TABLE t ({};", "(".repeat(n)), 200_000),
    ("unions", |n| format!("CREATE TABLE t (a int) {};", "UNION=(`a`) ".repeat(n)), 20_000),
    ("assignments", |n| format!("SET {} SQL_NOTES=0;", "@OLD_SQL_NOTES=@@SQL_NOTES, ".repeat(n)), 20_000),
    ("settings", |n| "SET @saved_cs_client=@@character_set_client;\n".repeat(n), 30_000),
    (
        "rows and settings",
        |n| format!("CREATE TABLE t (a int);\n{}", "INSERT INTO t VALUES (1);\nSET NAMES utf8;\n".repeat(n)),
        20_000,
    ),
    (
        "quotes",
        |n| format!("CREATE TABLE t (a text);\nINSERT INTO t VALUES ('{}');", "''".repeat(n)),
        800_000,
    ),
    (
        "backslashes",
        |n| format!("CREATE TABLE t (a text);\nINSERT INTO t VALUES ('{}');", "\\\\".repeat(n)),
        800_000,
    ),
    (
        "short rows",
        |n| format!("CREATE TABLE t (a int);\nINSERT INTO t VALUES {}(1);", "(1),".repeat(n)),
        500_000,
    ),
    (
        "depth of a row",
        |n| format!("CREATE TABLE t (a int);\nINSERT INTO t VALUES {};", "(".repeat(n)),
        800_000,
    ),
    (
        "words in a row",
        |n| format!("CREATE TABLE t (a int);\nINSERT INTO t VALUES ({});", "_x_y".repeat(n)),
        400_000,
    ),
    ("a word before rows", |n| format!("INSERT INTO {} VALUES (1);", "x".repeat(n)), 1_500_000),
    ("comments", |n| "/* x */\n".repeat(n), 200_000),
    ("nested comments", |n| format!("{} */;", "/* x ".repeat(n)), 300_000),
    ("nested executable comments", |n| format!("{} x {};", "/*!50003 ".repeat(n), "*/".repeat(n)), 100_000),
    (
        "executable comments in a table",
        |n| format!("CREATE TABLE t (a int {});", "/*!50003 COMMENT 'x' */ ".repeat(n)),
        30_000,
    ),
    ("delimiters", |n| "DELIMITER ;;\nDELIMITER ;\n".repeat(n), 60_000),
    ("empty statements", |n| ";\n".repeat(n), 600_000),
    ("line comments", |n| "-- \n#\n\n".repeat(n), 200_000),
    ("long names of tables", |n| lines(n, |i| format!("CREATE TABLE `{}` (a int);\n", long(i))), 500),
    ("long names of views", |n| lines(n, |i| format!("CREATE VIEW `{}` AS SELECT 1;\n", long(i))), 500),
    (
        "long announcements",
        |n| lines(n, |i| format!("--\n-- Table structure for table `{i}{}`\n--\n\n", "x".repeat(4000))),
        5000,
    ),
    ("long databases", |n| lines(n, |i| format!("DROP TABLE `{}`.`t`;\n", long(i))), 500),
    (
        "long names of routines",
        |n| lines(n, |i| format!("CREATE PROCEDURE `{}`() SELECT 1;\n", long(i))),
        500,
    ),
    (
        "long names of accounts",
        |n| lines(n, |i| format!("CREATE DEFINER=`{}`@`h` VIEW `v` AS SELECT 1;\n", long(i))),
        500,
    ),
    (
        "long names of engines",
        |n| lines(n, |i| format!("CREATE TABLE `t` (a int) ENGINE='{}';\n", long(i))),
        500,
    ),
    (
        "a statement without an end",
        |n| format!("CREATE TABLE t (a int COMMENT '{}", "x".repeat(n)),
        3_000_000,
    ),
];

/// A name that no server takes, of its own in its last characters only: a thousand of them are packed into a few kilobytes.
fn long(number: usize) -> String {
    format!("{}{number}", "x".repeat(50_000))
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// That four times as much takes less than nine times the work; the runs, in pairs. On a busy machine a tick may be counted
/// that was somebody else's; what is quadratic is so each time.
#[track_caller]
fn in_proportion(what: &str, mut measure: impl FnMut() -> Vec<(Run, Run)>) -> Vec<(Run, Run)> {
    let holds = |(one, four): &(Run, Run)| four.work <= 9 * one.work + 30;
    for _ in 0..2 {
        let runs = measure();
        if runs.iter().all(holds) {
            return runs;
        }
    }
    let runs = measure();
    for (one, four) in &runs {
        assert!(four.work <= 9 * one.work + 30, "{what}: {} ticks, then {}", one.work, four.work);
    }
    runs
}

/// Four times the input is four times the work. Whoever is quadratic takes sixteen times as long, and with the next file
/// of that shape the night is over before the backup is verified.
#[test]
fn the_work_grows_as_the_input_does() {
    let store = Store::new();
    let mut worst = (0, "");
    for (what, shape, times) in SHAPES {
        let sql = |n| foreign("monsters", &shape(n));
        let file = store.file("monster.sql");
        let runs = |n| {
            fs::write(&file, sql(n)).unwrap();
            let verify = Run::of(on("fwb-verify", &file)).exits(&[0, 3]);
            let restore = Run::of(on("fwb-restore", &file).arg("--stdout")).exits(&[0, 1, 2, 3]);
            [verify, restore]
        };
        for (one, four) in in_proportion(what, || runs(times).into_iter().zip(runs(4 * times)).collect()) {
            let ratio = 10 * four.work / one.work.max(1);
            worst = if four.work > 50 && ratio > worst.0 { (ratio, what) } else { worst };
            let more = four.memory.saturating_sub(one.memory);
            assert!(more < 64 << 10, "{what}: {} KiB, then {}", one.memory, four.memory);
        }
    }
    let shapes = u32::try_from(SHAPES.len()).unwrap();
    let (ratio, what) = worst;
    let what =
        format!("the most work for four times as much is {}.{} times ({what})", ratio / 10, ratio % 10);
    count("monsters", &what, &[("shapes", shapes), ("over 9 times", 0)]);
}

/// A little that becomes very much: what is read of it is never all in memory.
#[test]
fn a_gzip_bomb_takes_no_memory() {
    let store = Store::new();
    let start = foreign("bomb", "CREATE TABLE `t` (`a` longtext);\nINSERT INTO `t` VALUES (1,'");
    let (head, _) = start.split_at(start.find("VALUES (1,'").unwrap() + 11);
    let zeros_size = 4 << 20;
    let zeros = gzip(&vec![b'0'; zeros_size]);
    let live = Database::new("monsters_bomb");
    live.sql("CREATE TABLE t (a INT); INSERT INTO t VALUES (7);");
    for (what, members) in [("small", 4), ("large", 64)] {
        let bomb = [gzip(head.as_bytes()), zeros.repeat(members)].concat();
        assert!(bomb.len() * 100 < members * zeros_size, "a bomb");
        store.write("bomb.sql.gz", bomb);
        for run in [
            Run::of(on("fwb-verify", &store.file("bomb.sql.gz"))).exits(&[3]),
            Run::of(on("fwb-restore", &store.file("bomb.sql.gz")).arg("--stdout")).exits(&[1, 2, 3]),
            Run::of(store.tool("fwb-restore").args(["bomb.sql.gz", "--yes", "--database", &live.name]))
                .exits(&[1, 2, 3]),
            Run::of(Tool::alone("fwb-ls").arg("--store").arg(store.path())).exits(&[0]),
        ] {
            assert!(run.memory < MOST, "{what}: {} KiB", run.memory);
        }
    }
    assert_eq!(live.content(), "t:\n7\n");
}

/// Rows and settings by turns, or a million of them in other ways: what is noted of each must not pile up.
#[test]
fn what_is_noted_of_statements_does_not_pile_up() {
    let store = Store::new();
    let turns = gzip("INSERT INTO `t` VALUES (1);\nSET NAMES utf8;\n".repeat(20_000).as_bytes());
    let memory = |times| {
        let table = gzip(foreign("turns", "CREATE TABLE `t` (`a` int);").as_bytes());
        store.write("turns.sql.gz", [table, turns.repeat(times)].concat());
        let run = Run::of(on("fwb-verify", &store.file("turns.sql.gz"))).exits(&[3]);
        run.is_frugal();
        run.memory
    };
    let (few, many) = (memory(2), memory(64));
    assert!(many < few + (8 << 10), "{few} KiB, then {many}");
}

/// No dump has ten million tables: what tells of them is refused before it takes the memory of a thousand dumps.
#[test]
fn ten_million_sections_are_refused() {
    let store = Store::new();
    let piece = |from: usize| lines(10_000, |i| format!("DROP TABLE `t{}`;\n", (from + i) % 10_000));
    let some = gzip(piece(0).as_bytes());
    let run = |times: usize| {
        store.write("many.sql.gz", some.repeat(times));
        Run::of(on("fwb-verify", &store.file("many.sql.gz"))).exits(&[3])
    };
    // What a section takes is some hundred bytes, and not more with each.
    let (few, more) = (run(5), run(20));
    let each = (more.memory - few.memory.min(more.memory)) * 1024 / 150_000;
    assert!(each < 1500, "{each} bytes for each section");
    let times = if whole() { 1000 } else { 101 };
    let most = run(times);
    assert!(most.said.contains("more than a million"), "{}", most.said);
    assert!(most.memory < 1500 << 10, "{} KiB", most.memory);
    let what = format!("refused in {} MiB", most.memory >> 10);
    count(
        "monsters",
        &what,
        &[("sections", u32::try_from(times * 10_000).unwrap()), ("noted beyond a million", 0)],
    );
}

/// A file of very many tiny tables: adopted, listed and verified in time that grows with their number.
#[test]
fn many_tiny_sections_take_their_share_of_time_and_no_more() {
    let store = Store::new();
    let tables = |count: usize| {
        let body = lines(count, |i| {
            format!("--\n-- Table structure for table `t{i}`\n--\n\nCREATE TABLE `t{i}` (a int);\n")
        });
        store.write("tiny.sql", foreign("monsters_tiny", &body));
        let adopted = Run::of(store.tool("fwb-verify").args(["--adopt", "tiny.sql"])).exits(&[0]);
        let listed =
            Tool::alone("fwb-ls").arg("--store").arg(store.path()).args(["--format", "jsonl"]).run().ok();
        let manifest: Value = listed.records().pop().unwrap();
        assert!(manifest["sections"].as_array().unwrap().len() > count);
        let artifact: PathBuf = store.file(name(&manifest));
        let runs = [
            adopted,
            Run::of(on("fwb-verify", &artifact)).exits(&[0]),
            Run::of(on("fwb-restore", &artifact).arg("--stdout")).exits(&[0]),
            Run::of(on("fwb-restore", &artifact).args(["--stdout", "--tables", "t1"])).exits(&[0]),
            Run::of(Tool::alone("fwb-ls").args(["--tables", "--store"]).arg(store.path())).exits(&[0]),
        ];
        fs::remove_file(&artifact).unwrap();
        fs::remove_file(store.sidecar(&manifest)).unwrap();
        runs
    };
    in_proportion("tiny sections", || tables(4000).into_iter().zip(tables(16_000)).collect());
}
