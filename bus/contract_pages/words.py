"""Parts of a contract in the reader's language, for pages and for the terminal."""

from __future__ import annotations

from datetime import date
from typing import assert_never

from bus.catalogue.agreement import Agreement, Condition, ConditionOperator
from bus.catalogue.row_limits import territory_prefix
from bus.contract_pages.description import DescribedConsumer
from bus.contracts.contract import Sla
from bus.contracts.rules import Text
from bus.texts import Language, text


def words(bilingual: Text, language: Language) -> str:
    """Pick the reader's language."""
    return bilingual.ru if language is Language.RU else bilingual.en


def sla_figures(sla: Sla) -> list[tuple[str, str, str]]:
    """List the promises: name, unit as in the texts, number without needless zeros."""
    figures = [
        ("latency", "seconds", sla.latency_s),
        ("frequency", "hours", sla.frequency_hours),
        ("retention", "days", sla.retention_days),
        ("completeness", "percent", sla.completeness_percent),
        ("validity", "percent", sla.validity_percent),
        ("timeliness", "percent", sla.timeliness_percent),
    ]
    return [(name, unit, f"{number:g}") for name, unit, number in figures]


def granted_words(consumer: DescribedConsumer | Agreement, language: Language) -> str:
    """Say what an agreement grants."""
    if consumer.fields is None:
        parts = [text("page.granted_all", language)]
    else:
        parts = [text("page.granted_fields", language, number=len(consumer.fields))]
    if consumer.providers is not None:
        parts.append(
            text("page.granted_providers", language, providers=", ".join(consumer.providers))
        )
    if consumer.rows:
        rows = "; ".join(map(_condition, consumer.rows))
        parts.append(text("page.granted_rows", language, rows=rows))
    if consumer.history_from is not None:
        parts.append(
            text("page.granted_from", language, day=day_words(consumer.history_from, language))
        )
    return "; ".join(parts)


def day_words(day: date, language: Language) -> str:
    """Write a day as readers of the language do."""
    return f"{day:%d.%m.%Y}" if language is Language.RU else day.isoformat()


def _condition(row: Condition) -> str:
    match row.op:
        case ConditionOperator.EQUALS | ConditionOperator.ONE_OF:
            return f"{row.field} = {' | '.join(row.values)}"
        case ConditionOperator.PREFIX:
            return f"{row.field} = {' | '.join(f'{value}…' for value in row.values)}"
        case ConditionOperator.TERRITORY:
            return f"{row.field} = {' | '.join(f'{territory_prefix(v)}…' for v in row.values)}"
        case ConditionOperator.AT_LEAST:
            return f"{row.field} ≥ {row.values[0]}"
        case ConditionOperator.AT_MOST:
            return f"{row.field} ≤ {row.values[0]}"
        case _:
            assert_never(row.op)
