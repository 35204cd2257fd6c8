"""What the command line does, a file each.

run         a whole experiment in this process
begun       what a run began with, to say what was changed under it
check       what would be asked and paid, before it is; `plan` reckons it
rerun       the candidates of an earlier search again
init        a first experiment file from a table
journal     what the journal holds, and taking old answers out
wear        how often sealed rows were read
terminal    what a run shows
webserver   Dagster's pages, guarded by `webguard`; `instance` opens Dagster's home
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
