"""Texts for people, in English and Russian, from one catalogue (`catalogue.yaml`).

A text is found by its key; values are put in by name. Rules bring their own texts from the
contract, so they are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final, cast

import yaml

from bus.errors import InvariantBroken


class Language(StrEnum):
    """Language of texts for people."""

    EN = "en"
    RU = "ru"


_FILE: Final = "catalogue.yaml"


@cache
def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Read the catalogue: key → language → text."""
    source = files("bus.texts").joinpath(_FILE).read_text(encoding="utf-8")
    return cast("Mapping[str, Mapping[str, str]]", yaml.safe_load(source))


def text(key: str, language: Language, **values: object) -> str:
    """Give one text in one language, with values put in.

    Raises:
        InvariantBroken: The catalogue has no such key: the code and the catalogue disagree.
    """
    entry = all_texts().get(key)
    if entry is None:
        raise InvariantBroken(f"text {key!r} is not in bus/texts/{_FILE}; add it in both languages")
    return entry[language.value].format(**values)
