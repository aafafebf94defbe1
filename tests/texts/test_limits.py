"""Texts and the table of limits name the numbers that the code holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bus.contracts.rule_source import PATTERN_TEXT_MAX
from bus.enforce.judge import KEY_BYTES_MAX, VALUE_BYTES_MAX
from bus.model.record import GROUP_RECORDS_MAX
from bus.model.verdict import Reason
from bus.texts import Language, text
from bus.wire.groups import GROUP_BYTES_MAX
from bus.wire.headers import HEADERS_BYTES_MAX, HEADERS_MAX

ROOT: Final = Path(__file__).parents[2]
NAMED: Final = {
    Reason.VALUE_TOO_LARGE: (VALUE_BYTES_MAX // 1024, "KiB", "КиБ"),
    Reason.HEADERS_TOO_LARGE: (HEADERS_BYTES_MAX // 1024, "KiB", "КиБ"),
    Reason.KEY_TOO_LARGE: (KEY_BYTES_MAX, "bytes", "байт"),
    Reason.GROUP_TOO_LARGE: (GROUP_BYTES_MAX // 1024, "KiB", "КиБ"),
}


def test_reasons_name_the_limits_that_enforcement_holds() -> None:
    for reason in Reason:
        amounts = [
            re.findall(r"\d+ \w+", text(f"reason.{reason}", language).replace("UTF-8", ""))
            for language in Language
        ]
        number, *units = NAMED.get(reason, (0,))
        assert amounts == ([[f"{number} {unit}"] for unit in units] or [[], []]), reason


def test_the_reason_of_large_headers_names_their_number_too() -> None:
    for language in Language:
        assert f" {HEADERS_MAX}." in text(f"reason.{Reason.HEADERS_TOO_LARGE}", language)


def test_table_of_limits_names_them_too() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Limits")[2]
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE))
    assert rows["value of a record"] == f"{VALUE_BYTES_MAX // 1024} KiB"
    assert rows["key of a record"] == f"{KEY_BYTES_MAX} bytes"
    assert rows["headers of a record"] == f"{HEADERS_BYTES_MAX // 1024} KiB, {HEADERS_MAX} of them"
    assert rows["records of a group, and bytes"] == (
        f"2 to {GROUP_RECORDS_MAX}, {GROUP_BYTES_MAX // 1024} KiB"
    )
    assert rows["text that a pattern rule searches"] == f"{PATTERN_TEXT_MAX:,} characters"
