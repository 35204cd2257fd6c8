"""The report: one HTML page that stands alone.

report    the page
phrases   figures in sentences, for the page, the terminal and Dagster alike
chart     scores over iterations
tree      who descends from whom
diff      what changed between two prompts
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
