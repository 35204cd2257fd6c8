"""Which grader an experiment asks for."""

from __future__ import annotations

from autoprompt_assets.engine.grading.grade import Grader
from autoprompt_assets.engine.grading.judge import Judge
from autoprompt_assets.engine.grading.rules import Rule
from autoprompt_assets.engine.grading.settings import ModelGrader
from autoprompt_assets.engine.spec import ExperimentSpec


def make_grader(experiment: ExperimentSpec) -> Grader:
    """The grader that `experiment` asks for."""
    if isinstance(experiment.grader, ModelGrader) and experiment.roles.review is not None:
        return Judge(experiment.roles.review.prompt, experiment.dataset.columns)
    return Rule(experiment.grader)
