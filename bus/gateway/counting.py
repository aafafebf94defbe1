"""What the gateway counts of its requests: each once, when its answer begins.

Nothing that a client sends becomes a label: a request is named as the OpenAPI document names it, a
problem by its code, an agency as the catalogue has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from enum import StrEnum, unique
from http import HTTPStatus
from typing import Final

from aiohttp import web

from bus.catalogue.snapshot import Snapshot
from bus.gateway.admission import CALLER
from bus.gateway.application import BEGAN_S, CODE
from bus.gateway.described import ENDPOINTS
from bus.gateway.feeding import FEED
from bus.gateway.first_load import BEGIN, PAGE
from bus.gateway.request_endpoints import ASK
from bus.gateway.waiting import waited_s
from bus.observe import series
from bus.observe.known import Labels
from bus.observe.meter import Meter
from bus.observe.series import Series

REGISTRY: Final = "registry"
"""Any request of the schema registry's door."""
NOT_SERVED: Final = "none"
_NAMES: Final = {(one.method, one.path): one.name for one in ENDPOINTS}
_READING: Final = (ASK, FEED, BEGIN, PAGE)
_READING_NAMES: Final = frozenset(one.name for one in _READING)
_LIMITED: Final = frozenset(
    {HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value, HTTPStatus.TOO_MANY_REQUESTS.value}
)


@unique
class Outcome(StrEnum):
    """What a request came to; label `outcome`."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"
    LIMITED = "limited"


def known_to_gateway(snapshot: Snapshot) -> Iterator[tuple[Series, Labels]]:
    """List what the gateway may count under a catalogue.

    Of refusals those for want of a right, by each agency that receives anything; the other codes
    tell of requests that are written wrongly, and appear with the first.
    """
    for name in (*_NAMES.values(), REGISTRY, NOT_SERVED):
        yield series.GATEWAY_DURATION, (name,)
        for outcome in Outcome:
            yield series.GATEWAY_REQUESTS, (name, outcome)
    codes = {
        code
        for endpoint in _READING
        for code in endpoint.problems.get(HTTPStatus.FORBIDDEN.value, ())
    }
    for consumer in {agreement.consumer for agreement in snapshot.region.agreements}:
        for code in codes:
            yield series.GATEWAY_REFUSALS, (consumer, code)


class Counting:
    """Counts on one meter."""

    def __init__(self, meter: Meter, catalogue: Callable[[], Snapshot]) -> None:
        """Count requests.

        Args:
            meter: Knows what `known_to_gateway` lists.
            catalogue: Gives the catalogue in force.
        """
        self._board = meter.board
        self._catalogue = catalogue

    async def answering(self, request: web.Request, response: web.StreamResponse) -> None:
        """Count a request whose answer begins; a signal of the application's."""
        name, outcome = _name(request), _outcome(response.status)
        took_s = asyncio.get_running_loop().time() - request[BEGAN_S] - waited_s(request)
        self._board.add(series.GATEWAY_REQUESTS, (name, outcome))
        self._board.observe(series.GATEWAY_DURATION, (name,), max(0.0, took_s))
        caller, code = request.get(CALLER), request.get(CODE)
        if caller is None or code is None or outcome is not Outcome.REFUSED:
            return
        agency = self._catalogue().region.agency_of(caller.system)
        if agency is not None and name in _READING_NAMES:
            self._board.add(series.GATEWAY_REFUSALS, (agency.code, code))


def _name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    if resource is None:
        return NOT_SERVED
    return _NAMES.get((request.method, resource.canonical), REGISTRY)


def _outcome(status: int) -> Outcome:
    if status in _LIMITED:
        return Outcome.LIMITED
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome.FAILED
    return Outcome.REFUSED if status >= HTTPStatus.BAD_REQUEST else Outcome.OK
