"""Contracts as HTML: one page each in both languages, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bus.contract_pages.description import ContractDescription
from bus.contract_pages.words import day_words, granted_words, sla_figures, words
from bus.contracts.rules import Text
from bus.texts import Language, all_texts, text
from bus.wire import headers

_SIGNATURE: Final = "bus_sig"


def render_pages(contracts: Sequence[ContractDescription], region: Text) -> dict[str, str]:
    """Write the pages of a region's contracts.

    Args:
        contracts: To be listed in this order.
        region: Its name.

    Returns: Contents by path: `index.html`, `<language>/index.html`, `<language>/<dataset>.html`.
    """
    chooser = _environment().get_template("languages.html")
    titles = all_texts()["page.contracts"]
    pages = {"index.html": chooser.render(region=region, contracts=titles, **_style())}
    for language in Language:
        pages[f"{language}/index.html"] = _render(
            "index.html", language, name="index", contracts=contracts, region=region
        )
        for contract in contracts:
            pages[f"{language}/{contract.dataset}.html"] = render_contract(contract, language)
    return pages


def render_contract(contract: ContractDescription, language: Language) -> str:
    """Write one contract's page in one language."""
    example = contract.example
    refused = None
    if example is not None and example.refused_rule is not None:
        refused = next(rule for rule in contract.rules if rule.id == example.refused_rule)
    sent = {} if example is None else dict(example.headers)
    return _render(
        "contract.html",
        language,
        name=contract.dataset,
        c=contract,
        refused=refused,
        sla=sla_figures(contract.sla),
        headers=[(name, sent.get(name)) for name in (*headers.SIGNED, _SIGNATURE)],
        granted=partial(granted_words, language=language),
        day=partial(day_words, language=language),
        json=_json,
    )


def _render(template: str, language: Language, **values: object) -> str:
    other = Language.EN if language is Language.RU else Language.RU

    def t(key: str, **named: object) -> str:
        return text(key, language, **named)

    return (
        _environment()
        .get_template(template)
        .render(
            language=language.value,
            other=other.value,
            t=t,
            words=partial(words, language=language),
            **_style(),
            **values,
        )
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> str:
    return files("bus.contract_pages").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _style() -> Mapping[str, str | Markup]:
    """Give the style sheet, and the hash by which the page's own policy lets it through."""
    style = _template("style.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {"style": Markup(style), "style_hash": f"sha256-{digest}"}  # noqa: S704 - our own file
