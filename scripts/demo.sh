#!/usr/bin/env bash
# Shows the whole job in a minute, on a private server and a store of its own under target/: a small FileWallBall
# database is filled, backed up, proved, listed, pruned, damaged and restored, and shown to be back.
set -euo pipefail

case ${1-} in
    '') ;;
    -h | --help)
        echo "usage: demo.sh"
        echo "Back up, lose and restore a small database on a private server; nothing else is touched."
        exit 0
        ;;
    *) echo "usage: demo.sh" >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=${BINARIES:-$root/target/release}:$PATH
unset "${!FWB_@}"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '\033[2m$ %s\033[0m\n' "$*"; bash -o pipefail -c "$*"; }

sandbox=$root/scripts/sandbox.sh
"$sandbox" start --name demo
trap '"$sandbox" stop --name demo --purge' EXIT
eval "$("$sandbox" env --name demo)"
FWB_STORE=$(mktemp -d "$root/target/demo-store.XXXXXX")
export FWB_STORE FWB_DATABASE=filewallball_db
trap '"$sandbox" stop --name demo --purge; rm -rf "$FWB_STORE"' EXIT
sql() { mariadb --defaults-file="$FWB_DEFAULTS_FILE" --table "$@"; }
checksums() { sql -e "CHECKSUM TABLE projects, files, file_views, file_downloads, shares" "$FWB_DATABASE"; }

say '1. A database of a file-sharing service'
"$root/scripts/sample-data.sh" --rows 1000 --drop --blobs no
before=$(checksums)
echo "$before"

say '2. Back it up, and prove the backup'
show 'fwb-dump | fwb-verify | jq -c "{name, size, raw_size, verification}"'

say '3. What is in the store, and in the backup'
show 'fwb-ls --format table'
show 'fwb-ls --latest --tables --format table'

say '4. Retention: of two backups, the newest is enough today'
show 'fwb-dump | fwb-verify > /dev/null && fwb-ls | fwb-prune --keep-days 0 --keep-last 1 | jq -c "{name, decision}"'

say '5. A bad day: a table is lost, another one damaged'
sql -e "SET foreign_key_checks=0; DROP TABLE files; UPDATE projects SET name='?'; SHOW TABLES" "$FWB_DATABASE"

say '6. Bring the newest proved backup back'
show 'fwb-ls --latest --verified | fwb-restore --yes | jq -c "{backup, database, tables, rows, before, safety_backup}"'

say '7. Everything is back'
after=$(checksums)
echo "$after"
if [ "$before" = "$after" ]; then
    echo 'The checksums are those of step 1.'
else
    echo 'demo: error: the checksums differ from those of step 1' >&2
    exit 1
fi
