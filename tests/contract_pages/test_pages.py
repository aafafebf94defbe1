"""Pages of contracts: sound HTML that loads nothing, and examples that are what they say."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import PurePosixPath

import fastavro
import pytest

from bus.catalogue.agreement import AgreementState
from bus.catalogue.decision import DecisionKind, Side
from bus.catalogue.documents import read_documents
from bus.catalogue.region import region_of
from bus.catalogue.sources import LOCK_FILE, read_sources
from bus.contract_pages.description import ContractDescription, describe_contract
from bus.contract_pages.rendering import render_pages
from bus.model.record import Envelope
from bus.texts import Language
from bus.wire import topics
from bus.wire.headers import parse_envelope
from tests.catalogue.deciding import SUMMER, both_approve, decide
from tests.catalogue.small_region import CONTRACT, SCHEMA, drafted_region, planted, small_region
from tests.factories import ROOT, approved, noon

VOID = {"meta", "br", "link", "img", "hr", "input"}
HEADINGS = ("h1", "h2", "h3", "h4")


def described(documents: dict[str, bytes], moment: datetime = SUMMER) -> list[ContractDescription]:
    sources = read_sources(documents)
    region = region_of(sources)
    return [describe_contract(source, region, moment) for source in sources.contracts]


def pages_of(documents: dict[str, bytes]) -> dict[str, str]:
    return render_pages(described(documents), region_of(read_sources(documents)).name)


SAMPLE_DOCUMENTS = approved(read_documents(ROOT / "deploy/samara/region.yaml", None))
SAMPLE = described(SAMPLE_DOCUMENTS)
PAGES = pages_of(SAMPLE_DOCUMENTS)


@dataclass
class Table:
    captions: int = 0
    rows: list[list[tuple[str, str | None]]] = field(default_factory=list)
    """Cells: tag and scope."""


class Page(HTMLParser):
    """What a browser would see of a page's structure."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self.tables: list[Table] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in values.items()]
        self.ids += [values["id"]] if "id" in values else []
        if tag in HEADINGS:
            self.headings.append(tag)
        if tag == "table":
            self.tables.append(Table())
        elif tag == "caption":
            self.tables[-1].captions += 1
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag in {"td", "th"}:
            self.tables[-1].rows[-1].append((tag, values.get("scope")))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@cache
def parsed(path: str) -> Page:
    return Page(PAGES[path])


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole_and_loads_nothing(path: str) -> None:
    text = PAGES[path]
    page = parsed(path)
    tags = {tag for tag, _, _ in page.attributes}
    assert text.startswith("<!DOCTYPE html>")
    assert not tags & {"script", "link", "img", "iframe", "object", "form"}
    assert page.all("src") == page.all("style") == []
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [value for value in page.all("content") if value.startswith("default-src")]
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(path: str) -> None:
    page = parsed(path)
    assert page.all("href")
    for link in page.all("href"):
        place, _, anchor = link.partition("#")
        target = path
        if place:
            parts: list[str] = []
            for part in (PurePosixPath(path).parent / place).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            target = "/".join(parts)
        assert target in PAGES
        assert not anchor or anchor in parsed(target).ids


@pytest.mark.parametrize("path", PAGES)
def test_page_can_be_read_aloud(path: str) -> None:
    page = parsed(path)
    language = PurePosixPath(path).parts[0] if "/" in path else "ru"
    assert ("html", "lang", language) in page.attributes
    assert len(page.ids) == len(set(page.ids))
    assert set(page.all("aria-labelledby")) <= set(page.ids)
    levels = [HEADINGS.index(heading) for heading in page.headings]
    assert levels[0] == 0
    assert levels.count(0) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for table in page.tables:
        assert table.captions == 1
        assert set(table.rows[0]) == {("th", "col")}
        assert {len(row) for row in table.rows} == {len(table.rows[0])}
        assert all(row[0] == ("th", "row") for row in table.rows[1:])


@pytest.mark.parametrize("contract", SAMPLE, ids=lambda contract: contract.dataset)
def test_page_tells_fields_rules_and_consumers_in_its_language(
    contract: ContractDescription,
) -> None:
    for language in Language:
        text = PAGES[f"{language}/{contract.dataset}.html"]
        unescaped = text.replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")
        for rule in contract.rules:
            assert getattr(rule.text, language.value) in unescaped
        for described_field in contract.fields:
            assert described_field.path in text
        for consumer in contract.consumers:
            assert getattr(consumer.name, language.value) in text
            assert consumer.agreement in text


