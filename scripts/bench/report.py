"""Writes docs/BENCHMARKS.md from the runs: medians, ratios, which goals are met, and what was before.

usage: report.py RUNS-FILE FACTS-FILE CONTESTANTS-FILE HISTORY-FILE >BENCHMARKS.md

HISTORY-FILE has a line for each run; this one's is added. What is worse by more than WORSE than the median of the last runs with
the same settings is told on standard error.
"""

import json
import os
import statistics
import sys

# How many earlier runs count, and how much worse than their median is told: more than the runs of one code differ by.
EARLIER = 5
WORSE = 0.15

# The goals, of the reference run: about 0.9 GB, 2 jobs.
RATIOS = [
    ("dump, against `mariadb-dump \\| gzip`", "dump", "mariadb-dump | gzip", 0.28),
    ("dump, against `mariadb-dump \\| pigz`", "dump", "mariadb-dump | pigz", 0.44),
    ("dump, against Debian's `mydumper -t 2 -c`", "dump", "mydumper -c", 0.58),
    ("dump, against a newer `mydumper -t 2 -c GZIP`", "dump", "newer mydumper -c GZIP", 0.47),
    ("dump of zstd, against `mariadb-dump \\| gzip`", "dump", "mariadb-dump | gzip", 0.20, "fwb-dump --codec zstd"),
    ("dump of zstd, against a newer `mydumper -t 2 -c ZSTD`", "dump", "newer mydumper -c ZSTD", 0.68, "fwb-dump --codec zstd"),
    ("dump through a pod, against `kubectl exec mariadb-dump \\| gzip`", "dump through a pod", "kubectl exec mariadb-dump | gzip", 0.35),
    ("`fwb-verify --level full`, against `gzip -t`", "verify", "gzip -t", 0.20),
    ("`fwb-verify --level full` of zstd, against `gzip -t`", "verify", "gzip -t", 0.12, "fwb-verify (zstd)"),
    ("restore with proof and swap, against `gunzip -c \\| mariadb`", "restore", "gunzip | mariadb", 0.30),
    ("restore, against Debian's `myloader -t 2`", "restore", "myloader", 0.62),
    ("restore, against a newer `myloader -t 2`", "restore", "newer myloader", 0.78),
    ("dump of an empty database, over `mariadb-dump` alone", "empty database", "mariadb-dump", 1.3),
]
OURS = {"dump": "fwb-dump", "dump through a pod": "fwb-dump", "verify": "fwb-verify", "restore": "fwb-restore", "empty database": "fwb-dump"}
# The most memory of any tool, in MiB: in general, and where a row has 64 MiB.
MEMORY, MEMORY_OF_LARGE_ROWS = 48, 64
LARGE_ROWS = "rows of 64 MiB"
DIGITS = {"empty database": 4, "one table": 3, "many backups": 3}


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def remember(path, facts, goals):
    """Adds this run to the history. Returns what the same settings had before, by goal."""
    earlier = [run for run in (lines(path) if os.path.exists(path) else []) if run["settings"] == facts["settings"]]
    with open(path, "a") as file:
        reached = {what: round(value, 4) for what, _, value, _ in goals}
        print(json.dumps({"date": facts["date"], "settings": facts["settings"], "reached": reached}), file=file)
    before = {}
    for what, _, value, digits in goals:
        values = [run["reached"][what] for run in earlier[-EARLIER:] if what in run["reached"]]
        if values:
            before[what] = statistics.median(values)
            if value > before[what] * (1 + WORSE):
                print(f"bench: worse than before: {what}: {value:.{digits}f}, was {before[what]:.{digits}f}", file=sys.stderr)
    return before


