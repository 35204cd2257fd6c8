"""Tables of inputs and targets, read from a file or a URL: cells as the text one sees.

`read_table` gives the rows, `open_table` the notes beside them, `object_mark` tells whether what
is behind a URL may have changed. One file per role: `content` reads and unpacks; `objects` fetches
what a URL names, and `object_faults` says why it cannot; `delimited`, `json_table`, `parquet` and
`workbook` read one format each, the last after `workbook_files` has looked at it; `columns` finds
the columns, `cells` makes text of values, `checks` looks at the text, `rows` makes rows of it;
`peek` tells which columns there are;
`foreign_files` and `foreign_tables` name what is no table, or another program's.
"""

from __future__ import annotations

from autoprompt_assets.engine.dataset.table.objects import object_mark
from autoprompt_assets.engine.dataset.table.peek import column_names
from autoprompt_assets.engine.dataset.table.reader import Table, open_table, read_table

__all__ = ["Table", "column_names", "object_mark", "open_table", "read_table"]
