"""Measurements of the product against its peers; scripts, not tests."""
