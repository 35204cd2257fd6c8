"""Shipped experiments: their data, and the code that made it."""
