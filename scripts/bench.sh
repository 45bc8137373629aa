#!/usr/bin/env bash
# Races the tools against what people use today, side by side on a private server, and writes docs/BENCHMARKS.md: medians,
# ratios, memory, and which goals are met. The machine may be busy with other things, so only ratios within one run mean
# anything: the contestants of a discipline take turns, round by round.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: bench.sh [--size SIZE] [--rounds N] [--restore-rounds N] [--jobs N] [--output FILE]
Environment: SIZE (the dump's, 100M to 4G; default 900M), ROUNDS (3), RESTORE_ROUNDS (2), JOBS (2); MYDUMPER and MYLOADER,
a newer pair than Debian's that knows -c ZSTD (0.12 or later), which takes part beside that one.
Writes docs/BENCHMARKS.md, or FILE, and adds a line to the history beside it, BENCHMARKS.jsonl; what is worse than before
is told. Needs about three times SIZE on the disk, for a while.
EOF
}

size=${SIZE:-900M} rounds=${ROUNDS:-3} restore_rounds=${RESTORE_ROUNDS:-2} jobs=${JOBS:-2} output=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --size) size=$2 ;;
        --rounds) rounds=$2 ;;
        --restore-rounds) restore_rounds=$2 ;;
        --jobs) jobs=$2 ;;
        --output) output=$2 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift 2
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=$(realpath -m -- "${output:-$root/docs/BENCHMARKS.md}")
export PATH=$root/target/release:$PATH
unset "${!FWB_@}"
sandbox=$root/scripts/sandbox.sh bench=$root/scripts/bench
work=$root/target/bench
settings=(--innodb-buffer-pool-size=1G --innodb-log-file-size=512M --skip-log-bin)
say() { printf 'bench: %s\n' "$*" >&2; }

# Whether $MYDUMPER compresses with zstd: its help names that since 0.12, in capitals or not.
knows_zstd() { [ -n "${MYDUMPER-}" ] && grep -qi zstd <<<"$("$MYDUMPER" --help 2>&1)"; }
with_mydumper_zstd=
if knows_zstd; then
    export MYDUMPER MYLOADER=${MYLOADER-}
    with_mydumper_zstd=yes
elif [ -n "${MYDUMPER-}" ]; then
    say "$MYDUMPER has no -c ZSTD, and is left out"
fi

finish() { "$sandbox" stop --name bench --purge; rm -rf "$work"; }
rm -rf "$work"
mkdir -p "$work"
# A server that was left by a run that did not end well may have other settings.
"$sandbox" stop --name bench --purge
trap finish EXIT
"$sandbox" start --name bench -- "${settings[@]}"
eval "$("$sandbox" env --name bench)"
export DB=bench_db CNF=$FWB_DEFAULTS_FILE JOBS=$jobs
unset "${!FWB_@}"
# What stands for a pod finds its account at home.
export KUBECTL=$bench/kubectl POD_HOME=$work/home
install -D -m 600 "$CNF" "$POD_HOME/.my.cnf"
sql() { mariadb --defaults-file="$CNF" "$@"; }

say "making the databases, $size"
"$root/scripts/sample-data.sh" --defaults-file "$CNF" -B "$DB" --size "$size" --drop
# Debian's myloader makes views before functions and so cannot restore this one.
sql -e 'DROP VIEW project_summary' "$DB"
sql <<'EOF'
CREATE DATABASE empty_db;
CREATE DATABASE large_rows_db;
USE large_rows_db;
CREATE TABLE blobs (id INT NOT NULL PRIMARY KEY, data LONGBLOB NOT NULL);
-- 64 MiB each: a piece that does not compress, many times over.
INSERT INTO blobs SELECT seq, REPEAT((SELECT GROUP_CONCAT(UNHEX(SHA2(CONCAT(a.seq, ':', b.seq), 512)) SEPARATOR '') FROM seq_1_to_2048 b), 512)
  FROM seq_1_to_3 a;
EOF

# contestant DISCIPLINE NAME ROUNDS COMMAND [BEFORE [STDIN]]: bash runs the command, with pipefail, in the work directory.
# What runs more than ten times is one short program, which runs without a shell.
contestants=$work/contestants
contestant() {
    local tool=
    case $2 in fwb-*) tool=${2%% *} ;; esac
    jq -cn --arg discipline "$1" --arg name "$2" --argjson rounds "$3" --arg command "$4" --arg before "${5-}" --arg stdin "${6-}" --arg tool "$tool" '
        {discipline: $discipline, name: $name, rounds: $rounds, command: $command}
        + if $before == "" then {} else {before: $before} end
        + if $tool == "" then {} else {tool: $tool} end
        + if $rounds > 10 then {short: true} else {} end
        + if $stdin == "" then {} else {stdin: $stdin} end' >>"$contestants"
}

