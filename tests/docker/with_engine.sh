#!/usr/bin/env bash
# Run a command while a Docker engine answers: the one that does, else one of its own, which ends
# with the command. What that one holds (images, build cache) stays for the next time.
set -euo pipefail

if ! docker version >/dev/null 2>&1; then
  log=$(mktemp)
  dockerd >"$log" 2>&1 &
  engine=$!
  trap 'kill "$engine" 2>/dev/null; wait "$engine" || true; rm -f "$log"' EXIT
  for _ in {1..120}; do
    docker version >/dev/null 2>&1 && break
    kill -0 "$engine" 2>/dev/null || { tail -5 "$log" >&2; exit 1; }
    sleep 0.5
  done
fi
"$@"
