"""The report: one HTML page that stands alone.

report    the page
phrases   figures in sentences, for the page, the terminal and Dagster alike
chart     scores over iterations
tree      who descends from whom
diff      what changed between two prompts
"""
