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
  -s, --store DIR        directory of the backups [FWB_STORE, else ./backups]
      --keep-days N      keep backups of the last N days [FWB_KEEP_DAYS, else 7]
      --no-prune         delete nothing
  -h, --help             this text

The server runs in a pod: the one that is ready with the label app=mariadb in the namespace filewallball, by its own
account. The backup comes to this machine.

      --pod-selector LABELS   the labels of the pod [FWB_POD_SELECTOR, else app=mariadb]
      --pod NAME              this pod [FWB_POD]
  -n, --namespace NAME        its namespace [FWB_NAMESPACE, else filewallball]
      --container NAME        the container, if it has several [FWB_CONTAINER]
      --kubectl COMMAND       such as 'microk8s kubectl' [FWB_KUBECTL, else kubectl, else microk8s kubectl]
      --local                 no pod: a server that is reached from here, by the MariaDB client's own defaults

FWB_DEFAULTS_FILE, FWB_HOST, FWB_PORT, FWB_SOCKET, FWB_USER and FWB_PASSWORD_FILE say how to reach a server without a
pod, as for fwb-dump. Where one of them is set, no pod is meant unless an option or a variable names one.

Exit status: 0 done; 1 a failure, worth a retry; 2 usage; 3 the backup could not be proved; 4 another run is busy.
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
            --pod-selector | --pod | -n | --namespace | --container | --kubectl)
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
    fwb-ls --store="$store" --database="$database" | fwb-prune --keep-days="$keep_days" >/dev/null
fi
