"""Endpoints: where a model is served, and how it is asked over HTTP.

registry      the kinds of endpoints, a line each
kind          what is asked of a kind: its words, address, keys, models, prices
openai        OpenAI's API
vllm          a vLLM server
embedded      `local`, the small model that is served in this process
endpoint      where one role is served
resolve       a role's endpoint, from the spec and the environment
keys          which key goes to which host
client        calls, each asked again where that may help; `call` says when
connection    the way to one endpoint: turns, attempts, and whether it is down
sender        one request over openai's client; `sdk` makes the client, `transport` bounds replies
proxy         which proxy stands between; `open_files`, whether the system allows the connections
replies       what a body says; `reply_errors`, `error_body` and `refusals` where it says no
first_replies ends a run where none of a model's first replies is a completion
masking       hides a key wherever a text from outside quotes it
limiter       how many calls at a time; `pacing` how fast they start, `knee` how many are of use
slot          one call's turn there
limiters      those of this process, what an earlier run has `learned`, and `leasing` of a share
prices        list prices
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
