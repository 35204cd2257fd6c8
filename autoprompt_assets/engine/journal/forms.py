"""The forms that endpoints take requests in, kept beside the answers: learned once, for good."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.groups import Groups
from autoprompt_assets.engine.journal.schema import failure, open_database
from autoprompt_assets.engine.journal.tables import request_forms
from autoprompt_assets.engine.llm import PLAIN, Request, RequestForm, shape_of


@dataclass(frozen=True)
class ShapeKey:
    """The key of a form: an endpoint's identity, its model, and a hash of a shape."""

    endpoint: str
    model: str
    shape: str

    @classmethod
    def of(cls, request: Request) -> ShapeKey:
        """The key of a request as it was built."""
        shape = hashlib.sha256(shape_of(request).encode()).hexdigest()
        return cls(request.endpoint, request.model, shape)


class JournalForms:
    """Reads and writes forms on the journal's own threads; used inside a running event loop."""

    def __init__(
        self,
        engine: sa.Engine,
        reader: Executor,
        writer: Executor,
        failed: Callable[[BaseException], Exception],
    ) -> None:
        self._engine = engine
        self._reads = Groups(reader, self._read_group, failed)
        self._writes = Groups(writer, self._write_group, failed)

    async def read(self, key: ShapeKey) -> RequestForm | None:
        """The form that is settled for `key`, or `None`.

        Raises:
            JournalError: it cannot be read.
        """
        return await self._reads.submit(key)

    async def settle(self, key: ShapeKey, form: RequestForm) -> RequestForm:
        """Store the form that was accepted; it is durable when this returns.

        Returns the journal's form: an earlier one, where another process was faster.

        Raises:
            JournalError: it was not stored.
        """
        return await self._writes.submit((key, form))

    async def drained(self) -> None:
        """Wait for what was submitted."""
        await self._reads.drained()
        await self._writes.drained()

    def _read_group(self, group: Sequence[ShapeKey]) -> list[RequestForm | None]:
        with self._engine.connect() as connection:
            return [_stored(connection, key) for key in group]

    def _write_group(self, group: Sequence[tuple[ShapeKey, RequestForm]]) -> list[RequestForm]:
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(request_forms).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            # In one order, so that no two processes wait for each other's rows.
            for key, form in sorted(group, key=lambda one: one[0].shape):
                values = {**vars(key), "form": json.dumps(form.as_json())}
                connection.execute(insert, values)
            return [_stored(connection, key) or form for key, form in group]


def settled_form(url: str, request: Request) -> RequestForm:
    """The form that the journal at `url` holds for `request`; the plain one where it has none.

    Raises:
        JournalError: it cannot be read.
    """
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            return _stored(connection, ShapeKey.of(request)) or PLAIN
    except sa.exc.SQLAlchemyError as error:
        raise failure(f"the journal failed: {shown(engine.url)}", error) from None
    finally:
        engine.dispose()


def _stored(connection: sa.Connection, key: ShapeKey) -> RequestForm | None:
    columns = request_forms.c
    query = sa.select(columns.form).where(
        columns.endpoint == key.endpoint, columns.model == key.model, columns.shape == key.shape
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else RequestForm.from_json(json.loads(found))
