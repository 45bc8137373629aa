# Runs one client program inside the pod, and proves what went through the connection.
#
# THIS NONCE BEAT PATIENCE USER PROGRAMS ARGUMENT...
#   NONCE     marks our own lines on stderr
#   BEAT      seconds between two signs of life
#   PATIENCE  how many may be missed
#   USER      the account that was asked for, or nothing
#   PROGRAMS  names of the program, parted by spaces; the first that is here runs
#
# stdin:  this script; then how to connect: "none", "env", or "file" or "only" with a number of lines and so many
#         lines of an option file (read beside, or instead of, the usual ones); then blocks for the program's stdin,
#         each a line with its size in bytes and so many bytes; then "end"; among these, "alive" from time to time. It
#         stays open as long as the other side is there: when it ends, or nothing comes for long, what was started here
#         is killed, so that no dump goes on holding its snapshot and no half of a statement is executed.
# stdout: the program's.
# stderr: the program's, a sign of life from time to time, and last the proof: exit status, bytes and SHA-256 of
#         stdout, bytes and SHA-256 of the program's stdin ("cut" where the stream did not come to its end, "none"
#         where nothing ran).
#
# Only sh (POSIX) and coreutils or busybox are needed. Nothing that came from outside is ever part of a command: it is a
# positional parameter, or data.

# A name that the pod's environment has stays exported, whatever it holds from here on.
unset bytes char dir file flag header leader line lines name need options place program quoted reader rest secret size status sum value writer
nonce=$1 beat=$2 patience=$3 user=$4 programs=$5
shift 5
umask 077

dir=
status=125
proof='0 none 0 none'

# Ends this script: the proof comes last.
finish() {
    [ -z "$dir" ] || rm -rf "$dir"
    printf '\nfwb-proof %s %s %s\n' "$nonce" "$status" "$proof" >&2
    exit "$status"
}

fail() {
    printf 'error: %s\n' "$1" >&2
    finish
}

for need in dd mkfifo mktemp rm sha256sum sleep tee wc; do
    command -v "$need" >/dev/null || fail "the pod has no $need"
done
# What makes the program lead a process group, which dies with what the program may have started itself: setsid, which
# busybox has too; or the timeout of coreutils, of no time. That of busybox ends the program after a second, and makes no
# group.
if command -v setsid >/dev/null; then
    leader=setsid
else
    leader='timeout 0'
    case $(timeout --version 2>/dev/null) in
        *coreutils*) ;;
        *) fail 'the pod has neither setsid nor the timeout of coreutils' ;;
    esac
fi
program=
for name in $programs; do
    if command -v "$name" >/dev/null; then
        program=$name
        break
    fi
done
if [ -z "$program" ]; then
    status=127
    fail "the pod's container has none of these programs: $programs"
fi
for place in "${TMPDIR:-/tmp}" /tmp /dev/shm /run/mysqld /var/tmp; do
    if dir=$(mktemp -d "$place/fwb.XXXXXX" 2>/dev/null); then break; fi
    dir=
done
[ -n "$dir" ] || fail 'there is no directory in the pod that can be written to'

# The account: an option file that came on stdin, or what the image was given.
new_line='
'
options=
flag=--defaults-extra-file
cut() {
    proof='0 cut 0 cut'
    fail 'the connection ended before it began'
}
IFS= read -r header || cut
case $header in
    none) ;;
    env)
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
        case $user in
            '' | root)
                if secret MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD; then user=root; fi
                ;;
            *)
                secret MARIADB_USER MYSQL_USER
                if [ "$value" = "$user" ]; then secret MARIADB_PASSWORD MYSQL_PASSWORD; else value=; fi
                ;;
        esac
        if [ -n "$value" ]; then
            # As option files escape it.
            quoted=
            while [ -n "$value" ]; do
                rest=${value#?}
                char=${value%"$rest"}
                case $char in
                    "\\" | '"') char="\\$char" ;;
                    "$new_line") char='\n' ;;
                esac
                quoted=$quoted$char
                value=$rest
            done
            options="[client]${new_line}password=\"$quoted\"$new_line"
        fi
        ;;
    'file '* | 'only '*)
        [ "${header%% *}" = file ] || flag=--defaults-file
        lines=${header#* }
        while [ "$lines" -gt 0 ]; do
            IFS= read -r line || cut
            options=$options$line$new_line
            lines=$((lines - 1))
        done
        ;;
    *) fail 'the connection does not speak as fwb tools do' ;;
esac
if [ -n "$user" ]; then set -- --user="$user" "$@"; fi
if [ -n "$options" ]; then set -- "$flag=/dev/fd/8" "$@"; fi

# Keep the connection's streams apart from those of what runs here, which must not hold them open.
exec 3<&0 4>&1 </dev/null >/dev/null
mkfifo "$dir/in" "$dir/in.sum" "$dir/in.count" "$dir/out" "$dir/out.sum" "$dir/out.count" "$dir/blocks" "$dir/whole" ||
    fail 'no named pipe can be made in the pod'
