from .files import plainly as plainly
from .searches import SearchStore as SearchStore
from .store import DatasetRecord as DatasetRecord
from .store import ExperimentStore as ExperimentStore
from .store import StoreResource as StoreResource
from .store import required as required
