#!/usr/bin/env bash
# Docker's engine from Debian's packages, and the plugins compose and buildx, on Debian 12 or newer.
# Installs only what is missing, and starts nothing: see with_engine.sh.
set -euo pipefail

release=$(. /etc/os-release && echo "$VERSION_CODENAME")
wanted=()
command -v dockerd >/dev/null || wanted+=(docker.io)
command -v docker >/dev/null || wanted+=(docker.io)
command -v iptables >/dev/null || wanted+=(iptables)
command -v mmdebstrap >/dev/null || wanted+=(mmdebstrap)
if ((${#wanted[@]})); then
  apt-get update -qq
  # A client of its own for the engine: newer Debian has it in a package apart.
  [[ $release == bookworm ]] || wanted+=(docker-cli)
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
fi

plugins=/usr/local/lib/docker/cli-plugins
if ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1; then
  # Debian 12 has neither plugin. The two of Debian 13 are unpacked and not installed, because
  # their packages want an engine of Debian 13.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{lists/partial,cache/archives/partial,parts}
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.{list,sources}; do
    [[ -e $file ]] && sed "s/\b$release\b/trixie/g" "$file" >"$work/parts/$(basename "$file")"
  done
  apt=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts"
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update -qq
  (cd "$work" && apt-get "${apt[@]}" download -qq docker-compose docker-buildx)
  mkdir -p "$plugins"
  for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/unpacked"
  done
  cp "$work"/unpacked/usr/libexec/docker/cli-plugins/docker-{compose,buildx} "$plugins"
fi
docker compose version
docker buildx version
