"""Texts for people, in English and Russian, from one catalogue of four files.

`catalogue.yaml` holds reasons and what commands say, `errors.yaml` what is wrong and what to do
about it, `pages.yaml` what pages of contracts say, `requests.yaml` what concerns data requests. A
text is found by its key; values are put in by name. Rules bring their own texts from the contract,
so they are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final, cast

import yaml

from bus.errors import Bilingual, Finding, InvariantBroken, say


class Language(StrEnum):
    """Language of texts for people."""

    EN = "en"
    RU = "ru"


_FILES: Final = ("catalogue.yaml", "errors.yaml", "pages.yaml", "requests.yaml")
# Why: the loader in Python takes ten times as long, and the first text waits for it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Read the catalogue: key → language → text.

    Raises:
        InvariantBroken: Two files have a key, so that one text would hide the other.
    """
    texts: dict[str, Mapping[str, str]] = {}
    for name in _FILES:
        source = files("bus.texts").joinpath(name).read_text(encoding="utf-8")
        loaded = yaml.load(source, _LOADER)  # noqa: S506 - both loaders are the safe ones
        read = cast("Mapping[str, Mapping[str, str]]", loaded)
        doubled = sorted(texts.keys() & read.keys())
        if doubled:
            raise InvariantBroken(f"bus/texts/{name}: text {doubled[0]!r} stands elsewhere too")
        texts |= read
    return texts


def text(key: str, language: Language, /, **values: object) -> str:
    """Give one text in one language, with values put in.

    Raises:
        InvariantBroken: The catalogue has no such key: the code and the catalogue disagree.
    """
    entry = all_texts().get(key)
    if entry is None:
        raise InvariantBroken(
            f"text {key!r} is in none of {', '.join(_FILES)} of bus/texts; add it in both languages"
        )
    return entry[language.value].format(**values)


@dataclass(frozen=True, slots=True)
class Message:
    """A text that is still to be said in somebody's language; what errors and findings hold."""

    key: str
    values: Mapping[str, object]

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
        return text(self.key, Language(language), **said)


def message(key: str, /, **values: object) -> Message:
    """Name a text and what is put into it, to be said later.

    An exception is put in as what it says: it would keep its frames alive, and their connections.
    """
    return Message(key, {name: _without_frames(value) for name, value in values.items()})


def _without_frames(value: object) -> object:
    is_plain = isinstance(value, BaseException) and not isinstance(value, Bilingual)
    return str(value) if is_plain else value


def finding_at(path: str, key: str, /, **values: object) -> Finding:
    """Make a finding of the three texts `<key>.found`, `<key>.expected` and `<key>.remedy`.

    Args:
        path: File and place, the same in every language.
        key: What the three keys have in common.
        values: Put into each of the three.
    """
    return Finding(
        path=path,
        found=message(f"{key}.found", **values),
        expected=message(f"{key}.expected", **values),
        remedy=message(f"{key}.remedy", **values),
    )
