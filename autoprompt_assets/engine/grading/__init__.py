"""When an answer is right: rules, and the review model as a judge.

registry         the graders that an experiment may name, a line each
protocol         what is asked of a grader and of its settings
foreign          graders of installed packages
grade            a verdict on one answer
targets          targets that no answer could match
target_form      forms of a target that were hardly meant
answer_form      what the first prompt says about the answer's form

A file holds one grader, its settings, and what else differs by kind:

exact            the whole answer is the target
contains         the target stands in the answer
multiple_choice  which option an answer settles on; `options`, `markup`
numbers          which number an answer gives; `figures`, `units`
regex            a pattern of the user's; `patterns`, `regex_search`, `pattern_worker`, `linear`
json_answers     JSON in an answer; `json_credit` compares, `json_fields` has rules for a field,
                 `json_schema` holds it against a schema
labels           a set of labels
ordinal          how near an answer is on a scale
length           how long an answer is
similarity       how alike two wordings are
sql              what a query finds; `sql_worker` runs it, in a `line_worker`
code_tests       which tests code passes: `code_text` finds it, `code_worker` runs it in `isolation`
tool_calls       which tools are called, and how
judge            the review model judges; `verdict` and `score` read what it says
weighted         several of them at once
python_function  a function of the user's; `function_pool` runs it in a `worker`, which is
                 `function_worker`; `own_files` are those that decide its grades
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
