#!/usr/bin/env bash
# sandbox.sh - a private, disposable MariaDB server for demos, tests and benchmarks.
#
# Why: a backup tool is only proved against a real server, and nobody's real
# server should be at risk from a test. This one has its own data directory, its
# own socket in a directory only the user can enter, no network port, and reads
# no configuration file. It never talks to a server it did not start itself.
set -euo pipefail

PROG=${0##*/}
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
START_TRIES=600 # x 0.1 s until a starting server must answer
# Every setting that says which server or account is meant.
ELSEWHERE=(FWB_HOST FWB_PORT FWB_SOCKET FWB_USER FWB_PASSWORD_FILE
  FWB_POD FWB_POD_SELECTOR FWB_NAMESPACE FWB_CONTAINER FWB_KUBECTL MYSQL_PWD)
STOP_TRIES=600  # x 0.1 s until a stopping server must be gone
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # a normal user's PATH lacks mariadbd's
unset MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_PWD MYSQL_HOME

usage() {
  cat <<USAGE
Usage: $PROG start  [--dir DIR] [--name NAME] [-- MARIADBD-OPTION...]
       $PROG stop   [--dir DIR] [--name NAME] [--purge]
       $PROG status [--dir DIR] [--name NAME]
       $PROG env    [--dir DIR] [--name NAME]

A private, disposable MariaDB server, reached over its own socket only.

  start    start it (made on first use); a running one is left as it is
  stop     shut it down cleanly; its data stays for the next start
  status   exit 0 when it is running, 3 when it is not
  env      print FWB_SANDBOX_SOCKET, FWB_SANDBOX_CNF and FWB_DEFAULTS_FILE, and
           unset what would lead to another server
           for:  eval "\$($PROG env)"

  --name NAME  which sandbox (default: default), kept in target/sandbox/NAME
  --dir DIR    keep it in DIR instead
  --purge      with stop: delete its data as well
  -h, --help   show this

What follows -- goes to mariadbd after our own options, and so wins over them:
  $PROG start --name big -- --innodb-buffer-pool-size=1G
USAGE
}

say() { printf 'sandbox: %s\n' "$*" >&2; }

# fail MESSAGE [HINT] [EXIT-CODE]
fail() {
  printf '%s: error: %s\n' "$PROG" "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

need_value() { [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value" "see $PROG --help" 2; }

parse_arguments() {
  ACTION='' DIR='' NAME=default PURGE=no EXTRA=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --dir) need_value "$@" && DIR=$2 && shift ;;
      --dir=*) DIR=${1#*=} ;;
      --name) need_value "$@" && NAME=$2 && shift ;;
      --name=*) NAME=${1#*=} ;;
      --purge) PURGE=yes ;;
      --) shift && EXTRA=("$@") && break ;;
      start | stop | status | env)
        [[ -z $ACTION ]] || fail "two actions: $ACTION and $1" "see $PROG --help" 2
        ACTION=$1
        ;;
      *) fail "unknown argument '$1'" "see $PROG --help; options of mariadbd go after --" 2 ;;
    esac
    shift
  done
  [[ -n $ACTION ]] || fail 'no action given' "one of: start, stop, status, env (see $PROG --help)" 2
  [[ $NAME =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || fail "not a sandbox name: '$NAME'" 'use letters, digits, dots, dashes' 2
  [[ $PURGE == no || $ACTION == stop ]] || fail '--purge goes with stop only' "see $PROG --help" 2
  [[ ${#EXTRA[@]} -eq 0 || $ACTION == start ]] || fail 'mariadbd options go with start only' "see $PROG --help" 2

  DIR=$(realpath -m -- "${DIR:-$ROOT/target/sandbox/$NAME}")
  DATA=$DIR/data          # mariadbd's own data directory
  CNF=$DIR/client.cnf     # how clients reach it
  LOG=$DIR/error.log      # the server's error log
  PID_FILE=$DIR/server.pid
  SOCKET_FILE=$DIR/socket.path # where the socket is, as it cannot be in here
  LOCK=$DIR/sandbox.lock  # one start or stop at a time; also marks DIR as ours
}

# Waits for the lock of DIR. A purge moves DIR away together with the lock that
# we may be waiting for; what we hold must therefore still be the file at $LOCK.
take_lock() {
  local try
  for ((try = 0; try < 20; try++)); do
    mkdir -p -- "$DIR"
    if [[ ! -e $LOCK && -n $(ls -A -- "$DIR") && ! -e $LOCK ]]; then
      fail "$DIR holds something that is not a sandbox" 'give --dir an empty or a new directory' 2
    fi
    if { exec 9>>"$LOCK"; } 2>/dev/null; then
      flock 9
      if [[ /proc/self/fd/9 -ef $LOCK ]]; then return; fi
    fi
  done
  fail "cannot lock $LOCK" 'is the directory yours to write in?'
}

# Prints the process id of our server. A number in a pid file proves nothing
# after a reboot or a kill -9, so the process must also be serving our data.
server_pid() {
  local pid=''
  if [[ -s $PID_FILE ]]; then read -r pid <"$PID_FILE" || true; fi
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "--datadir=$DATA" || return 1
  printf '%s\n' "$pid"
}

socket_path() { if [[ -s $SOCKET_FILE ]]; then cat -- "$SOCKET_FILE"; fi; }

answers() { mariadb-admin --defaults-file="$CNF" --protocol=socket --connect-timeout=5 ping >/dev/null 2>&1; }

# Keeps the socket's path over restarts where possible. It lies in /tmp because
# a path over 107 bytes is no socket address, and a checkout may be deep.
prepare_socket() {
  local socket dir
  socket=$(socket_path)
  dir=${socket%/*}
  if ! [[ $dir == /tmp/fwb-* && -d $dir && -O $dir && ! -L $dir ]]; then
    dir=$(mktemp -d /tmp/fwb-XXXXXX)
    socket=$dir/mariadb.sock
    printf '%s\n' "$socket" >"$SOCKET_FILE"
  fi
  rm -f -- "$socket" "$PID_FILE"
  (umask 077 && printf '[client]\nsocket=%s\nuser=root\n' "$socket" >"$CNF.new")
  mv -f -- "$CNF.new" "$CNF"
}

remove_socket() {
  local dir
  dir=$(socket_path)
  dir=${dir%/*}
  if [[ $dir == /tmp/fwb-* && -d $dir && -O $dir && ! -L $dir ]]; then rm -rf -- "$dir"; fi
  rm -f -- "$SOCKET_FILE" "$PID_FILE" "$CNF"
}

# Made beside its final place and renamed, so that an interrupted first start
# leaves nothing that the next one would take for a data directory.
install_data() {
  if [[ -d $DATA ]]; then return; fi
  say "making a new data directory in $DIR"
  rm -rf -- "$DATA.new"
  mkdir -p -- "$DIR/tmp"
  # A directory for temporary tables of its own: servers that start in a shared one remove each other's.
  mariadb-install-db --no-defaults "${AS_ROOT[@]}" --datadir="$DATA.new" --tmpdir="$DIR/tmp" --skip-test-db \
    --auth-root-authentication-method=normal --skip-name-resolve --force \
    --innodb-flush-log-at-trx-commit=0 >"$DIR/install.log" 2>&1 9>&- ||
    fail "mariadb-install-db failed: $(tail -n 5 -- "$DIR/install.log")" "all of it: $DIR/install.log"
  mv -- "$DATA.new" "$DATA"
}

# Plugins that scripts/bootstrap.sh has unpacked for a server of this version, where it comes without.
find_plugins() {
  local dir
  dir=$ROOT/target/tools/plugins-$(mariadbd --no-defaults --version | awk '{ print $3 }')
  PLUGINS=()
  if [[ -d $dir ]]; then PLUGINS=(--plugin-dir="$dir"); fi
}

launch() {
  : >"$LOG"
  # setsid: an interrupt typed at the terminal is not for the server.
  setsid mariadbd --no-defaults "${AS_ROOT[@]}" \
    --datadir="$DATA" --socket="$1" --pid-file="$PID_FILE" --log-error="$LOG" --tmpdir="$DIR/tmp" \
    --skip-networking --skip-name-resolve --max-allowed-packet=1G \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_unicode_ci \
    --server-id=1 --log-bin=mysql-bin --max-binlog-size=64M --binlog-expire-logs-seconds=3600 --sync-binlog=0 \
    --innodb-buffer-pool-size=128M --innodb-flush-log-at-trx-commit=2 \
    --event-scheduler=ON --performance-schema=OFF \
    "${PLUGINS[@]}" "${EXTRA[@]}" </dev/null >>"$LOG" 2>&1 9>&- &
  LAUNCHED=$!
  disown "$LAUNCHED"
}

start() {
  local program
  for program in mariadbd mariadb-install-db mariadb-admin flock setsid; do
    command -v "$program" >/dev/null || fail "$program is not installed" "run $ROOT/scripts/bootstrap.sh"
  done
  AS_ROOT=()
  if [[ $EUID -eq 0 ]]; then AS_ROOT=(--user=root); fi

  take_lock
  if server_pid >/dev/null; then
    say "already running, socket $(socket_path)"
    if [[ ${#EXTRA[@]} -gt 0 ]]; then say "not applied to a running server: ${EXTRA[*]}"; fi
    return
  fi
  install_data
  prepare_socket
  mkdir -p -- "$DIR/tmp"
  find_plugins
  launch "$(socket_path)"

  local try
  for ((try = 0; try < START_TRIES; try++)); do
    if ! kill -0 "$LAUNCHED" 2>/dev/null; then
      tail -n 15 -- "$LOG" >&2
      fail 'the server died while starting; its last words are above' "all of them: $LOG"
    fi
    if server_pid >/dev/null && answers; then
      say "running, socket $(socket_path)"
      return
    fi
    sleep 0.1
  done
  kill "$LAUNCHED" 2>/dev/null || true
  tail -n 15 -- "$LOG" >&2
  fail 'the server does not answer; it was stopped again' "its log: $LOG"
}

wait_gone() {
  local try
  for ((try = 0; try < STOP_TRIES; try++)); do
    server_pid >/dev/null || return 0
    sleep 0.1
  done
  return 1
}

stop() {
  if ! [[ -e $LOCK ]]; then
    say "not running (nothing in $DIR)"
    return
  fi
  take_lock
  local pid
  if pid=$(server_pid); then
    timeout 30 mariadb-admin --defaults-file="$CNF" --protocol=socket --connect-timeout=5 shutdown >/dev/null 2>&1 ||
      kill "$pid" 2>/dev/null || true
    wait_gone || fail "the server (process $pid) does not stop" "see $LOG, or end it yourself: kill -9 $pid"
    say 'stopped'
  else
    say 'not running'
  fi
  remove_socket
  if [[ $PURGE == yes ]]; then
    local doomed
    doomed=$(mktemp -d "$DIR.purge-XXXXXX")
    mv -T -- "$DIR" "$doomed" # atomic: see take_lock
    rm -rf -- "$doomed"
    say "removed $DIR"
  fi
}

status() {
  local pid
  if pid=$(server_pid) && answers; then
    say "running, process $pid, socket $(socket_path)"
  else
    say 'not running'
    exit 3
  fi
}

print_env() {
  server_pid >/dev/null || fail "the sandbox in $DIR is not running" "$PROG start" 3
  # What an earlier recipe has exported would win over the file, and the tools would talk to another server.
  printf 'unset %s\n' "${ELSEWHERE[*]}"
  printf 'export FWB_SANDBOX_SOCKET=%q\n' "$(socket_path)"
  printf 'export FWB_SANDBOX_CNF=%q\n' "$CNF"
  printf 'export FWB_DEFAULTS_FILE=%q\n' "$CNF"
}

parse_arguments "$@"
case $ACTION in
  start) start ;;
  stop) stop ;;
  status) status ;;
  env) print_env ;;
esac
