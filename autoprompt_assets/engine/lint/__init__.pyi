from .copies import Leaks as Leaks
from .rules import Lint as Lint
from .rules import names as names
from .text_rules import TIMES_FIELDS as TIMES_FIELDS
from .text_rules import longest_instruction as longest_instruction
from .text_rules import most_fields as most_fields
