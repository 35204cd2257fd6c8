"""The experiment file: what a user may say, and what it means when left out.

All models are frozen and forbid unknown keys. `file` reads them from YAML; nothing else in
the project validates what a user wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from autoprompt_assets.engine.budget import BudgetSpec
from autoprompt_assets.engine.controls import obeyed
from autoprompt_assets.engine.dataset import DatasetSpec
from autoprompt_assets.engine.fields import REVIEW_NAMES, Frozen, Number, Whole
from autoprompt_assets.engine.grading import Grader, GraderSpec, make_grader
from autoprompt_assets.engine.keys import shared_keys
from autoprompt_assets.engine.llm import EndpointSpec, EndpointWords, RolesSpec
from autoprompt_assets.engine.optimizers import AutoSpec, OptimizerSpec
from autoprompt_assets.engine.statistics import HeadroomSpec
from autoprompt_assets.engine.template import NO_NAMES, fields, stray_problem

_UNSUPPORTED_PROMPTS = {
    "an image as a data URL": r"data:image/[\w.+-]+;base64,",
    "a list of messages": r"\A\s*\[\s*\{\s*[\"'](?:role|content)[\"']\s*:",
}
"""What would be sent as the text that it is written in, without a word."""


class ExperimentSpec(Frozen):
    """One experiment: a dataset, three model roles, a grader, an optimizer, a budget."""

    description: str = ""
    dataset: DatasetSpec
    roles: RolesSpec
    grader: GraderSpec
    optimizer: OptimizerSpec = AutoSpec()
    headroom: HeadroomSpec = HeadroomSpec()
    endpoints: dict[str, SerializeAsAny[EndpointSpec]] = Field(default_factory=dict)
    concurrency: Whole = Field(10, ge=1, le=10_000)
    budget: BudgetSpec = BudgetSpec()
    unmeasured: Number = Field(0.02, ge=0, lt=1)
    """The share of rows without a grade that an evaluation may have."""
    retry: Whole = Field(0, ge=0)
    """Raise it to ask rows whose calls failed again, as a search of its own."""

    def make_grader(self) -> Grader:
        """What grades the answers to its rows."""
        review = self.roles.review
        return make_grader(self.grader, review.prompt if review else "", self.dataset.layout)

    def located(self, folder: Path) -> Self:
        """The same with the grader's own files looked up in `folder`, the experiment's.

        Raises:
            InputError: one of them cannot be had.
        """
        return self.model_copy(update={"grader": self.grader.located(folder, "grader")})

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        problems = [
            *self._lacking(),
            *self._unfilled(),
            *self._unlimited(),
            *self._unknown_endpoints(info.context),
            *self._taken_words(info.context),
            *shared_keys(self.endpoints, self.endpoints),
            *self._unknown_prices(info.context),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _lacking(self) -> Iterator[str]:
        roles = self.roles
        if not roles.target.prompt.strip():
            yield "roles.target.prompt is empty; write the prompt to be improved"
        for name, role in roles:
            for what, sign in _UNSUPPORTED_PROMPTS.items():
                if role is not None and re.search(sign, role.prompt):
                    yield f"roles.{name}.prompt holds {what}, not supported yet; write plain text"
        if self.grader.most_reviews:
            if roles.review is None:
                yield f"grader.kind is {self.grader.kind!r} and roles.review is missing; add it"
            elif self.grader.fills_review_prompt and not fields(roles.review.prompt, ["response"]):
                yield "roles.review.prompt lacks {response}; say where the answer goes"
        yield from self.grader.column_problems(self.dataset.layout)
        yield from self._lacking_in_first_prompt()
        writer = None if roles.optimizer is None else roles.optimizer.prompt
        yield from self.optimizer.problems(writer, self.dataset.split.train)

    def _lacking_in_first_prompt(self) -> Iterator[str]:
        prompt, optimizer = self.roles.target.prompt, self.optimizer
        for text in optimizer.keep:
            if obeyed(text):
                yield f"optimizer.keep holds {obeyed(text)}; take it out"
            elif not text.strip():
                yield "optimizer.keep holds an empty text; take it out"
            elif text not in prompt:
                yield f"roles.target.prompt lacks {text!r}, which optimizer.keep asks for; add it"
        if optimizer.longest is not None and optimizer.longest < len(prompt):
            yield (
                f"optimizer.longest = {optimizer.longest} is less than the first prompt has, "
                f"{len(prompt)} characters; raise it"
            )

    def _unfilled(self) -> Iterator[str]:
        """Placeholders that nothing fills, and characters that no reader sees: both would be sent
        without a word.
        """
        names, roles = self.dataset.layout.names, self.roles
        prompts = [("roles.target.prompt", roles.target.prompt, NO_NAMES)]
        for place, text in self.optimizer.given.items():
            prompts.append((f"optimizer.{place}", text, NO_NAMES))
        if roles.review is not None:
            prompts.append(("roles.review.prompt", roles.review.prompt, REVIEW_NAMES))
        if roles.optimizer is not None:
            # It may speak of the input's placeholder, which stands in the prompts it asks for.
            own = self.optimizer.prompt_names
            prompts.append(("roles.optimizer.prompt", roles.optimizer.prompt, own))
        for field, prompt, others in prompts:
            found = obeyed(prompt)
            if found:
                yield f"{field} holds {found}; take it out"
            problem = stray_problem(prompt, names, others)
            if problem:
                yield f"{field} {problem}"

    @field_validator("optimizer", mode="before")
    @classmethod
    def _strategy_may_be_left_out(cls, optimizer: object) -> object:
        if isinstance(optimizer, dict) and "strategy" not in optimizer:
            return {"strategy": "auto", **optimizer}
        return optimizer

    def _unlimited(self) -> Iterator[str]:
        if self.budget.tokens is None and self.budget.usd is None:
            return
        for name, role in self.roles:
            if role is not None and role.completion_limit is None:
                yield f"roles.{name}.max_tokens is null; a budget of tokens or usd needs a number"

    def _unknown_endpoints(self, words: EndpointWords | None) -> Iterator[str]:
        """Only who reads a file knows the words; see `load_spec`."""
        if words is None:
            return
        known = {*words.keys, *self.endpoints}
        for name, role in self.roles:
            if role is not None and role.endpoint not in known:
                yield (
                    f"roles.{name}.endpoint = {role.endpoint!r} is not known; "
                    f"use one of {', '.join(sorted(known))}"
                )

    def _taken_words(self, words: EndpointWords | None) -> Iterator[str]:
        """Names under which roles, or a run that is moved, would be sent elsewhere than it says."""
        for name in self.endpoints:
            if words is not None and name in words.keys:
                yield f"endpoints.{name} is a built-in endpoint; give yours another name"

    def _unknown_prices(self, words: EndpointWords | None) -> Iterator[str]:
        for name, server in self.endpoints.items():
            if words is None or server.prices is None:
                continue
            unpriced = [r for _, r in self.roles if r and r.endpoint == name and r.price is None]
            models = {
                server.prices.model or role.model or server.default_model for role in unpriced
            }
            # Without a role, or a model, the provider is looked at.
            models = {*filter(None, models)} or {server.prices.model}
            problems = (words.price_problem(server.prices.provider, model) for model in models)
            yield from sorted(
                {f"endpoints.{name}.prices{problem}" for problem in problems if problem}
            )
