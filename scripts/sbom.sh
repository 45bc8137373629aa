#!/usr/bin/env bash
# Writes what the tools are made of, as a bill of materials: CycloneDX 1.5 in JSON.
#
# Why: whoever runs the tools asks, when a library turns out to be vulnerable, whether it is in them. Cargo.lock has more than
# that: what tests and other systems need. This has what is compiled into the tools on this system, and what was run to
# compile it, told apart by their scope, with the hashes that the registry gave and who needs whom. It has no time and no random
# number in it, so the same sources give the same bytes.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: sbom.sh [FILE]
Write the bill of materials of the tools to FILE, or to standard output.
EOF
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$(rustc -vV | sed -n 's/^host: //p')
# The hashes of the registry, by name and version.
sums=$(awk -F'"' '/^name = /{name=$2} /^version = /{version=$2} /^checksum = /{print name "@" version "\t" $2}' "$root/Cargo.lock" |
    jq -Rn '[inputs | split("\t") | {(.[0]): .[1]}] | add')

make_it() {
    cargo metadata --format-version 1 --locked --manifest-path "$root/Cargo.toml" --filter-platform "$target" |
        jq --sort-keys --argjson sums "$sums" '
    def reach($edges; $kinds):
        def more($seen; $new): if ($new | length) == 0 then $seen
            else ($seen + ($new | map({(.): true}) | add)) as $all
                | more($all; [$new[] | $edges[.][]? | select(.kinds | any(. as $one | $kinds | index($one) != null)) | .id] | unique
                    | map(select($all[.] == null))) end;
        . as $from | more({}; [$from]);
    def purl: "pkg:cargo/\(.name)@\(.version)";
    def licence: if .license == null then [] else [{expression: (.license | gsub("/"; " OR "))}] end;
    .resolve.root as $root
    | ([.resolve.nodes[] | {(.id): [.deps[] | {id: .pkg, kinds: [.dep_kinds[].kind | . // "normal"]}]}] | add) as $edges
    | ([.packages[] | {(.id): .}] | add) as $packages
    # Macros run in the compiler, and so does what they are made of.
    | ([.packages[] | select(any(.targets[]; .kind | index("proc-macro"))) | .id]) as $macros
    | ($edges | with_entries(.value |= map(select(.id | IN($macros[]) | not)))) as $compiled
    | ($root | reach($compiled; ["normal"])) as $in
    | ($root | reach($edges; ["normal", "build"])) as $all
    | [$all | keys[] | select(. != $root) | $packages[.]] as $parts
    | ($packages[$root]) as $tools
    | {
        bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
        metadata: {
            component: {type: "application", "bom-ref": ($tools | purl), name: $tools.name, version: $tools.version,
                description: $tools.description, purl: ($tools | purl), licenses: ($tools | licence)},
            tools: {components: [{type: "application", name: "scripts/sbom.sh", version: $tools.version}]}
        },
        components: [$parts[] | {
            type: "library", "bom-ref": purl, name, version, purl: purl, licenses: licence,
            # What is run while the tools are compiled is in none of them.
            scope: (if $in[.id] then "required" else "excluded" end),
            hashes: ($sums["\(.name)@\(.version)"] as $sum | if $sum then [{alg: "SHA-256", content: $sum}] else [] end)
        } | with_entries(select(.value != []))] | sort_by(."bom-ref"),
        dependencies: [[$tools] + $parts | .[] | {
            ref: purl,
            dependsOn: [$edges[.id][] | select(.kinds | any(. == "normal" or . == "build")) | $packages[.id] | purl] | unique
        }] | sort_by(.ref)
    }'
}

if [ -n "${1-}" ]; then
    mkdir -p "$(dirname -- "$1")"
    make_it >"$1.partial"
    mv -f -- "$1.partial" "$1"
    echo "sbom: $(jq '[.components[] | select(.scope == "required")] | length' "$1") libraries are in the tools, $(jq '[.components[] | select(.scope == "excluded")] | length' "$1") were run to build them: $1" >&2
else
    make_it
fi