def consumers_at(documents: dict[str, bytes], moment: datetime = SUMMER) -> list[AgreementState]:
    (contract,) = described(documents, moment)
    return [consumer.state for consumer in contract.consumers]


def test_consumers_are_those_of_agreements_that_both_sides_approved_and_nobody_ended() -> None:
    drafted = drafted_region()
    agreed = both_approve(drafted)
    refused = decide(agreed, Side.PROVIDER, DecisionKind.REFUSE)
    ended = decide(agreed, Side.CONSUMER, DecisionKind.END, at=SUMMER)
    rests = decide(agreed, Side.PROVIDER, DecisionKind.SUSPEND, at=SUMMER)
    assert consumers_at(drafted) == []
    assert consumers_at(decide(drafted, Side.PROVIDER, DecisionKind.APPROVE)) == []
    assert consumers_at(refused) == []
    assert consumers_at(agreed) == [AgreementState.IN_FORCE]
    assert consumers_at(agreed, noon(date(2026, 1, 15))) == [AgreementState.TO_COME]
    assert consumers_at(agreed, noon(date(2028, 1, 1))) == []
    assert consumers_at(ended) == []
    assert consumers_at(ended, SUMMER - timedelta(seconds=1)) == [AgreementState.IN_FORCE]
    assert consumers_at(rests) == [AgreementState.SUSPENDED]


def test_the_command_to_subscribe_names_a_system_that_may_and_none_that_may_not() -> None:
    agreed = both_approve(drafted_region())
    rests = decide(agreed, Side.PROVIDER, DecisionKind.SUSPEND, at=SUMMER)
    assert "subscribe shelters --as health-maps" in pages_of(agreed)["en/shelters.html"]
    page = pages_of(rests)["en/shelters.html"]
    assert "subscribe shelters --as SYSTEM" in page
    assert "<br>suspended</td>" in page


@pytest.mark.parametrize("contract", SAMPLE, ids=lambda contract: contract.dataset)
def test_example_is_a_record_that_an_unchanged_reader_reads(contract: ContractDescription) -> None:
    assert contract.example is not None, "every contract of the sample region has an example"
    agency = contract.providers[0].code
    headers = [(name, value.encode()) for name, value in contract.example.headers]
    envelope = parse_envelope(
        headers, agency=agency, dataset=contract.dataset, key=contract.example.key.encode()
    )
    assert isinstance(envelope, Envelope)
    value = bytes.fromhex(contract.example.value_hex)
    assert value[:5] == b"\0" + envelope.schema_id.to_bytes(4, "big")
    assert contract.providers[0].topic == topics.inbound(agency, contract.dataset)
    sources = read_sources(SAMPLE_DOCUMENTS).contracts
    schema = next(
        s.contract.newest.schema for s in sources if s.contract.dataset == contract.dataset
    )
    stream = BytesIO(value[5:])
    decoded = fastavro.schemaless_reader(stream, fastavro.parse_schema(dict(schema)), None)
    assert stream.read() == b""
    assert isinstance(decoded, dict)
    assert list(decoded) == list(contract.example.fields)
    assert str(decoded[contract.key_field]) == contract.example.key
    rules = {rule.id: rule for rule in contract.rules}
    refused = rules[str(contract.example.refused_rule)]
    for language in Language:
        page = PAGES[f"{language}/{contract.dataset}.html"]
        assert f'href="#rule-{refused.id}"' in page


def test_words_of_a_contract_are_text_and_never_markup() -> None:
    documents = planted(
        small_region(), CONTRACT, "name: Убежища", "name: <script>alert(1)</script>"
    )
    documents = planted(documents, CONTRACT, "en: Not closed", "en: <b>Not</b> closed")
    pages = pages_of(documents)
    for page in pages.values():
        assert "<script>" not in page
        assert "<b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages["ru/shelters.html"]


def test_field_and_rule_of_one_version_say_so() -> None:
    documents = small_region()
    schema = json.loads(documents[SCHEMA])
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "closed_on"]
    documents[SCHEMA.replace("v1", "v2")] = json.dumps(schema).encode()
    (contract,) = described(documents)
    fields = {f.path: f.versions for f in contract.fields}
    assert (fields["closed_on"], fields["opened_on"]) == ((1,), (1, 2))
    assert {rule.id: rule.versions for rule in contract.rules}["opened-before-closed"] == (1,)
    assert [(v.number, v.schema_id is None) for v in contract.versions] == [(2, True), (1, False)]


def test_contract_without_an_example_or_a_schema_id_still_has_a_page() -> None:
    documents = small_region()
    del documents[LOCK_FILE]
    assert "The contract has no example yet." in pages_of(documents)["en/shelters.html"]
