"""The files of experiments and their searches.

store        the files of every experiment
files        JSON and Parquet, written whole or not at all
searches     one search's files
evaluations  its evaluations, row by row
batches      rows of evaluations side by side, for checks, reports and data frames
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
