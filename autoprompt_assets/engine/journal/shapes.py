"""The shapes of requests that one search makes, and what is known of the form each is taken in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.journal.forms import JournalForms, ShapeKey
from autoprompt_assets.engine.llm import (
    PLAIN,
    SYSTEM,
    ParameterRefused,
    Request,
    RequestForm,
    RequestRefused,
    Role,
    SharedFields,
    has_system,
)

LEAD_S = 5.0
"""How long the first request of a shape goes alone, at most, so that one that hangs does not hold
up the others; a refusal takes a moment, and so they go in the form that was found until then."""

# A search opens its calls once per step: what is said once stays said for the process.
_TOLD: set[tuple[str, str, str]] = set()


@dataclass
class Shape:
    """Requests with the same fields: one endpoint's model takes all of them in one form.

    `form` is the best guess until it is `settled`. `turn` lets one request go at a time until then,
    or until one of them took too long or brought no reply (`crowded`). `recalled`: the journal was
    asked for it.
    """

    key: ShapeKey
    form: RequestForm = PLAIN
    recalled: bool = False
    recalling: asyncio.Lock = field(default_factory=asyncio.Lock)
    settled: bool = False
    crowded: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Shapes:
    """Finds the shape of a request; forms are settled in the journal first.

    `tuned` are each role's fields that the search tunes: they are never left out. `notice` is told
    once per process what a model's requests are changed in.
    """

    def __init__(
        self,
        forms: JournalForms,
        tuned: Mapping[Role, Collection[str]],
        notice: Callable[[str], None],
    ) -> None:
        self._forms, self._tuned, self._notice = forms, tuned, notice
        self._known: dict[tuple[str, str, str, bool, bool], Shape] = {}

    async def of(self, request: Request) -> Shape:
        """The shape of a request as it was built, as the journal knew it at first.

        Raises:
            JournalError: the journal cannot be read.
        """
        fields, schema = SharedFields.of(request.parameters), request.response_format is not None
        # All that is in its key, which would have to be hashed for each row.
        place = (request.endpoint, request.model, fields.members, has_system(request), schema)
        shape = self._known.get(place)
        if shape is None:
            shape = self._known[place] = Shape(ShapeKey.of(request))
        if not shape.recalled:
            # Those who come meanwhile wait, too: the first rows are to be the first to ask.
            async with shape.recalling:
                if not shape.recalled:
                    await self.recall(shape, request)
        return shape

    async def recall(self, shape: Shape, request: Request) -> None:
        """Take over the form of `request` that another process may have settled meanwhile."""
        stored = await self._forms.read(shape.key)
        shape.recalled = True
        if stored is not None:
            self._settled(shape, stored, request)

    async def settle(self, shape: Shape, form: RequestForm, request: Request) -> None:
        """Make the form in which `request` was answered durable, for good."""
        self._settled(shape, await self._forms.settle(shape.key, form), request)

    def applied(self, shape: Shape, request: Request) -> Request:
        """`request` in the shape's form.

        Raises:
            ParameterRefused: it lacks a field that is tuned.
        """
        for name, said in shape.form.dropped.items():
            self._refuse_tuned(request, name, said)
        return shape.form.apply(request)

    def adapt(self, shape: Shape, form: RequestForm, sent: Request, error: RequestRefused) -> bool:
        """Change the guess after `sent`, which had `form`, was refused; false where none is left.

        Where another request has changed it meanwhile, that guess is to be tried first.

        Raises:
            ParameterRefused: a field that is tuned is refused under any name.
        """
        if shape.form != form:
            return True
        if shape.settled or error.misfit is None:
            return False
        adapted = form.adapted(sent, error.misfit, str(error))
        if adapted is None:
            self._refuse_tuned(sent, error.misfit.field, str(error))
            return False
        shape.form = adapted
        return True

    def _refuse_tuned(self, request: Request, name: str, said: str) -> None:
        if name in ("tools", "tool_choice"):
            raise ParameterRefused(
                f"{request.model} at {request.endpoint} takes no {name} ({said}); name a model "
                f"that does, or take roles.target.{name} out"
            )
        tuned = self._tuned.get(request.role, ())
        found = [one for one in tuned if one == name or {one, name} <= set(LIMITS)]
        if found:
            raise ParameterRefused(
                f"optimizer.parameters.{found[0]} cannot be tuned: {request.model} at "
                f"{request.endpoint} refuses it ({said}); take it out of optimizer.parameters, or "
                "name a model that takes it"
            )

    def _settled(self, shape: Shape, form: RequestForm, request: Request) -> None:
        shape.form, shape.settled = form, True
        news = []
        for name, words in _changes(form, request):
            place = (request.endpoint, request.model, name)
            if place not in _TOLD:
                _TOLD.add(place)
                news.append(words)
        if news:
            self._notice(
                f"{request.model} at {request.endpoint} does not take requests as they were built: "
                f"{', '.join(news)}"
            )


def _changes(form: RequestForm, request: Request) -> list[tuple[str, str]]:
    """What the form changes in this request, each with the name of what it concerns."""
    changes = form.changes()
    if not has_system(request):
        changes.pop(SYSTEM, None)
    for name in form.dropped:
        value = json.dumps(request.parameters.get(name), ensure_ascii=False)[:80]
        changes[name] = f"{name} ({value}) is left out"
    return list(changes.items())
