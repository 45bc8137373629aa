#!/usr/bin/env bash
# Holds the Rust version that Cargo.toml names against what the tools are built from.
#
# Why: rust-version is a promise to whoever has an older Rust, and breaks unnoticed on a machine with the newest. Three things
# are looked at: no dependency that is compiled asks for more (the resolver chooses versions by rust-version, and Cargo.lock
# has its choice); every crate of ours names the same; and clippy's incompatible_msrv, which make lint turns into an error,
# goes by it. Whether the language itself is understood is seen only where that very Rust is here; then it checks the code too.
set -euo pipefail

case ${1-} in
    '') ;;
    *) echo 'usage: msrv.sh' >&2; [ "${1-}" = --help ] || [ "${1-}" = -h ] || exit 2; exit 0 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
msrv=$(sed -n '/^\[workspace.package\]/,/^$/s/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$msrv" ] || { echo 'msrv: error: Cargo.toml names no rust-version' >&2; exit 1; }

metadata=$(cargo metadata --format-version 1 --locked --filter-platform "$(rustc -vV | sed -n 's/^host: //p')")
newer=$(jq -r --arg msrv "$msrv" '
    def number: split(".") | map(tonumber) | . + [0, 0, 0] | .[:3];
    ([.resolve.nodes[].id]) as $used
    | .packages[] | select(.id | IN($used[])) | select(.rust_version != null and (.rust_version | number) > ($msrv | number))
    | "\(.name) \(.version) asks for Rust \(.rust_version)"' <<<"$metadata")
[ -z "$newer" ] || { printf 'msrv: error: %s\n' "$newer" "hint: cargo update -p NAME --precise VERSION, or a higher rust-version" >&2; exit 1; }
others=$(jq -r --arg msrv "$msrv" '
    .workspace_members as $ours | .packages[] | select(.id | IN($ours[])) | select(.rust_version != $msrv) | .name' <<<"$metadata")
[ -z "$others" ] || { printf 'msrv: error: %s does not take rust-version from the workspace\n' "$others" >&2; exit 1; }
echo "msrv: nothing that is compiled asks for more than Rust $msrv"

if command -v rustup >/dev/null && rustup toolchain list 2>/dev/null | grep -q "^$msrv"; then
    cargo "+$msrv" check --workspace --locked --target-dir target/msrv
    echo "msrv: Rust $msrv takes all of it"
else
    echo "msrv: RUST $msrv ITSELF IS NOT HERE: what is stable since is looked for by clippy alone (incompatible_msrv)"
fi
