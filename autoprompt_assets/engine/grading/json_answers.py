"""The grader `json`: an answer's JSON, or one field of it, against the target or a JSON schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number
from autoprompt_assets.engine.grading.answer_form import AnswerMark, as_word, common_marks, mark
from autoprompt_assets.engine.grading.grade import (
    Grade,
    graded,
    right_or_wrong,
    unparsable,
    unreviewed,
)
from autoprompt_assets.engine.grading.json_credit import Differences, Sameness, credit
from autoprompt_assets.engine.grading.json_fields import (
    FieldRule,
    at_path,
    credit_of_fields,
    fields_problem,
    metric_of,
)
from autoprompt_assets.engine.grading.json_schema import JsonSchema, schema_problem
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import missing_problem, structure
from autoprompt_assets.engine.json_text import MOST_LEVELS, json_values, parse_json
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.text import fold

MOST_METRICS = 30
"""Keys of a target that are metrics of their own."""


@dataclass(frozen=True)
class _Target:
    """What is wanted: JSON, or a text that is none."""

    text: str
    value: Any
    is_json: bool

    @classmethod
    def of(cls, text: str) -> _Target:
        try:
            return cls(text, parse_json(text), True)
        except ValueError:
            return cls(text, text, False)

    def is_met_by_text(self, given: Any) -> bool:
        """A text that is the target as it stands; true for True, which tables that Python wrote
        say.
        """
        if isinstance(given, str):
            return fold(given, False) == fold(self.text, False)
        return isinstance(given, bool) and self.text.strip().casefold() == str(given).casefold()


class JsonGrader(Rule):
    """Right when the answer's JSON equals the target's, or what stands at its `field` does.

    `field` is a key, or a path of keys and list indices: `a.0.b`. `credit: fields` gives a share
    for each field that is right; so does naming `fields`.
    """

    kind: Literal["json"]
    field: str | None = None
    credit: Literal["whole", "fields", "schema"] | None = None
    """`whole`: right or wrong, the default. `fields`: the share of the fields that are right, the
    default where `fields` are named. `schema`: only the schema counts, and no target is read."""
    fields: dict[str, FieldRule] = Field(default_factory=dict)
    """The fields that count, by path; without them, all that the target has."""
    tolerance: Number = Field(0.0, ge=0)
    """How far a number may be off, unless its field says so."""
    ignore_case: bool = False
    order: Literal["fixed", "any"] = "fixed"
    """`any`: the order of lists does not count, unless a field says so."""
    extra_keys: Literal["wrong", "ignored"] = "wrong"
    """What a key is that neither the target nor `fields` has."""
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    """An answer that goes against it is worth nothing, whatever else it holds."""
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    @field_validator("json_schema")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        problem = schema_problem(schema) if schema is not None else ""
        if problem:
            raise ValueError(problem)
        return schema

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.credit == "schema" and (self.json_schema is None or self.fields):
            raise ValueError("credit = 'schema' needs a schema and no fields; mend it")
        if self.fields and not any(rule.weight for rule in self.fields.values()):
            raise ValueError("fields: no field has a weight above 0; give one")
        return self

    @property
    def needs_target(self) -> bool:
        """Unless the schema alone counts."""
        return self.credit != "schema"

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the JSON of `answer`, or its field, with the target and the schema."""
        target = _Target.of(example.target if self.needs_target else "")
        if self.fields and (problem := self._lacks(target)):
            return unreviewed(f"the target {shown(example.target, 60)} {problem.split(';')[0]}")
        found = list(json_values(answer))
        if not found:
            return unparsable("the answer is not JSON", self._nothing(target))
        if self.field is not None:
            found = [values[0] for value in found if (values := at_path(value, self.field))]
            if not found:
                lacks = f"the answer's JSON lacks {self.field!r}"
                return unparsable(lacks, self._nothing(target))
        given = self._meant(found, target)
        violations = self._schema.violations(given) if self._schema else []
        if violations:
            feedback = f"against the JSON schema: {'; '.join(violations)}"
            return graded(0.0, feedback=feedback, metrics=self._nothing(target))
        return self._compared(given, target)

    def target_problem(self, example: Example, prompt: str) -> str:
        """Python's notation, an object where a field is meant, a missing value, no JSON, a field
        that it lacks.
        """
        if not self.needs_target:
            return ""
        problem = self._form_problem(example.target) or missing_problem(example.target, prompt)
        target = _Target.of(example.target)
        if not problem and self.fields:
            problem = self._lacks(target)
        ideal = self._ideal_answer(example.target)
        if problem or self.grade(example, ideal).outcome == "correct":
            return problem
        if self._schema and target.is_json and (bad := self._schema.violations(target.value)):
            return f"is against grader.schema ({bad[0]}); mend one of them"
        return f"is no JSON of at most {MOST_LEVELS} levels; write it as JSON, or set grader.field"

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """The word JSON and the fields, too, but no fence, which it does without."""
        yield from common_marks(first, fence=False)
        asks = r"\bjson\b|\{\s*[\"']"
        if re.search(asks, first, re.IGNORECASE):
            yield mark("JSON", asks)
        for name in [self.field] if self.field is not None else self.fields:
            kept = as_word(name)
            if re.search(kept, first):
                yield mark(f"the JSON field {name!r}", kept, re.NOFLAG)

    @lazy
    def _schema(self) -> JsonSchema | None:
        return None if self.json_schema is None else JsonSchema(self.json_schema)

    @lazy
    def _how(self) -> Sameness:
        ignores = self.extra_keys == "ignored"
        return Sameness(self.tolerance, self.ignore_case, self.order == "any", ignores)

    @property
    def _shares(self) -> bool:
        return self.credit == "fields" or (self.credit is None and bool(self.fields))

    def _lacks(self, target: _Target) -> str:
        return fields_problem(self.fields, target.value if target.is_json else None)

    def _meant(self, found: Sequence[Any], target: _Target) -> Any:
        """Of several values the first of the target's form, for an object where fields count."""
        if self.field is not None:
            return found[0]
        form = dict if self.fields else type(target.value) if target.is_json else None
        return next((value for value in found if type(value) is form), found[0])

    def _compared(self, given: Any, target: _Target) -> Grade:
        schema = {"schema": 1.0} if self._schema else {}
        if self.credit == "schema":
            return graded(1.0, metrics=schema)
        differences = Differences()
        if target.is_met_by_text(given) and not self.fields:
            return graded(1.0, metrics=schema)
        metrics: Mapping[str, float]
        if self.fields:
            value, metrics = credit_of_fields(self.fields, given, target.value, self._how,
                                              differences)  # fmt: skip
        else:
            value = credit(given, target.value, self._how, differences)
            metrics = self._by_key(given, target.value) if self._shares else {}
        if not self._shares:
            value = float(value >= 1)
        if not (metrics or schema or differences.lines):
            return right_or_wrong(value >= 1)
        return graded(value, feedback=differences.text, metrics={**metrics, **schema})

    def _nothing(self, target: _Target) -> dict[str, float]:
        """The metrics of an answer that is worth nothing, whatever it holds."""
        names = list(self.fields)
        if self._shares and not names:
            names = list(self._by_key({}, target.value))
        schema = ["schema"] if self._schema else []
        return dict.fromkeys([*map(metric_of, names), *schema], 0.0)

    def _by_key(self, given: Any, wanted: Any) -> dict[str, float]:
        """The credit of each key of a target, where it is one object of a few."""
        if not (isinstance(wanted, dict) and isinstance(given, dict)):
            return {}
        if len(wanted) > MOST_METRICS:
            return {}
        return {
            metric_of(key): credit(given[key], value, self._how, Differences())
            if key in given
            else 0.0
            for key, value in wanted.items()
        }

    def _form_problem(self, target: str) -> str:
        found, is_json = structure(target)
        if found is not None and not is_json:
            return "is written as Python; write it as JSON"
        is_object = self.field is not None and isinstance(found, dict)
        held = at_path(found, self.field or "") if is_object else []
        if not held:
            return ""
        return (
            f"is a whole object where grader.field = {self.field!r} is compared; keep only what "
            f"stands there, {shown(held[0], 40)}"
        )

    def _ideal_answer(self, target: str) -> str:
        if self.field is None:
            return target
        return json.dumps({self.field: _Target.of(target).value})
