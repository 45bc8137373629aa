#!/usr/bin/env bash
# Writes man pages and shell completions for the tools below a directory, laid out as under /usr/local:
# share/man/man1 and man7, share/bash-completion/completions, share/zsh/site-functions, share/fish/vendor_completions.d.
# They come out of the tools themselves, so they say what --help says.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: docs.sh [--binaries DIR] DIR
Write man pages and completions of the tools to DIR/share.

  --binaries DIR   where the tools are [default: target/release]
EOF
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries=$root/target/release
if [ "${1-}" = --binaries ] && [ -n "${2-}" ]; then
    binaries=$2
    shift 2
fi
case ${1-} in
    -h | --help) usage; exit 0 ;;
    '' | -*) usage >&2; exit 2 ;;
esac
out=$1

man=$out/share/man/man1
bash=$out/share/bash-completion/completions
zsh=$out/share/zsh/site-functions
fish=$out/share/fish/vendor_completions.d
overview=$out/share/man/man7
mkdir -p "$man" "$overview" "$bash" "$zsh" "$fish"

for tool in fwb-dump fwb-verify fwb-ls fwb-prune fwb-copy fwb-restore fwb-follow fwb-run fwb-report; do
    program=$binaries/$tool
    "$program" --generate man >"$man/$tool.1"
    "$program" --generate bash >"$bash/$tool"
    "$program" --generate zsh >"$zsh/_$tool"
    "$program" --generate fish >"$fish/$tool.fish"
done
"$binaries/fwb-ls" --generate overview >"$overview/fwb.7"
echo "docs: man pages and completions are in $out/share" >&2
