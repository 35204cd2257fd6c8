"""Paired tests and intervals, the race, headroom, and wear of a sealed test.

settings   what a user says of the look at the headroom
paired     the comparison of two candidates on the same rows
race       when a candidate is dropped, as rows come in
headroom   how much a test can still show
confusion  which answer was given to which target
readings   how often a sealed test has been read, and what that costs
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
