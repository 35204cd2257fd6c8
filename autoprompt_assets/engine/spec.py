"""The experiment file: what a user may say, and what it means when left out.

All models are frozen and forbid unknown keys. `spec_file` reads them from YAML; nothing else in
the project validates what a user wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from autoprompt_assets.engine.grading.settings import GraderSpec, ModelGrader
from autoprompt_assets.engine.keys import shared_keys
from autoprompt_assets.engine.spec_strategies import (
    AutoSpec,
    DemosSpec,
    GepaSpec,
    MiproSpec,
    OproSpec,
    OptimizerSpec,
)
from autoprompt_assets.engine.spec_values import (
    NEWER_LIMIT,
    RESERVED_EXTRA,
    UNSUPPORTED_EXTRA,
    Frozen,
    Location,
    Number,
    VariableName,
    WebAddress,
    Whole,
)
from autoprompt_assets.engine.template import INPUT, NO_NAMES, fields, stray_problem

REVIEW_NAMES = frozenset(["response", "answer"])
"""What the review prompt holds beside the input: the model's answer, and the target."""
OPTIMIZER_NAMES = frozenset(["prompt_scores_str", "examples"])
"""What the prompt of `opro` holds: the prompts so far, and train rows."""


_UNSUPPORTED_PROMPTS = {
    "an image as a data URL": r"data:image/[\w.+-]+;base64,",
    "a list of messages": r"\A\s*\[\s*\{\s*[\"'](?:role|content)[\"']\s*:",
}
"""What would be sent as the text that it is written in, without a word."""


REPLY_BYTES, BYTES_PER_TOKEN, MOST_TOKENS = 1_000_000, 1_000, 128_000
"""What a reply may have beside its tokens, for each of them (escaped, with its log probability and
those of 20 others), and how many a role may have that does not limit them."""


class SplitSpec(Frozen):
    """How rows are shared out: three fractions (sum at most 1) or three counts of rows."""

    train: Number = Field(0.3, ge=0)
    validation: Number = Field(0.35, gt=0)
    test: Number = Field(0.35, gt=0)

    @property
    def by_count(self) -> bool:
        """True when the three numbers are counts of rows."""
        return max(self.train, self.validation, self.test) > 1

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        parts = (self.train, self.validation, self.test)
        if self.by_count:
            if any(part != int(part) for part in parts):
                raise ValueError(
                    "mixes counts and fractions; give three whole numbers, or three below 1"
                )
        elif sum(parts) > 1 + 1e-9:
            raise ValueError(f"the fractions add up to {sum(parts):g}; make them 1 or less")
        return self


class DatasetSpec(Frozen):
    """Where the rows are and how they are split."""

    path: Location = Field(min_length=1)
    """A file beside the experiment file, an absolute path, or a URL."""
    format: Literal["csv", "tsv", "json", "jsonl", "parquet"] | None = None
    """Read from the path's ending when left out; gzip and Parquet are known by their content."""
    input: str = Field("input", min_length=1)
    target: str = Field("target", min_length=1)
    encoding: str = "utf-8"
    """Of a text without a byte order mark, which says it itself."""
    split: SplitSpec = SplitSpec()
    seed: Whole = 0

    @property
    def columns(self) -> frozenset[str]:
        """The names that a prompt may have for the row's input."""
        return INPUT | {self.input}

    @model_validator(mode="after")
    def _two_columns(self) -> Self:
        if self.input.strip() == self.target.strip():
            raise ValueError(f"input and target are the same column {self.input!r}; name two")
        return self


class PriceSpec(Frozen):
    """A model's price where the price list does not know it, in US dollars per million tokens."""

    prompt: Number = Field(ge=0)
    completion: Number = Field(ge=0)
    cached: Number | None = Field(None, ge=0)
    """Of prompt tokens that the provider had in its cache; `prompt` where it is left out."""


