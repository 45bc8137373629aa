#!/usr/bin/env bash
# Makes a Debian package of tools that are built: programs, man pages, completions, systemd units, documents, and what they
# are made of.
#
# Why by hand and not by a tool for crates: what belongs where is said once, in `make place`, which `make install` goes by too; and
# dpkg-deb is on every Debian machine, so that a test makes, installs and removes a package. The same sources, compiler and
# SOURCE_DATE_EPOCH give the same bytes.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: deb.sh [--binaries DIR] [--output DIR]

Makes fwb-tools_VERSION-1_ARCHITECTURE.deb and prints its path.

  --binaries DIR   where the tools are [default: target/release]
  --output DIR     where the package goes [default: target/deb]
  -h, --help       this text

MAINTAINER          who answers for the package [fwb tools authors <fwb-tools@filewallball.invalid>]
COMPRESSION         how it is packed [xz]
SOURCE_DATE_EPOCH   the time of all that is in it [that of the last commit, else of the changelog]

Exit status: 0 done, 1 something failed, 2 usage, or a tool is not built.
EOF
}

# fail MESSAGE HINT CODE
fail() {
    printf 'deb.sh: error: %s\nhint: %s\n' "$1" "$2" >&2
    exit "$3"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries=$root/target/release output=$root/target/deb
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --binaries | --output)
            [ -n "${2-}" ] || fail "$1 needs a directory" 'deb.sh --help' 2
            declare "${1#--}=$(realpath -m -- "$2")"
            shift 2
            ;;
        *) fail "unknown argument: $1" 'deb.sh --help' 2 ;;
    esac
done
[ -x "$binaries/fwb-dump" ] || fail "$binaries/fwb-dump is not there" 'make build, or --binaries DIR' 2
cd "$root"

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || fail 'Cargo.toml says no version' 'look at [workspace.package]' 1
# A candidate comes before its version: 1.0.0~rc.1 < 1.0.0.
package=${version/-/\~}-1
architecture=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-fwb tools authors <fwb-tools@filewallball.invalid>}
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date -d "$(sed -n "s/^## $version - //p" CHANGELOG.md)" +%s)}"
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
stage=$work/stage
umask 022
make --no-print-directory --silent place BINARIES="$binaries" DOCS="$work/docs" DESTDIR="$stage" PREFIX=/usr >/dev/null 2>"$work/said" ||
    { cat "$work/said" >&2; fail 'the tools could not be put in place' 'its reason is above' 1; }
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$stage"/usr/bin/fwb-*

# The libraries that are needed: those of the C library and of gcc, and no others. The version is the newest symbol's.
needed=$(objdump -p "$stage"/usr/bin/fwb-* | sed -n 's/^ *NEEDED *//p' | sort -u)
depends=''
for library in $needed; do
    case $library in
        libc.so.6)
            newest=$(objdump -T "$stage"/usr/bin/fwb-* | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
            depends="libc6 (>= ${newest#GLIBC_})${depends:+, $depends}"
            ;;
        libgcc_s.so.1) depends="${depends:+$depends, }libgcc-s1" ;;
        libm.so.6 | ld-linux*) ;;
        *) fail "the tools need $library, and nobody said which package has it" 'add it to scripts/deb.sh' 1 ;;
    esac
done

doc=$stage/usr/share/doc/fwb-tools
find "$stage/usr/share/man" -type f -exec gzip -9n {} +
install -m 644 README.md SECURITY.md "$doc"
install -d "$doc/examples"
mv "$doc/backup.env" "$doc/cron" "$doc/examples"
cp -R docs "$doc/docs"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
scripts/sbom.sh >"$doc/sbom.cdx.json"
{
    printf 'fwb-tools (%s) unstable; urgency=medium\n\n' "$package"
    printf '  * Version %s: changelog.gz says what is new.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.Debian.gz"
{
    cat <<'EOF'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: fwb-tools
Comment: Libraries that are compiled into the programs, and their licences, are in sbom.cdx.json beside this file.

Files: *
EOF
    sed -n 's/^Copyright (c) /Copyright: /p' LICENSE-MIT
    printf 'License: Expat or Apache-2.0\n\nLicense: Expat\n'
    sed -n '/^Permission is/,$p' LICENSE-MIT | sed 's/^$/./; s/^/ /'
    printf '\nLicense: Apache-2.0\n On Debian systems, the text is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$doc/copyright"
find "$stage" -type d -exec chmod 755 {} +
find "$stage" -type f ! -path "$stage/usr/bin/*" -exec chmod 644 {} +

install -d "$stage/DEBIAN"
cat >"$stage/DEBIAN/control" <<EOF
Package: fwb-tools
Version: $package
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$stage/usr" | cut -f1)
Depends: $depends
Recommends: ca-certificates, jq
Suggests: age, mariadb-server-core
Section: database
Priority: optional
Description: back up and restore MariaDB and MySQL databases
 Small programs that dump, prove, list, retain, copy and restore databases of
 MariaDB and MySQL servers, follow their binary logs, and report on all of it.
 .
 A backup is a standard .sql.gz or .sql.zst that carries its own index and
 proof. A restore verifies first, loads beside the live database, checks the
 result there, and only then lets the two change places. What was there is
 kept, and can be put back.
 .
 For restore drills, a server like that of the backups: mariadb-server-core.
EOF
# Nothing is started: what is backed up, and where to, nobody has said yet. What runs is stopped before its programs go.
cat >"$stage/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
EOF
cat >"$stage/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now fwb-backup.timer fwb-drill.timer fwb-follow.service fwb-report.service || true
fi
EOF
cp "$stage/DEBIAN/postinst" "$stage/DEBIAN/postrm"
chmod 755 "$stage"/DEBIAN/{postinst,prerm,postrm}
(cd "$stage" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"

mkdir -p "$output"
made=$output/fwb-tools_${package}_$architecture.deb
dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" --build "$stage" "$work/made.deb" >/dev/null
mv -f -- "$work/made.deb" "$made"
chmod 644 "$made"
printf '%s\n' "$made"
