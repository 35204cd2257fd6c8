"""The kinds of one part of an experiment, by the word that names each in a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.fields import Frozen
from autoprompt_assets.engine.plugins import described, load, plugins, taken

T = TypeVar("T", bound=Frozen)


@dataclass(frozen=True)
class Kinds(Generic[T]):
    """Settings models of which one is meant: `Annotated[base, Kinds(…)]` is the type of a field.

    `own` are this project's, each with its word as the `Literal` of the field `discriminator`.
    The entry points of `group` add others, each under its name, and are loaded when one is named.
    """

    group: str
    discriminator: str
    base: type[T]
    own: tuple[type[T], ...]

    @property
    def words(self) -> tuple[str, ...]:
        """What may be named: own kinds first, then those of installed packages."""
        own = self._own()
        return (*own, *(word for word in plugins(self.group) if word not in own))

    def models(self, word: str) -> tuple[type[T], ...]:
        """The model that `word` names; all own ones where it names none.

        Raises:
            InputError: the package's cannot be loaded.
        """
        known = self._own().get(word)
        return self.family(word) if known is None else (known,)

    def family(self, word: str) -> tuple[type[T], ...]:
        """The models whose fields are told apart for `word`: the package's one, or all own ones.

        Raises:
            InputError: the package's cannot be loaded.
        """
        foreign = word in plugins(self.group) and word not in self._own()
        return (self._foreign(word),) if foreign else self.own

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A tagged union over `words`; naming one that cannot be used raises an InputError."""
        choices: dict[str, CoreSchema] = {
            word: handler.generate_schema(model) for word, model in self._own().items()
        }
        for word in plugins(self.group):
            use = self._refuse if word in choices else self._validate
            choices[word] = core_schema.no_info_plain_validator_function(partial(use, word))
        return core_schema.tagged_union_schema(choices, self.discriminator)

    def _own(self) -> dict[str, type[T]]:
        words = (get_args(one.model_fields[self.discriminator].annotation) for one in self.own)
        return {word: model for (word,), model in zip(words, self.own, strict=True)}

    def _validate(self, word: str, value: Any) -> T:
        return self._foreign(word).model_validate(value)

    def _foreign(self, word: str) -> type[T]:
        model = load(self.group, word, self.base)
        words = get_args(model.model_fields[self.discriminator].annotation)
        if words and word not in words:
            raise InputError(
                f"{described(plugins(self.group)[word])} is of another {self.discriminator}, "
                f"{', '.join(map(repr, words))}; give both one name"
            )
        return model

    def _refuse(self, word: str, value: Any) -> NoReturn:
        raise taken(self.group, word)
