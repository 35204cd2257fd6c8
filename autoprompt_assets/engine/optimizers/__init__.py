"""Strategies: each is asked for candidates and told how they scored. None performs I/O.

A strategy's state is what it was told, so telling it the stored iterations again, in order,
resumes it. Its randomness is a hash of (seed, step, purpose).

    protocol   what is asked of a strategy, and what it is told
    settings   what a user may tell every strategy, and what each says of itself
    opro, gepa, demos, mipro, auto, rescore   the strategies: settings, costs at most, ask and tell
    registry   the strategy that a word names: ours, and other packages'
    foreign    what a package's strategy does wrong
    parts/     what they share
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
