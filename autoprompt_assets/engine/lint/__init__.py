"""What is looked at before a call is spent on a candidate.

rules        what a candidate must have and must not
answer_form  what the first prompt says about the answer's form
copies       texts of rows that an instruction must not quote
"""
