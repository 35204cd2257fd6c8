"""When an answer is right: the rules, the judge, and what a user may say of them."""
