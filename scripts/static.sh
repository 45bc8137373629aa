#!/usr/bin/env bash
# Builds tools that need no library of the system they run on: for an initrd, a rescue system, an image from scratch, a machine
# with another distribution or an older one.
#
# Where the standard library for musl is here (rustup target add x86_64-unknown-linux-musl) and musl-gcc is, they are of musl;
# else of this system's glibc, linked statically. The second ask for names in another way: see docs/PACKAGES.md.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: static.sh [--libc musl|glibc]
Builds all tools, and prints the directory that they are in.
EOF
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
machine=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')
libc=''
case ${1-} in
    '') ;;
    -h | --help) usage; exit 0 ;;
    --libc) libc=${2-} ;;
    *) usage >&2; exit 2 ;;
esac
has_musl() { [ -d "$(rustc --print target-libdir --target "$machine-unknown-linux-musl")" ] && command -v musl-gcc >/dev/null; }
if [ -z "$libc" ]; then
    if has_musl; then libc=musl; else libc=glibc; fi
fi
case $libc in
    musl)
        has_musl || {
            echo "static.sh: error: musl is not here" >&2
            echo "hint: rustup target add $machine-unknown-linux-musl, and apt-get install musl-tools" >&2
            exit 2
        }
        target=$machine-unknown-linux-musl
        ;;
    glibc) target=$machine-unknown-linux-gnu ;;
    *) usage >&2; exit 2 ;;
esac
# With a target of its own, what runs in the compiler is linked as ever.
RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C target-feature=+crt-static" \
    cargo build --release --locked --bins --target "$target" --target-dir target/static
built=target/static/$target/release
for tool in "$built"/fwb-{dump,verify,ls,prune,copy,restore,follow,run,report}; do
    if readelf -d "$tool" | grep -q NEEDED; then
        echo "static.sh: error: $tool needs libraries after all: $(readelf -d "$tool" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | tr '\n' ' ')" >&2
        exit 1
    fi
done
printf '%s\n' "$root/$built"
