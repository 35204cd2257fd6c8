"""Rows from a file, checked, and each one's split fixed by a few of its columns alone.

settings   what a user says of the dataset and its splits
usable     rows without those that stand twice or contradict each other
split      the rows and their splits
notes      what a user should know of them
table/     reading CSV, JSONL, JSON, Parquet and workbooks
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
