"""A request that the gateway serves, said once: registered and described by the same lines.

`Endpoint.route` registers a handler under it; `bus.gateway.openapi` writes the document of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError

from bus.contracts.yaml_document import expectation
from bus.errors import Finding, Words
from bus.gateway.problems import Problem
from bus.texts import message

Model = TypeVar("Model", bound=BaseModel)

JSON: Final = "application/json"
EVERYWHERE: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        400: ("refused",),
        401: ("unsigned", "signature_not_fresh", "key_not_valid", "signature_invalid"),
        429: ("too_many",),
        503: ("unavailable", "engine_away", "too_slow"),
    }
)
"""Problems that any request of a system may meet, by status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered when all is well; by media type."""

    says: str
    content: Mapping[str, type[BaseModel] | None]
    """None: text or bytes that no model describes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Name → what it says; present in some answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One request."""

    name: str
    method: str
    path: str
    """With parts in braces, whose patterns `bus.gateway.openapi` knows."""
    says: str
    query: type[BaseModel] | None = None
    """Its fields; other names are refused. None: no query is read."""
    headers: type[BaseModel] | None = None
    """Headers that it reads, by alias."""
    body: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    """By media type; empty: none."""
    answers: Mapping[int, Answer]
    problems: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Codes by status, beside those of `EVERYWHERE`."""
    is_open: bool = False
    """Answered to everybody."""

    def route(self, handler: Handler) -> web.RouteDef:
        """Give the route that a handler serves."""
        return web.route(self.method, self.path, handler)


def query_of(request: web.Request, model: type[Model]) -> Model:
    """Read the query; each name once, and only names that the model has.

    Raises:
        Problem: With a finding for each part that is wrong.
    """
    doubled = [name for name in request.query if len(request.query.getall(name)) > 1]
    if doubled:
        finding = Finding(
            path=doubled[0],
            found=message("gateway.found.doubled"),
            expected=message("gateway.expects.once"),
            remedy="",
        )
        raise Problem(400, "bad_query", findings=[finding])
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise Problem(400, "bad_query", findings=findings_of(error)) from None


def body_of(body: bytes, model: type[Model], *, unfit: str = "body_unreadable") -> Model:
    """Read a body as a document; nothing is guessed of a type.

    Args:
        body: As it came.
        model: What it has to be.
        unfit: Code of what is JSON and no such document.

    Raises:
        Problem: It is no JSON; or with a finding for each part that is wrong.
    """
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        if any(detail["type"] == "json_invalid" for detail in error.errors()):
            raise Problem(400, "no_json") from None
        raise Problem(422, unfit, findings=findings_of(error)) from None


def findings_of(error: ValidationError) -> list[Finding]:
    """Say what pydantic found, without the values, which may be personal data."""
    return [
        Finding(
            path=".".join(map(str, detail["loc"])) or "body",
            found=_found(detail["type"], detail["input"]),
            expected=expectation(detail),
            remedy="",
        )
        for detail in error.errors()
    ]


def _found(kind: str, value: object) -> Words:
    if kind == "missing":
        return message("error.settings.nothing")
    if kind == "extra_forbidden":
        return message("error.settings.unknown_name")
    return message("gateway.found.other", kind=_KINDS.get(type(value), "null"))


_KINDS: Final = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}
