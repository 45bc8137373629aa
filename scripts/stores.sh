#!/usr/bin/env bash
# stores.sh - bring servers of objects, S3 and Azure Blob Storage, for tests.
#
# Why: what a store promises about conditional writes is only known by asking one, and no two keep all of it. So there
# are two S3 servers that refuse a write whose condition fails, one that knows half of the conditions, one that ignores
# all of them without a word, and one of Azure's. They come from PyPI and npm, each into a directory of its own, in the
# versions that the files in scripts/stores name: nothing is installed, no service starts, root is not needed.
# tests/support/object_server.rs runs them. There is none of Google's: of those in package registries, fake-gcs-server 1.x
# refuses PUT and uploads in parts as clients of Google's XML API ask for them, and gcp-storage-emulator has neither
# these nor conditions on generations.
set -euo pipefail

PROG=${0##*/}
NAMES=(ministack moto localbucket s3rver azurite)
RECIPE=1 # raise it when something else is to be made of the same versions: what is there then counts as missing
PINS=$(cd "$(dirname "${BASH_SOURCE[0]}")/stores" && pwd)

usage() {
  cat <<USAGE
Usage: $PROG [--check] [$(IFS='|' && printf '%s' "${NAMES[*]}")|all]

Brings these servers of objects where they are not there yet, and prints the directory of each.
Installs nothing; needs no root, but Python with venv, Node.js and npm.

  ministack    S3: all conditions; checks signatures, checksums and users' rights
  moto         S3: all conditions but If-Match where an upload in parts is completed
  localbucket  S3: If-None-Match: * only, and ignores If-Match
  s3rver       S3: ignores all conditions, and cannot abort an upload
  azurite      Azure Blob Storage: all conditions

  --check     bring nothing; say what is missing, and exit 1 if something is
  -h, --help  show this

They are kept in \$FWB_STORES_DIR (default: ~/.cache/fwb-stores), and take about 380 MB.
To run one, on the loopback interface:  \$FWB_STORES_DIR/${NAMES[0]}/server PORT EMPTY-DIRECTORY
USAGE
}

say() { printf 'stores: %s\n' "$*" >&2; }

# fail MESSAGE [HINT] [EXIT-CODE]
fail() {
  printf '%s: error: %s\n' "$PROG" "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

# What a server is made of. KIND: where it comes from, NEEDED: the programs for that, PINNED: the files with the versions,
# COMMAND: how the launcher runs it.
recipe() {
  KIND=pip NEEDED=(python3) PINNED=("$PINS/$1.txt")
  case $1 in
    # AUTH: signatures count, and users have the rights that their policies give. Nothing is written to the disk.
    ministack)
      COMMAND="cd -- \"\$2\" && AUTH=true BIND_HOST=127.0.0.1 GATEWAY_PORT=\$1 SERVICES=s3,iam,sts LOG_LEVEL=WARNING TMPDIR=\$2 \\
  exec \"\$here/bin/python\" -c 'from ministack.app import main; main()'"
      ;;
    moto)
      COMMAND="cd -- \"\$2\" && TMPDIR=\$2 exec \"\$here/bin/python\" -c 'from moto.server import main; main()' -H 127.0.0.1 -p \"\$1\""
      ;;
    localbucket) COMMAND="exec \"\$here/bin/python\" -m localbucket --host 127.0.0.1 --port \"\$1\" \"\$2\"" ;;
    s3rver) COMMAND="exec node \"\$here/node_modules/s3rver/bin/s3rver.js\" -a 127.0.0.1 -p \"\$1\" -d \"\$2\"" ;;
    azurite)
      COMMAND="exec node \"\$here/node_modules/azurite/dist/src/blob/main.js\" --blobHost 127.0.0.1 --blobPort \"\$1\" \\
  --location \"\$2\" --skipApiVersionCheck --disableTelemetry"
      ;;
  esac
  case $1 in
    s3rver | azurite) KIND=npm NEEDED=(node npm) PINNED=("$PINS/$1/package.json" "$PINS/$1/package-lock.json") ;;
  esac
}

