"""Rows from a file, checked, and each one's split fixed by its input alone.

settings   what a user says of the dataset and its splits
split      the rows and their splits
table/     reading CSV, JSONL, JSON, Parquet and workbooks
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
