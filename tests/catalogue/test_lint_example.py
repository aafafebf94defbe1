"""A contract's example is proved: the sound record is sound, the refused one breaks its rule."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bus.catalogue.lint import lint
from bus.errors import Finding
from tests.catalogue.small_region import CONTRACT, line, planted, small_region

EXAMPLE = """\
  - property: bus.example
    value:
      sentAt: 2026-03-01T09:30:00Z
      record: {number: '7', address: Lesnaya 1, opened_on: '2020-01-31', closed_on: '2021-01-31'}
      refused: {rule: opened-before-closed, change: {closed_on: '2019-12-31'}}
  - property: bus.process
"""


def with_example(old: str = "", new: str = "") -> Mapping[str, bytes]:
    documents = planted(small_region(), CONTRACT, "  - property: bus.process\n", EXAMPLE)
    return planted(documents, CONTRACT, old, new) if old else documents


def test_sound_example_has_no_findings() -> None:
    assert lint(with_example()) == ()


@pytest.mark.parametrize(
    ("old", "new", "marker", "place", "found", "expected"),
    [
        (
            "address: Lesnaya 1",
            "address: Les",
            "record: {number",
            ".record",
            "a record that breaks address-length",
            "a record that meets every rule",
        ),
        (
            "opened_on: '2020-01-31'",
            "opened_on: '2020-02-31'",
            "record: {number",
            ".record.opened_on",
            "a value of type str",
            "a date without time",
        ),
        (
            "number: '7', address",
            "nmber: '7', address",
            "record: {nmber",
            ".record",
            "field 'nmber'",
            "fields address, closed_on, keeper, number, oktmo, opened_on",
        ),
        (
            "closed_on: '2019-12-31'",
            "closed_on: '2020-12-31'",
            "refused: {rule",
            ".refused",
            "a change that breaks none",
            "one that breaks `opened-before-closed` alone, a rule of severity error",
        ),
        (
            "closed_on: '2019-12-31'",
            "closed_on: '2019-12-31', address: ''",
            "refused: {rule",
            ".refused",
            "a change that breaks address-length, opened-before-closed",
            "one that breaks `opened-before-closed` alone, a rule of severity error",
        ),
        (
            "rule: opened-before-closed, change: {closed_on: '2019-12-31'}",
            "rule: oktmo-form, change: {oktmo: '1'}",
            "refused: {rule",
            ".refused",
            "a change that breaks oktmo-form",
            "one that breaks `oktmo-form` alone, a rule of severity error",
        ),
    ],
)
def test_example_that_is_not_what_it_says_is_found_at_its_place(
    old: str, new: str, marker: str, place: str, found: str, expected: str
) -> None:
    documents = with_example(old, new)
    findings = lint(documents)
    at = line(documents[CONTRACT], marker)
    path = f"{CONTRACT}:{at} customProperties[5].value{place}"
    first: Finding = findings[0]
    assert (first.path, str(first.found), str(first.expected)) == (path, found, expected)
