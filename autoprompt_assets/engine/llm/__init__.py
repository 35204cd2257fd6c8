"""Questions to models: what is asked, how, and how a call can fail.

settings          what a user says of the three models
endpoint_settings what a user says of a server
sent_values       the headers and query parameters that go there, plain or secret
roles             the roles of a search as they are asked: where, which model, with what
request           one request, its bytes and its key
request_form      the form in which an endpoint takes a request
preview           the request with a placeholder for a row's input, for people to copy
completion        what came back
reasoning         thoughts in a completion, told from its answer
usage             what a server says of its cache
failures          how a call can fail
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
