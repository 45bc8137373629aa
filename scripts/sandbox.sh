#!/usr/bin/env bash
# sandbox.sh - a private, disposable MariaDB or MySQL server for demos, tests and benchmarks.
#
# Why: a backup tool is only proved against a real server, and nobody's real
# server should be at risk from a test. This one has its own data directory, its
# own socket in a directory only the user can enter, no network port, and reads
# no configuration file. It never talks to a server it did not start itself.
# It needs no client program: that the server is up is what its log says, and a
# signal stops it. Other servers than the installed one come from scripts/servers.sh.
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
Usage: $PROG start  [--dir DIR] [--name NAME] [--server SERVER] [-- SERVER-OPTION...]
       $PROG stop   [--dir DIR] [--name NAME] [--purge]
       $PROG status [--dir DIR] [--name NAME]
       $PROG env    [--dir DIR] [--name NAME]

A private, disposable database server, reached over its own socket only.

  start    start it (made on first use); a running one is left as it is
  stop     shut it down cleanly; its data stays for the next start
  status   exit 0 when it is running, 3 when it is not
  env      print FWB_SANDBOX_SOCKET, FWB_SANDBOX_CNF and FWB_DEFAULTS_FILE, and
           unset what would lead to another server
           for:  eval "\$($PROG env)"

  --name NAME  which sandbox (default: default), kept in target/sandbox/NAME
  --dir DIR    keep it in DIR instead
  --server SERVER
               with start: installed (the mariadbd of this machine, the default), or one that
               scripts/servers.sh has brought: mariadb-10.5, mariadb-10.11, mariadb-11.8, mysql-9.7.
               A sandbox stays with the server that it was made with
  --purge      with stop: delete its data as well, without a clean shutdown
  -h, --help   show this

