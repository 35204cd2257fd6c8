"""Optuna's TPE sampler over categories, without any state between two calls.

Sources: Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NIPS 2011); Watanabe,
"Tree-Structured Parzen Estimator", arXiv 2304.11127.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

STARTUP = 4
"""So many trials must be known before draws are more than chance; the baseline is one of them."""


def suggestions(
    axes: Sequence[Sequence[int]], told: Sequence[tuple[tuple[int, ...], float]], seed: int
) -> Iterator[tuple[int, ...]]:
    """Endless draws of points whose scores may be high, judging from `told`; they may repeat.

    `axes` are the indices that each coordinate may take; `told` outside of them is left out. The
    draws are a pure function of the arguments.
    """
    # It takes a third of a second to load, and most searches of a process need it late or never.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [f"{number:03d}" for number in range(len(axes))]
    axis_of = {
        name: optuna.distributions.CategoricalDistribution(tuple(axis))
        for name, axis in zip(names, axes, strict=True)
    }
    with warnings.catch_warnings():
        # Multivariate sampling was called experimental before Optuna 5.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # All trials have all coordinates, so there is nothing to group; `constant_liar` matters
        # for parallel trials only.
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP,
            seed=seed,
            multivariate=True,
            constant_liar=False,
        )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for point, score in told:
        if all(index in axis for index, axis in zip(point, axes, strict=True)):
            params = dict(zip(names, point, strict=True))
            study.add_trial(
                optuna.create_trial(params=params, distributions=dict(axis_of), value=score)
            )
    while True:
        drawn = study.ask(dict(axis_of)).params
        yield tuple(int(drawn[name]) for name in names)
