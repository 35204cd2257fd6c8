"""Improve the prompt of a language model, and prove it, as a Dagster asset graph."""
