"""What is wrong with the prompts of an experiment, a line each that begins with the field."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoprompt_assets.engine.chat import HISTORY
from autoprompt_assets.engine.controls import obeyed
from autoprompt_assets.engine.fields import REVIEW_NAMES
from autoprompt_assets.engine.inputs import Layout
from autoprompt_assets.engine.llm import RolesSpec, TargetSpec
from autoprompt_assets.engine.optimizers import StrategySettings
from autoprompt_assets.engine.template import NO_NAMES, stray_problem

_IMAGE = re.compile(r"data:image/[\w.+-]+;base64,")
_MESSAGES = re.compile(r"\A\s*\[\s*\{\s*[\"'](?:role|content)[\"']\s*:")


def prompt_problems(roles: RolesSpec, optimizer: StrategySettings, layout: Layout) -> Iterator[str]:
    """All that can be said without the dataset's rows."""
    yield from _empty(roles.target)
    yield from _other_forms(roles)
    yield from _turns(roles.target, layout)
    yield from _kept(roles.target, optimizer)
    yield from _longest(roles.target, optimizer)
    yield from _unfilled(roles, optimizer, layout)


def _empty(target: TargetSpec) -> Iterator[str]:
    for name, place in target.places.items():
        if not target.texts[name].strip():
            mend = "write the prompt to be improved" if not target.messages else "fill it in"
            yield f"{place} is empty; {mend}"


def _other_forms(roles: RolesSpec) -> Iterator[str]:
    """What would be sent as the text that it is written in, without a word."""
    texts = [(place, roles.target.texts[name]) for name, place in roles.target.places.items()]
    for name, role in (("review", roles.review), ("optimizer", roles.optimizer)):
        texts += [(f"roles.{name}.prompt", role.prompt)] if role is not None else []
    for place, text in texts:
        own = place.startswith("roles.target")
        if _IMAGE.search(text):
            mend = "name a column of images in roles.target.images" if own else "write plain text"
            yield f"{place} holds an image as a data URL; {mend}"
        if _MESSAGES.search(text):
            mend = "write them as roles.target.messages" if own else "write plain text"
            yield f"{place} holds a list of messages; {mend}"


def _turns(target: TargetSpec, layout: Layout) -> Iterator[str]:
    """A conversation that asks the same of every row, or names a column that is not read."""
    for number, name in enumerate(target.images):
        if name not in layout.columns:
            yield (
                f"roles.target.images.{number} = {name!r} is no column of dataset.inputs; use one "
                f"of {', '.join(layout.columns)}, or add it there"
            )
    chat = target.chat(layout)
    for name, place in target.places.items():
        for column in layout.named(target.texts[name]):
            if column in target.images:
                yield (
                    f"{place} names {column!r}, a column of images, which follow by themselves; "
                    "take it out"
                )
    if not target.messages:
        return
    if not chat.named(target.texts) and not chat.images:
        names = " or ".join(layout.placeholders().values())
        yield (
            "roles.target.messages names no column, so that every row would be asked the same; "
            f"write {names} where it belongs"
        )
    for number, turn in enumerate(target.turns):
        if turn.role == HISTORY and turn.name not in layout.names:
            yield (
                f"roles.target.messages.{number}.history = {turn.name!r} is no column of "
                f"dataset.inputs; use one of {', '.join(layout.columns)}, or add it there"
            )


def _kept(target: TargetSpec, optimizer: StrategySettings) -> Iterator[str]:
    texts = [target.texts[name] for name in target.tuned]
    places = " and ".join(target.places[name] for name in target.tuned)
    for text in optimizer.keep:
        if obeyed(text):
            yield f"optimizer.keep holds {obeyed(text)}; take it out"
        elif not text.strip():
            yield "optimizer.keep holds an empty text; take it out"
        elif not any(text in one for one in texts):
            yield f"{places} lacks {text!r}, which optimizer.keep asks for; add it"


def _longest(target: TargetSpec, optimizer: StrategySettings) -> Iterator[str]:
    longest, most = optimizer.longest, max(len(target.texts[name]) for name in target.tuned)
    if longest is not None and longest < most:
        yield (
            f"optimizer.longest = {longest} is less than the first prompt has, {most} characters; "
            "raise it"
        )


def _unfilled(roles: RolesSpec, optimizer: StrategySettings, layout: Layout) -> Iterator[str]:
    """Placeholders that nothing fills, and characters that no reader sees: both would be sent
    without a word.
    """
    target = roles.target
    prompts = [(place, target.texts[name], NO_NAMES) for name, place in target.places.items()]
    for place, text in optimizer.given.items():
        prompts.append((f"optimizer.{place}", text, NO_NAMES))
    if roles.review is not None:
        prompts.append(("roles.review.prompt", roles.review.prompt, REVIEW_NAMES))
    if roles.optimizer is not None:
        # It may speak of the input's placeholder, which stands in the prompts it asks for.
        own = optimizer.prompt_names
        prompts.append(("roles.optimizer.prompt", roles.optimizer.prompt, own))
    for field, prompt, others in prompts:
        found = obeyed(prompt)
        if found:
            yield f"{field} holds {found}; take it out"
        problem = stray_problem(prompt, layout.names, others)
        if problem:
            yield f"{field} {problem}"