def main():
    runs, facts, contestants = lines(sys.argv[1]), lines(sys.argv[2])[0], lines(sys.argv[3])
    by_name = {}
    for run in runs:
        by_name.setdefault((run["discipline"], run["name"]), []).append(run)

    def median(discipline, name, what="wall"):
        return statistics.median(run[what] for run in by_name[discipline, name])

    def ratio(discipline, name, ours=None):
        return median(discipline, ours or OURS[discipline]) / median(discipline, name)

    sizes = facts["sizes"]
    tools = [(run["memory"] / 1024, run) for run in runs if run["name"].startswith("fwb-") and run["memory"]]

    usual = max((pair for pair in tools if pair[1]["discipline"] != LARGE_ROWS), key=lambda pair: pair[0])
    large = max((pair for pair in tools if pair[1]["discipline"] == LARGE_ROWS), key=lambda pair: pair[0])
    # Who did not take part is compared with nobody.
    goals = [
        (what, goal, ratio(discipline, name, *ours), 2)
        for what, discipline, name, goal, *ours in RATIOS
        if (discipline, name) in by_name
    ]
    newer = sizes.get("mydumper -c ZSTD")
    goals += [("artifact's size, against `gzip -6`", 0.92, sizes["fwb-dump"] / sizes["gzip"], 3)]
    if newer:
        goals += [("size of an artifact of zstd, against a newer `mydumper -c ZSTD`", 1.0, sizes["fwb-dump --codec zstd"] / newer, 3)]
    goals += [
        ("size of an artifact of zstd, against `zstd -3` of the whole", 1.0, sizes["fwb-dump --codec zstd"] / sizes["zstd"], 3),
        ("one small table out of the big backup, seconds", 0.05, median("one table", "fwb-restore --tables"), 3),
        ("peak memory of any tool, MiB", MEMORY, usual[0], 0),
        ("the same with rows of 64 MiB", MEMORY_OF_LARGE_ROWS, large[0], 0),
        ("`fwb-ls` of 10,000 backups, seconds of CPU", 0.2, median("many backups", "fwb-ls", "cpu"), 2),
    ]

    before = remember(sys.argv[4], facts, goals)

    print(f"""# Benchmarks

Written by `make bench` ({facts['settings']}) on {facts['date']}. Machine: {facts['machine']}. The server runs on
the same machine, in a sandbox of its own with {facts['server']}. The machine may do other things besides: the
contestants take turns, and only ratios within one run mean much. Numbers are medians. CPU seconds are those of the
clients; the server's are beside them, with whatever it did in the background meanwhile. Memory is that of the largest
process, for `fwb-…` that of the tool itself: the dump program holds the longest row in memory whoever runs it.

What `fwb-restore` takes includes proving the whole artifact before, and checking objects and row counts after. The view
over a function in the sample data is left out, because myloader cannot restore it. The pod is a stand-in on this machine, through
which everything is copied once each way (scripts/bench/kubectl).

Versions: {facts['versions']}.

SQL: {facts['raw_size']} bytes. Sizes: {', '.join(f'{name} {size}' for name, size in sizes.items())} bytes.

## Goals

They were set for about 0.9 GB and 2 jobs: ours divided by theirs, where nothing else is said. *Before* is the median of the last
{EARLIER} runs with the same settings, which are in [BENCHMARKS.jsonl](BENCHMARKS.jsonl). Most memory has `{usual[1]['name']}`, and
with rows of 64 MiB `{large[1]['name']}`. Where a goal is not met, [MEASUREMENTS.md](MEASUREMENTS.md#what-is-not-reached) says where the time goes.

| | goal | before | reached | |
|---|---|---|---|---|""")
    for what, goal, reached, digits in goals:
        was = f"{before[what]:.{digits}f}" if what in before else ""
        print(f"| {what} | {goal} | {was} | {reached:.{digits}f} | {'met' if reached <= goal else 'not met'} |")

    for discipline in dict.fromkeys(run["discipline"] for run in runs):
        names = [name for d, name in by_name if d == discipline]
        digits, ours = DIGITS.get(discipline, 2), OURS.get(discipline)
        print(f"\n## {discipline[0].upper() + discipline[1:]}\n")
        print("| | runs | wall, s | ours divided by it | CPU, s | server's CPU, s | memory, MiB |\n|---|---|---|---|---|---|---|")
        for name in names:
            wall = median(discipline, name)
            memory = max(run["memory"] for run in by_name[discipline, name]) / 1024
            cells = [
                name.replace("|", "\\|"),
                str(len(by_name[discipline, name])),
                f"{wall:.{digits}f}",
                f"{median(discipline, ours) / wall:.2f}" if ours else "",
                f"{median(discipline, name, 'cpu'):.{digits}f}",
                f"{median(discipline, name, 'server'):.{min(digits, 2)}f}",
                f"{memory:.0f}" if memory else "",
            ]
            print("| " + " | ".join(cells) + " |")

    print("\n## Commands\n\n```sh")
    for contestant in contestants:
        print(contestant["command"])
    print("```")


main()
