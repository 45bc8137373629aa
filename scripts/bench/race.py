"""Runs contestants in turns and measures them. Each run becomes a line of JSON: wall seconds, CPU seconds of the clients
and of the server, and how much memory the largest of its processes had.

usage: race.py RUNS-FILE SERVER-PID <CONTESTANTS

A contestant is a line of JSON on standard input: discipline, name, command, and optionally rounds (default 1), before
(a command that is not measured), tool (the process whose memory counts; default the largest of any) and short (the
command is one program that prints to nowhere: no shell runs it and nobody watches its memory, which cost as much as it
does), with stdin (a file).
"""

import json
import os
import shlex
import subprocess
import sys
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAUSE = 0.005


def server_seconds(pid):
    """CPU seconds of a process so far (proc(5), fields 14 and 15 of stat)."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def processes(pid):
    """A process and its descendants."""
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as children:
                found = children.read().split()
        except OSError:
            continue
        for child in found:
            yield from processes(int(child))


def peak(pid):
    """The name of a process and the most memory that it has had, in KiB (proc(5), VmHWM)."""
    name, most = "", 0
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("Name:"):
                    name = line.split(None, 1)[1].strip()
                elif line.startswith("VmHWM:"):
                    most = int(line.split()[1])
    except OSError:
        pass
    return name, most


def watch(pid, ended, peaks):
    while not ended.is_set():
        for process in processes(pid):
            name, most = peak(process)
            peaks[name] = max(peaks.get(name, 0), most)
        ended.wait(PAUSE)


def run(contestant, server):
    if "before" in contestant:
        subprocess.run(["bash", "-euo", "pipefail", "-c", contestant["before"]], check=True)
    peaks, ended = {}, threading.Event()
    server_before, begun = server_seconds(server), time.monotonic()
    if contestant.get("short"):
        words = [os.path.expandvars(word) for word in shlex.split(contestant["command"])]
        with open(contestant.get("stdin", os.devnull)) as stdin:
            shell = subprocess.Popen(words, stdin=stdin, stdout=subprocess.DEVNULL)
    else:
        shell = subprocess.Popen(["bash", "-euo", "pipefail", "-c", contestant["command"]])
    watcher = threading.Thread(target=watch, args=(shell.pid, ended, peaks))
    if not contestant.get("short"):
        watcher.start()
    _, status, used = os.wait4(shell.pid, 0)
    wall = time.monotonic() - begun
    shell.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    if watcher.ident:
        watcher.join()
    if shell.returncode != 0:
        sys.exit(f"bench: exit code {shell.returncode}: {contestant['command']}")
    tool = contestant.get("tool")
    memory = peaks.get(tool, 0) if tool else max(peaks.values(), default=0)
    return {
        "discipline": contestant["discipline"],
        "name": contestant["name"],
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "server": server_seconds(server) - server_before,
        "memory": memory,
        "peaks": peaks,
    }


def main():
    runs_file, server = sys.argv[1], int(sys.argv[2])
    contestants = [json.loads(line) for line in sys.stdin if line.strip()]
    disciplines = list(dict.fromkeys(contestant["discipline"] for contestant in contestants))
    with open(runs_file, "a") as runs:
        for discipline in disciplines:
            those = [contestant for contestant in contestants if contestant["discipline"] == discipline]
            for number in range(1, max(contestant.get("rounds", 1) for contestant in those) + 1):
                for contestant in those:
                    if number > contestant.get("rounds", 1):
                        continue
                    result = run(contestant, server)
                    print(json.dumps(result), file=runs, flush=True)
                    if number <= 3 or number % 20 == 0:
                        seconds = f"{result['wall']:.3f} s"
                        print(f"bench: {discipline}, round {number}: {contestant['name']}: {seconds}", file=sys.stderr)


main()
