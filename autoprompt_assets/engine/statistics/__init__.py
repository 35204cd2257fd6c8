"""Paired tests and intervals, the race, headroom, and wear of a sealed test.

settings   what a user says of the look at the headroom
paired     the comparison of two candidates on the same rows
race       when a candidate is dropped, as rows come in
headroom   how much a test can still show
readings   how often a sealed test has been read, and what that costs
"""
