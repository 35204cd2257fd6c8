"""How a form is found, settled and shared by the requests of one shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_assets.engine.journal import Calls, Journal, settled_form
from autoprompt_assets.engine.journal import calls as calls_module
from autoprompt_assets.engine.journal.forms import ShapeKey
from autoprompt_assets.engine.llm import (
    PLAIN,
    CallError,
    Completion,
    Keep,
    Misfit,
    ParameterRefused,
    Request,
    RequestForm,
    RequestRefused,
)
from autoprompt_assets.engine.llm.failures import ConnectionFailed
from tests.engine_support import make_completion
from tests.journal_support import question, replayed, use

BASE = replace(question("q"), parameters={"max_tokens": 5, "temperature": 0.0, "seed": 1})
NEWER = Misfit("max_tokens", "max_completion_tokens")
Refuses = Callable[[Request], Misfit | CallError | None]


class Picky:
    """A model that refuses what `refuses` says, after no time, and answers after `seconds`."""

    def __init__(self, refuses: Refuses, seconds: float = 0.0) -> None:
        self._refuses, self._seconds = refuses, seconds
        self.asked: list[Request] = []
        self.begun = asyncio.Event()
        self.in_flight = self.peak = 0

    async def complete(self, request: Request, keep: Keep) -> Completion:
        self.asked.append(request)
        self.begun.set()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            refused = self._refuses(request)
            if isinstance(refused, Misfit):
                raise RequestRefused(f"no {refused.field}", misfit=refused)
            if refused is not None:
                raise refused
            await asyncio.sleep(self._seconds)
            return await keep(make_completion("yes"))
        finally:
            self.in_flight -= 1


def reasoning(request: Request) -> Misfit | None:
    if "max_tokens" in request.parameters:
        return NEWER
    if request.parameters.get("temperature", 1) != 1:
        return Misfit("temperature")
    return None


def rows(count: int, base: Request = BASE) -> list[Request]:
    return [replace(base, messages=question(str(n)).messages) for n in range(count)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}"


def complete(
    url: str, llm: Picky, requests: Sequence[Request], tuned: Sequence[str] = ()
) -> list[Completion | BaseException]:
    async def run(journal: Journal) -> list[Completion | BaseException]:
        async with Calls(llm, journal, {"target": tuned}) as calls:
            work = map(calls.complete, requests)
            return await asyncio.gather(*work, return_exceptions=True)

    return use(url, run)


def test_the_first_goes_alone_and_the_others_as_it_was_answered(url: str) -> None:
    llm = Picky(reasoning, 0.02)
    assert all(isinstance(one, Completion) for one in complete(url, llm, rows(20)))
    assert len(llm.asked) == 2 + 20
    assert [one.messages for one in llm.asked[:3]] == [rows(1)[0].messages] * 3
    assert {tuple(sorted(one.parameters)) for one in llm.asked[2:]} == {
        ("max_completion_tokens", "seed")
    }
    assert llm.peak == 19
    again = Picky(reasoning)
    complete(url, again, rows(20))
    assert again.asked == []


def test_a_form_is_durable_before_its_first_answer(url: str) -> None:
    async def run(journal: Journal) -> None:
        async def kept(completion: Completion) -> Completion:
            raise AssertionError("the form was to be stored first")

        journal.record = lambda *_: kept(make_completion("yes"))  # type: ignore[method-assign]
        async with Calls(Picky(reasoning), journal) as calls:
            with pytest.raises(AssertionError):
                await calls.complete(BASE)

    use(url, run)
    form = settled_form(url, BASE)
    assert form.renamed == {"max_tokens": "max_completion_tokens"}
    assert form.dropped == {"temperature": "no temperature"}


def test_the_first_form_that_is_stored_counts_for_every_process(url: str) -> None:
    first = RequestForm(dropped={"seed": "said first"})

    async def run(journal: Journal) -> list[RequestForm | None]:
        key = ShapeKey.of(BASE)
        return [
            await journal.forms.read(key),
            await journal.forms.settle(key, first),
            await journal.forms.settle(key, PLAIN),
            await journal.forms.read(key),
        ]

    assert use(url, run) == [None, first, first, first]
    assert settled_form(url, BASE) == first
    assert settled_form(url, replace(BASE, model="other")) == PLAIN


def test_a_process_that_comes_second_takes_over_the_form_of_the_first(url: str) -> None:
    """Its own request was answered in another form meanwhile: it is asked in the settled one."""
    other = RequestForm(dropped={"seed": "said by the other"})

    async def run(journal: Journal) -> Picky:
        llm = Picky(lambda request: None, 0.05)
        async with Calls(llm, journal) as calls:
            answer = asyncio.create_task(calls.complete(BASE))
            await llm.begun.wait()
            await journal.forms.settle(ShapeKey.of(BASE), other)
            await answer
            assert await replayed(journal, [other.apply(BASE)]) == [await answer]
        return llm

    llm = use(url, run)
    assert ["seed" in one.parameters for one in llm.asked] == [True, False]


def test_a_shape_is_its_fields_with_their_values(url: str) -> None:
    """Temperature 1 is taken, and is not left out because 0 was refused."""
    warm = replace(BASE, parameters={**BASE.parameters, "temperature": 1})
    llm = Picky(reasoning)
    complete(url, llm, [*rows(3), *rows(3, warm)])
    kept = [one.parameters.get("temperature") for one in llm.asked if not reasoning(one)]
    assert sorted(map(str, kept)) == ["1", "1", "1", "None", "None", "None"]


def test_a_limit_that_is_refused_under_both_names_is_not_left_out(url: str) -> None:
    def refuses(request: Request) -> Misfit | None:
        name = next((one for one in request.parameters if "tokens" in one), None)
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        return Misfit(name, other[name]) if name else None

    llm = Picky(refuses)
    (found,) = complete(url, llm, [BASE])
    assert isinstance(found, RequestRefused)
    assert len(llm.asked) == 2
    assert settled_form(url, BASE) == PLAIN


@pytest.mark.parametrize("tuned", ["temperature", "seed", "max_tokens"])
def test_a_tuned_field_is_renamed_and_never_left_out(url: str, tuned: str) -> None:
    (found,) = complete(url, Picky(reasoning), [BASE], [tuned])
    if tuned == "temperature":
        assert isinstance(found, ParameterRefused)
        assert str(found).startswith("optimizer.parameters.temperature cannot be tuned: a-model")
        # Another search, which does not tune it, leaves it out; then it is refused to the first.
        complete(url, Picky(reasoning), [BASE])
        (found,) = complete(url, Picky(reasoning), [BASE], [tuned])
        assert isinstance(found, ParameterRefused)
    else:
        assert isinstance(found, Completion)


def test_a_call_that_failed_without_a_word_about_the_form_lets_all_others_go(url: str) -> None:
    def refuses(request: Request) -> CallError | None:
        return ConnectionFailed("down") if request.messages == rows(1)[0].messages else None

    llm = Picky(refuses, 0.02)
    found = complete(url, llm, rows(10))
    assert [isinstance(one, Completion) for one in found] == [False] + [True] * 9
    assert llm.peak == 9


def test_a_first_request_that_hangs_holds_the_others_up_for_a_while_only(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go in the form that was found until then."""
    monkeypatch.setattr(calls_module, "LEAD_S", 0.05)
    llm = Picky(reasoning, 0.3)
    assert all(isinstance(one, Completion) for one in complete(url, llm, rows(10)))
    assert (len(llm.asked), llm.peak) == (2 + 10, 10)


