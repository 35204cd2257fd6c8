#!/usr/bin/env bash
# Stand-ins for the base images of deploy/, where no registry of images can be reached: the same
# interpreter and the same server from Debian's packages. An image that is there is left alone.
set -euo pipefail
cd "$(dirname "$0")"

# In memory where there is room: a package manager waits for the disk at every file. A mount
# namespace of its own for each, so that /sys and /proc of a half-made image are never in reach.
work=$(TMPDIR=$([[ -w /dev/shm ]] && echo /dev/shm || echo /tmp) mktemp -d)
trap 'wait; rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"

# suite, packages, name, further arguments of `docker import`
make_image() {
  local suite=$1 packages=$2 name=$3
  shift 3
  docker image inspect "$name" >/dev/null 2>&1 && return
  TMPDIR=$work unshare --mount mmdebstrap --quiet --variant=minbase --include="$packages" \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --aptopt='Acquire::Languages "none"' \
    --customize-hook='copy-in postgres/docker-entrypoint.sh /usr/local/bin' \
    "$suite" "$work/$suite.tar"
  docker import "$@" "$work/$suite.tar" "$name" >/dev/null
  rm "$work/$suite.tar"
}

make_image bookworm python3,python3-venv,ca-certificates autoprompt-test/python:3.11-bookworm
make_image trixie postgresql autoprompt-test/postgres:17-trixie \
  --change 'ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]' --change 'CMD ["postgres"]' \
  --change 'ENV PGDATA=/var/lib/postgresql/data LANG=C.UTF-8' \
  --change 'VOLUME /var/lib/postgresql/data'