# The commands are bash's to expand when they run.
# shellcheck disable=SC2016
{
    options='--single-transaction --routines --triggers --events --hex-blob --complete-insert --max-allowed-packet=1G'
    dump="mariadb-dump --defaults-file=\$CNF $options"
    fwb='-q -j $JOBS'
    anew='mariadb --defaults-file=$CNF -e "DROP DATABASE IF EXISTS restored; CREATE DATABASE restored"'

    contestant dump 'mariadb-dump > /dev/null' "$rounds" "$dump \$DB > /dev/null"
    contestant dump 'mariadb-dump | gzip' "$rounds" "$dump \$DB | gzip > plain.sql.gz"
    contestant dump 'mariadb-dump | pigz' "$rounds" "$dump \$DB | pigz -p \$JOBS > pigz.sql.gz"
    contestant dump 'mariadb-dump | zstd' "$rounds" "$dump \$DB | zstd -q -f -T\$JOBS -o plain.sql.zst"
    contestant dump 'mydumper -c' "$rounds" 'mydumper --defaults-file=$CNF -B $DB -t $JOBS -c -o mydumper >mydumper.log 2>&1' 'rm -rf mydumper'
    if [ -n "$with_mydumper_zstd" ]; then
        contestant dump 'newer mydumper -c GZIP' "$rounds" '"$MYDUMPER" --defaults-file=$CNF -B $DB -t $JOBS -c GZIP -o mydumper-gzip >mydumper.log 2>&1' 'rm -rf mydumper-gzip'
        contestant dump 'newer mydumper -c ZSTD' "$rounds" '"$MYDUMPER" --defaults-file=$CNF -B $DB -t $JOBS -c ZSTD -o mydumper-zstd >mydumper.log 2>&1' 'rm -rf mydumper-zstd'
    fi
    contestant dump 'fwb-dump' "$rounds" "fwb-dump $fwb --defaults-file \$CNF -B \$DB -s store > manifest.json" 'rm -rf store'
    contestant dump 'fwb-dump --codec zstd' "$rounds" "fwb-dump $fwb --codec zstd --defaults-file \$CNF -B \$DB -s zstd > zstd.json" 'rm -rf zstd'

    contestant 'dump through a pod' 'kubectl exec mariadb-dump | gzip' "$rounds" "\"\$KUBECTL\" exec -i mariadb-0 -- $dump \$DB | gzip > pod.sql.gz"
    contestant 'dump through a pod' 'fwb-dump' "$rounds" "fwb-dump $fwb --kubectl \"\$KUBECTL\" --pod mariadb-0 -n bench -B \$DB -s pod > pod.json" 'rm -rf pod'

    contestant verify 'gzip -t' "$rounds" 'gzip -t plain.sql.gz'
    contestant verify 'zstd -t' "$rounds" 'zstd -tq plain.sql.zst'
    contestant verify 'fwb-verify' "$rounds" "fwb-verify $fwb < manifest.json > verified.json"
    contestant verify 'fwb-verify (zstd)' "$rounds" "fwb-verify $fwb < zstd.json > verified.json"

    contestant restore 'gunzip | mariadb' "$restore_rounds" 'gunzip -c plain.sql.gz | mariadb --defaults-file=$CNF --max-allowed-packet=1G restored' "$anew"
    contestant restore 'myloader' "$restore_rounds" 'myloader --defaults-file=$CNF -d mydumper -B restored -t $JOBS -o >myloader.log 2>&1' "$anew"
    if [ -n "$with_mydumper_zstd" ] && [ -n "$MYLOADER" ]; then
        contestant restore 'newer myloader' "$restore_rounds" '"$MYLOADER" --defaults-file=$CNF -d mydumper-zstd -B restored -t $JOBS -o >myloader.log 2>&1' "$anew"
    fi
    restore="fwb-restore $fwb --defaults-file \$CNF --database restored --no-safety-backup --yes < manifest.json > report.json"
    contestant restore 'fwb-restore' "$rounds" "$restore" "$anew"

    contestant 'one table' 'gunzip | sed' "$rounds" "gunzip -c plain.sql.gz | sed -n '/^-- Table structure for table .projects.\$/,/^-- Table structure for table .shares.\$/p' > table.sql"
    contestant 'one table' 'fwb-restore --tables' 10 'fwb-restore -q --tables projects --stdout < manifest.json > table.sql'
    contestant 'whole SQL' 'fwb-restore --stdout' 1 "fwb-restore $fwb --stdout < manifest.json > /dev/null"

    contestant 'empty database' 'mariadb-dump' 60 "$dump empty_db"
    # Of many backups in one second, each looks for the next second that is free.
    contestant 'empty database' 'fwb-dump' 60 "fwb-dump $fwb --defaults-file \$CNF -B empty_db -s empty" 'rm -rf empty'

    contestant 'many backups' 'fwb-ls' 11 'fwb-ls -s many --format jsonl'
    contestant 'many backups' 'fwb-ls --format table' 11 'fwb-ls -s many --format table'
    contestant 'many backups' 'fwb-ls --latest' 11 'fwb-ls -s many --latest'
    contestant 'many backups' 'fwb-prune --dry-run' 11 'fwb-prune -n' '' many.jsonl

    contestant 'rows of 64 MiB' 'fwb-dump' 1 "fwb-dump $fwb --defaults-file \$CNF -B large_rows_db -s large > large.json"
    contestant 'rows of 64 MiB' 'fwb-verify' 1 "fwb-verify $fwb < large.json > verified.json"
    contestant 'rows of 64 MiB' 'fwb-restore --stdout' 1 "fwb-restore $fwb --stdout < large.json > /dev/null"
    contestant 'rows of 64 MiB' 'fwb-restore' 1 "fwb-restore $fwb --defaults-file \$CNF --database restored --no-safety-backup --yes < large.json > report.json" "$anew"
}

