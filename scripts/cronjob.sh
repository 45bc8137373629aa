#!/usr/bin/env bash
# What CronJobs ran before there was fwb-run, which does all of it: this script stays so that their manifests go on working.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: cronjob.sh backup
       cronjob.sh drill

Runs fwb-run with the same word. All settings are environment variables: see fwb-run --help, which has the exit status too.
USAGE
}

# shellcheck source=scripts/tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

case ${1-} in
    -h | --help) usage; exit 0 ;;
    backup | drill) ;;
    '') fail_usage "backup or drill?" ;;
    *) fail_usage "unknown argument: $1" ;;
esac
[ $# -eq 1 ] || fail_usage "unknown argument: $2"
need_tool fwb-run
# The shell gives its place to the tool: a signal to the container's process 1 reaches it.
exec fwb-run "$1"
