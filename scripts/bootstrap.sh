#!/usr/bin/env bash
# bootstrap.sh - install what a Debian machine lacks to build, test and measure fwb tools.
#
# Why: `make demo`, `make test`, `make lint` and `make bench` should work on a
# fresh machine with Rust on it, by one command that changes nothing when nothing
# is missing. What is there is looked for by command, not by package, so tools
# that came another way count too. The database server comes as Debian's
# mariadb-server-core: its programs without the system service, so that nothing
# starts now or at the next boot, and a server that is already there stays as it is.
set -euo pipefail

PROG=${0##*/}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where mariadbd lives

usage() {
  cat <<USAGE
Usage: $PROG [--check] [build|test|bench|all]

Installs the Debian packages that are missing. As root, or through sudo.

  build    a C compiler and make
  test     build, and MariaDB, jq, pigz, zstd, strace, shellcheck
  bench    build, and MariaDB, jq, pigz, zstd, mydumper
  all      all of these (the default)

  --check     install nothing; list what is missing and exit 1 if something is
  -h, --help  show this
USAGE
}

say() { printf 'bootstrap: %s\n' "$*" >&2; }

# fail MESSAGE [HINT] [EXIT-CODE]
fail() {
  printf '%s: error: %s\n' "$PROG" "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

# What each group needs, as COMMAND=PACKAGE.
BUILD='cc=gcc make=make'
DATABASE='mariadbd=mariadb-server-core mariadb-install-db=mariadb-server-core mariadb=mariadb-client-core
  mariadb-admin=mariadb-client mariadb-dump=mariadb-client flock=util-linux jq=jq pigz=pigz zstd=zstd'
TEST="$BUILD $DATABASE strace=strace shellcheck=shellcheck"
BENCH="$BUILD $DATABASE mydumper=mydumper"

has_c_headers() { printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1; }

# Fills MISSING (commands) and PACKAGES, each package once.
find_missing() {
  local pair
  local -A wanted=()
  MISSING=() PACKAGES=()
  for pair in $(printf '%s\n' "$@" | sort -u); do
    if command -v "${pair%%=*}" >/dev/null; then continue; fi
    MISSING+=("${pair%%=*}")
    wanted[${pair#*=}]=1
  done
  # A compiler without the C library's headers compiles nothing.
  if ! has_c_headers; then
    MISSING+=('the C headers')
    wanted[libc6-dev]=1
  fi
  if [[ ${#wanted[@]} -gt 0 ]]; then mapfile -t PACKAGES < <(printf '%s\n' "${!wanted[@]}" | sort); fi
}

joined() { local IFS=,; local all="$*"; printf '%s' "${all//,/, }"; }

install_packages() {
  command -v apt-get >/dev/null ||
    fail "this is not Debian (no apt-get); missing: $(joined "${MISSING[@]}")" 'install these with your own package manager'
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null ||
      fail 'installing needs root, and there is no sudo' \
        "as root: apt-get update && apt-get install --no-install-recommends ${PACKAGES[*]}"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)

  say "missing: $(joined "${MISSING[@]}")"
  say "installing: ${PACKAGES[*]}"
  # Stale package lists may still do: the installation decides.
  "${as_root[@]}" apt-get -qq update || say 'the package lists could not be refreshed; trying with what is here'
  "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${PACKAGES[@]}" </dev/null >&2 ||
    fail 'apt-get could not install them; its reason is above' \
      "as root: apt-get update && apt-get install --no-install-recommends ${PACKAGES[*]}"
}

GROUP='' CHECK=no
for argument in "$@"; do
  case $argument in
    -h | --help) usage && exit 0 ;;
    --check) CHECK=yes ;;
    build | test | bench | all)
      [[ -z $GROUP ]] || fail "two groups: $GROUP and $argument" "see $PROG --help" 2
      GROUP=$argument
      ;;
    *) fail "unknown argument '$argument'" "see $PROG --help" 2 ;;
  esac
done

# The lists are split into words on purpose: no command or package has a space.
# shellcheck disable=SC2206
case ${GROUP:-all} in
  build) NEEDED=($BUILD) ;;
  test) NEEDED=($TEST) ;;
  bench) NEEDED=($BENCH) ;;
  all) NEEDED=($TEST $BENCH) ;;
esac

# Rust is not ours to install: Debian's own is too old, and which one is a choice.
command -v cargo >/dev/null || [[ -x ${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo ]] ||
  say 'note: cargo is not on the PATH; install a current stable Rust with rustup'

find_missing "${NEEDED[@]}"
if [[ ${#MISSING[@]} -eq 0 ]]; then exit 0; fi
if [[ $CHECK == yes ]]; then
  fail "missing: $(joined "${MISSING[@]}") (packages: ${PACKAGES[*]})" "run $PROG ${GROUP:-all}"
fi
install_packages
find_missing "${NEEDED[@]}"
[[ ${#MISSING[@]} -eq 0 ]] || fail "still missing after the installation: $(joined "${MISSING[@]}")" 'look at the output of apt-get above'
say 'done'
