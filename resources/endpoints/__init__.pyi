from .client import ChatClient as ChatClient
from .keys import key_problems as key_problems
from .prices import price_of as price_of
from .resolve import DEFAULT_MODELS as DEFAULT_MODELS
from .resolve import DEFAULT_WRITERS as DEFAULT_WRITERS
from .resolve import OPENAI_URL as OPENAI_URL
from .resolve import Endpoint as Endpoint
from .resolve import resolve_roles as resolve_roles
