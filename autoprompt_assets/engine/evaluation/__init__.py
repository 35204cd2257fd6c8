"""One candidate over rows: asked, answered, graded, summed up.

row        one row: the request, the answer, the grade
pipeline   many rows at a time, in order
opening    the first rows, which end an evaluation where all are refused alike
result     what became of a row, and of all
"""
