"""The texts of a prompt by name: what a search may change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

PROMPT = "prompt"
"""The name of a prompt's text where it has one, and is no conversation."""


class Texts(Mapping[str, str]):
    """A prompt's texts by name, in the order in which they are sent. Frozen, and hashable."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        self._texts = dict(texts)

    @classmethod
    def of(cls, texts: Mapping[str, str] | str) -> Texts:
        """A text alone is that of the name `PROMPT`."""
        if isinstance(texts, cls):
            return texts
        return cls({PROMPT: texts} if isinstance(texts, str) else texts)

    @property
    def is_single(self) -> bool:
        """One text that is the whole prompt."""
        return len(self._texts) == 1 and PROMPT in self._texts

    def having(self, name: str, text: str) -> Texts:
        """The same with another text under a name that it has.

        Raises:
            KeyError: it has no such name.
        """
        if name not in self._texts:
            raise KeyError(name)
        return Texts({**self._texts, name: text})

    def joined(self) -> str:
        """All that they say: the text alone, or each under its name."""
        if self.is_single:
            return self._texts[PROMPT]
        return "\n\n".join(f"{name}:\n{text}" for name, text in self._texts.items())

    def __getitem__(self, name: str) -> str:
        """The text of a name."""
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        """The names, in their order."""
        return iter(self._texts)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._texts)

    def __hash__(self) -> int:
        """Of what they say; the order is the prompt's, and no part of it."""
        return hash(frozenset(self._texts.items()))

    def __repr__(self) -> str:
        """As they are made."""
        return f"Texts({self._texts!r})"


@dataclass(frozen=True)
class FirstPrompt:
    """The prompt that a search begins with, and the names of the texts that it may change."""

    texts: Texts
    tuned: tuple[str, ...]

    @classmethod
    def of(cls, first: FirstPrompt | Mapping[str, str] | str) -> FirstPrompt:
        """Bare texts, of which all may be changed; or the prompt itself."""
        if isinstance(first, cls):
            return first
        texts = Texts.of(cast("Mapping[str, str] | str", first))
        return cls(texts, tuple(texts))

    def turn(self, number: int) -> str:
        """The name of the text whose turn it is: each in its order, again and again."""
        return self.tuned[number % len(self.tuned)]


AnyPrompt = FirstPrompt | Mapping[str, str] | str