# The stamp, which is written last: what was made, of which versions, and of which Python, whose next minor version
# does not find it.
stamp() {
  printf '%s %s %s\n' "$1" "$RECIPE" "$(uname -m)"
  cat "${PINNED[@]}" | cksum
  if [[ $KIND == pip ]]; then "$2/bin/python" -V; fi
}
is_there() {
  recipe "$1"
  [[ -x $STORES/$1/server ]] && stamp "$1" "$STORES/$1" 2>/dev/null | cmp -s - "$STORES/$1/stamp"
}

from_pip() {
  python3 -m venv "$ROOT"
  "$ROOT/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement "${PINNED[0]}" >&2 ||
    fail 'pip could not install it; its reason is above' "look at whether PyPI can be reached: ${PINNED[0]}"
  # Who installs is not needed any more, and is larger than some servers.
  rm -rf "$ROOT"/lib/python*/site-packages/{pip,setuptools,pkg_resources,pip-*,setuptools-*}
}

from_npm() {
  mkdir "$ROOT"
  cp "${PINNED[@]}" "$ROOT"
  (cd "$ROOT" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null) ||
    fail 'npm could not install it; its reason is above' "look at whether npm's registry can be reached: ${PINNED[1]}"
}

write_launcher() {
  cat >"$ROOT/server" <<LAUNCHER
#!/bin/sh
# server PORT DIRECTORY - runs $1 at this port of the loopback interface, with its data in this directory, which is an
# absolute path. Made by scripts/stores.sh.
here=\$(cd -- "\$(dirname -- "\$0")" && pwd -P) || exit
$COMMAND
LAUNCHER
  chmod 755 "$ROOT/server"
}

# bring NAME: made beside its final place and renamed, so that what is there is whole.
bring() {
  local began=$SECONDS program
  recipe "$1"
  for program in "${NEEDED[@]}"; do
    command -v "$program" >/dev/null || fail "$program is not there, and $1 needs it" 'run scripts/bootstrap.sh test'
  done
  ROOT=$WORK/$1
  rm -rf "$WORK"
  mkdir "$WORK"
  say "bringing $1"
  "from_$KIND"
  write_launcher "$1"
  stamp "$1" "$ROOT" >"$ROOT/stamp"
  if [[ -e $STORES/$1 ]]; then mv -T "$STORES/$1" "$WORK/before"; fi
  mv -T "$ROOT" "$STORES/$1"
  say "$1 is there: $(du -sm "$STORES/$1" | cut -f1) MB, $((SECONDS - began)) s"
  rm -rf "$WORK"
}

WHICH=() CHECK=no
for argument in "$@"; do
  case $argument in
    -h | --help) usage && exit 0 ;;
    --check) CHECK=yes ;;
    all) WHICH+=("${NAMES[@]}") ;;
    *)
      [[ " ${NAMES[*]} " == *" $argument "* && $argument != *' '* ]] || fail "unknown argument '$argument'" "see $PROG --help" 2
      WHICH+=("$argument")
      ;;
  esac
done
if [[ ${#WHICH[@]} -eq 0 ]]; then WHICH=("${NAMES[@]}"); fi

[[ -n ${FWB_STORES_DIR:-}${XDG_CACHE_HOME:-}${HOME:-} ]] || fail 'HOME is not set' 'say where to keep them: FWB_STORES_DIR' 2
STORES=$(realpath -m -- "${FWB_STORES_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/fwb-stores}")

missing() {
  local name
  MISSING=()
  for name in "${WHICH[@]}"; do is_there "$name" || MISSING+=("$name"); done
  [[ ${#MISSING[@]} -gt 0 ]]
}

if missing; then
  [[ $CHECK == no ]] || fail "missing in $STORES: ${MISSING[*]}" "run $PROG ${MISSING[*]}"
  mkdir -p "$STORES" || fail "cannot make $STORES" 'say where to keep them: FWB_STORES_DIR'
  exec 9>>"$STORES/lock" || fail "cannot write to $STORES" 'say where to keep them: FWB_STORES_DIR'
  flock -n 9 || { say 'waiting for another one that brings servers' && flock 9; }
  # What interrupted ones have left: who holds the lock is alone.
  rm -rf "$STORES"/.work.*
  WORK=$STORES/.work.$$
  trap 'rm -rf "$WORK"' EXIT
  # Another one may have brought them meanwhile.
  if missing; then
    for name in "${MISSING[@]}"; do bring "$name"; done
  fi
fi
for name in "${WHICH[@]}"; do printf '%s\n' "$STORES/$name"; done
