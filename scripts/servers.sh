#!/usr/bin/env bash
# servers.sh - bring database servers of other versions than the installed one, for tests.
#
# Why: backups are made of one version and restored to another, and each has rules of its own. Debian has one MariaDB in
# each of its releases, and MySQL in its unstable one. Their packages come as they are, checked by Debian's keys, and are
# unpacked into a directory each, with the C library and the loader they were built for: nothing is installed, no
# service starts, root is not needed. scripts/sandbox.sh start --server NAME runs one.
set -euo pipefail

PROG=${0##*/}
export LC_ALL=C # what apt says is read below
unset LD_LIBRARY_PATH LD_PRELOAD
NAMES=(mariadb-10.5 mariadb-10.11 mariadb-11.8 mysql-9.7)
RECIPE=1 # raise it when something else is to be unpacked: what is there then counts as missing
# Where Debian is, should the machine's own sources not have the release; the archive has those that ended.
DEBIAN=http://deb.debian.org/debian
ARCHIVE=http://archive.debian.org/debian
# Packages that are depended on, but that no server loads anything from.
NEEDLESS='^(perl|perl-.*|libperl.*|libgdbm.*|dpkg|tar|debconf|mariadb-common|mysql-common|libc-gconv-modules-extra)$'

usage() {
  cat <<USAGE
Usage: $PROG [--check] [${NAMES[0]}|${NAMES[1]}|${NAMES[2]}|${NAMES[3]}|all]

Brings these database servers, from Debian's packages, where they are not there yet, and prints
the directory of each. Installs nothing; needs no root. A server that is there is left as it is:
remove its directory to get Debian's newest of its series.

  --check     bring nothing; say what is missing, and exit 1 if something is
  -h, --help  show this

They are kept in \$FWB_SERVERS_DIR (default: ~/.cache/fwb-servers). About 140 MB are downloaded for all,
from the machine's own Debian mirror where it has one; they take about 320 MB.
To run one:  scripts/sandbox.sh start --server ${NAMES[0]}
USAGE
}

say() { printf 'servers: %s\n' "$*" >&2; }

# fail MESSAGE [HINT] [EXIT-CODE]
fail() {
  printf '%s: error: %s\n' "$PROG" "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

# What a server is made of. SUITES: Debian's releases that may have it, PACKAGE: what apt resolves, BESIDE: what is
# taken without all that it depends on, for the plugins in it, PROGRAM: the server in it.
recipe() {
  SERIES=${1#*-} PACKAGE=mariadb-server-core BESIDE=(mariadb-server) PROGRAM=mariadbd
  case $1 in
    mariadb-10.5) SUITES=(bullseye) PACKAGE=mariadb-server-core-10.5 BESIDE=(mariadb-server-10.5) ;;
    mariadb-10.11) SUITES=(bookworm) ;;
    mariadb-11.8) SUITES=(trixie) ;;
    mysql-9.7) SUITES=(sid testing) PACKAGE=mysql-server-core BESIDE=() PROGRAM=mysqld ;;
  esac
}

# The first line of a server's stamp, which is written last.
stamp() { printf '%s %s %s\n' "$1" "$RECIPE" "$(uname -m)"; }
is_there() {
  local first=''
  if [[ -e $SERVERS/$1/stamp ]]; then read -r first <"$SERVERS/$1/stamp" || true; fi
  [[ $first == "$(stamp "$1")" && -x $SERVERS/$1/server ]]
}

# The machine's mirrors of Debian's main archive, then the public ones. That a mirror has another thing in it does no
# harm: it lacks the suite or the signature.
find_mirrors() {
  local mirror
  MIRRORS=()
  # The variable is apt's.
  # shellcheck disable=SC2016
  while read -r mirror; do
    mirror=${mirror%/}
    case $mirror in *security* | *snapshot* | cdrom:* | "$DEBIAN" | "$ARCHIVE") continue ;; esac
    MIRRORS+=("$mirror")
  done < <(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null | awk '!seen[$0]++')
  MIRRORS+=("$DEBIAN" "$ARCHIVE")
}

