"""The earlier turns of a conversation, as a row of a dataset holds them: JSON messages."""

from __future__ import annotations

import json

from autoprompt_assets.engine.errors import shown, type_word
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.inputs import JsonText
from autoprompt_assets.engine.message import Message

ROLES = ("user", "assistant", "system")


def earlier_turns(value: str) -> list[Message]:
    """The messages that `value` lists, oldest first; none where it is empty.

    Raises:
        ValueError: it is no list of `{"role": …, "content": …}`; "trouble; mend".
    """
    if not value.strip():
        return []
    mend = 'write a JSON list of {"role": "user" or "assistant", "content": text}'
    try:
        turns = json.loads(value)
    except ValueError:
        raise ValueError(f"is {shown(value, 40)} and no JSON; {mend}") from None
    if not isinstance(turns, list):
        raise ValueError(f"is {type_word(turns)} and no list of messages; {mend}")
    return [_turn(number, turn, mend) for number, turn in enumerate(turns, 1)]


def read_turns(value: str, to_be_answered: bool) -> JsonText:
    """How a row keeps its earlier turns: as JSON in one spelling.

    `to_be_answered`: they are the conversation's last, so the user must have the last word.

    Raises:
        ValueError: see `earlier_turns`, or an assistant's message is the last to be answered.
    """
    turns = earlier_turns(value)
    if to_be_answered and (not turns or turns[-1]["role"] != "user"):
        last = f"ends with the role {turns[-1]['role']!r}" if turns else "has no message"
        raise ValueError(f"{last}, and nothing follows it; let a user's message be the last")
    return JsonText(canonical_json(turns))


def _turn(number: int, turn: object, mend: str) -> Message:
    if not isinstance(turn, dict):
        raise ValueError(f"has {type_word(turn)} as message {number}; {mend}")
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        given = "no role" if role is None else f"the role {shown(str(role), 20)}"
        raise ValueError(f"has {given} in message {number}; use one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        what = "no content" if content is None else f"{type_word(content)} as content"
        raise ValueError(f"has {what} in message {number}; write a text")
    if more := sorted(turn.keys() - {"role", "content"}):
        raise ValueError(
            f"has the field {shown(str(more[0]), 20)} in message {number}, which is not sent; "
            "take it out"
        )
    return {"role": role, "content": content}
