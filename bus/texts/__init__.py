"""Texts for people, in English and Russian, from one catalogue of four files.

`catalogue.yaml` holds reasons and what commands say, `errors.yaml` what is wrong and what to do
about it, `pages.yaml` what pages of contracts say, `requests.yaml` what concerns data requests. A
text is found by its key; values are put in by name. Rules bring their own texts from the contract,
so they are not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from typing import Final, cast

import yaml

from bus.errors import Bilingual, Finding, InvariantBroken, say


class Language(StrEnum):
    """Language of texts for people."""

    EN = "en"
    RU = "ru"


# Why: the loader in Python takes ten times as long, and the first text waits for it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Texts:
    """The texts of one package."""

    def __init__(self, package: str, names: Sequence[str]) -> None:
        """Name the files; they are read when the first text is asked for.

        Args:
            package: In whose folder they lie.
            names: Of YAML files: key → language → text.
        """
        self._package = package
        self._names = tuple(names)

    @cached_property
    def all(self) -> Mapping[str, Mapping[str, str]]:
        """Read them: key → language → text.

        Raises:
            InvariantBroken: Two files have a key, so that one text would hide the other.
        """
        texts: dict[str, Mapping[str, str]] = {}
        for name in self._names:
            source = files(self._package).joinpath(name).read_text(encoding="utf-8")
            loaded = yaml.load(source, _LOADER)  # noqa: S506 - both loaders are the safe ones
            read = cast("Mapping[str, Mapping[str, str]]", loaded)
            doubled = sorted(texts.keys() & read.keys())
            if doubled:
                raise InvariantBroken(
                    f"{self._package}, {name}: text {doubled[0]!r} stands elsewhere too"
                )
            texts |= read
        return texts

    def text(self, key: str, language: Language, /, **values: object) -> str:
        """Give one text in one language, with values put in.

        Raises:
            InvariantBroken: There is no such key: the code and the catalogue disagree.
        """
        entry = self.all.get(key)
        if entry is None:
            raise InvariantBroken(
                f"text {key!r} is in none of {', '.join(self._names)} of {self._package}; "
                "add it in both languages"
            )
        return entry[language.value].format(**values)

    def message(self, key: str, /, **values: object) -> Message:
        """Name a text and what is put into it, to be said later.

        An exception is put in as what it says: it would keep its frames alive, and their
        connections.
        """
        return Message(key, {name: _without_frames(one) for name, one in values.items()}, self)

    def finding_at(self, path: str, key: str, /, **values: object) -> Finding:
        """Make a finding of the three texts `<key>.found`, `<key>.expected` and `<key>.remedy`.

        Args:
            path: File and place, the same in every language.
            key: What the three keys have in common.
            values: Put into each of the three.
        """
        return Finding(
            path=path,
            found=self.message(f"{key}.found", **values),
            expected=self.message(f"{key}.expected", **values),
            remedy=self.message(f"{key}.remedy", **values),
        )


@dataclass(frozen=True, slots=True)
class Message:
    """A text that is still to be said in somebody's language; what errors and findings hold."""

    key: str
    values: Mapping[str, object]
    texts: Texts = field(repr=False, compare=False)

    def __hash__(self) -> int:
        return hash(self.key)  # what is put in may have no hash of its own

    def __str__(self) -> str:
        return self.spoken(Language.EN)

    def spoken(self, language: str) -> str:
        """Say it; values that are words themselves are said in the same language."""
        said = {
            name: say(value, language) if isinstance(value, Bilingual) else value
            for name, value in self.values.items()
        }
        return self.texts.text(self.key, Language(language), **said)


def _without_frames(value: object) -> object:
    is_plain = isinstance(value, BaseException) and not isinstance(value, Bilingual)
    return str(value) if is_plain else value


OF_THE_BUS: Final = Texts(
    "bus.texts", ("catalogue.yaml", "errors.yaml", "pages.yaml", "requests.yaml")
)
text = OF_THE_BUS.text
message = OF_THE_BUS.message
finding_at = OF_THE_BUS.finding_at


def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Read the bus's own texts: key → language → text."""
    return OF_THE_BUS.all
