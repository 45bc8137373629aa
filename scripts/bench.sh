#!/usr/bin/env bash
# Races the tools against what people use today, side by side on a private server, and prints medians and ratios. The
# machine may be busy with other things, so only ratios within one run mean anything: the contestants of a discipline
# take turns, round by round.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: bench.sh [--size SIZE] [--rounds N] [--jobs N]
Environment: SIZE (default 1G), ROUNDS (3), JOBS (2).
Writes docs/BENCHMARKS.md.
EOF
}

size=${SIZE:-1G} rounds=${ROUNDS:-3} jobs=${JOBS:-2}
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --size) size=$2; shift 2 ;;
        --rounds) rounds=$2; shift 2 ;;
        --jobs) jobs=$2; shift 2 ;;
        *) usage >&2; exit 2 ;;
    esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=$root/target/release:$PATH
unset "${!FWB_@}"
sandbox=$root/scripts/sandbox.sh
work=$root/target/bench
rm -rf "$work"
mkdir -p "$work"
"$sandbox" start --name bench -- --innodb-buffer-pool-size=1G --innodb-log-file-size=512M --skip-log-bin
trap '"$sandbox" stop --name bench --purge; rm -rf "$work"' EXIT
eval "$("$sandbox" env --name bench)"
export DB=bench_db CNF=$FWB_DEFAULTS_FILE JOBS=$jobs WORK=$work
sql() { mariadb --defaults-file="$CNF" "$@"; }
"$root/scripts/sample-data.sh" -B "$DB" --size "$size" --drop
# Debian's myloader makes views before functions and so cannot restore this one.
sql -e 'DROP VIEW project_summary' "$DB"

# A contestant: discipline, name, command. It is run by bash, with pipefail, in the work directory.
contestants=()
contestant() { contestants+=("$1"$'\t'"$2"$'\t'"$3"); }

dump_options='--single-transaction --routines --triggers --events --hex-blob --complete-insert --max-allowed-packet=1G'
contestant dump 'mariadb-dump | gzip' "mariadb-dump --defaults-file=\$CNF $dump_options \$DB | gzip > plain.sql.gz"
contestant dump 'mariadb-dump | pigz' "mariadb-dump --defaults-file=\$CNF $dump_options \$DB | pigz -p \$JOBS > pigz.sql.gz"
contestant dump 'mydumper -c' "rm -rf mydumper; mydumper --defaults-file=\$CNF -B \$DB -t \$JOBS -c -o mydumper >mydumper.log 2>&1"
contestant dump 'fwb-dump' "rm -rf store; fwb-dump -q -j \$JOBS --defaults-file \$CNF -B \$DB -s store > manifest.json"
contestant verify 'gzip -t' "gzip -t plain.sql.gz"
contestant verify 'fwb-verify' "fwb-verify -q -j \$JOBS < manifest.json > verified.json"
contestant restore 'gunzip | mariadb' "gunzip -c plain.sql.gz | mariadb --defaults-file=\$CNF --max-allowed-packet=1G restored"
contestant restore 'myloader' "myloader --defaults-file=\$CNF -d mydumper -B restored -t \$JOBS -o >myloader.log 2>&1"
contestant restore 'fwb-restore' "fwb-restore -q -j \$JOBS --defaults-file \$CNF --database restored --no-safety-backup --yes < manifest.json > report.json"
contestant 'one table' 'gunzip | sed' "gunzip -c plain.sql.gz | sed -n '/^-- Table structure for table .projects.\$/,/^-- Table structure for table .shares.\$/p' > table.sql"
contestant 'one table' 'fwb-restore --tables' "fwb-restore -q --tables projects --stdout < manifest.json > table.sql"