sha256sum <"$dir/in.sum" >"$dir/in.sha256" 2>/dev/null 3<&- 4>&- &
in_sum=$!
wc -c <"$dir/in.count" >"$dir/in.bytes" 2>/dev/null 3<&- 4>&- &
in_count=$!
sha256sum <"$dir/out.sum" >"$dir/out.sha256" 2>/dev/null 3<&- 4>&- &
out_sum=$!
wc -c <"$dir/out.count" >"$dir/out.bytes" 2>/dev/null 3<&- 4>&- &
out_count=$!
tee "$dir/out.sum" "$dir/out.count" <"$dir/out" >&4 2>/dev/null 3<&- 4>&- &
out_tee=$!
# A here-document would be a file for a moment, in some shells. The leader's words are parted on purpose.
# shellcheck disable=SC2086
printf '%s\n' "$options" 2>/dev/null 3<&- 4>&- |
    $leader "$program" "$@" 8<&0 <"$dir/in" >"$dir/out" 3<&- 4>&- &
client=$!
options=
# Both ends of a pipe to the program. It is opened in both directions first, because one alone waits for the other.
exec 9<>"$dir/blocks"
exec 5>"$dir/blocks"
exec 6<"$dir/blocks" 9<&-
tee "$dir/in.sum" "$dir/in.count" <&6 >"$dir/in" 2>/dev/null 3<&- 4>&- 5>&- 6<&- &
in_tee=$!
exec 6<&-

# Ends what runs here, while its stdin is still open: it must not take what it has for the whole. TERM lets timeout, where
# there is one, see the end of its child, so that it leaves no zombie to a server that is process 1.
end_program() {
    : >"$dir/gone"
    kill -TERM "-$client" || kill "$client"
    kill "$out_tee"
    for second in 1 2; do
        kill -0 "$client" || break
        sleep "$second"
    done
    if kill -0 "$client"; then kill -9 "-$client" "$client"; fi
    # Some may wait for a partner that is gone.
    kill "$in_tee" "$in_sum" "$in_count" "$out_sum" "$out_count"
}

# What runs beside the program until TERM: it ends what it has started itself, and leaves no zombie. KILL, because a
# shell's child that has not become another program yet may lose a TERM.
nap='' reader='' writer='' starting='' stopping=
stop() {
    exec 2>/dev/null
    trap '' TERM
    for process in $nap $reader $writer; do kill -9 "$process"; done
    wait
    exit 0
}
# What was just started is not known yet.
until_term() { trap 'if [ -n "$starting" ]; then stopping=1; else stop; fi' TERM; }
started() {
    starting=
    [ -z "$stopping" ] || stop
}

# Hands the blocks on, and watches the connection. Two programs carry a block: the reader ends when the writer has nearly
# all of it, however slow the program is to take it, and the next lines can be read. What is not whole is never handed on.
feed() {
    until_term
    exec 7<>"$dir/whole"
    while read -r size <&3; do
        : >"$dir/heard"
        case $size in
            alive) ;;
            end)
                : >"$dir/ended"
                # Nothing more comes.
                exec 5>&-
                ;;
            *)
                starting=1
                dd bs="$size" count=1 iflag=fullblock <&3 >&7 3<&- 5>&- 7<&- &
                reader=$!
                started
                if [ -n "$writer" ]; then
                    : >"$dir/busy"
                    wait "$writer"
                    rm "$dir/busy"
                fi
                starting=1
                dd bs="$size" count=1 iflag=fullblock <&7 >&5 3<&- 5>&- 7<&- &
                writer=$!
                started
                wait "$reader"
                reader=
                ;;
        esac
    done
    trap '' TERM
    end_program
    stop
}
feed >/dev/null 2>&1 4>&- &
feeder=$!
exec 3<&- 5>&-

# Signs of life, and a look for those of the other side. A feeder that waits for the program to take a block does not see
# them.
alive() {
    until_term
    missed=0
    while :; do
        starting=1
        sleep "$beat" 2>/dev/null &
        nap=$!
        started
        wait "$nap"
        nap=
        printf '\nfwb-alive %s\n' "$nonce" >&2
        missed=$((missed + 1))
        if [ -e "$dir/heard" ] || [ -e "$dir/busy" ]; then
            rm -f "$dir/heard"
            missed=0
        fi
        if [ "$missed" -ge "$patience" ]; then
            : >"$dir/silent"
            {
                end_program
                kill "$feeder"
            } 2>/dev/null
            return
        fi
    done
}
alive 4>&- &
heart=$!

# From here on stdout and stderr stay open until the very end: containerd closes stdin with the first of them.
{
    wait "$client"
    status=$?
    left=
    if wait "$out_tee" && wait "$out_sum" "$out_count"; then
        read -r sum rest <"$dir/out.sha256"
        read -r bytes rest <"$dir/out.bytes"
        proof="$bytes $sum"
    else
        left="$out_sum $out_count"
        proof='0 cut'
    fi
    # A program that ended well may have done so before "end" came, which closes these two.
    if [ ! -e "$dir/gone" ] && { [ "$status" = 0 ] || [ -e "$dir/ended" ]; }; then
        wait "$in_sum" "$in_count"
        read -r sum rest <"$dir/in.sha256"
        read -r bytes rest <"$dir/in.bytes"
        proof="$proof $bytes $sum"
    else
        left="$left $in_tee $in_sum $in_count"
        proof="$proof 0 cut"
    fi
    [ ! -e "$dir/gone" ] || proof='0 cut 0 cut'
    [ -e "$dir/silent" ] || kill "$heart"
    kill "$feeder"
    # Some may wait for a partner that is gone.
    for process in $left; do kill "$process"; done
    wait
} 2>/dev/null
finish
