#!/usr/bin/env bash
# Restore by hand: list what there is, bring one backup back, or take that back. The work is done by fwb-ls and
# fwb-restore: the file is proved first, loaded beside what is there and checked, and only then takes its place. What
# was there is kept.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: restore-database.sh --list
       restore-database.sh -f FILE [options]
       restore-database.sh --latest [options]
       restore-database.sh --undo [-B NAME] [--dry-run] [--yes]
       restore-database.sh --drop-before [-B NAME] [--dry-run] [--yes]

      --list             list the backups, oldest first
  -f, --file FILE        restore this backup: a name in the store, or a path
      --latest           restore the newest backup that is proved; with -B, the newest of that database
      --undo             put back what the last restore has replaced
      --drop-before      remove what restores have kept for --undo
  -B, --database NAME    with -f: restore into this database [the one that was dumped]; with --latest, --list, --undo
                         and --drop-before: the database that is meant
  -s, --store STORE      directory of the backups, or s3://BUCKET/PREFIX [FWB_STORE, else ./backups]
      --tables A,B       these tables alone
      --strategy WHICH   swap [the default], or in-place: over what is there, with a rollback if it fails
      --no-safety-backup make no backup of what is there
      --dry-run          print the plan and do nothing
  -y, --yes              do not ask
  -h, --help             this text

The server runs in a pod: the one that is ready with the label app=mariadb in the namespace filewallball, by its own
account. The backups are on this machine, and --list needs no server.

EOF
    server_usage fwb-restore
    cat <<'EOF'

Exit status: 0 done; 1 a failure, or not confirmed; 2 usage, or refused: for a right that the account lacks, the
file's SQL, or a server on which it cannot be done; 3 the backup is damaged, or the result differed; 4 another run is
busy. After 1 to 4 the database is as it was, or the message says that it is not.
EOF
}

# shellcheck source=scripts/tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

store=${FWB_STORE:-./backups}
action=
file=
options=() # of fwb-restore
filter=()  # of fwb-ls
idle=      # an option that --list has no use for
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --list | --latest | --undo | --drop-before)
            [ -z "$action" ] || fail_usage "one of --list, --latest, --undo, --drop-before and -f is enough"
            action=${1#--}
            shift
            ;;
        --dry-run | -y | --yes | --no-safety-backup) options+=("$1") idle=$1; shift ;;
        --local) server_option "$1"; shift ;;
        -f | --file | -B | --database | -s | --store | --tables | --strategy | \
            --pod-selector | --pod | -n | --namespace | --container | --kubectl | --server-id)
            [ $# -ge 2 ] || fail_usage "$1 needs a value"
            case $1 in
                -f | --file)
                    [ -z "$action" ] || fail_usage "one of --list, --latest, --undo, --drop-before and -f is enough"
                    action=file file=$2
                    ;;
                -B | --database) options+=("--database=$2") filter+=("--database=$2") ;;
                -s | --store) store=$2 ;;
                --tables | --strategy) options+=("$1=$2") idle=$1 ;;
                *) server_option "$1" "$2" ;;
            esac
            shift 2
            ;;
        *) fail_usage "unknown argument: $1" ;;
    esac
done
[ -n "$action" ] || fail_usage "nothing to do: give --list, --latest, --undo, --drop-before or -f FILE"
[ "$action" != list ] || [ -z "$idle" ] || fail_usage "$idle is for a restore, and --list restores nothing"
need_tool fwb-restore
[ "$action" = list ] || choose_server
# The newest backup is that of the server that is named; -f takes another's.
server=(${FWB_SERVER_ID:+--server-id="$FWB_SERVER_ID"})

case $action in
    list) exec fwb-ls --store="$store" ${filter[@]+"${filter[@]}"} ${server[@]+"${server[@]}"} --format table ;;
    undo | drop-before) exec fwb-restore "--$action" ${options[@]+"${options[@]}"} </dev/null ;;
    file) exec fwb-restore --store="$store" ${options[@]+"${options[@]}"} --file="$file" ;;
    latest)
        # The newest of that database: the newest of all may be another one's, and would be loaded over it.
        newest=$(fwb-ls --store="$store" --latest --verified ${filter[@]+"${filter[@]}"} ${server[@]+"${server[@]}"})
        fwb-restore --store="$store" ${options[@]+"${options[@]}"} <<<"$newest"
        ;;
esac
