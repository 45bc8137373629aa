#!/usr/bin/env bash
# Builds the image that the cluster runs, with whichever builder is there.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: image.sh [--save FILE] [-- BUILDER-ARGUMENT…]

Builds filewallball/fwb-tools:VERSION with docker, podman or buildah, the first that is there and works. VERSION is
that of Cargo.toml, and what the manifests under k8s/ name.

  --save FILE   also write the image to FILE, for a cluster without a registry:
                microk8s images import < FILE          or: ctr -n k8s.io images import FILE
  -h, --help    this text

What follows -- goes to the builder: -- --build-arg DEBIAN_IMAGE=mirror.example/debian:trixie-slim

BUILDER   docker, podman or buildah: this one, and no other
IMAGE     another name [docker.io/filewallball/fwb-tools:VERSION]

Exit status: 0 done, 1 the build failed, 2 usage, or there is no builder.
EOF
}

# fail MESSAGE HINT CODE
fail() {
    printf 'image.sh: error: %s\nhint: %s\n' "$1" "$2" >&2
    exit "$3"
}

save=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --save) [ -n "${2-}" ] || fail '--save needs a file' 'image.sh --help' 2; save=$2; shift 2 ;;
        --) shift; break ;;
        *) fail "unknown argument: $1" 'image.sh --help' 2 ;;
    esac
done

# works BUILDER: a client whose service does not run builds nothing.
works() {
    command -v "$1" >/dev/null || return
    case $1 in
        docker) docker info >/dev/null 2>&1 ;;
        *) "$1" info >/dev/null ;;
    esac
}

builder=${BUILDER-}
case $builder in
    '')
        for builder in docker podman buildah none; do
            if [ "$builder" = none ] || works "$builder"; then break; fi
        done
        [ "$builder" != none ] || fail 'none of docker, podman and buildah is there and works' \
            'install one (apt-get install buildah), or start the docker service' 2
        ;;
    docker | podman | buildah) works "$builder" || fail "$builder is not there, or does not work" 'install it, or leave BUILDER out' 2 ;;
    *) fail "not a builder: BUILDER=$builder" 'docker, podman or buildah' 2 ;;
esac

# From where the caller is.
[ -z "$save" ] || save=$(realpath -m -- "$save")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || fail 'Cargo.toml says no version' 'look at [workspace.package]' 1
# With the registry's name: podman and buildah would else put localhost/ before it, and a cluster look for another.
image=${IMAGE:-docker.io/filewallball/fwb-tools:$version}
revision=$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null) || revision=unknown
arguments=(--file Containerfile --tag "$image" --build-arg "VERSION=$version" --build-arg "REVISION=$revision"
    --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$@" .)

printf 'image.sh: note: %s builds %s\n' "$builder" "$image" >&2
build() {
    case $builder in
        docker) DOCKER_BUILDKIT=1 docker build "${arguments[@]}" ;;
        # The format that every runtime reads.
        *) "$builder" build --layers --format docker "${arguments[@]}" ;;
    esac
}
build >&2 || fail "$builder could not build the image" 'its reason is above; the base images come from their registries' 1

if [ -n "$save" ]; then
    partial=$save.partial
    rm -f -- "$partial"
    archive() {
        case $builder in
            docker) docker save --output "$partial" "$image" ;;
            podman) podman save --format docker-archive --output "$partial" "$image" ;;
            buildah) buildah push --quiet "$image" "docker-archive:$partial:$image" ;;
        esac
    }
    archive >&2 || { rm -f -- "$partial"; fail "the image could not be written to $save" 'look at the space there' 1; }
    mv -fT -- "$partial" "$save"
fi
printf '%s\n' "$image"