cd "$work"
# The many backups are copies of one of this database.
say 'making 10000 backups'
fwb-dump -q --defaults-file "$CNF" -B empty_db -s empty >/dev/null
"$root/scripts/sample-data.sh" --defaults-file "$CNF" -B small_db --rows 100 --blobs no
fwb-dump -q --defaults-file "$CNF" -B small_db -s small >small.json
python3 "$bench/many-backups.py" small.json many 10000 30
fwb-ls -s many >many.jsonl

python3 "$bench/race.py" runs "$(cat "$root/target/sandbox/bench/server.pid")" <"$contestants"

bytes() { du -sb "$1" | cut -f1; }
first_line() { "$@" 2>&1 | head -n 1; }
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
memory=$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)
versions=$(printf '%s, ' "$(first_line mariadb-dump --version)" "$(first_line mydumper --version)" \
    ${with_mydumper_zstd:+"$(first_line "$MYDUMPER" --version)"} \
    "$(first_line gzip --version)" "$(first_line pigz --version)" "$(first_line zstd --version)")$(fwb-dump --version)
jq -cn --arg settings "SIZE=$size ROUNDS=$rounds RESTORE_ROUNDS=$restore_rounds JOBS=$jobs" --arg date "$(date +%F)" \
    --arg machine "$(nproc) cores ($cpu), $memory" --arg server "\`${settings[*]}\`" --arg versions "$versions" \
    --argjson raw_size "$(jq .raw_size manifest.json)" --argjson sizes "$(jq -cn \
        --argjson gzip "$(bytes plain.sql.gz)" --argjson pigz "$(bytes pigz.sql.gz)" --argjson zstd "$(bytes plain.sql.zst)" \
        --argjson mydumper "$(bytes mydumper)" --argjson ours "$(jq .size manifest.json)" --argjson ours_zstd "$(jq .size zstd.json)" \
        --argjson mydumper_zstd "$(if [ -n "$with_mydumper_zstd" ]; then bytes mydumper-zstd; else echo null; fi)" \
        '{gzip: $gzip, pigz: $pigz, zstd: $zstd, mydumper: $mydumper, "mydumper -c ZSTD": $mydumper_zstd,
          "fwb-dump": $ours, "fwb-dump --codec zstd": $ours_zstd} | with_entries(select(.value))')" \
    '{settings: $settings, date: $date, machine: $machine, server: $server, versions: $versions, raw_size: $raw_size, sizes: $sizes}' >facts
python3 "$bench/report.py" runs facts "$contestants" "${output%.md}.jsonl" >report.md
cp report.md "$output"
cat report.md
