#!/usr/bin/env bash
# Makes the pictures in docs/pictures anew: what the tools show, of a private server and stores of its own under target/.
#
# Why: a picture that nobody can make again is wrong after the next change. Nothing here is drawn by hand: restore.svg is what
# stood on a terminal, and report.png a page of fwb-report, of eight weeks of nights that went by on a clock of its own.
set -euo pipefail

case ${1-} in
    '') ;;
    -h | --help)
        echo 'usage: pictures.sh'
        echo 'Make docs/pictures/restore.svg and report.png of the tools in target/release.'
        exit 0
        ;;
    *) echo 'usage: pictures.sh' >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=${BINARIES:-$root/target/release}:$PATH
unset "${!FWB_@}" NO_COLOR CLICOLOR_FORCE
pictures=$root/docs/pictures
sandbox=$root/scripts/sandbox.sh
work=$(mktemp -d "$root/target/pictures.XXXXXX")
"$sandbox" start --name pictures
trap '"$sandbox" stop --name pictures --purge; rm -rf "$work"' EXIT
eval "$("$sandbox" env --name pictures)"
export FWB_DATABASE=shop TERM=xterm-256color TZ=UTC
# As a person's own, so that nothing but the commands stands on the terminal.
cp "$FWB_DEFAULTS_FILE" "$work/.my.cnf"
export HOME=$work
sql() { mariadb "$@"; }
say() { printf 'pictures: %s\n' "$*" >&2; }

say 'a restore'
"$root/scripts/sample-data.sh" --database shop --rows 20000 --drop --blobs no >/dev/null
mkdir -p "$pictures"
cd "$work"
export FWB_STORE=backups
# Where the store lies on this machine is nobody's business.
HIDDEN=$work/ python3 "$root/scripts/pictures/terminal.py" "$pictures/restore.svg" 104 <<'STEPS'
fwb-dump | fwb-verify
mariadb shop -e 'DROP TABLE file_downloads; DELETE FROM files WHERE id > 10'
fwb-ls --latest --verified | fwb-restore
> yes
mariadb shop -e 'SELECT COUNT(*) FROM files'
fwb-restore --undo
> yes
STEPS

say 'a report of eight weeks'
"$root/scripts/sample-data.sh" --database shop --rows 2000 --drop --blobs no >/dev/null
export FWB_STORE=$work/nights FWB_SERVER_ID=shop-eu
mkdir "$FWB_STORE"
# The nights go by in seconds, and end with this morning.
begin=$(($(date -u -d 'today 02:00' +%s) - 56 * 86400))
at() { faketime -f "@$(date -u -d "@$1" '+%F %T')" "${@:2}"; }
for night in $(seq 0 56); do
    now=$((begin + night * 86400))
    sql shop -e "INSERT INTO file_views (file_id, viewed_at) SELECT file_id, NOW() FROM file_views ORDER BY RAND() LIMIT $((20 + night))"
    # One night the password was wrong, one night nobody could reach the server.
    case $night in
        23) FWB_USER=nobody FWB_DEFAULTS_FILE='' FWB_SOCKET=$FWB_SANDBOX_SOCKET at $now fwb-run backup --deadline 0s >/dev/null 2>&1 || true ;;
        41) FWB_SOCKET=/run/mysqld/away.sock FWB_DEFAULTS_FILE='' at $now fwb-run backup --deadline 0s >/dev/null 2>&1 || true ;;
        *) at $now fwb-run backup >/dev/null ;;
    esac
    if [ $((night % 7)) = 6 ]; then at $((now + 3600)) fwb-run drill >/dev/null; fi
done
at $((now + 6 * 3600)) fwb-report --format html -o "$work/report.html"
# The only change to the page: where the store lies on this machine is nobody's business.
sed -i "s#$FWB_STORE#/var/backups/shop#g" "$work/report.html"
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --disable-background-networking --disable-component-update \
    --disable-sync --no-first-run --user-data-dir="$work/browser" --window-size=1000,1250 --force-device-scale-factor=1 \
    --screenshot="$work/report.png" "file://$work/report.html" >/dev/null 2>&1
pngquant --force --strip --speed 1 --output "$pictures/report.png" 32 "$work/report.png"
ls -l "$pictures" >&2
