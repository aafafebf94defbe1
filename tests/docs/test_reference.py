from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType
from typing import get_args

import pytest
from pydantic import BaseModel

from bus.model.verdict import Reason
from bus.settings import Settings
from bus.texts import Language, all_texts
from tests.factories import ROOT


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page",
    [
        "reasons.md",
        "log.md",
        "metrics.md",
        "headers.md",
        "settings.md",
        "commands.md",
        "signature-vectors.md",
    ],
)
def test_a_reference_page_says_what_the_code_does(page: str) -> None:
    module = generator()
    written = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert written == module.NOTE + module.PAGES[page](), "run `make reference`"


def leaves(model: type[BaseModel], prefix: str = "BUS_") -> Iterator[str]:
    """Name the environment variable of every setting that is not made of others."""
    for name, field in model.model_fields.items():
        inner = [
            one
            for one in (field.annotation, *get_args(field.annotation))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        variable = f"{prefix}{name.upper()}"
        if inner:
            yield from leaves(inner[0], f"{variable}__")
        else:
            yield variable


def test_every_setting_is_described_and_nothing_that_is_none() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(BUS_\w+)` \|", page, re.MULTILINE)
    assert sorted(described) == sorted(leaves(Settings))
    assert "BUS_GATEWAY__URL" in described


def test_every_text_stands_in_both_languages_with_the_same_values_put_in() -> None:
    names = re.compile(r"\{(\w+)")
    for key, entry in all_texts().items():
        assert set(entry) == {language.value for language in Language}, key
        assert len({tuple(sorted(names.findall(words))) for words in entry.values()}) == 1, key


def test_every_reason_has_words() -> None:
    assert {f"reason.{reason}" for reason in Reason} <= set(all_texts())


def test_every_link_of_the_documents_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    ]
    assert links
    assert [(str(p), target) for p, target in links if not (p.parent / target).exists()] == []
