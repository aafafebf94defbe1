"""A board as data: what is asked, by which queries. `render` makes Grafana's JSON of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final


@unique
class Form(StrEnum):
    """How an answer is shown."""

    LINES = "lines"
    STACK = "stack"
    """Lines above each other: shares of a whole."""
    NUMBER = "number"
    TABLE = "table"


@unique
class Unit(StrEnum):
    """What numbers are of; values are Grafana's."""

    COUNT = "short"
    SHARE = "percentunit"
    """0 to 1."""
    SECONDS = "s"
    DAYS = "d"
    PER_S = "cps"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One PromQL expression; `$agency`, `$dataset` and others are the board's variables."""

    expr: str
    legend: str = ""
    """By labels: `{{dataset}}`; or a key of the texts, `@promised`."""
    shows_exemplars: bool = False
    """Whether traced records are dots on the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question and its answer; texts are `<board>.<name>.title` and `.asks`."""

    name: str
    form: Form
    queries: tuple[Query, ...]
    unit: Unit = Unit.COUNT
    width: int = 12
    """Of 24."""
    warns_at: float | None = None
    """From where on a number is amber; below `alarms_at`, or above it where that is lower."""
    alarms_at: float | None = None
    """From where on it is red."""


@unique
class Variable(StrEnum):
    """What a board can be narrowed to; values are chosen from labels of a metric."""

    AGENCY = "agency"
    DATASET = "dataset"
    CONNECTOR = "connector"


VALUES_OF: Final[Mapping[Variable, str]] = {
    Variable.AGENCY: "label_values(bus_records_accepted_total, agency)",
    Variable.DATASET: 'label_values(bus_records_accepted_total{agency=~"$agency"}, dataset)',
    Variable.CONNECTOR: 'label_values({__name__=~"bus_connector_.+"}, connector)',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One reader's questions, most important first; text `<uid>.title`."""

    uid: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    marks_catalogues: bool = False
    """Whether a new catalogue is drawn as a line in time: a cause of much that changes."""
