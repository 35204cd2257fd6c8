"""The experiment file: what a user may say, and what it means when left out.

All models are frozen and forbid unknown keys. `file` reads them from YAML; nothing else in
the project validates what a user wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from autoprompt_assets.engine.budget import BudgetSpec
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.chat import Chat
from autoprompt_assets.engine.dataset import DatasetSpec
from autoprompt_assets.engine.fields import REVIEW_NAMES, Frozen, Number, Whole
from autoprompt_assets.engine.grading import (
    Grader,
    GraderSettings,
    GraderSpec,
    WeightedGraders,
    make_grader,
    over_targets,
)
from autoprompt_assets.engine.keys import shared_keys
from autoprompt_assets.engine.llm import EndpointSpec, EndpointWords, RolesSpec
from autoprompt_assets.engine.optimizers import AutoSpec, OptimizerSpec
from autoprompt_assets.engine.spec.prompts import prompt_problems
from autoprompt_assets.engine.statistics import HeadroomSpec
from autoprompt_assets.engine.template import fields


class ExperimentSpec(Frozen):
    """One experiment: a dataset, three model roles, a grader, an optimizer, a budget."""

    description: str = ""
    dataset: DatasetSpec
    roles: RolesSpec
    graders: dict[str, GraderSpec] | None = None
    """Several in place of one, by name, each with its `weight`."""
    grader: GraderSpec | None = Field(None, validate_default=True)
    optimizer: OptimizerSpec = AutoSpec()
    headroom: HeadroomSpec = HeadroomSpec()
    endpoints: dict[str, SerializeAsAny[EndpointSpec]] = Field(default_factory=dict)
    concurrency: Whole = Field(10, ge=1, le=10_000)
    budget: BudgetSpec = BudgetSpec()
    unmeasured: Number = Field(0.02, ge=0, lt=1)
    """The share of rows without a grade that an evaluation may have."""
    retry: Whole = Field(0, ge=0)
    """Raise it to ask rows whose calls failed again, as a search of its own."""

    @cached_property
    def folder(self) -> Path | None:
        """Where its file stands, `None` where it is no file's."""
        return None

    @cached_property
    def chat(self) -> Chat:
        """The form of what the target is asked."""
        path = self.dataset.path
        at_address = "://" in path
        place = None if at_address or self.folder is None else (self.folder / path).parent
        return self.roles.target.chat(self.dataset.layout, place)

    @property
    def first(self) -> Candidate:
        """The first prompt."""
        return Candidate(self.roles.target.texts)

    def make_grader(self) -> Grader:
        """What grades the answers to its rows."""
        review = self.roles.review
        made = make_grader(self.grading, review.prompt if review else "", self.dataset.layout)
        return over_targets(made) if self.dataset.targets == "any" else made

    def located(self, folder: Path) -> Self:
        """The same as a file of `folder`, with the grader's own files looked up there.

        Raises:
            InputError: one of them cannot be had.
        """
        found = self.grading.located(folder, "grader")
        several = {"graders": found.parts} if isinstance(found, WeightedGraders) else {}
        spec = self.model_copy(update=several or {"grader": found})
        # Not a private attribute: the same file at another place is equal.
        spec.__dict__["folder"] = folder
        return spec

    @property
    def grading(self) -> GraderSettings:
        """The one grader, or the several as one."""
        if self.grader is not None:
            return self.grader
        assert self.graders
        return WeightedGraders(parts=self.graders)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        problems = [
            *prompt_problems(self.roles, self.optimizer, self.dataset.layout),
            *self._lacking(),
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
        if self.grader is not None and self.graders:
            yield "grader and graders stand both; keep one"
            return
        if self.grader is not None and "weight" in self.grader.model_fields_set:
            yield "grader.weight counts among several graders alone; take it out"
        if self.grading.most_reviews:
            if roles.review is None:
                yield f"{self._named('most_reviews')} and roles.review is missing; add it"
            else:
                problems = self.grading.review_problems(roles.review.prompt)
                yield from (f"roles.review.prompt {problem}" for problem in problems)
            several = self.dataset.inputs if len(self.dataset.inputs) > 1 else ()
            for name in REVIEW_NAMES.intersection(several):
                meant = {"answer": "the target", "response": "the model's answer"}[name]
                yield (
                    f"dataset.inputs names {name!r}, which in roles.review.prompt is {meant}; "
                    "rename the column"
                )
        yield from self.grading.column_problems(self.dataset.layout, "grader")
        yield from self._lacking_target()
        writer = None if roles.optimizer is None else roles.optimizer.prompt
        yield from self.optimizer.problems(writer, self.dataset.split.train)

    def _lacking_target(self) -> Iterator[str]:
        """What rests on targets, where the table is said to have none."""
        if self.dataset.target is not None:
            return
        review, strategy = self.roles.review, self.optimizer
        if self.grading.needs_target:
            yield (
                f"dataset.target is null, and {self._named('needs_target')}, which needs a target; "
                "name its column"
            )
        elif review is not None and fields(review.prompt, ["answer"]):
            yield (
                "roles.review.prompt holds {answer}, the target, and dataset.target is null; take "
                "it out, or name the target's column"
            )
        if strategy.most(self.roles.optimizer is not None).demos:
            yield (
                f"optimizer.strategy = {strategy.strategy!r} shows rows with their targets as "
                "demos, and dataset.target is null; choose gepa or opro"
            )

    def _named(self, trait: Literal["most_reviews", "needs_target"]) -> str:
        """The first grader that has the trait, as a line names it."""
        if self.grader is not None:
            return f"grader.kind is {self.grader.kind!r}"
        named = (self.graders or {}).items()
        return next(f"graders.{n}.kind is {one.kind!r}" for n, one in named if getattr(one, trait))

    @field_validator("graders")
    @classmethod
    def _told_apart(cls, graders: dict[str, GraderSpec] | None) -> dict[str, GraderSpec] | None:
        # A metric of the grader `a` is `a.name`, and so is a field's place in a line or --set.
        for name in graders or {}:
            if not name.strip() or "." in name or not name.isprintable():
                wrong = "is empty, or holds a dot or a control character"
                raise ValueError(f"the name {name!r} {wrong}; rename it")
        return graders

    @field_validator("grader", mode="before")
    @classmethod
    def _one_or_several(cls, grader: object, info: ValidationInfo) -> object:
        if grader is None and "graders" in info.data and not info.data["graders"]:
            raise PydanticKnownError("missing")
        return grader

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
