#!/usr/bin/env bash
# As the entry point of the official image of PostgreSQL, as far as deploy/compose.yaml uses it:
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB make the cluster at the first start.
set -euo pipefail

export PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
if [[ $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
fi
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  user=${POSTGRES_USER:-postgres}
  initdb --username="$user" --pwfile=<(echo "$POSTGRES_PASSWORD") --auth-host=scram-sha-256 \
    --auth-local=trust
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait start --options="-c listen_addresses=''"
  [[ ${POSTGRES_DB:-$user} == postgres ]] || createdb --username="$user" --maintenance-db=postgres "${POSTGRES_DB:-$user}"
  pg_ctl --wait stop
fi
exec "$@" -c listen_addresses='*'
