"""The graders that an experiment may name: a line each, and those that installed packages add."""

from __future__ import annotations

from typing import Annotated

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.code_tests import CodeGrader
from autoprompt_assets.engine.grading.contains import ContainsGrader
from autoprompt_assets.engine.grading.exact import ExactGrader
from autoprompt_assets.engine.grading.foreign import failure, guarded
from autoprompt_assets.engine.grading.json_answers import JsonGrader
from autoprompt_assets.engine.grading.judge import ModelGrader
from autoprompt_assets.engine.grading.labels import LabelsGrader
from autoprompt_assets.engine.grading.length import LengthGrader
from autoprompt_assets.engine.grading.multiple_choice import ChoiceGrader
from autoprompt_assets.engine.grading.numbers import NumberGrader
from autoprompt_assets.engine.grading.ordinal import OrdinalGrader
from autoprompt_assets.engine.grading.protocol import GROUP, Grader, GraderSettings
from autoprompt_assets.engine.grading.python_function import PythonGrader
from autoprompt_assets.engine.grading.regex import RegexGrader
from autoprompt_assets.engine.grading.similarity import SimilarityGrader
from autoprompt_assets.engine.grading.sql import SqlGrader
from autoprompt_assets.engine.grading.tool_calls import ToolCallsGrader
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.kinds import Kinds
from autoprompt_assets.engine.plugins import plugins

OWN: tuple[type[GraderSettings], ...] = (
    ExactGrader,
    ChoiceGrader,
    ContainsGrader,
    NumberGrader,
    RegexGrader,
    JsonGrader,
    LabelsGrader,
    OrdinalGrader,
    LengthGrader,
    SimilarityGrader,
    SqlGrader,
    CodeGrader,
    ToolCallsGrader,
    ModelGrader,
    PythonGrader,
)
GRADERS = Kinds(GROUP, "kind", GraderSettings, OWN)  # type: ignore[type-abstract]
GraderSpec = Annotated[GraderSettings, GRADERS]
"""The settings of one grader, as an experiment file gives them."""


def make_grader(grader: GraderSettings, review_prompt: str = "", layout: Layout = SINGLE) -> Grader:
    """The grader that an experiment asks for; `layout` its rows' columns."""
    made = grader.make(review_prompt, layout)
    return guarded(made, grader.kind) if _is_foreign(grader) else made


def target_problem(grader: GraderSettings, example: Example, prompt: str) -> str:
    """What `grader` says of a target; a package's own error is a problem of the target, too."""
    try:
        return grader.target_problem(example, prompt)
    except Exception as error:
        if not _is_foreign(grader):
            raise
        return f"cannot be checked, for the grader {failure(grader.kind, error)}; mend one of them"


def _is_foreign(grader: GraderSettings) -> bool:
    return grader.kind in plugins(GROUP)
