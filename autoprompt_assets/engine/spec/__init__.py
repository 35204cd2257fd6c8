"""The experiment file: what a user may say, and what it means when left out.

experiment   the experiment, composed from the parts' own settings
file         reading it, overrides included
problems     what is wrong in it, in one line each
yaml_text    YAML without its traps
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
