"""How the outside is reached: endpoints, files, and the resources that Dagster hands to assets."""
