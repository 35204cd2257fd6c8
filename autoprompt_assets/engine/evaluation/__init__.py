"""One candidate over rows: asked, answered, graded, summed up.

row        one row: the request, the answer, the grade
pipeline   many rows at a time, in order
opening    the first rows, which end an evaluation where all are refused alike
result     what became of a row, and of all
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
