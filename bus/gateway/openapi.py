"""The gateway's OpenAPI document, from the table that its handlers are registered by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bus.gateway.endpoint import EVERYWHERE, Endpoint
from bus.gateway.problems import MEDIA_TYPE, ProblemDocument
from bus.model.identifiers import CODE_PATTERN

_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "dataset": (CODE_PATTERN, "code of the dataset"),
    "request": ("^[0-9a-f]{32}$", "id of the data request, as its answer says"),
    "record_id": ("^[0-9a-f]{32}$", "id of the record, as its receipt says"),
}
"""Parts of paths: name → pattern, what it is."""
_REFERENCE: Final = "#/components/schemas/{model}"
_SECURITY: Final = "clientCertificate"
_TITLE: Final = "Interagency exchange bus: gateway"
_ABOUT: Final = """\
The way on and off the bus for systems without a Kafka client. A system proves itself by a client
certificate over the key that the catalogue knows, or by signing each request with that key (RFC
9421). Problems are RFC 9457 documents whose `code` programs go by. The schema registry's reading
calls are served here too, as Confluent's own reference describes them.
"""


def openapi(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Write the document of a table of requests.

    Returns: OpenAPI 3.1, ready for JSON; names in the order of the table.
    """
    served = list(endpoints)
    _, definitions = models_json_schema(
        [(model, "validation") for model in _models(served)], ref_template=_REFERENCE
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in served:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {_SECURITY: {"type": "mutualTLS"}},
        },
    }


def _models(endpoints: Sequence[Endpoint]) -> list[type[BaseModel]]:
    """Give every model that stands in a body, once, in the order of its first use."""
    bodies = [ProblemDocument]
    found: dict[type[BaseModel], None] = dict.fromkeys(bodies)
    for endpoint in endpoints:
        contents = [endpoint.body, *(answer.content for answer in endpoint.answers.values())]
        found.update(
            (model, None) for content in contents for model in content.values() if model is not None
        )
    return list(found)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.says,
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.body:
        written["requestBody"] = {"required": True, "content": _content(endpoint.body)}
    if not endpoint.is_open:
        written["security"] = [{_SECURITY: []}]
    return written


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parts = [part.strip("{}") for part in endpoint.path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {
            "name": part,
            "in": "path",
            "required": True,
            "description": _PARTS[part][1],
            "schema": {"type": "string", "pattern": _PARTS[part][0]},
        }
        for part in parts
    ]
    for where, model in (("query", endpoint.query), ("header", endpoint.headers)):
        found += [] if model is None else _parameters_of(where, model)
    return found


def _parameters_of(where: str, model: type[BaseModel]) -> list[dict[str, Any]]:
    described = model.model_json_schema()
    needed = set(described.get("required", ()))
    found = []
    for name, schema in described["properties"].items():
        kept = {key: value for key, value in schema.items() if key not in {"title", "description"}}
        choices = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
        if choices:  # a parameter that is left out is not null
            kept = choices[0]
        found.append(
            {
                "name": name,
                "in": where,
                "required": name in needed,
                "description": schema.get("description", ""),
                "schema": kept,
            }
        )
    return found


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for status, answer in endpoint.answers.items():
        written[str(status)] = {"description": answer.says, "content": _content(answer.content)}
        if answer.headers:
            written[str(status)]["headers"] = {
                name: {"description": says, "schema": {"type": "string"}}
                for name, says in answer.headers.items()
            }
    for status, codes in sorted(_problems(endpoint).items()):
        told = ", ".join(f"`{code}`" for code in codes)
        written[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {told}",
            "content": _content({MEDIA_TYPE: ProblemDocument}),
        }
    return written


def _problems(endpoint: Endpoint) -> dict[int, tuple[str, ...]]:
    common = {} if endpoint.is_open else EVERYWHERE
    statuses = {*common, *endpoint.problems}
    return {
        status: (*endpoint.problems.get(status, ()), *common.get(status, ())) for status in statuses
    }


def _content(content: Mapping[str, type[BaseModel] | None]) -> dict[str, Any]:
    return {media: {"schema": _schema(media, model)} for media, model in content.items()}


def _schema(media: str, model: type[BaseModel] | None) -> dict[str, Any]:
    if model is not None:
        return {"$ref": _REFERENCE.format(model=model.__name__)}
    return {} if media.endswith("json") else {"type": "string"}
