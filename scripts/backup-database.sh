#!/usr/bin/env bash
# Manual backup: dump, prove, prune, as one chain whose every stage must succeed. The work is done by fwb-dump,
# fwb-verify, fwb-ls and fwb-prune; this script only puts them in a row.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: backup-database.sh [options]

Dump the database (tables, routines, triggers and events, in one transaction), prove the backup, then delete the
backups that retention lets go. The manifest of the new backup is printed on standard output.

  -B, --database NAME    database [FWB_DATABASE, else filewallball_db]
  -s, --store STORE      directory of the backups, or s3://BUCKET/PREFIX [FWB_STORE, else ./backups]
      --keep-days N      keep backups of the last N days [FWB_KEEP_DAYS, else 7]
      --no-prune         delete nothing
  -h, --help             this text

The server runs in a pod: the one that is ready with the label app=mariadb in the namespace filewallball, by its own
account. The backup comes to this machine.

EOF
    server_usage fwb-dump
    cat <<'EOF'

Exit status: 0 done; 1 a failure, worth a retry; 2 usage, or a right that the account lacks; 3 the backup could not be
proved; 4 another run is busy.
EOF
}

# shellcheck source=scripts/tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

database=${FWB_DATABASE:-filewallball_db}
store=${FWB_STORE:-./backups}
keep_days=${FWB_KEEP_DAYS:-7}
prune=yes
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --no-prune) prune=no; shift ;;
        --local) server_option "$1"; shift ;;
        -B | --database | -s | --store | --keep-days | \
            --pod-selector | --pod | -n | --namespace | --container | --kubectl | --server-id)
            [ $# -ge 2 ] || fail_usage "$1 needs a value"
            case $1 in
                -B | --database) database=$2 ;;
                -s | --store) store=$2 ;;
                --keep-days) keep_days=$2 ;;
                *) server_option "$1" "$2" ;;
            esac
            shift 2
            ;;
        *) fail_usage "unknown argument: $1" ;;
    esac
done
need_tool fwb-dump
choose_server

# The first stage that failed decides the exit code: a proof that lacks its input says less than why it does.
set +e
fwb-dump --database="$database" --store="$store" | fwb-verify
codes=("${PIPESTATUS[@]}")
set -e
for code in "${codes[@]}"; do
    [ "$code" -eq 0 ] || exit "$code"
done

if [ "$prune" = yes ]; then
    fwb-ls --store="$store" --database="$database" ${FWB_SERVER_ID:+--server-id="$FWB_SERVER_ID"} |
        fwb-prune --keep-days="$keep_days" >/dev/null
fi
