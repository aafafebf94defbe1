"""The door's HTTP side: requests become questions, answers and refusals become JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from bus.catalogue.snapshot import Snapshot
from bus.registry.answers import QUESTIONS, READS, Answer, Asked
from bus.registry.index import SchemaIndex, index_of
from bus.registry.refused import Refused, read_only

_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_BODY_BYTES_MAX: Final = 256 * 1024
_TOO_LARGE: Final = 413
_SHARED: Final = frozenset({"/", "/v1/metadata/id"})
_READING: Final = frozenset({"GET", "HEAD"})
_REGISTRYS_OWN: Final = tuple(
    dict.fromkeys(path.split("/")[1] for path in (*READS, *QUESTIONS) if path not in _SHARED)
)
"""First parts of paths under which nobody but the door answers."""


def routes(catalogue: Callable[[], Snapshot]) -> list[web.RouteDef]:
    """Give the routes of the door, to be added to the application of the process that serves it.

    Args:
        catalogue: Gives the catalogue in force; asked at each request.
    """
    return list(_routes(_Door(catalogue)))


def _routes(door: _Door) -> Iterator[web.RouteDef]:
    for path, answer in READS.items():
        yield web.get(path, door.handler(answer))
    for path, answer in QUESTIONS.items():
        yield web.post(path, door.handler(answer))
    for name in _REGISTRYS_OWN:
        yield web.route("*", f"/{name}{{rest:(/.*)?}}", _refuse_the_rest)


class _Door:
    """Keeps the index of the last catalogue that it was asked under."""

    def __init__(self, catalogue: Callable[[], Snapshot]) -> None:
        self._catalogue = catalogue
        self._indexed: tuple[Snapshot, SchemaIndex] | None = None

    def handler(self, answer: Answer) -> Handler:
        """Wrap one answer as a handler."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                asked = Asked(
                    path=dict(request.match_info),
                    query=dict(request.query),
                    body=await _body(request),
                )
                return _json(200, answer(self._index(), asked))
            except Refused as refused:
                return _refusal(refused)

        return handle

    def _index(self) -> SchemaIndex:
        snapshot = self._catalogue()
        if self._indexed is None or self._indexed[0] is not snapshot:
            self._indexed = (snapshot, index_of(snapshot.region))
        return self._indexed[1]


async def _body(request: web.Request) -> bytes:
    """Read a body of bounded size; clients name it JSON of one kind or another, or nothing."""
    body = bytearray()
    async for part in request.content.iter_chunked(_BODY_BYTES_MAX):
        body += part
        if len(body) > _BODY_BYTES_MAX:
            raise Refused(_TOO_LARGE, f"The body has more than {_BODY_BYTES_MAX} bytes")
    return bytes(body)


async def _refuse_the_rest(request: web.Request) -> web.StreamResponse:
    """Answer what is no reading call: clients want the registry's JSON for that, too."""
    if request.method in _READING:
        return _refusal(Refused(404, f"HTTP 404 Not Found: {request.path} is no reading call"))
    return _refusal(read_only(f"{request.method} {request.path}"))


def _refusal(refused: Refused) -> web.Response:
    return _json(refused.status, {"error_code": refused.code, "message": refused.message})


def _json(status: int, content: object) -> web.Response:
    text = json.dumps(content, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type=_MEDIA_TYPE)