# Runs one contestant; appends wall seconds, CPU seconds and the largest process's memory in KiB to its file.
measure() {
    local file=$1 command=$2
    case $command in
        *restored*) sql -e 'DROP DATABASE IF EXISTS restored; CREATE DATABASE restored' ;;
    esac
    (cd "$work" && python3 - "$file" "$command" <<'PY'
import resource, subprocess, sys, time
begun = time.monotonic()
subprocess.run(["bash", "-o", "pipefail", "-c", sys.argv[2]], check=True)
wall = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "a") as out:
    print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss, file=out)
PY
    )
}

for discipline in dump verify restore 'one table'; do
    for round in $(seq "$rounds"); do
        for index in "${!contestants[@]}"; do
            IFS=$'\t' read -r its name command <<<"${contestants[$index]}"
            [ "$its" = "$discipline" ] || continue
            echo "bench: $discipline, round $round: $name" >&2
            measure "$work/times.$index" "$command"
        done
    done
done

median() { cut -d' ' -f"$1" "$2" | sort -g | awk '{a[NR]=$1} END {print (NR % 2) ? a[(NR+1)/2] : (a[NR/2] + a[NR/2+1]) / 2}'; }
bytes() { du -sb "$work/$1" | cut -f1; }

report() {
    local cpu memory
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)
    cat <<EOF
# Benchmarks

Written by \`make bench\` (SIZE=$size ROUNDS=$rounds JOBS=$jobs) on $(date +%F). Machine: $(nproc) cores ($cpu), $memory.
It is shared with other work: ratios within this run mean something, absolute times do not. CPU seconds are those of the
clients; the server's are not in them. Memory is that of the largest process of a contestant. The view over a
function in the sample data is left out, because myloader cannot restore it. The restore by \`fwb-restore\` includes verifying the whole artifact first, and checking objects and row counts afterwards.

Versions: $(mariadb-dump --version), $(mydumper --version | head -n 1), $(gzip --version | head -n 1), $(pigz --version 2>&1), $(fwb-dump --version).

SQL: $(jq .raw_size "$work/manifest.json") bytes. Sizes: gzip $(bytes plain.sql.gz), pigz $(bytes pigz.sql.gz),
mydumper $(bytes mydumper), fwb-dump $(jq .size "$work/manifest.json") bytes; ours divided by gzip's: $(jq -n "$(jq .size "$work/manifest.json") / $(bytes plain.sql.gz) * 1000 | round / 1000").
EOF
    local discipline index its name command wall own
    for discipline in dump verify restore 'one table'; do
        printf '\n## %s\n\n| | wall, s | ours divided by it | CPU, s | memory, MiB |\n|---|---|---|---|---|\n' "${discipline^}"
        own=
        for index in "${!contestants[@]}"; do
            IFS=$'\t' read -r its name command <<<"${contestants[$index]}"
            [ "$its" = "$discipline" ] && [[ $name == fwb-* ]] && own=$(median 1 "$work/times.$index")
        done
        for index in "${!contestants[@]}"; do
            IFS=$'\t' read -r its name command <<<"${contestants[$index]}"
            [ "$its" = "$discipline" ] || continue
            wall=$(median 1 "$work/times.$index")
            awk -v name="$name" -v wall="$wall" -v own="$own" -v cpu="$(median 2 "$work/times.$index")" \
                -v memory="$(median 3 "$work/times.$index")" \
                'BEGIN {gsub(/\|/, "\\|", name); printf "| %s | %.2f | %.2f | %.2f | %.0f |\n", name, wall, own / wall, cpu, memory / 1024}'
        done
    done
    # The backticks are Markdown's, not the shell's.
    # shellcheck disable=SC2016
    printf '\n## Commands\n\n```sh\n'
    for index in "${!contestants[@]}"; do
        IFS=$'\t' read -r its name command <<<"${contestants[$index]}"
        printf '%s\n' "$command"
    done
    # shellcheck disable=SC2016
    printf '```\n'
}

report >"$work/BENCHMARKS.md"
cp "$work/BENCHMARKS.md" "$root/docs/BENCHMARKS.md"
cat "$root/docs/BENCHMARKS.md"