# Makes WORK an apt of our own: it knows nothing as installed, so that it fetches all that a package depends on, and
# keeps its lists to itself. The machine's settings hold, a proxy above all, but no hooks and no choice of a release.
prepare_apt() {
  mkdir -p "$WORK"/state/lists/partial "$WORK"/cache/archives/partial
  : >"$WORK/status"
  : >"$WORK/log"
  cat >"$WORK/apt.conf" <<CONF
#clear APT::Update;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear APT::Default-Release;
Dir::State "$WORK/state";
Dir::State::status "$WORK/status";
Dir::Cache "$WORK/cache";
Dir::Log "$WORK";
Dir::Etc::sourcelist "$WORK/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
CONF
  : >"$WORK/keys.gpg"
  local keyring
  for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [[ -s $keyring ]]; then cat "$keyring" >"$WORK/keys.gpg" && break; fi
  done
}

apt_get() { apt-get -c "$WORK/apt.conf" -qq "$@" </dev/null; }

# read_lists MIRROR SUITE: fails where the mirror has no such suite, or not under a key that we have.
read_lists() {
  local options="target=Packages signed-by=$WORK/keys.gpg"
  # What is in the archive changes no more, and so says until when it was to be valid.
  if [[ $1 == "$ARCHIVE" ]]; then options+=' check-valid-until=no'; fi
  printf 'deb [%s] %s %s main\n' "$options" "$1" "$2" >"$WORK/sources.list"
  [[ -s $WORK/keys.gpg ]] || return
  if ! apt_get -q=1 update >"$WORK/said" 2>&1; then
    cat "$WORK/said" >>"$WORK/log"
    return 1
  fi
  # What that took, in kB.
  LISTS=$(awk '/^Fetched/ { kb = $3 == "MB" ? $2 * 1000 : $2 } END { print int(kb) }' "$WORK/said")
}

# unpack_keys: takes the keys out of the package debian-archive-keyring in here, in addition to those we have.
unpack_keys() {
  local file
  rm -rf "$WORK/keyring"
  dpkg-deb -x "$WORK"/debian-archive-keyring_*.deb "$WORK/keyring" || return
  rm -f "$WORK"/debian-archive-keyring_*.deb
  for file in "$WORK"/keyring/usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [[ -s $file ]]; then cat "$file" >>"$WORK/keys.gpg" && return; fi
  done
  return 1
}

# more_keys: each release is signed by keys of the one before it, too, and brings those of the next one in a package.
# So keys that the machine lacks come by a chain of signatures from those it has; nothing is taken on trust.
more_keys() {
  local mirror
  say "looking for Debian's newer keys"
  if (cd "$WORK" && apt-get -qq -o APT::Sandbox::User=root download debian-archive-keyring) >>"$WORK/log" 2>&1; then
    unpack_keys || true
  fi
  for mirror in "${MIRRORS[@]}"; do
    if read_lists "$mirror" trixie; then
      if (cd "$WORK" && apt_get download debian-archive-keyring) >>"$WORK/log" 2>&1 && unpack_keys; then return; fi
    fi
  done
}

# retired_keys: a release outlives its keys.
retired_keys() {
  local keyring
  for keyring in /usr/share/keyrings/debian-archive-removed-keys.{gpg,pgp}; do
    if [[ -s $keyring ]]; then cat "$keyring" >>"$WORK/keys.gpg" && return; fi
  done
}

# with_versions: as NAME=VERSION what apt-get --print-uris says, by the names of the files.
with_versions() { awk '{ split($2, part, "_"); gsub(/%3a/, ":", part[2]); print part[1] "=" part[2] }'; }

# candidate PACKAGE: the version that the lists have.
candidate() { apt_get --print-uris download "$1" 2>>"$WORK/log" | with_versions | sed 's/.*=//'; }

