//! A terminal of its own for a tool, so wide and no wider: what it shows, and what is left on it at the end.

use super::Tool;

/// Runs a program on a terminal of so many columns; standard input is the terminal too, unless something is piped in.
/// Prints how it ended, and all that it wrote. Where nothing else ends it, an alarm does.
const TERMINAL: &str = r#"
import fcntl, json, os, pty, signal, stat, struct, sys, termios
columns, argv = int(sys.argv[1]), sys.argv[2:]
signal.alarm(300)
piped = os.dup(0) if stat.S_ISFIFO(os.fstat(0).st_mode) else None
pid, terminal = pty.fork()
if pid == 0:
    size = struct.pack("HHHH", 50 if columns else 0, columns, 0, 0)
    fcntl.ioctl(1, termios.TIOCSWINSZ, size)
    if piped is not None:
        os.dup2(piped, 0)
    os.execvp(argv[0], argv)
shown = b""
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
status = os.waitpid(pid, 0)[1]
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "shown": shown.decode()}))
"#;

/// What was on a terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// How the tool ended.
    pub(crate) code: i64,
    /// All that was written to it.
    pub(crate) shown: String,
    columns: usize,
}

impl Terminal {
    /// Runs a tool on a terminal of so many columns; 0: it does not say how many.
    pub(crate) fn run(columns: usize, tool: Tool) -> Self {
        let arguments = ["-c".to_owned(), TERMINAL.to_owned(), columns.to_string()];
        let ended = tool.under("python3", arguments).run().ok().json();
        let shown = ended["shown"].as_str().expect("a text").to_owned();
        Self { code: ended["code"].as_i64().expect("a number"), shown, columns }
    }

    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn exits(self, code: i64) -> Self {
        assert_eq!(self.code, code, "{}", self.shown);
        self
    }

    /// The lines that are left on it, without blanks at their ends. Knows what the tools send: line breaks, the cursor's
    /// movements, the erasing of a line, colours (ECMA-48).
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<Vec<char>> = vec![Vec::new()];
        let (mut row, mut column) = (0_usize, 0_usize);
        let mut characters = self.shown.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => row += 1,
                '\r' => column = 0,
                '\x1b' => {
                    let (number, command) = sequence(&mut characters);
                    match command {
                        'A' => row = row.saturating_sub(number.max(1)),
                        'B' => row += number.max(1),
                        'C' => column += number.max(1),
                        'D' => column = column.saturating_sub(number.max(1)),
                        'K' if number == 2 => lines[row].clear(),
                        'K' => lines[row].truncate(column),
                        'm' => {}
                        other => panic!("an unknown sequence {other:?} in {:?}", self.shown),
                    }
                }
                other => {
                    if self.columns > 0 && column + width_of(other) > self.columns {
                        (row, column) = (row + 1, 0);
                    }
                    lines.resize_with(lines.len().max(row + 1), Vec::new);
                    let line = &mut lines[row];
                    line.resize(line.len().max(column), ' ');
                    // The second half of a wide character is a place of its own, which shows nothing.
                    line.splice(column..(column + 1).min(line.len()), [other]);
                    column += width_of(other);
                    line.resize(line.len().max(column), '\0');
                }
            }
            lines.resize_with(lines.len().max(row + 1), Vec::new);
        }
        let text = |line: Vec<char>| line.into_iter().filter(|c| *c != '\0').collect::<String>();
        let mut lines: Vec<String> =
            lines.into_iter().map(text).map(|line| line.trim_end().to_owned()).collect();
        while lines.pop_if(|line| line.is_empty()).is_some() {}
        lines
    }
}

/// The first number of a control sequence, and its last character.
fn sequence(characters: &mut impl Iterator<Item = char>) -> (usize, char) {
    let mut number = String::new();
    let mut is_first = true;
    for character in characters {
        match character {
            '0'..='9' if is_first => number.push(character),
            ';' => is_first = false,
            '[' | '0'..='9' | '?' => {}
            last => return (number.parse().unwrap_or(0), last),
        }
    }
    (0, 'm')
}

/// How many columns a character takes: Hangul, Han and the like take two.
pub(crate) fn width_of(character: char) -> usize {
    if matches!(character, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}') {
        2
    } else {
        1
    }
}
