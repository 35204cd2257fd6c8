"""The first replies of a model, which end the run where none of them is a completion.

A page of a web server, a stream of events or an answer in another API's words is the reply to every
request, each of which would be asked again and again, and may be charged for. Once a model has
answered, such replies are a fault that may pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from autoprompt_assets.engine.llm import Asked, failures

FIRST_REPLIES = 16
"""A model that fails seven replies of ten, with which no evaluation is completed, begins so in one
run of 300."""

# For the process: the next asset goes on where this one ended.
_ANSWERED: set[tuple[str, str, str]] = set()


@dataclass
class FirstReplies:
    """Those to each role at the endpoint whose address is `url`, until one is a completion."""

    url: str
    _unusable: dict[str, int] = field(default_factory=dict)

    def usable(self, role: Asked) -> None:
        """A completion came."""
        _ANSWERED.add((self.url, role.model, role.role))

    def unusable(self, role: Asked, error: failures.CallError) -> None:
        """A reply came that says of no error, and holds no whole answer.

        Raises:
            EndpointDown: none before it held one either, and they were enough.
        """
        if (self.url, role.model, role.role) in _ANSWERED:
            return
        count = self._unusable[role.role] = self._unusable.get(role.role, 0) + 1
        if count >= FIRST_REPLIES:
            raise failures.EndpointDown(
                f"{error}; the first {count} replies to roles.{role.role} were all unusable: is "
                "its base URL that of a chat completions API, and its model one that answers in "
                "text? What was answered is kept: mend the cause and run again"
            )