What follows -- goes to the server after our own options, and so wins over them:
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
  ACTION='' DIR='' NAME=default WANTED='' PURGE=no EXTRA=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --dir) need_value "$@" && DIR=$2 && shift ;;
      --dir=*) DIR=${1#*=} ;;
      --name) need_value "$@" && NAME=$2 && shift ;;
      --name=*) NAME=${1#*=} ;;
      --server) need_value "$@" && WANTED=$2 && shift ;;
      --server=*) WANTED=${1#*=} ;;
      --purge) PURGE=yes ;;
      --) shift && EXTRA=("$@") && break ;;
      start | stop | status | env)
        [[ -z $ACTION ]] || fail "two actions: $ACTION and $1" "see $PROG --help" 2
        ACTION=$1
        ;;
      *) fail "unknown argument '$1'" "see $PROG --help; options of the server go after --" 2 ;;
    esac
    shift
  done
  [[ -n $ACTION ]] || fail 'no action given' "one of: start, stop, status, env (see $PROG --help)" 2
  [[ $NAME =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || fail "not a sandbox name: '$NAME'" 'use letters, digits, dots, dashes' 2
  [[ $PURGE == no || $ACTION == stop ]] || fail '--purge goes with stop only' "see $PROG --help" 2
  [[ ${#EXTRA[@]} -eq 0 || $ACTION == start ]] || fail 'options of the server go with start only' "see $PROG --help" 2
  [[ -z $WANTED || $ACTION == start ]] || fail '--server goes with start only' "see $PROG --help" 2
  [[ -z $WANTED || $WANTED =~ ^(installed|(mariadb|mysql)-[0-9.]+)$ ]] || fail "not a server: '$WANTED'" "see $PROG --help" 2

  DIR=$(realpath -m -- "${DIR:-$ROOT/target/sandbox/$NAME}")
  DATA=$DIR/data          # the server's own data directory
  KIND_FILE=$DIR/server.kind # which server it was made with
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

# Whether it has said that it takes connections: in whatever language, the line names the socket, in quotes as no other
# line does. The log is a new one at every start.
answers() { [[ -S $(socket_path) ]] && grep -qF -- "'$(socket_path)'" "$LOG" 2>/dev/null; }

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
  rm -f -- "$socket" "$socket.lock" "$PID_FILE" # of a server that was killed; MySQL's lock is by a number only
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

# Fills SERVER with the name, FAMILY (mariadb or mysql), and PROGRAM with how it is started. A sandbox from before
# this was remembered was made with the installed one.
choose_server() {
  local made=''
  if [[ -s $KIND_FILE ]]; then read -r made <"$KIND_FILE"; elif [[ -d $DATA ]]; then made=installed; fi
  SERVER=${WANTED:-${made:-installed}}
  [[ -z $made || $made == "$SERVER" ]] ||
    fail "the sandbox in $DIR is one of $made, not of $SERVER" "take another name, or remove it: $PROG stop --purge --dir $DIR" 2
  FAMILY=${SERVER%%-*}
  if [[ $SERVER == installed ]]; then
    FAMILY=mariadb PROGRAM=(mariadbd --no-defaults)
    local program
    for program in mariadbd mariadb-install-db; do
      command -v "$program" >/dev/null || fail "$program is not installed" "run $ROOT/scripts/bootstrap.sh"
    done
  else
    BROUGHT=$("$ROOT/scripts/servers.sh" --check "$SERVER") || exit
    PROGRAM=("$BROUGHT/server")
  fi
}

# The SQL that mariadb-install-db feeds to a server, in its order, without the help texts and the test database. That
# script itself knows only a server that is installed. A name begins with mysql_ or mariadb_, as the version has it.
system_tables() {
  local share file part
  share=$(printf '%s\n' "$BROUGHT"/usr/share/*/maria_add_gis_sp_bootstrap.sql)
  share=${share%/*}
  printf '%s\n' 'CREATE DATABASE mysql;' 'USE mysql;' 'SET @auth_root_socket=NULL;'
  for part in system_tables performance_tables system_tables_data gis sys_schema; do
    for file in "$share"/{mysql,mariadb}_"$part".sql; do
      if [[ $part == gis ]]; then file=$share/maria_add_gis_sp_bootstrap.sql; fi
      if [[ -e $file ]]; then
        sed '/@current_hostname/d' "$file" # as with its option --cross-bootstrap: no account for this machine's name
        break
      fi
    done
  done
}

# make_data DATA
make_data() {
  # A directory for temporary tables of its own: servers that start in a shared one remove each other's.
  local options=("${AS_ROOT[@]}" --datadir="$1" --tmpdir="$DIR/tmp" --innodb-flush-log-at-trx-commit=0)
  local option
  while read -r option; do options+=("$option"); done < <(making_options)
  if [[ $SERVER == installed ]]; then
    mariadb-install-db --no-defaults "${options[@]}" --skip-test-db --auth-root-authentication-method=normal \
      --skip-name-resolve --force
  elif [[ $FAMILY == mysql ]]; then
    # MariaDB has these from the start.
    printf "CREATE USER root@'%s'; GRANT ALL ON *.* TO root@'%s' WITH GRANT OPTION;\n" 127.0.0.1 127.0.0.1 ::1 ::1 >"$DIR/init.sql"
    "${PROGRAM[@]}" "${options[@]}" --initialize-insecure --init-file="$DIR/init.sql"
  else
    mkdir -p -- "$1"
    # The options are those of mariadb-install-db.
    system_tables | "${PROGRAM[@]}" "${options[@]}" --bootstrap --enforce-storage-engine= --max-allowed-packet=8M \
      --net-buffer-length=16K --log-warnings=0
  fi
}

# Options of the server's that hold from the moment the data are made.
making_options() {
  local option
  for option in "${EXTRA[@]}"; do
    case $option in --innodb-page-size=* | --lower-case-table-names=*) printf '%s\n' "$option" ;; esac
  done
}

# A name for data that were never served, the same for equal ones: made by this program of this server, with these options.
pristine_name() {
  local program
  program=$(command -v -- "${PROGRAM[0]}")
  { cat -- "${BASH_SOURCE[0]}" && stat -L -c '%n %s %Y' -- "$program" && making_options; } | sha256sum | cut -c-16
}

# Made beside its final place and renamed, so that an interrupted first start leaves nothing that the next one would take
# for a data directory. To make one takes seconds, and to copy it a tenth of that: FWB_SANDBOX_PRISTINE names a directory
# where those are kept that were never served. Of what is in them nothing tells two servers apart but what is removed here.
install_data() {
  if [[ -d $DATA ]]; then return; fi
  say "making a new data directory in $DIR"
  rm -rf -- "$DATA.new"
  mkdir -p -- "$DIR/tmp"
  printf '%s\n' "$SERVER" >"$KIND_FILE"
  local kept=${FWB_SANDBOX_PRISTINE:+$FWB_SANDBOX_PRISTINE/$SERVER-$(pristine_name)}
  if [[ -z $kept || ! -d $kept ]]; then
    make_data "$DATA.new" >"$DIR/install.log" 2>&1 </dev/null 9>&- ||
      fail "no data directory could be made: $(tail -n 5 -- "$DIR/install.log")" "all of it: $DIR/install.log"
    if [[ -n $kept ]]; then keep_pristine "$DATA.new" "$kept"; fi
  else
    cp -a --reflink=auto -- "$kept" "$DATA.new"
    rm -f -- "$DATA.new/auto.cnf" # MySQL's own name for the server
  fi
  mv -- "$DATA.new" "$DATA"
}

# keep_pristine DATA KEPT. Of two that make it at once the first one's stays.
keep_pristine() {
  local new
  mkdir -p -- "${2%/*}"
  new=$(mktemp -d "$2.XXXXXX")
  cp -a --sparse=always -- "$1/." "$new" # redo logs are empty and large; copies of the copy keep the holes
  mv -T -- "$new" "$2" 2>/dev/null || rm -rf -- "$new"
}

# Plugins that scripts/bootstrap.sh has unpacked for a server of this version, where it comes without.
find_plugins() {
  local dir
  PLUGINS=()
  if [[ $SERVER != installed ]]; then return; fi
  dir=$ROOT/target/tools/plugins-$(mariadbd --no-defaults --version | awk '{ print $3 }')
  if [[ -d $dir ]]; then PLUGINS=(--plugin-dir="$dir"); fi
}

# Options that not every server has.
own_options() {
  case $SERVER in
    mysql-*) printf '%s\n' --binlog-expire-logs-seconds=3600 --mysqlx=OFF --secure-file-priv= ;;
    mariadb-10.5) printf '%s\n' --expire-logs-days=1 ;;
    *) printf '%s\n' --binlog-expire-logs-seconds=3600 ;;
  esac
}

launch() {
  local own
  mapfile -t own < <(own_options)
  : >"$LOG"
  # setsid: an interrupt typed at the terminal is not for the server.
  setsid "${PROGRAM[@]}" "${AS_ROOT[@]}" \
    --datadir="$DATA" --socket="$1" --pid-file="$PID_FILE" --log-error="$LOG" --tmpdir="$DIR/tmp" \
    --skip-networking --skip-name-resolve --max-allowed-packet=1G \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_unicode_ci \
    --server-id=1 --log-bin=mysql-bin --max-binlog-size=64M --sync-binlog=0 \
    --innodb-buffer-pool-size=128M --innodb-flush-log-at-trx-commit=2 \
    --event-scheduler=ON --performance-schema=OFF \
    "${own[@]}" "${PLUGINS[@]}" "${EXTRA[@]}" </dev/null >>"$LOG" 2>&1 9>&- &
  LAUNCHED=$!
  disown "$LAUNCHED"
}

start() {
  local program
  for program in flock setsid; do
    command -v "$program" >/dev/null || fail "$program is not installed" "run $ROOT/scripts/bootstrap.sh"
  done
  AS_ROOT=()
  if [[ $EUID -eq 0 ]]; then AS_ROOT=(--user=root); fi

  take_lock
  choose_server
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
  local pid signal=TERM
  if pid=$(server_pid); then
    # A clean shutdown for all of them; what is deleted needs none.
    if [[ $PURGE == yes ]]; then signal=KILL; fi
    kill -s "$signal" "$pid" 2>/dev/null || true
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
