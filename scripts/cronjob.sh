#!/usr/bin/env bash
# What a CronJob runs: the nightly chain `fwb-dump | fwb-verify | fwb-copy && fwb-ls | fwb-prune`, or the weekly drill
# `fwb-ls --latest | fwb-verify --level drill`. The stages run one after the other, each reads what the one before it
# has printed, and each one's exit status is seen. However it ends, one line of JSON says how: see --help.
#
# The shell of a container is its process 1: when the job is ended, it gets the signal and nobody else does. So every
# stage runs in the background while the shell waits, hands the signal on, and still writes that line.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: cronjob.sh backup
       cronjob.sh drill

backup   dump the database, prove the backup, copy it where FWB_COPY_TO is set, then delete the backups that retention
         lets go
drill    restore the newest backup into a throwaway server and compare

All settings are environment variables, those of the tools: FWB_STORE, a directory that exists, or the URL of an object
store; FWB_DATABASE, which a drill needs only where the store holds several, as it does FWB_SERVER_ID;
FWB_POD_SELECTOR, FWB_HOST, FWB_KEEP_DAYS and so on. Where FWB_SERVER_ID is set, a run looks at that server's backups
alone, and deletes no others. And of this script's own:

FWB_COPY_TO         a second store, a directory that exists or a URL: each night's backup is copied there. A copy that
                    fails is told, and the store's own retention goes on. A later night does not make up for it:
                    fwb-ls | fwb-copy --to STORE does
FWB_COPY_KEEP_DAYS  retention of the copies, in the place of FWB_KEEP_DAYS; other rules, such as FWB_KEEP_LAST, hold in
                    both stores. Where it is not set, and in a night without a copy, no copy is deleted

At the end a run writes a record of itself, one line of JSON ("schema":"fwb-run/1"):
  - to standard output, which has nothing else; the log is on standard error
  - at the end of FWB_STORE/runs.jsonl, which keeps the last 10,000 records; in an object store there is none, so keep
    what standard output says
  - to FWB_TERMINATION_LOG [/dev/termination-log, where there is one], shortened to 4096 bytes
A record that cannot be written is a warning, and does not change how the run has ended.

Exit status: that of the first stage that failed. 0 done; 1 a failure, worth a retry, or a drill that was not held,
because no server is here like the backup's; 2 usage, configuration, or a right that the account lacks; 3 a backup is
damaged or does not restore; 4 another run is busy with the store; 143, 130, 129 ended by a signal.
EOF
}

# shellcheck source=scripts/tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

readonly KEPT=10000   # records in runs.jsonl
readonly LONGEST=4096 # bytes of a termination message that Kubernetes shows
readonly PATIENCE=100 # fifths of a second until a stage that does not end by a signal is killed
readonly GLANCE=20    # seconds that listing a bucket for the record may take
readonly AGAIN=75     # what append returns when it is to be tried again

now() { date +%Y-%m-%dT%H:%M:%S%:z; }
clock() { date +%s%3N; } # in milliseconds

# say LEVEL MESSAGE [HINT]: a line of the log, in the form that the tools give theirs.
say() {
    if [ "${FWB_LOG_FORMAT-}" = json ]; then
        jq -cn --arg at "$(now)" --arg level "$1" --arg message "$2" --arg hint "${3-}" \
            '{at: $at, level: ($level | sub("warning"; "warn")), tool: "cronjob.sh", message: $message}
                + if $hint == "" then {} else {hint: $hint} end' >&2 && return
    fi
    printf 'cronjob.sh: %s: %s\n' "$1" "$2" >&2
    [ -z "${3-}" ] || printf 'hint: %s\n' "$3" >&2
}

# ---- The stages

exit=0 failed='' reason='' hint='' # of the first stage that failed
times=()                           # NAME=MILLISECONDS of each
signal='' child=''                 # the first signal that came, the stage that runs
work=''                            # a directory of this run

# blame STAGE CODE: what fails first is the cause, what comes after it a consequence.
blame() {
    [ -z "$failed" ] || return 0
    failed=$1 exit=$2
}

# interrupt NAME: what a signal does.
# shellcheck disable=SC2317 # the traps below call it
interrupt() {
    signal=${signal:-$1}
    stop
}

