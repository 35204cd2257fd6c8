"""The experiment file that `autoprompt init` writes, with every option and what it means."""

from __future__ import annotations

TEMPLATE = """\
description: ""

dataset:
  # A path from this file, an absolute path, or a URL: CSV (commas, semicolons, tabs or bars),
  # JSON, JSON Lines, Parquet or a workbook (.xlsx, .xls, .ods), also with .gz.
  path: {path}
  # Told by the path's ending and the content, unless it is said: csv, tsv, json, jsonl, parquet.
  # format: csv
{sheet}  # The columns that a prompt may name in braces; a dot leads into a JSON column: meta.tier.
  inputs: {inputs}
  # The column with the answer that is wanted; null where the grader needs none.
  target: {target}
  # any: a cell of target is a JSON list, of which each is accepted.
  targets: one
  # Only rows with these values, for example: {{lang: [en, de], tier: gold}}
  where: {{}}
  # A column that names the rows in reports.
  id: null
  # A column whose rows with one value (a customer, a document) are kept in one split.
  group: null
  # The columns that decide a row's split, for ever; left out, the first of inputs.
  {split_by}
  encoding: {encoding}
  # Fractions, or three counts of rows. The optimizer learns from train, candidates are selected
  # on validation, and test is read once, at the end.
  split: {{train: 0.3, validation: 0.35, test: 0.35}}
  # Changing the seed draws other splits: rows the search has seen may then move into test.
  seed: 0

roles:
  target:
{endpoints}
    endpoint: openai
    model: {model}
    # The prompt to be improved. Sent as the system message, or, where it holds an input column's
    # name in braces (of one column {{input}} does as well), as a template of the user message.
    # Put spaces inside other braces around a name: {{ label }}.
    prompt: {prompt}
    # In place of prompt a conversation, of which the search may change the texts named in tune
    # (left out, the system's); history names a column with earlier turns, which inputs names, too.
    # messages: [{{system: "You route tickets."}}, {{history: turns}}, {{user: "{{body}}"}}]
    # tune: [system]
    # Columns of inputs that hold images: URLs, data URIs, or files beside the table.
    # images: [photo]
    # What the model may call: a JSON or Python file beside this one; required: it must call.
    # tools: tools.json
    # tool_choice: auto
    # A JSON schema that answers must have, here or as a file beside this one.
    # response_format: answer.json
    temperature: 0
    # What a model thinks before it answers counts, too; an answer that is cut off counts as wrong.
    # Sent as max_completion_tokens where the model wants that.
    max_tokens: 4000
    # Seconds that one attempt may take, and a call with all its attempts (null: three times that).
    timeout: 600
    deadline: null
    # Bytes that a reply may have; left out, what max_tokens can need many times over.
    # max_reply_bytes: 5000000
    # An OpenAI-compatible server's base URL, where it is not the endpoint's.
    # hosted_model_uri: https://gateway.example/v1
    # Dollars per million tokens, where the price list does not know the model.
    # price: {{prompt: 0.5, completion: 1.5, cached: 0.1}}
    # Any further request fields, for example: {{reasoning_effort: low}}
    extra: {{}}
{choices}
{review}  optimizer:
    # Writes new prompts. Take the role out to search demos, wordings and parameters only.
    endpoint: openai
    model: {writer}
    temperature: 0.7
    max_tokens: 8000

# Servers that a role's endpoint may name: any OpenAI-compatible API, or, with kind: azure, a
# deployment of Azure's. See README.md for headers, query and prices. For example:
#   mine: {{base_url: "https://gateway.example/v1", api_key_env: MINE_KEY, model: gpt-4o}}
endpoints: {{}}

# exact and contains (with ignore_case), choice, number (with tolerance), regex (with pattern and
# ignore_case), json (with field, or credit: fields), labels, ordinal, length, similarity, sql,
# code, tool_calls, model (the review role judges; its prompt holds {{response}}, and {{answer}}
# for the target), or python (a function of yours: function: grade.py:grade). Several by name, each
# with its weight, are graders. autoprompt_assets/docs/graders.md has each.
# graders: {{right: {{kind: exact, weight: 3}}, short: {{kind: length, at_most: 400}}}}
grader:
{grader}

optimizer:
  # auto gives each step to what has gained most: opro, gepa, mipro or demos, see README.md.
  strategy: {strategy}
  iterations: 12
  candidates: 1
  # Drop a candidate once it will not beat the best; false asks every row of each.
  race: true
  # Changing it draws other candidates.
  seed: 0
  # Characters that a prompt may have; null: four times the first prompt's, or 4000 if that is more.
  longest: null
  # Texts that every prompt must hold, for example a field's name: ["answer"]
  keep: []
  # auto, mipro and demos take wordings, instructions of yours to try; auto and mipro take
  # parameters, request fields to tune, for example {{temperature: [0, 0.7]}}. See README.md.

# Before the search the first prompt is asked twice on these validation rows: how much is noise?
# stop: true ends a search that could show no gain.
headroom: {{rows: 20, stop: false}}

# Calls in flight at one endpoint, at most. How many it takes, and how fast, is found by trying.
concurrency: 10

# What one search may be charged over all roles; null is no limit. What the test comparison can cost
# at most is set aside first; the rest is spent batch by batch until the next could exceed it.
budget:
  calls: null
  tokens: null
  usd: 5.0

# The share of rows that may stay without a grade because calls failed.
unmeasured: 0.02

# Raise it to ask rows whose calls failed again, as a search of its own. `autoprompt run
# --retry-failed` does so for one run.
retry: 0
"""

GRADERS = {
    "exact": "  kind: exact\n  ignore_case: true",
    "choice": "  kind: choice",
    "contains": "  kind: contains\n  ignore_case: true",
    "number": "  kind: number\n  tolerance: 0",
    "regex": "  kind: regex\n  # Its first group, last found, is compared with the target.\n"
    '  pattern: "(.+)"\n  ignore_case: false',
    "json": "  kind: json\n  # A key, or a path of keys and list indices, that alone is compared.\n"
    "  field: null",
    "model": "  kind: model",
}
"""The lines of each grader that a new file may begin with, below `grader:`."""

REVIEW = """\
  review:
    # Judges a response; see README.md on how its answer is read.
    endpoint: openai
    model: {model}
    prompt: {prompt}
    temperature: 0
    max_tokens: 4000
"""
NO_REVIEW = """\
  # For the grader model. Its prompt holds {{response}}, {{answer}} (the target) and the columns.
  # review: {{endpoint: openai, model: {model}, prompt: "{{response}} or {{answer}}?"}}
"""
