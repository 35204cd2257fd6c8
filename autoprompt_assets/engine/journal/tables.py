"""The journal's tables: one schema for SQLite and PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 4

metadata = sa.MetaData()
completions = sa.Table(
    "completions",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("checksum", sa.BigInteger, nullable=False),
    # JSON as the server sent it: tool calls, reasoning and counts of whatever kind stand in it.
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("finish_reason", sa.Text, nullable=False),
    sa.Column("usage", sa.Text),
    # What was charged, which where the server does not count is not what it sent.
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("usd", sa.Double),
    sa.Column("latency_s", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    # Who paid for it first.
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    # Last column: SQLite reads a row from left to right, and a replay does not want this.
    sa.Column("body", sa.Text, nullable=False),
)
usage = sa.Table(
    "usage",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("search", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("made", sa.BigInteger, nullable=False),
    sa.Column("replayed", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("usd", sa.Double, nullable=False),
    sa.Column("unpriced", sa.BigInteger, nullable=False),
)
# What a server said of a field that is left out stands in the form.
request_forms = sa.Table(
    "request_forms",
    metadata,
    sa.Column("endpoint", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("shape", sa.String(64), primary_key=True),
    sa.Column("form", sa.Text, nullable=False),
)
# How endpoints were asked last; a journal may lack it, see `limits`.
endpoint_limits = sa.Table(
    "endpoint_limits",
    metadata,
    sa.Column("endpoint", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("written_at", sa.Double, nullable=False),
)
# Who asks endpoints now, and with what share of their limits: on a server alone, see `leases`.
# Nothing of it holds after a crash, so it is not logged.
endpoint_leases = sa.Table(
    "endpoint_leases",
    sa.MetaData(),
    sa.Column("endpoint", sa.Text, primary_key=True),
    sa.Column("holder", sa.String(16), primary_key=True),
    sa.Column("most", sa.Integer, nullable=False),
    sa.Column("wants", sa.Integer, nullable=False),
    sa.Column("whole", sa.Integer),
    sa.Column("per_second", sa.Double),
    sa.Column("rate", sa.Double),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("part", sa.Double, nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    prefixes=["UNLOGGED"],
)
# What the sealed tests have read; `readings` says what a reading is.
row_sets = sa.Table(
    "row_sets",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.String(64), nullable=False, unique=True),
    sa.Column("size", sa.BigInteger, nullable=False),
)
set_rows = sa.Table(
    "set_rows",
    metadata,
    # The row first: what is looked up is which sets hold a row.
    sa.Column("row", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("row_set", sa.Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
readings = sa.Table(
    "readings",
    metadata,
    sa.Column("row_set", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("pair", sa.String(64), primary_key=True),
    sa.Column("grader", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    # Who read first, and when.
    sa.Column("experiment", sa.Text, nullable=False),
    sa.Column("search", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)
schema = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))
