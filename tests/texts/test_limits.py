"""Texts and the table of limits name the numbers that the code holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from bus.agents.housekeeping import NOTICED_WITHIN
from bus.enforce.judge import KEY_BYTES_MAX, VALUE_BYTES_MAX
from bus.model.verdict import Reason
from bus.probe.rounds import Cadence
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


TABLE: Final = {
    "value of a record": "{VALUE_BYTES_MAX KiB}",
    "key of a record": "{KEY_BYTES_MAX} bytes",
    "headers of a record": "{HEADERS_BYTES_MAX KiB}, {HEADERS_MAX} of them",
    "text that a pattern rule searches": "{PATTERN_TEXT_MAX} characters",
    "parts of a bad value that are looked at to explain it": "{STEPS_MAX}",
    "leaves of a signed batch": "{BATCH_LEAVES_MAX}",
    "records of a group, and bytes": "2 to {GROUP_RECORDS_MAX}, {GROUP_BYTES_MAX KiB}",
    "records of a partition batch": "{BATCH_RECORDS_MAX}",
    "batches in flight in enforcement": "{IN_FLIGHT_BATCHES_MAX}",
    "records of a release page": "{PAGE_RECORDS_MAX}",
    "records of a fund transaction": "{TRANSACTION_RECORDS_MAX} and one batch",
    "a held record waits": "{HELD_MAX days}",
    "records of one entry that wait": "{HELD_PER_ENTRY_MAX}",
    "pages of one duty in a round of housekeeping": "{PAGES_MAX}",
    "entries of a page of a standing view's begin": "{PAGE_ENTRIES}",
    "records of a page of the outbox": (
        "{PAGE_RECORDS_MAX}, or {PAGE_VALUES_BYTES_MAX MiB} of values"
    ),
    "records of a page of a first load": (
        "{PAGE_RECORDS_MAX}, or {PAGE_VALUES_BYTES_MAX MiB} of values"
    ),
    "requests for first loads at once, and of one system": "{AT_ONCE_MAX}, {AT_ONCE_OF_ONE_MAX}",
    "a data request, its key, its search": (
        "{BODY_BYTES_MAX KiB}, {KEY_BYTES_MAX} bytes, {SEARCH_FIELDS_MAX} fields"
    ),
    "records of an answer, entries that a search meets": "{RECORDS_MAX}, {CANDIDATES_MAX}",
    "data requests at once, of one system, open of one": (
        "{AT_ONCE_MAX}, {AT_ONCE_OF_ONE_MAX}, {OPEN_OF_ONE_MAX}"
    ),
    "time for a provider's answer": "{ANSWER_WORKING_DAYS_MAX} working days",
    "sessions of one consumer's mart at once": "{CONNECTIONS_MAX}",
    "leaves of one tree that a checkpoint takes in": "{LEAVES_MAX}",
    "notes sealed at once, and pages of them in a round": "{NOTES_AT_ONCE}, {PAGES_MAX}",
    "requests to publish at once, and of one system": "{AT_ONCE_MAX}, {AT_ONCE_OF_ONE_MAX}",
    "records of a request to publish, bytes, seconds": (
        "{RECORDS_MAX}, {BODY_BYTES_MAX MiB}, {BODY_S_MAX} s"
    ),
    "readers of feeds at once, and of one system": "{AT_ONCE_MAX}, {AT_ONCE_OF_ONE_MAX}",
    "consumers that read for them": "{READERS_MAX}",
    "requests of one system": "{REQUESTS_PER_S} a second, {AT_ONCE_MAX} at once",
    "connections to the gateway; idle; one request": (
        "{CONNECTIONS_MAX}; {IDLE_S_MAX} s; {REQUEST_S_MAX} s"
    ),
    "traced records of a batch": "{TRACED_MAX}",
    "an idempotency key is remembered": "{KEPT_HOURS} hours",
    "a signed request is valid": "{VALID_S} s",
    "an agency's clock ahead of the broker's": "{EVENT_TIME_AHEAD_MAX_MS minutes}",
}
"""Row → its limit, of constants that the modules named beside it hold."""
NOTICED: Final = "a new topic or catalogue is noticed within"
"""No one constant: what several take together, of which housekeeping waits twice."""
PROBED: Final = "a probe is back within"
"""A share of a setting."""
UNITS: Final = {"KiB": 1024, "MiB": 1024 * 1024, "minutes": 60_000}


def amount(modules: Sequence[ModuleType], name: str, unit: str) -> str:
    """Write a constant that at least one of the modules has, and all that have it alike."""
    (value,) = {vars(module)[name] for module in modules if name in vars(module)}
    if isinstance(value, timedelta):
        value = value / timedelta(**{unit: 1})
    number, rest = divmod(value, UNITS.get(unit, 1))
    assert rest == 0, name
    return f"{number:,.0f} {unit}".strip()


def test_the_table_of_limits_names_what_the_modules_beside_it_hold() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Limits")[2]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)[1:]
    assert {row for row, _, _ in rows} == {*TABLE, NOTICED, PROBED}
    for row, limit, where in rows:
        if row == NOTICED:
            assert limit == f"{NOTICED_WITHIN.total_seconds() / 2:.0f} s"
            continue
        if row == PROBED:
            assert limit == f"5/6 of its period: {Cadence.of(30).limit_s:.0f} s of 30 s"
            continue
        modules = [
            import_module(file.removesuffix(".py").replace("/", "."))
            for file in re.findall(r"`([^`]+)`", where)
        ]
        told = TABLE[row]
        for part, name, unit in re.findall(r"(\{(\w+) ?(\w*)\})", told):
            told = told.replace(part, amount(modules, name, unit))
        assert limit == told, row
