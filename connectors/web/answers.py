"""Rows, counts and further pages out of an answer, as the configuration says. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from yarl import URL

from bus.errors import DocumentError
from connectors.source import Bad, Json, Row
from connectors.texts import message
from connectors.web.config import HttpConfig
from connectors.web.service import Answer, Service

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


def at_path(body: Json, path: str) -> Json:
    """Give what stands at a path: `data.items`, `pages.0.next`; None: nothing does."""
    for step in path.split(".") if path else ():
        match body:
            case Mapping():
                body = body.get(step)
            case list() if step.isdecimal() and int(step) < len(body):
                body = body[int(step)]
            case _:
                return None
    return body


def rows_of(body: Json, config: HttpConfig) -> Sequence[Json]:
    """Give the rows of an answer.

    Raises:
        DocumentError: There is no list where rows are to stand.
    """
    found = at_path(body, config.rows)
    if not isinstance(found, list):
        told = {"path": config.rows or "-", "found": type(found).__name__}
        raise DocumentError(message("http.no_rows", **told))
    return found


def key_of(row: Json, config: HttpConfig) -> Json:
    """Give what tells a row from others; None: nothing does."""
    return at_path(row, config.key) if config.key is not None else None


def item_of(row: Json, config: HttpConfig, number: int) -> Row | Bad:
    """Make an item of what stands in a list.

    Args:
        row: One element of it.
        config: Of the source.
        number: Its place in the list, from 1.
    """
    if not isinstance(row, dict):
        raw, why = json.dumps(row, ensure_ascii=False), type(row).__name__
        return Bad(raw, message("http.not_a_row", found=why), f"{config.name}#{number}")
    key = key_of(row, config)
    return Row(row, place=f"{config.name}#{number}" if key is None else f"{config.name}/{key}")


def total_of(answer: Answer, config: HttpConfig) -> int | None:
    """Tell how many rows there are, where the service says so."""
    told = at_path(answer.body, config.total) if config.total else None
    told = answer.headers.get("X-Total-Count") if told is None else told
    try:
        return None if told is None else int(told)
    except (ValueError, TypeError):
        return None


def page_url(service: Service, config: HttpConfig, place: Json, asked: Mapping[str, str]) -> URL:
    """Give the address of a page.

    Args:
        service: Whose.
        config: Its description.
        place: As `next_place` gave it; None: the first one.
        asked: Parameters that choose rows.
    """
    if config.pages in {"link", "next_url"} and place is not None:
        return service.own(service.list_url.join(URL(str(place))))
    url = service.list_url.update_query(asked)
    if config.size_parameter is not None and config.page_size is not None:
        url = url.update_query({config.size_parameter: str(config.page_size)})
    if config.pages == "page":
        place = config.first_page if place is None else place
    elif config.pages == "offset":
        place = place or 0
    if place is None or config.pages in {"none", "link", "next_url"}:
        return url
    return url.update_query({config.page_parameter: str(place)})


def next_place(
    service: Service, config: HttpConfig, place: Json, answer: Answer, rows: int
) -> Json:
    """Tell where the next page is, as JSON; None: this one was the last.

    Raises:
        DocumentError: The service leads in a circle, or to another one.
    """
    following: Json = None
    match config.pages:
        case "page" | "offset":
            if not rows or (config.page_size is not None and rows < config.page_size):
                return None
            is_page = config.pages == "page"
            begin = config.first_page if is_page else 0
            return (begin if place is None else place) + (1 if is_page else rows)
        case "cursor":
            following = at_path(answer.body, config.next or "") or None
        case "link" if answer.next_link is not None:
            following = _own_path(service, answer.next_link)
        case "next_url":
            given = at_path(answer.body, config.next or "")
            following = _own_path(service, URL(str(given))) if given else None
    if following is not None and following == place:
        raise DocumentError(message("http.same_page", place=config.name))
    return following


def _own_path(service: Service, url: URL) -> str:
    """Give an address without its host: a position never says where our login is sent."""
    return service.own(service.list_url.join(url)).raw_path_qs


def digest(value: Json) -> str:
    """Give sixteen signs that tell a value from others."""
    written = json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
    return blake2b(written, digest_size=8).hexdigest()


def order_of(value: Json) -> tuple[int, Any] | None:
    """Give what a cursor's values are ordered by: numbers, moments, texts; None: it has none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, value
    if not isinstance(value, str) or not value:
        return None
    if _NUMBER.fullmatch(value):
        return 0, float(value) if "." in value else int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return 2, value
    return 1, moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def earlier(value: Json, by: float) -> Json:
    """Give a cursor's value that is so much earlier: seconds of a moment, units of a number.

    Raises:
        DocumentError: It is neither.
    """
    if not by or value is None:
        return value
    match order_of(value):
        case (0, number):
            less = number - by
            return int(less) if float(less).is_integer() else less
        case (1, _):
            moment = datetime.fromisoformat(str(value)) - timedelta(seconds=by)
            written = moment.isoformat()
            return written.removesuffix("+00:00") + "Z" if str(value).endswith("Z") else written
        case _:
            raise DocumentError(message("http.no_overlap", value=value))
