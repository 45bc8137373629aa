#!/usr/bin/env bash
# Makes the directory of the store one that the backup may write and that a group on the host may read. A volume that
# is a directory of the host (hostPath) belongs to root, and Kubernetes' fsGroup does not change it: a container that
# runs as root with four capabilities (CHOWN, DAC_OVERRIDE, FOWNER, FSETID) runs this before the backup does.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: FWB_STORE=DIR prepare-store.sh

Gives the directory to the user of the backup and to the group of those who may read it, with mode 2750, so that the
tools write files which this group can read (0640). Files of the tools that belong to somebody else, because somebody
ran them as root, change hands too. Other files do not.

FWB_STORE         the directory; made if it is not there
FWB_STORE_USER    the user's id [10001]
FWB_STORE_GROUP   the group's id [10001]

A directory that was never a store and is not empty is refused: its path is probably wrong.

Exit status: 0 done, 1 failed, 2 wrong configuration.
EOF
}

refuse() {
    printf 'prepare-store.sh: error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 2
}

case ${1-} in
    '') ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "unknown argument: $1" 'prepare-store.sh --help' ;;
esac
store=${FWB_STORE-} user=${FWB_STORE_USER:-10001} group=${FWB_STORE_GROUP:-10001}
[ -n "$store" ] || refuse 'FWB_STORE is not set' 'set it to the directory of the backups'
for id in "$user" "$group"; do
    # Nobody's id has more digits, and 0 would give the backups to root.
    [[ $id =~ ^[1-9][0-9]{0,9}$ ]] || refuse "not the id of a user or a group: '$id'" 'use a number, such as 10001'
done

# What the tools and the scripts write. A link is none of it.
ours=(-type f '(' -name .lock -o -name runs.jsonl)
for codec in gz zst; do
    for form in '' .age; do
        ours+=(-o -name "*.sql.$codec$form" -o -name "*.sql.$codec$form.json")
    done
done
ours+=(')')
is_empty() { [ -z "$(find "$store" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)" ]; }
was_a_store() { [ -n "$(find "$store" -mindepth 1 -maxdepth 1 "${ours[@]}" -print -quit)" ]; }

if [ -e "$store" ]; then
    [ -d "$store" ] || refuse "$store is no directory" 'look at the path of the volume'
    [ "$(stat -c %u -- "$store")" = "$user" ] || is_empty || was_a_store ||
        refuse "$store is not empty, and holds no backup" 'look at the path of the volume; it has to be a directory of its own'
fi

# Only what differs is changed. A file system that knows no owners (an SMB share) may be as it should be all the same.
if [ "$(stat -c %u:%g:%a -- "$store" 2>/dev/null)" != "$user:$group:2750" ]; then
    install -d -m 2750 -o "$user" -g "$group" -- "$store"
fi
# Whoever may not hold the lock cannot back up; whoever may not write a record cannot prove.
theirs=('(' ! -uid "$user" -o ! -gid "$group" ')')
find "$store" -mindepth 1 -maxdepth 1 "${ours[@]}" "${theirs[@]}" \
    -exec chown --no-dereference -- "$user:$group" '{}' + -exec chmod u+rw,g+r,o-rwx -- '{}' +
# The records of runs.
find "$store" -mindepth 1 -maxdepth 1 -type d -name runs "${theirs[@]}" \
    -exec chown --no-dereference -- "$user:$group" '{}' + -exec chmod 2750 -- '{}' +
[ ! -d "$store/runs" ] || find "$store/runs" -mindepth 1 -maxdepth 1 -type f -name '*.json' "${theirs[@]}" \
    -exec chown --no-dereference -- "$user:$group" '{}' + -exec chmod u+rw,g+r,o-rwx -- '{}' +
