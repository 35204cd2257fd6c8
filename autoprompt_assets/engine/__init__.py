"""The search itself. It knows nothing of Dagster or HTTP, and opens one file: the journal.

Rooms, each of which may import those below it and none above (`pyproject.toml` holds the
contract), and hands out what its `__init__.pyi` names:

    report/      the HTML page, and figures in sentences
    search/      baseline, iterations, the best, the test comparison; what all that costs at most
    evaluation/  one candidate over rows: asked, answered, graded, summed up
    journal/     the durable record of every completion, and the calls answered from it
    spec/        the experiment file, composed from the settings of the parts
    budget/      what may be spent, and what calls cost at most
    optimizers/  the strategies
    statistics/  paired tests and intervals, the race, headroom, wear of a sealed test
    lint/        what is looked at before a call is spent on a candidate
    llm/         questions to models, and how a call can fail
    grading/     when an answer is right
    dataset/     rows from a file, and their splits

The ground, a file each, which all of them may import:

    candidate    what is searched: texts, demos, parameters
    texts        a prompt's texts by name; `chat`: how they become messages; `earlier_turns`: those
                 that a row brings
    choices      answers out of a fixed set
    fields       what every settings model is made of
    likeness     when two inputs are one, or nearly
    template     placeholders in prompts
    inputs       what a row gives to a prompt, by column
    example      a row and its split; `message`: a turn of a chat
    spend        tokens, calls and dollars; `price`: what tokens cost
    identity     hashes of content; `keys`: which key goes to which host
    text         how text is compared; `json_text`: JSON in prose; `controls`: characters obeyed
                 where they should be shown
    errors       what can be wrong with what a user brings
    lazy         a property that is worked out once
"""
