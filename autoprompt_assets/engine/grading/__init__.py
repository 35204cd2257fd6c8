"""When an answer is right: rules, and the review model as a judge.

settings         what a user says of a grader
registry         the grader that an experiment asks for
grade            a verdict on one answer, and what is asked of a grader
rules            the graders that need no judge
judge            the review model as a grader; `verdict` reads what it says
multiple_choice  which option an answer settles on; `options`, `markup`
numbers          which number an answer gives; `figures`, `units`
json_answers     JSON in an answer
patterns         regular expressions; `regex_search`, `pattern_worker`, `linear`
targets          targets that no answer could match
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
