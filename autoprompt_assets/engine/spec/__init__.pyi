from .experiment import ExperimentSpec as ExperimentSpec
from .file import load_spec as load_spec
from .file import parse_overrides as parse_overrides
from .file import written_endpoints as written_endpoints
from .problems import no_such_field as no_such_field
from .problems import with_source as with_source