# Tells the stage of the signal until it ends, since it may be too young to hear. One that does not end is killed while
# there is still time for the record.
stop() {
    local try
    [ -n "$child" ] || return 0
    for ((try = 0; try < PATIENCE; try++)); do
        kill -s "$signal" "$child" 2>/dev/null || return 0
        sleep 0.2 || true
    done
    kill -s KILL "$child" 2>/dev/null || true
}

# The exit code that tells of the signal.
signal_code() {
    case $signal in
        HUP) echo 129 ;;
        INT) echo 130 ;;
        *) echo 143 ;;
    esac
}

# stage NAME INPUT COMMAND…: what it prints comes to lie in $work/NAME.out, what it says also in $work/NAME.log.
stage() {
    local name=$1 input=$2 since log logger code=0
    shift 2
    if [ -n "$signal" ]; then
        blame "$name" "$(signal_code)"
        return 1
    fi
    since=$(clock)
    exec {log}> >(trap '' TERM INT HUP PIPE; exec tee "$work/$name.log" >&2)
    logger=$!
    "$@" <"$input" >"$work/$name.out" 2>&"$log" {log}>&- &
    child=$!
    exec {log}>&-
    [ -z "$signal" ] || stop
    await
    # A signal interrupts the waiting; how the stage ended is still to be had.
    wait "$child" 2>/dev/null || code=$?
    child=''
    settle "$logger"
    times+=("$name=$(($(clock) - since))")
    [ "$code" -ne 0 ] || return 0
    [ -z "$signal" ] || code=$(signal_code)
    blame "$name" "$code"
    return "$code"
}

# Waits for the stage. bash looks at signals between commands, and one that comes just before it begins to wait is seen
# only when the waiting ends: so that ends each second.
await() {
    local tick
    while kill -s 0 "$child" 2>/dev/null; do
        sleep 1 &
        tick=$!
        wait -n "$child" "$tick" 2>/dev/null || true
        kill "$tick" 2>/dev/null || true
        wait "$tick" 2>/dev/null || true
    done
}

# settle PID: lets the log of a stage come to its end. A process that the stage has left behind may hold it open.
settle() {
    local try
    for ((try = 0; try < 100; try++)); do
        kill -s 0 "$1" 2>/dev/null || return 0
        sleep 0.05 || true
    done
    kill -s KILL "$1" 2>/dev/null || true
}

backup() {
    local copied=''
    stage dump /dev/null fwb-dump && stage verify "$work/dump.out" fwb-verify || return
    if [ -n "$copy_to" ] && copy; then copied=yes; fi
    if list ls; then stage prune "$work/ls.out" fwb-prune || true; fi
    # As in the first store: a night that has added nothing deletes nothing.
    if [ -n "$copied" ] && [ -n "$copy_days" ] && list copy-ls --store="$copy_to"; then
        stage copy-prune "$work/copy-ls.out" fwb-prune --store="$copy_to" --keep-days="$copy_days" --lock-wait
    fi
}

# list STAGE OPTION…: a damaged backup in the store (exit 3) is a failure to tell, and no reason to let the disk run full.
list() {
    local name=$1 code=0
    shift
    stage "$name" /dev/null fwb-ls "$@" --database="$database" ${server:+--server-id="$server"} || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ]
}

# Others may copy to the same store at this hour.
copy() {
    directory_of "$copy_to"
    if [ -z "$signal" ] && [ -n "$directory" ] && [ ! -d "$directory" ]; then
        blame copy 2
        refuse 2 "the store $copy_to is not there, so nothing was copied" "mount its volume, or make the directory" ||
            return
    fi
    stage copy "$work/verify.out" fwb-copy --to="$copy_to" --lock-wait
}

# The newest backup, proved or not: that an older one restores is no comfort where the newest does not.
drill() {
    stage ls /dev/null fwb-ls --latest ${database:+--database="$database"} ${server:+--server-id="$server"} &&
        stage verify "$work/ls.out" fwb-verify --level drill
}

# refuse CODE MESSAGE HINT: nothing can run as things are.
refuse() {
    exit=$1 reason=$2 hint=$3
    say error "$2" "$3"
    return 1
}

