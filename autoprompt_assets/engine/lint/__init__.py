"""What is looked at before a call is spent on a candidate.

rules        what a candidate must have and must not
text_rules   what each of its texts must
copies       texts of rows that an instruction must not quote
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
