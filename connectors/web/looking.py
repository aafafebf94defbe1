"""Looking at a web service before it is read: whether it can be, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from bus.errors import DocumentError, Finding
from connectors.source import Json, Stream
from connectors.texts import finding_at
from connectors.web.answers import at_path, next_place, order_of, page_url, rows_of
from connectors.web.config import HttpConfig
from connectors.web.service import Answer, Service

_SAMPLES: Final = 5
_LIKELY_KEYS: Final = ("number", "code", "id", "key", "uuid")


async def looked(service: Service, config: HttpConfig) -> Sequence[Finding]:
    """Tell everything that is wrong with the first page, and whether it is as long as promised."""
    try:
        answer = await _first_page(service, config)
        rows = rows_of(answer.body, config)
    except DocumentError as problem:
        place = str(service.list_url.with_query(None))
        return [finding_at(place, "http.wrong", problem=problem.message)]
    findings = [
        finding_at(f"config.{setting}", "http.not_in_rows", field=name, row=number)
        for setting, name in (("key", config.key), ("cursor", config.cursor))
        if name is not None
        for number in [_first_without(rows, name, is_cursor=setting == "cursor")]
        if number is not None
    ]
    if config.page_size is not None and 0 < len(rows) < config.page_size:
        findings += await _is_cut(service, config, answer, len(rows))
    return findings


async def _is_cut(
    service: Service, config: HttpConfig, answer: Answer, rows: int
) -> Sequence[Finding]:
    """Tell whether pages are shorter than `page_size`, so that the first would seem the last."""
    endless = config.model_copy(update={"page_size": None})
    place = next_place(service, endless, None, answer, rows)
    if config.pages not in {"page", "offset"} or place is None:
        return []
    further = await service.get(page_url(service, config, place, {}))
    if further is None or not rows_of(further.body, config):
        return []
    return [finding_at("config.page_size", "http.page_cut", rows=rows, size=config.page_size)]


def _first_without(rows: Sequence[Json], name: str, *, is_cursor: bool) -> int | None:
    for number, row in enumerate(rows, start=1):
        value = at_path(row, name)
        if value is None or (is_cursor and order_of(value) is None):
            return number
    return None


async def found_stream(service: Service, config: HttpConfig) -> Stream:
    """Describe the list by its first page; where it stands in the answer is guessed if need be."""
    answer = await _first_page(service, config)
    path = config.rows
    if not isinstance(at_path(answer.body, path), list):
        path = _path_of_rows(answer.body) or path
    found = rows_of(answer.body, config.model_copy(update={"rows": path}))
    rows = [row for row in found if isinstance(row, dict)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    key = config.key or _likely_key(rows, names)
    settings: dict[str, Json] = {"path": config.path, "rows": path}
    return Stream(
        name=config.name,
        key=key,
        columns={name: _column([row.get(name) for row in rows]) for name in names},
        samples=rows[:_SAMPLES],
        config=settings if key is None else {**settings, "key": key},
    )


async def _first_page(service: Service, config: HttpConfig) -> Answer:
    asked = {}
    if config.cursor_parameter is not None and config.cursor_start is not None:
        template = config.cursor_template
        asked = {config.cursor_parameter: template.format(value=config.cursor_start)}
    answer = await service.get(page_url(service, config, None, asked))
    assert answer is not None, "asked for without a tag"
    return answer


def _path_of_rows(body: Json, path: str = "", depth: int = 3) -> str | None:
    """Find the first list of objects."""
    if isinstance(body, list):
        return path if body and isinstance(body[0], dict) else None
    if not isinstance(body, dict) or not depth:
        return None
    for name, value in body.items():
        found = _path_of_rows(value, f"{path}.{name}" if path else str(name), depth - 1)
        if found is not None:
            return found
    return None


def _likely_key(rows: Sequence[Mapping[str, Json]], names: Sequence[str]) -> str | None:
    """Guess the column of the registry number: its values are there, and all of them differ."""
    fit = [
        name
        for name in names
        if rows
        and all(isinstance(row.get(name), (str, int)) and row[name] != "" for row in rows)
        and len({row[name] for row in rows}) == len(rows)
    ]
    likely = [name for name in fit if name.lower().endswith(_LIKELY_KEYS)]
    return next(iter(likely or fit), None)


def _column(values: Sequence[Json]) -> Mapping[str, Any] | str:
    """Infer the Avro type of a column."""
    found = {str(kind): kind for kind in (avro_type(one) for one in values if one is not None)}
    kinds = list(found.values())
    if found.keys() == {"long", "double"}:
        kinds = ["double"]
    kind = kinds[0] if len(kinds) == 1 else "string"
    return {"type": ["null", kind]} if None in values or not kinds else kind


def avro_type(value: Json) -> Mapping[str, Any] | str:
    """Infer the Avro type of one value."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "long"
        case float():
            return "double"
        case list():
            return {"type": "array", "items": avro_type(value[0]) if value else "string"}
        case dict():
            return {"type": "map", "values": "string"}
        case _:
            return _type_of_text(str(value))


def _type_of_text(text: str) -> Mapping[str, Any] | str:
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return {"type": "int", "logicalType": "date"} if "-" in text else "string"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return "string"
    if moment.tzinfo is None:
        return "string"
    return {"type": "long", "logicalType": "timestamp-micros"}