# directory_of STORE: sets `directory` to the directory that a store is, as the tools read it; to nothing where it is a URL.
directory_of() {
    local scheme=${1%%://*} rest=${1#*://}
    directory=$1
    [[ $1 == *://* && $scheme =~ ^[A-Za-z0-9+]+$ ]] || return 0
    directory=''
    if [ "${scheme,,}" = file ] && [[ ${rest#localhost} == /* ]]; then directory=${rest#localhost}; fi
}

# bare VARIABLE STORE: refuses a URL that has more than a bucket and a prefix, which may be a password: a tool that is
# given it would have it in its arguments and its messages.
bare() {
    local rest=${2#*://}
    directory_of "$2"
    [ -z "$directory" ] && [[ ${rest%%/*} == *[@:]* || $rest == *[?#]* ]] || return 0
    refuse 2 "the URL in $1 is more than a bucket and a prefix" \
        "credentials and endpoints have variables of their own: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on"
}

# Looks at what every run needs. fwb-dump would make a store that is not there; here that is a volume which was not
# mounted, and the backups would go with the container.
prepare() {
    local program
    for program in jq flock fwb-dump fwb-verify fwb-ls fwb-prune ${copy_to:+fwb-copy}; do
        command -v "$program" >/dev/null || refuse 2 "$program is not installed" "put it where PATH leads" || return
    done
    [ -n "$store" ] || refuse 2 "FWB_STORE is not set" "set it to the directory of the backups, or a URL" || return
    bare FWB_STORE "$store" && bare FWB_COPY_TO "$copy_to" || return
    if [ -n "$local_store" ] && [ ! -d "$local_store" ]; then
        refuse 2 "the store $store is not there" "mount its volume, or make the directory" || return
    fi
    if [ "$what" = backup ] && [ -z "$database" ]; then
        refuse 2 "FWB_DATABASE is not set" "set it to the database that is to be backed up" || return
    fi
    work=$(mktemp -d 2>/dev/null) ||
        refuse 1 "no temporary files can be made in ${TMPDIR:-/tmp}" "set TMPDIR to a directory that can be written"
}

# ---- The record

# look: what is in the store now. Nothing is known of it where that fails, or where a signal leaves no time.
look() {
    local code=0
    [ -n "$work" ] && [ -z "$signal" ] || return
    glance >"$work/all.out" 2>/dev/null || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || return
    glance --verified >"$work/proved.out" 2>/dev/null || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ]
}

# glance OPTION…: lists the store. A bucket that does not answer must not hold the record up until the pod is killed.
glance() {
    local within=()
    [ -n "$local_store" ] || within=(timeout -s KILL "$GLANCE")
    "${within[@]}" fwb-ls "$@" ${database:+--database="$database"} ${server:+--server-id="$server"}
}

# manifests NAME: what a record needs of the manifests in $work/NAME.out, one at a time, because they may be large.
manifests() {
    [ -s "$work/$1.out" ] || return 0
    jq -cR --arg from "$1" 'fromjson? | objects
        | {from: $from, manifest: {name, store, database, server, size, raw_size, whole, started_at, verification,
            not_drilled, decision}}' <"$work/$1.out"
}

# messages NAME: what a stage has said: lines of JSON, or of text with a hint after them.
messages() {
    [ -s "$work/$1.log" ] || return 0
    tail -c 1000000 "$work/$1.log" | jq -cR --arg stage "$1" '
        (fromjson? | objects | {level, message, hint})
        // (capture("^fwb-[a-z]+: (?<level>error|warning): (?<message>.*)") | .level |= sub("warning"; "warn"))
        // (capture("^hint: (?<hint>.*)") | .level = "hint")
        // {message: .}
        | {from: "log", message: ({stage: $stage} + .)}'
}

# The record of this run as one line.
record() {
    local name looked='' free version
    ! look || looked=yes
    free=$(df --block-size=1 --output=avail -- "${local_store:-/nowhere}" 2>/dev/null | tail -n 1) || free=''
    version=$(fwb-ls --version 2>/dev/null) || version=''
    if [ -n "$work" ]; then
        for name in dump verify copy ls prune all proved; do manifests "$name"; done
        for name in dump verify copy ls prune copy-ls copy-prune; do messages "$name"; done
    fi | jq -cn -f "$root/scripts/cronjob.jq" --arg what "$what" --arg at "$at" --arg finished_at "$(now)" \
        --arg milliseconds "$(($(clock) - began))" --arg times "${times[*]-}" \
        --arg exit "$exit" --arg stage "$failed" --arg signal "$signal" --arg reason "$reason" --arg hint "$hint" \
        --arg database "$database" --arg server "$server" --arg looked "$looked" --arg free "$free" --arg host "${HOSTNAME-}" \
        --arg version "${version##* }"
}

# Shortens a record to what a termination message may have.
shortened() {
    jq -c --argjson longest "$LONGEST" '
        def cut($letters): if type == "string" and length > $letters then .[:$letters] + "…" else . end;
        def less($entries; $letters): walk(cut($letters))
            | .warnings |= .[:$entries] | .deleted |= .[:$entries]
            | if .verification then .verification.problems |= .[:$entries] else . end
            | .shortened = true;
        first((., less(10; 300), less(3; 300), less(1; 200), less(0; 100), less(0; 30))
            | select(tojson | utf8bytelength <= $longest))'
}

# append RECORD: adds it to runs.jsonl, which is open as descriptor 9: whole or not at all.
append() {
    local runs=$local_store/runs.jsonl partial=$local_store/.runs.jsonl.partial size
    # Where nobody can lock, the one write below still keeps the records of two runs apart.
    flock -w 10 9 2>/dev/null || true
    # A run that has just made it shorter has put another file in its place.
    [ "$runs" -ef /dev/fd/9 ] || return "$AGAIN"
    size=$(stat -c %s -- "$runs")
    [ "$size" -eq 0 ] || [ "$(tail -c 1 -- "$runs" | wc -l)" -eq 1 ] || echo >&9
    if ! printf '%s\n' "$1" | dd obs=1M status=none >&9; then
        truncate -s "$size" -- "$runs"
        return 1
    fi
    [ "$(wc -l <"$runs")" -gt "$KEPT" ] || return 0
    rm -f -- "$partial"
    # noclobber: a file that somebody else makes meanwhile is not written into.
    if ! { (set -o noclobber && tail -n "$KEPT" -- "$runs" >"$partial") && chmod --reference="$runs" -- "$partial" &&
        mv -fT -- "$partial" "$runs"; }; then
        rm -f -- "$partial"
        return 1
    fi
}

# keep RECORD: in the store, where that is a directory. Who may read the backups may read it.
keep() {
    local runs=$local_store/runs.jsonl problem='' try code=0
    [ -n "$local_store" ] && [ -d "$local_store" ] || return 0
    if [ -g "$local_store" ]; then umask 027; else umask 077; fi
    if [ -L "$runs" ] || { [ -e "$runs" ] && [ ! -f "$runs" ]; }; then
        problem="it is no regular file"
    else
        for ((try = 0; try < 50; try++)); do
            code=0
            problem=$({ append "$1"; } 2>&1 9>>"$runs") || code=$?
            [ "$code" -eq "$AGAIN" ] || break
        done
    fi
    case $code in
        0) ;;
        "$AGAIN") problem="other runs change it all the time" ;;
        *) problem=${problem:-it cannot be written} ;; # "PROGRAM: WHERE: WHY"
    esac
    [ -z "$problem" ] || say warning "this run is not in $runs: ${problem##*: }"
}

# leave RECORD: where Kubernetes looks for the last words of a container.
leave() {
    local file=${FWB_TERMINATION_LOG-} problem
    if [ -z "$file" ]; then
        file=/dev/termination-log
        [ -w "$file" ] || return 0
    fi
    problem=$({ shortened <<<"$1" | tr -d '\n' >"$file"; } 2>&1) || say warning "no last words in $file: ${problem##*: }"
}

finish() {
    local line
    # The run is over. A signal has nothing to end any more, it would only cost the record.
    trap '' TERM INT HUP PIPE
    if line=$(record); then
        keep "$line"
        leave "$line"
        printf '%s\n' "$line" || true
    else
        say warning "this run has no record"
    fi
    [ -z "$work" ] || rm -rf -- "$work"
    exit "$exit"
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    backup | drill) what=$1 ;;
    '') fail_usage "backup or drill?" ;;
    *) fail_usage "unknown argument: $1" ;;
esac
[ $# -eq 1 ] || fail_usage "unknown argument: $2"
store=${FWB_STORE-} database=${FWB_DATABASE-} server=${FWB_SERVER_ID-}
copy_to=${FWB_COPY_TO-} copy_days=${FWB_COPY_KEEP_DAYS-}
[ "$what" = backup ] || copy_to=''
directory_of "$store"
local_store=$directory
at=$(now) began=$(clock)
trap 'interrupt TERM' TERM
trap 'interrupt INT' INT
trap 'interrupt HUP' HUP

if prepare; then
    case $what in
        backup) backup || true ;;
        drill) drill || true ;;
    esac
fi
finish
