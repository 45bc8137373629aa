"""Runs commands on a terminal of its own and draws what stood on it in the end, as an SVG.

usage: terminal.py OUT.svg COLUMNS < STEPS

Each line of STEPS is a command, which is shown behind a `$` and run by bash, or an answer to what the one before it asks, behind
a `>`. A command that fails ends it all. What is drawn is what the programs have written: colours, bold, and lines that were written over;
but for the words in $HIDDEN, the directory of this machine in which it is done.
"""

import fcntl
import html
import os
import pty
import re
import select
import struct
import sys
import termios

ROWS = 60
CELL, LINE, PAD = 8.43, 19, 16
COLOURS = ["#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#dcdfe4"]
PLAIN, BACK, DIM = "#dcdfe4", "#1e2127", "#8b929e"
# The seconds after which a program that says nothing is given up.
PATIENCE = 120
HIDDEN = os.environ["HIDDEN"]


class Screen:
    """As much of a terminal as the tools use: colours, writing over a line, moving up."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column, self.style = columns, [[]], 0, 0, ("", False, False)

    def write(self, text):
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n\b])", text):
            if part.startswith("\x1b["):
                self.control(part[-1], part[2:-1])
            elif part == "\r":
                self.column = 0
            elif part == "\b":
                self.column = max(0, self.column - 1)
            elif part == "\n":
                self.down()
            else:
                for letter in part:
                    self.put(letter)

    def down(self):
        self.row += 1
        while len(self.rows) <= self.row:
            self.rows.append([])

    def put(self, letter):
        if self.column == self.columns:
            self.column = 0
            self.down()
        row = self.rows[self.row]
        row.extend([(" ", ("", False, False))] * (self.column + 1 - len(row)))
        row[self.column] = (letter, self.style)
        self.column += 1

    def control(self, what, numbers):
        number = int(numbers) if numbers.isdigit() else 1
        if what == "A":
            self.row = max(0, self.row - number)
        elif what == "B":
            for _ in range(number):
                self.down()
        elif what == "G":
            self.column = number - 1
        elif what == "K":
            del self.rows[self.row][0 if numbers == "2" else self.column:]
        elif what == "J":
            del self.rows[self.row][self.column:]
            del self.rows[self.row + 1:]
        elif what == "m":
            self.colour([int(word or 0) for word in numbers.split(";")])
        elif what not in "hl":
            raise ValueError(f"what is drawn has a control that this does not know: {numbers}{what}")

    def colour(self, numbers):
        colour, bold, dim = self.style
        for number in numbers:
            if number == 0:
                colour, bold, dim = "", False, False
            elif number in (1, 2):
                bold, dim = number == 1 or bold, number == 2 or dim
            elif number == 22:
                bold, dim = False, False
            elif number == 39:
                colour = ""
            elif 30 <= number <= 37 or 90 <= number <= 97:
                colour = COLOURS[number % 10]
        self.style = (colour, bold, dim)


def run(screen, command, answers):
    """Runs a command on the terminal, and types each answer when it waits for one."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvp("bash", ["bash", "-o", "pipefail", "-c", command])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, screen.columns, 0, 0))
    said = b""
    while True:
        if not select.select([terminal], [], [], PATIENCE)[0]:
            sys.exit(f"terminal.py: {command}: nothing was said for {PATIENCE} seconds")
        try:
            said = os.read(terminal, 65536)
        except OSError:
            break
        if not said:
            break
        screen.write(said.decode("utf-8", "replace").replace(HIDDEN, ""))
        line = "".join(letter for letter, _ in screen.rows[screen.row]).rstrip()
        if answers and line.endswith(("]", "?", ":")) and "%" not in line:
            os.write(terminal, (answers.pop(0) + "\n").encode())
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code or answers:
        sys.exit(f"terminal.py: {command}: exit {code}, unasked answers: {answers}\n" + "\n".join("".join(letter for letter, _ in row) for row in screen.rows))


def draw(screen):
    rows = [row for row in screen.rows]
    while rows and not any(letter.strip() for letter, _ in rows[-1]):
        rows.pop()
    width, height = screen.columns * CELL + 2 * PAD, len(rows) * LINE + 2 * PAD
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14" fill="{PLAIN}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>',
    ]
    for number, row in enumerate(rows):
        spans, at = [], 0
        while at < len(row):
            end = at
            while end < len(row) and row[end][1] == row[at][1]:
                end += 1
            text = "".join(letter for letter, _ in row[at:end])
            colour, bold, dim = row[at][1]
            style = f' fill="{colour or DIM}"' if colour or dim else ""
            style += ' font-weight="bold"' if bold else ""
            if text.strip():
                spans.append(f'<tspan x="{PAD + at * CELL:.1f}"{style} textLength="{len(text) * CELL:.1f}">{html.escape(text, quote=False)}</tspan>')
            at = end
        if spans:
            out.append(f'<text y="{PAD + number * LINE + 14}" xml:space="preserve">' + "".join(spans) + "</text>")
    return "\n".join([*out, "</svg>"]) + "\n"


def main():
    out, columns = sys.argv[1], int(sys.argv[2])
    screen, steps = Screen(columns), []
    for line in sys.stdin.read().splitlines():
        if line.startswith("> "):
            steps[-1][1].append(line[2:])
        elif line:
            steps.append((line, []))
    for number, (command, answers) in enumerate(steps):
        if number:
            screen.write("\r\n")
        screen.write(f"\x1b[0;2m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n")
        run(screen, command, answers)
        if screen.column:
            screen.write("\r\n")
    drawn = draw(screen)
    if HIDDEN in drawn:
        sys.exit(f"terminal.py: {HIDDEN} came in two pieces: make the picture again")
    with open(out, "w", encoding="utf-8") as file:
        file.write(drawn)


main()