class RoleSpec(Frozen):
    """One model and how it is asked."""

    endpoint: str = "openai"
    """`openai`, `vllm`, `local`, or a name from `endpoints`."""
    model: str | None = Field(None, min_length=1)
    """The endpoint's default model when left out."""
    hosted_model_uri: WebAddress | None = None
    """The base URL of an OpenAI-compatible server, where it differs from the endpoint's."""
    prompt: str = ""
    temperature: Number | None = Field(0.0, ge=0, le=2)
    """`null` leaves it out of the request, as reasoning models want it."""
    max_tokens: Whole | None = Field(1000, ge=1)
    """Of one answer; `max_completion_tokens` in `extra` is the same limit, under its newer name."""
    timeout: Number = Field(600, gt=0)
    """Seconds that one attempt may take."""
    deadline: Number | None = Field(None, gt=0)
    """Seconds that one call may take with all its attempts; three times `timeout` if left out."""
    max_reply_bytes: Whole | None = Field(None, ge=1)
    """Bytes of a whole reply, unpacked; what `max_tokens` can need many times over if left out."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further request fields, sent as they are: `reasoning_effort`, `top_p`, `seed`, …"""
    choices: tuple[str, ...] = ()
    """The only answers allowed: sent as a JSON-schema enum, decoded and checked."""
    price: PriceSpec | None = None

    @property
    def completion_limit(self) -> int | None:
        """Tokens that one answer may have, under whichever name they stand; `None` is no limit."""
        named = self.extra.get(NEWER_LIMIT)
        return named if isinstance(named, int) else self.max_tokens

    @property
    def patience(self) -> float:
        """Seconds that one call may take with all its attempts."""
        return 3 * self.timeout if self.deadline is None else self.deadline

    @property
    def longest_reply(self) -> int:
        """Bytes that a whole reply may have."""
        tokens = self.completion_limit or MOST_TOKENS
        return self.max_reply_bytes or REPLY_BYTES + tokens * BYTES_PER_TOKEN

    @field_validator("extra")
    @classmethod
    def _no_reserved(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in RESERVED_EXTRA:
            if key in extra:
                raise ValueError(f"{key!r} may not stand in extra; it has a place of its own")
        for key in UNSUPPORTED_EXTRA:
            if key in extra:
                raise ValueError(
                    f"{key!r} in extra is not supported: only text is read; take it out"
                )
        return extra

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        named = self.extra.get(NEWER_LIMIT)
        if named is None:
            return self
        if isinstance(named, bool) or not isinstance(named, int) or named < 1:
            raise ValueError(
                f"extra.{NEWER_LIMIT} = {json.dumps(named)} is no whole number above 0; write one"
            )
        given = self.max_tokens if "max_tokens" in self.model_fields_set else None
        if given not in (None, named):
            raise ValueError(
                f"max_tokens = {given} and extra.{NEWER_LIMIT} = {named} are one limit; keep one"
            )
        return self

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(choices)) != len(choices) or any(not choice.strip() for choice in choices):
            raise ValueError("a choice is empty or stands twice; take it out")
        if len(choices) == 1:
            raise ValueError("one choice is no choice; give two or more")
        return choices


class EndpointSpec(Frozen):
    """A server that the user names: any OpenAI-compatible API."""

    base_url: WebAddress
    api_key_env: VariableName | None = None
    """The environment variable that holds the key, which goes to no other host. Keys never stand
    in files.
    """
    model: str | None = None
    identity: str | None = None
    """Stands for the server in the journal, where the same model moves host."""
    structured_output: bool = False
    """It holds a model to a JSON schema (`response_format`): set it where the server does."""


class RolesSpec(Frozen):
    """The three roles. `review` is needed by the grader `model`, `optimizer` by `opro`."""

    target: RoleSpec
    review: RoleSpec | None = None
    optimizer: RoleSpec | None = None


class HeadroomSpec(Frozen):
    """What is measured before a search starts: is there anything to win, and could it be shown?"""

    rows: Whole = Field(20, ge=0)
    """Validation rows on which the first prompt is asked a second time; 0 asks none."""
    stop: bool = False
    """End a search without hope before its first iteration; else it is only said."""


class BudgetSpec(Frozen):
    """What one search may be charged, over all roles; `null` is no limit."""

    calls: Whole | None = Field(None, ge=1)
    tokens: Whole | None = Field(None, ge=1)
    usd: Number | None = Field(None, gt=0)


