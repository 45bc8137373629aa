#!/usr/bin/env bash
# fuzz.sh - run the fuzz targets for a while, each from its seeds, and count.
#
# Why: make test tries each target a few thousand times with changes drawn by lot;
# this lets libFuzzer look for inputs that reach what no input has reached before.
# The flags are those of cargo-fuzz without a sanitizer, and any compiler takes
# them: neither cargo-fuzz nor a nightly toolchain is needed. Runs with a number of
# executions and without a corpus of their own are the same each time.
set -euo pipefail

PROG=${0##*/}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<USAGE
Usage: $PROG [--runs N | --seconds N] [--corpus DIR] [TARGET...]

Builds the fuzz targets and runs each of them, or those named.

  --runs N      executions of each target (default 20000)
  --seconds N   run each target so long instead
  --corpus DIR  keep what was found in DIR/TARGET and begin from there
  -h, --help    show this

Exit codes: 0 nothing was found, 1 a target failed (its input is in fuzz/artifacts),
2 wrong usage.
USAGE
}

# fail MESSAGE [HINT] [EXIT-CODE]
fail() {
  printf '%s: error: %s\n' "$PROG" "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

number() { [[ $2 =~ ^[1-9][0-9]{0,9}$ ]] || fail "$1: not a number: '$2'" "see $PROG --help" 2; }

RUNS=20000 TIME='' CORPUS='' TARGETS=()
while [[ $# -gt 0 ]]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --runs) number "$1" "${2:-}" && RUNS=$2 && shift ;;
    --seconds) number "$1" "${2:-}" && TIME=$2 && shift ;;
    --corpus) [[ -n ${2:-} ]] || fail "$1 needs a directory" "see $PROG --help" 2; CORPUS=$2 && shift ;;
    -*) fail "unknown option '$1'" "see $PROG --help" 2 ;;
    *) TARGETS+=("$1") ;;
  esac
  shift
done

mapfile -t ALL < <(cd "$ROOT/fuzz/fuzz_targets" && printf '%s\n' *.rs | sed 's/[.]rs$//')
[[ ${#TARGETS[@]} -gt 0 ]] || TARGETS=("${ALL[@]}")
for target in "${TARGETS[@]}"; do
  [[ -f $ROOT/fuzz/fuzz_targets/$target.rs ]] || fail "no fuzz target '$target'" "there are: ${ALL[*]}" 2
done

HOST=$(rustc --version --verbose | sed -n 's/^host: //p')
export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1'
# With a target named, the flags are for it alone and not for what builds it.
cargo build --release --locked --quiet --manifest-path "$ROOT/fuzz/Cargo.toml" --target "$HOST"

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
TOTAL=0
for target in "${TARGETS[@]}"; do
  options=(-seed=1 -print_final_stats=1 -artifact_prefix="$ROOT/fuzz/artifacts/$target-" -rss_limit_mb=2048 -timeout=300)
  case $target in
    artifact) options+=(-max_len=16384) runs=$RUNS ;;
    manifest) options+=(-max_len=8192) runs=$RUNS ;;
    names) options+=(-max_len=256) runs=$RUNS ;;
    *) options+=(-max_len=2048 -dict="$ROOT/fuzz/dump.dict") runs=$RUNS ;;
  esac
  if [[ -n $TIME ]]; then options+=(-max_total_time="$TIME"); else options+=(-runs="$runs"); fi
  corpus=${CORPUS:-$WORK}/$target
  mkdir -p "$corpus" "$ROOT/fuzz/artifacts"
  log=$WORK/$target.log
  if ! "$ROOT/fuzz/target/$HOST/release/$target" "${options[@]}" "$corpus" "$ROOT/fuzz/seeds/$target" >"$log" 2>&1; then
    grep -a -A 4 'panicked at' "$log" >&2 || tail -n 40 "$log" >&2
    fail "the fuzz target $target failed" "its input is in fuzz/artifacts; its case belongs into the tests beside the code"
  fi
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  [[ ${count:-0} -gt 0 ]] || fail "the fuzz target $target ran nothing" "its output is: $(tail -n 3 "$log")"
  memory=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
  printf 'torture: fuzz: %s: %d executions, at most %d MiB, 0 failures\n' "$target" "$count" "$memory"
  TOTAL=$((TOTAL + count))
done
printf 'torture: fuzz: %d executions of %d targets in total, 0 failures\n' "$TOTAL" "${#TARGETS[@]}"
