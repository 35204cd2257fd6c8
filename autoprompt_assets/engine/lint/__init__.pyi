from .copies import Leaks as Leaks
from .rules import TIMES_FIELDS as TIMES_FIELDS
from .rules import Lint as Lint
from .rules import longest_instruction as longest_instruction
from .rules import most_fields as most_fields
from .rules import names as names