# choose_suite NAME: reads the lists of the first suite and mirror that have the server in its series.
choose_suite() {
  local suite mirror round version='' seen=''
  for round in 1 2; do
    for suite in "${SUITES[@]}"; do
      for mirror in "${MIRRORS[@]}"; do
        read_lists "$mirror" "$suite" || continue
        version=$(candidate "$PACKAGE")
        if [[ ${version#*:} == "$SERIES".* ]]; then
          SUITE=$suite VERSION=$version
          return
        fi
        seen+=" $suite: ${version:-none};"
        break
      done
    done
    [[ -z $seen && $round == 1 ]] || break
    if grep -qE 'NO_PUBKEY|not signed|not available' "$WORK/log" || ! [[ -s $WORK/keys.gpg ]]; then
      more_keys
      if [[ ${SUITES[0]} != sid ]]; then retired_keys; fi
    else
      break
    fi
  done
  sort -u "$WORK/log" | grep -E '^[EW]:' | head -n 15 >&2 || true
  [[ -z $seen ]] || fail "Debian has no $PACKAGE $SERIES any more:${seen%;}" "this script has to learn where $1 is now"
  fail "no mirror has Debian's ${SUITES[*]}; what apt said is above" 'is there a network, and a debian-archive-keyring?'
}

# choose_packages: fills PACKAGES with NAME=VERSION of all that the server needs.
choose_packages() {
  local package name
  PACKAGES=()
  while read -r package; do
    if [[ ! ${package%%=*} =~ $NEEDLESS ]]; then PACKAGES+=("$package"); fi
  done < <(apt_get -y --print-uris install "$PACKAGE=$VERSION" 2>>"$WORK/log" | with_versions)
  if [[ ${#PACKAGES[@]} -eq 0 ]]; then
    cat "$WORK/log" >&2
    fail "apt cannot say what $PACKAGE $VERSION depends on; its reason is above"
  fi
  for name in "${BESIDE[@]}"; do PACKAGES+=("$name=$VERSION"); done
}

# unpack ROOT: /bin, /lib and so on are links into /usr on every Debian now. Older packages still name files by them.
unpack() {
  local root=$1 deb link entry
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64,share}
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  for deb in "$WORK"/packages/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar -x -C "$root" --keep-directory-symlink --no-same-owner --no-same-permissions --exclude='./usr/share/doc' ||
      fail "cannot unpack ${deb##*/}"
  done
  # What no server reads.
  for entry in "$root"/* "$root"/usr/* "$root"/usr/sbin/* "$root"/usr/share/* "$root"/usr/lib/* "$root"/usr/lib/*/*; do
    case ${entry#"$root"/} in
      usr | lib | lib64 | usr/lib | usr/lib64 | usr/sbin | usr/share | "usr/sbin/$PROGRAM") ;;
      usr/share/mysql | usr/share/mariadb | usr/lib/mysql | usr/lib/mysql/* | usr/lib/*-linux-gnu*) ;;
      *) rm -rf "$entry" ;;
    esac
  done
  rm -rf "$root"/usr/lib/*-linux-gnu*/{gconv,audit,perl*,security,systemd}
}

# write_launcher ROOT: how this server is started, by its own loader. The loader's cache is the machine's, of libraries
# that are not for this one.
write_launcher() {
  local root=$1 loader share triplet
  loader=$(cd "$root" && printf '%s\n' usr/lib/*-linux-gnu*/ld-linux*.so.*)
  share=$(cd "$root" && printf '%s\n' usr/share/{mariadb,mysql}/charsets/Index.xml | while read -r file; do
    if [[ -e $file ]]; then printf '%s\n' "${file%/charsets/*}" && break; fi
  done)
  [[ -x $root/$loader && -n $share ]] || fail "the packages of $PACKAGE $VERSION are laid out in a way this script does not know"
  triplet=${loader%/*}
  cat >"$root/server" <<LAUNCHER
#!/bin/sh
# Runs $PROGRAM $VERSION by its own loader, with its own libraries, and without option files. Made by scripts/servers.sh.
here=\$(cd -- "\$(dirname -- "\$0")" && pwd -P) || exit
unset LD_LIBRARY_PATH LD_PRELOAD
exec "\$here/$loader" --inhibit-cache --library-path "\$here/$triplet:\$here/usr/lib/mysql" "\$here/usr/sbin/$PROGRAM" \\
  --no-defaults --basedir="\$here/usr" --lc-messages-dir="\$here/$share" --character-sets-dir="\$here/$share/charsets" \\
  --plugin-dir="\$here/usr/lib/mysql/plugin" "\$@"
LAUNCHER
  chmod 755 "$root/server"
}

# bring NAME: made beside its final place and renamed, so that what is there is whole.
bring() {
  local root=$WORK/$1 began=$SECONDS kb
  rm -rf "$WORK"
  prepare_apt
  recipe "$1"
  say "looking for $1 in Debian's ${SUITES[*]}"
  choose_suite "$1"
  choose_packages
  mkdir "$WORK/packages"
  say "downloading $PACKAGE $VERSION of $SUITE and what it needs (${#PACKAGES[@]} packages)"
  (cd "$WORK/packages" && apt_get download "${PACKAGES[@]}") >>"$WORK/log" 2>&1 || {
    tail -n 15 "$WORK/log" >&2
    fail 'apt-get could not download them; its reason is above' "run $PROG $1 again"
  }
  kb=$((LISTS + $(cat "$WORK"/packages/*.deb | wc -c) / 1000))
  unpack "$root"
  write_launcher "$root"
  # Whether all libraries are there.
  if ! "$root/server" --version >"$WORK/said" 2>&1 || ! grep -qF " $SERIES." "$WORK/said"; then
    cat "$WORK/said" >&2
    fail "$PROGRAM $VERSION does not start; its reason is above"
  fi
  { stamp "$1" && printf '%s\n' "${PACKAGES[@]}"; } >"$root/stamp"
  if [[ -e $SERVERS/$1 ]]; then mv -T "$SERVERS/$1" "$WORK/before"; fi
  mv -T "$root" "$SERVERS/$1"
  say "$1 is there: $((kb / 1000)) MB downloaded, $(du -sm "$SERVERS/$1" | cut -f1) MB unpacked, $((SECONDS - began)) s"
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

[[ -n ${FWB_SERVERS_DIR:-}${XDG_CACHE_HOME:-}${HOME:-} ]] || fail 'HOME is not set' 'say where to keep them: FWB_SERVERS_DIR' 2
SERVERS=$(realpath -m -- "${FWB_SERVERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/fwb-servers}")
# Neither apt nor the loader takes every name.
[[ $SERVERS =~ ^[A-Za-z0-9/._@%+-]+$ ]] ||
  fail "not a directory for this: '$SERVERS'" 'set FWB_SERVERS_DIR to one of letters, digits and ._-' 2

missing() {
  local name
  MISSING=()
  for name in "${WHICH[@]}"; do is_there "$name" || MISSING+=("$name"); done
  [[ ${#MISSING[@]} -gt 0 ]]
}

if missing; then
  [[ $CHECK == no ]] || fail "missing in $SERVERS: ${MISSING[*]}" "run $PROG ${MISSING[*]}"
  for program in apt-get dpkg-deb tar flock; do
    command -v "$program" >/dev/null || fail "$program is not there" 'these servers are unpacked on Debian, and on what is made from it'
  done
  mkdir -p "$SERVERS" || fail "cannot make $SERVERS" 'say where to keep them: FWB_SERVERS_DIR'
  exec 9>>"$SERVERS/lock" || fail "cannot write to $SERVERS" 'say where to keep them: FWB_SERVERS_DIR'
  flock -n 9 || { say 'waiting for another one that brings servers' && flock 9; }
  # What interrupted ones have left: who holds the lock is alone.
  rm -rf "$SERVERS"/.work.*
  WORK=$SERVERS/.work.$$
  trap 'rm -rf "$WORK"' EXIT
  # Another one may have brought them meanwhile.
  if missing; then
    find_mirrors
    for name in "${MISSING[@]}"; do bring "$name"; done
  fi
fi
for name in "${WHICH[@]}"; do printf '%s\n' "$SERVERS/$name"; done
