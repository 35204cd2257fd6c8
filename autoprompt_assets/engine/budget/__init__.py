"""What may be spent, and what calls cost at most.

settings   what a user says of the budget
budget     what a search may still be charged
bounds     what calls can cost at most, before the first is made
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
