from .pipeline import Evaluator as Evaluator
from .result import RowResult as RowResult
from .result import Summary as Summary
from .result import charged as charged
from .row import Asker as Asker
from .row import without_answer as without_answer
