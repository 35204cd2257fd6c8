"""The eleven jobs of docs/jobs.md: their files as the page has them, and a model that does them."""
