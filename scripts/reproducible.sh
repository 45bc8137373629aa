#!/usr/bin/env bash
# Builds tools twice, in two directories with names of different lengths, and holds the two against each other: the same
# sources and the same compiler give the same bytes, wherever they lie. So whoever has the sources can tell that a program is
# of them.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: reproducible.sh [TOOL…]
       reproducible.sh --flags DIR

Builds these tools (verify, dump, …; by default verify) twice and prints their SHA-256, or fails and says which differ. What is
committed is built. Each build takes about as long as make build.

  --flags DIR   print the environment for a build of the sources in DIR, to be evaluated: the same as is used here
EOF
}

# The paths of this machine are in no program: of the sources, of the crates, of the compiler's own library.
flags() {
    local home=${CARGO_HOME:-$HOME/.cargo}
    printf "export RUSTFLAGS='%s'\n" "--remap-path-prefix=$1=/fwb-tools --remap-path-prefix=$home=/cargo"
    printf "export CFLAGS='%s'\n" "-ffile-prefix-map=$1=/fwb-tools -ffile-prefix-map=$home=/cargo"
    printf 'export SOURCE_DATE_EPOCH=%s CARGO_INCREMENTAL=0\n' "$(git -C "$root" log -1 --format=%ct)"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1-} in
    -h | --help) usage; exit 0 ;;
    --flags)
        [ -n "${2-}" ] || { usage >&2; exit 2; }
        flags "$(realpath -m -- "$2")"
        exit 0
        ;;
    -*) usage >&2; exit 2 ;;
esac
tools=("${@:-verify}")
# In ${tools[@]}, the words of make come as one.
read -ra tools <<<"${tools[*]}"

mkdir -p "$root/target"
work=$(mktemp -d "$root/target/reproducible.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
for place in a another/place-with-a-longer-name; do
    mkdir -p "$work/$place"
    git -C "$root" archive HEAD | tar -x -C "$work/$place"
    echo "reproducible: building ${tools[*]/#/fwb-} in $place" >&2
    (
        cd "$work/$place"
        eval "$(flags "$PWD")"
        cargo build --release --locked "${tools[@]/#/--bin=fwb-}" --target-dir target
    ) >&2
    (cd "$work/$place/target/release" && sha256sum "${tools[@]/#/fwb-}") >"$work/${place%%/*}.sums"
    for tool in "${tools[@]}"; do
        if grep -qaF -e "$work" -e "${CARGO_HOME:-$HOME/.cargo}" "$work/$place/target/release/fwb-$tool"; then
            echo "reproducible: error: fwb-$tool names a directory of this machine" >&2
            exit 1
        fi
    done
    rm -rf -- "${work:?}/${place%%/*}"
done
if ! cmp -s "$work/a.sums" "$work/another.sums"; then
    echo 'reproducible: error: the two builds differ:' >&2
    diff "$work/a.sums" "$work/another.sums" >&2 || true
    exit 1
fi
cat "$work/a.sums"
echo "reproducible: twice the same, with $(rustc --version)" >&2
