"""The search itself: knows nothing of Dagster, files or HTTP."""