def test_a_row_that_is_refused_in_the_form_in_which_others_are_answered_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "LEAD_S", 0.01)
    first, second = rows(2)

    class Late(Picky):
        async def complete(self, request: Request, keep: Keep) -> Completion:
            if request.messages == second.messages:
                await asyncio.sleep(0.2)  # until the first has settled the form
                raise RequestRefused("no seed", misfit=Misfit("seed"))
            return await super().complete(request, keep)

    answered, refused = complete(url, Late(lambda request: None, 0.1), [first, second])
    assert isinstance(answered, Completion)
    assert isinstance(refused, RequestRefused)


def test_refused_rows_go_one_by_one_and_leave_the_form_open(url: str) -> None:
    llm = Picky(lambda request: RequestRefused("no"))
    found = complete(url, llm, rows(4))
    assert all(isinstance(one, RequestRefused) for one in found)
    assert (len(llm.asked), llm.peak) == (4, 1)
    answered = Picky(lambda request: None)
    complete(url, answered, rows(4))
    assert len(answered.asked) == 4


def test_folding_joins_the_system_turn_and_the_first_user_turn() -> None:
    turns = ("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c")
    messages = tuple({"role": role, "content": text} for role, text in turns)
    request = replace(BASE, messages=messages)
    folded = RequestForm(system="user").apply(request)
    assert [(one["role"], one["content"]) for one in folded.messages] == [
        ("user", "S\n\na"),
        *turns[2:],
    ]
    developer = PLAIN.adapted(request, Misfit("system", "developer"), "no")
    assert developer is not None
    assert developer.apply(request).messages[0]["role"] == "developer"
    last = developer.adapted(developer.apply(request), Misfit("system"), "no")
    assert last == RequestForm(system="user")
    assert last.adapted(folded, Misfit("system"), "no") is None
