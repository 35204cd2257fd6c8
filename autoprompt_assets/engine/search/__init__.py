"""The search: baseline, iterations, the best, the test comparison.

search       the steps of one search
iteration    one iteration: candidates asked for, looked at, scored
objectives   what is maximized: incumbent, best, leader
contest      candidates against the incumbent
strategy     the strategy that proposes candidates
history      what the search has tried
records      what is stored of it
bounds       what it can be charged at most
estimate     what it will likely be charged
answer_cost  what one answer costs in use
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
