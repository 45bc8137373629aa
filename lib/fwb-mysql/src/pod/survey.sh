# Tells how the server in this pod is reached: NONCE USER
#   NONCE  begins every line that names what follows; nothing in the pod knows it
#   USER   the account that was asked for, or nothing
#
# stdin:  this script, which `sh -s` reads
# stdout: a line "NONCE NAME" before each thing that is told, its text in lines of their own, and "NONCE end" at last
#
# Of option files only what the client sections hold leaves the pod. Nothing that came from outside is ever part of a
# command: it is a positional parameter, or data.

# A name that the pod's environment has stays exported, whatever it holds from here on.
unset value file name line nonce user rest

tell() {
    printf '%s %s\n%s\n' "$nonce" "$1" "$2"
}

# The value of the first of these variables, or of the file that it names with _FILE, as images read it.
secret() {
    value=
    for name; do
        eval "value=\${$name-} file=\${${name}_FILE-}"
        if [ -z "$value" ] && [ -n "$file" ] && [ -r "$file" ]; then
            IFS= read -r value <"$file"
        fi
        [ -z "$value" ] || return 0
    done
    return 1
}

# FILE DEPTH: what the client sections of an option file hold. Everybody could have written a file that everybody may
# write: client programs leave it alone too.
options() {
    [ -f "$1" ] && [ -r "$1" ] || return 0
    [ "$2" -le 10 ] || return 0
    case $(ls -ldL "$1" 2>/dev/null) in ????????w*) return 0 ;; esac
    set -- "$1" "$2" ''
    # shellcheck disable=SC2094 # The third parameter changes, not the file.
    while read -r line || [ -n "$line" ]; do
        case $line in
            '[client]'* | '[client-server]'* | '[client-mariadb]'* | '[fwb]'*) set -- "$1" "$2" yes ;;
            '['*) set -- "$1" "$2" '' ;;
            '!includedir '*)
                rest=${line#* }
                for file in "${rest#"${rest%%[! ]*}"}"/*.cnf; do options "$file" $(($2 + 1)); done
                ;;
            '!include '*)
                rest=${line#* }
                options "${rest#"${rest%%[! ]*}"}" $(($2 + 1))
                ;;
            *) [ -z "$3" ] || printf '%s\n' "$line" ;;
        esac
    done <"$1"
}

survey() {
    nonce=$1 user=$2
    case $user in
        '' | root)
            if secret MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD; then
                tell account root
                tell password "$value"
            fi
            ;;
        *)
            secret MARIADB_USER MYSQL_USER
            if [ "$value" = "$user" ] && secret MARIADB_PASSWORD MYSQL_PASSWORD; then
                tell account "$user"
                tell password "$value"
            fi
            ;;
    esac
    for name in MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_PWD USER LOGNAME; do
        eval "value=\${$name-}"
        [ -z "$value" ] || tell "env $name" "$value"
    done
    tell uid "$(id -u)"
    tell etc '[client]'
    options /etc/my.cnf 0
    options /etc/mysql/my.cnf 0
    options "${MARIADB_HOME:-${MYSQL_HOME:-/nowhere}}/my.cnf" 0
    tell home '[client]'
    [ -z "${HOME-}" ] || options "$HOME/.my.cnf" 0
    for file in /run/mysqld/mysqld.sock /var/run/mysqld/mysqld.sock /var/lib/mysql/mysql.sock /tmp/mysql.sock; do
        [ ! -S "$file" ] || tell socket "$file"
    done
    if perl -MIO::Socket -e 1; then tell relay perl; fi
    if command -v socat >/dev/null; then tell relay socat; fi
    if python3 -c 'import select, socket'; then tell relay python3; fi
    if command -v bash >/dev/null && command -v cat >/dev/null; then tell relay bash; fi
    printf '%s end\n' "$nonce"
}

survey "$@" </dev/null 2>/dev/null