class ExperimentSpec(Frozen):
    """One experiment: a dataset, three model roles, a grader, an optimizer, a budget."""

    description: str = ""
    dataset: DatasetSpec
    roles: RolesSpec
    grader: GraderSpec
    optimizer: OptimizerSpec = AutoSpec()
    headroom: HeadroomSpec = HeadroomSpec()
    endpoints: dict[str, EndpointSpec] = Field(default_factory=dict)
    concurrency: Whole = Field(10, ge=1, le=10_000)
    budget: BudgetSpec = BudgetSpec()
    unmeasured: Number = Field(0.02, ge=0, lt=1)
    """The share of rows without a grade that an evaluation may have."""
    retry: Whole = Field(0, ge=0)
    """Raise it to ask rows whose calls failed again, as a search of its own."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            *self._lacking(),
            *self._unfilled(),
            *self._unlimited(),
            *self._unknown_endpoints(),
            *shared_keys(self.endpoints, self.endpoints),
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
        if isinstance(self.grader, ModelGrader):
            if roles.review is None:
                yield "grader.kind is 'model' and roles.review is missing; add it"
            elif not fields(roles.review.prompt, ["response"]):
                yield "roles.review.prompt lacks {response}; say where the answer goes"
        yield from self._lacking_in_first_prompt()
        yield from self._lacking_for_strategy()

    def _lacking_in_first_prompt(self) -> Iterator[str]:
        prompt, optimizer = self.roles.target.prompt, self.optimizer
        for text in optimizer.keep:
            if not text.strip():
                yield "optimizer.keep holds an empty text; take it out"
            elif text not in prompt:
                yield f"roles.target.prompt lacks {text!r}, which optimizer.keep asks for; add it"
        if optimizer.longest is not None and optimizer.longest < len(prompt):
            yield (
                f"optimizer.longest = {optimizer.longest} is less than the first prompt has, "
                f"{len(prompt)} characters; raise it"
            )

    def _lacking_for_strategy(self) -> Iterator[str]:
        strategy, writer = self.optimizer, self.roles.optimizer
        name = strategy.strategy
        if isinstance(strategy, OproSpec | GepaSpec) and writer is None:
            yield f"optimizer {name!r} needs roles.optimizer; add it, or use 'demos'"
        if (
            isinstance(strategy, OproSpec | AutoSpec)
            and writer is not None
            and writer.prompt.strip()
            and not fields(writer.prompt, ["prompt_scores_str"])
        ):
            yield "roles.optimizer.prompt lacks {prompt_scores_str}; add it, or leave it out"
        needs_rows = {
            DemosSpec: "takes demos from there",
            MiproSpec: "takes demos from there",
            GepaSpec: "learns from there what goes wrong",
        }.get(type(strategy))
        if isinstance(strategy, AutoSpec) and writer is None:
            needs_rows = "takes demos from there where there is no roles.optimizer"
        if needs_rows and self.dataset.split.train == 0:
            yield f"dataset.split.train is 0; raise it, optimizer {name!r} {needs_rows}"

    def _unfilled(self) -> Iterator[str]:
        """Placeholders that nothing fills, which would be sent without a word."""
        columns, roles = self.dataset.columns, self.roles
        prompts = [("roles.target.prompt", roles.target.prompt, NO_NAMES)]
        if isinstance(self.optimizer, DemosSpec | MiproSpec | AutoSpec):
            for number, wording in enumerate(self.optimizer.wordings):
                prompts.append((f"optimizer.wordings.{number}", wording, NO_NAMES))
        if roles.review is not None:
            prompts.append(("roles.review.prompt", roles.review.prompt, REVIEW_NAMES))
        if roles.optimizer is not None:
            # It may speak of the input's placeholder, which stands in the prompts it asks for.
            prompts.append(("roles.optimizer.prompt", roles.optimizer.prompt, OPTIMIZER_NAMES))
        for field, prompt, others in prompts:
            problem = stray_problem(prompt, columns, others)
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

    def _unknown_endpoints(self) -> Iterator[str]:
        known = {"openai", "vllm", "local", *self.endpoints}
        for name, role in self.roles:
            if role is not None and role.endpoint not in known:
                yield (
                    f"roles.{name}.endpoint = {role.endpoint!r} is not known; "
                    f"use one of {', '.join(sorted(known))}"
                )
