"""A simulated model whose accuracy is a known function of the prompt, so that regret is exact.

`landscape` holds the mathematics, `shapes` the landscapes (fixed before any strategy was tuned),
`proposer` the one rule by which the simulated optimizer model changes a prompt, and `server` serves
both over HTTP. Standard library only: peers load this in interpreters of their own.
"""
