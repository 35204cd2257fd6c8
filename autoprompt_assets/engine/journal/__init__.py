"""The durable record of every completion, and the calls that are answered from it.

journal    one search's door to the record
schema     opening and checking a database
tables     its tables
rows       completions as rows
groups     awaits of one loop turn, written or read together
forms      the forms that endpoints take, as learned
readings   the readings of sealed tests
limits     what was learned of endpoints' limits
leases     a process's share of them; `shares` says how big
calls      answered from the journal where possible, made where not
shapes     the shapes of requests that one search makes
address    what a journal's address says
locks      who is at work on a journal
lock_holders  what its locks are called, and who holds one
lock_files    those of a SQLite one
lock_server   those of a PostgreSQL one
turn          whether one is still held
spill      answers that could not be written, kept in files until it opens again
usage      what the journal holds and what it cost; taking old answers out
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
