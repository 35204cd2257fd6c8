"""What strategies share.

demo_sampling  sets of demos, drawn
instruction    an instruction taken from a reply; `wrappers` around it
merge_pairs    two candidates that may be merged, by their ancestors
pareto         the front over rows
prompt_text    rows and prompts as the optimizer model is shown them
reflection     what the optimizer model is told of mistakes
space          instructions, demos and parameters as one space; `tpe` samples it
tunable        request fields that may be tuned
writing        a conversation that ends in an instruction
"""
