# shellcheck shell=bash
# What the scripts here that call the tools have in common: where the tools are, how a wrong call is said, and which
# server is meant. They read this file; it is not run.

# fail_usage MESSAGE: the call is wrong.
fail_usage() {
    printf '%s: error: %s\nhint: %s --help\n' "${0##*/}" "$1" "${0##*/}" >&2
    exit 2
}

# Adds the tools of a build in this repository to PATH, after those that are installed.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:$root/target/release

# need_tool NAME: it must be there.
need_tool() {
    command -v "$1" >/dev/null && return
    printf '%s: error: %s is not installed\nhint: make install, or make build in %s\n' "${0##*/}" "$1" "$root" >&2
    exit 2
}

# server_usage TOOL: the part of a help text about the options that server_option takes.
server_usage() {
    cat <<EOF
      --pod-selector LABELS   the labels of the pod [FWB_POD_SELECTOR, else app=mariadb]
      --pod NAME              this pod [FWB_POD]
  -n, --namespace NAME        its namespace [FWB_NAMESPACE, else filewallball]
      --container NAME        the container, if it has several [FWB_CONTAINER]
      --kubectl COMMAND       such as 'microk8s kubectl' [FWB_KUBECTL, else kubectl, else microk8s kubectl]
      --local                 no pod: a server that is reached from here, by the MariaDB client's own defaults
      --server-id NAME        the server's name, which keeps its backups apart from others' [FWB_SERVER_ID]

FWB_DEFAULTS_FILE, FWB_HOST, FWB_PORT, FWB_SOCKET, FWB_USER and FWB_PASSWORD_FILE say how to reach a server without a
pod, as for $1. Where one of them is set, no pod is meant unless an option or a variable names one.
EOF
}

# Whether the command line says where the server is: a pod, here, or nothing.
place=

# server_option OPTION [VALUE]: takes an option that says where the server is. The tools read such settings from the
# environment. Which of two pods is meant must never be left open, so that --pod and --pod-selector exclude each other.
server_option() {
    local settled=$place
    if [ "$1" = --server-id ]; then
        [ -n "$2" ] || fail_usage "$1 needs a value"
        export FWB_SERVER_ID=$2
        return
    fi
    place=pod
    case $1 in
        --local) place=here ;;
        --pod-selector) export FWB_POD_SELECTOR=$2; unset FWB_POD ;;
        --pod) export FWB_POD=$2; unset FWB_POD_SELECTOR ;;
        -n | --namespace) export FWB_NAMESPACE=$2 ;;
        --container) export FWB_CONTAINER=$2 ;;
        --kubectl) export FWB_KUBECTL=$2 ;;
    esac
    [ -z "$settled" ] || [ "$settled" = "$place" ] || fail_usage "--local goes with no option of a pod"
    [ $# -lt 2 ] || [ -n "$2" ] || fail_usage "$1 needs a value" # the tools take an empty variable for none
}

# Settles where the server is, once all options are read. A pod is meant when an option or a variable says so, and
# when nothing says anything; a server setting without them means a server that is reached from here.
choose_server() {
    if [ "$place" = here ]; then
        unset FWB_POD FWB_POD_SELECTOR FWB_NAMESPACE FWB_CONTAINER
        return
    fi
    local named=${FWB_POD-}${FWB_POD_SELECTOR-}
    if [ -z "$named" ]; then
        local given=${FWB_DEFAULTS_FILE-}${FWB_HOST-}${FWB_PORT-}${FWB_SOCKET-}${FWB_USER-}${FWB_PASSWORD_FILE-}
        if [ -z "$place" ] && [ -n "$given" ]; then return; fi
        export FWB_POD_SELECTOR=app=mariadb
    fi
    export FWB_NAMESPACE=${FWB_NAMESPACE:-filewallball}
    [ -n "$place$named" ] || printf '%s: note: the server is the pod %s in namespace %s; --local means one without a pod\n' \
        "${0##*/}" "$FWB_POD_SELECTOR" "$FWB_NAMESPACE" >&2
}
