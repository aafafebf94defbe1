"""A signed request with its body, and who sent it: the door of routes that change something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from aiohttp import web

from bus.catalogue.snapshot import Snapshot, instant_ms
from bus.errors import InvariantBroken
from bus.gateway.authentication import authenticated
from bus.gateway.problems import Problem
from bus.model.identifiers import AgencyCode, SystemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A request whose sender is known."""

    system: SystemCode
    agency: AgencyCode
    """Whose system it is."""
    snapshot: Snapshot
    """The catalogue in force, for all of the answer."""
    now: datetime
    """Aware, UTC; the moment at which rights are looked at."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Reads bodies within a limit and tells who sent them."""

    snapshot: Callable[[], Snapshot]
    clock: Callable[[], datetime]
    url: str
    """`https://host:port` under which systems reach this gateway; what they sign begins with it."""

    async def enter(self, request: web.Request, body_bytes_max: int = 0) -> Entered:
        """Let a request in.

        Args:
            request: As it came.
            body_bytes_max: Of what it may carry.

        Raises:
            Problem: Its body is too large, or it can't be told who sent it.
        """
        body = await _whole(request, body_bytes_max)
        snapshot, now = self.snapshot(), self.clock().astimezone(UTC)
        system = authenticated(
            request.headers,
            request.method,
            # Why not header Host: a request that was signed for another gateway would name that.
            f"{self.url}{request.raw_path}",
            snapshot=snapshot,
            now_ms=instant_ms(now),
            body=body,
        )
        agency = snapshot.region.agency_of(system)
        if agency is None:
            raise InvariantBroken(f"system {system} signed, and no agency of the catalogue runs it")
        return Entered(system=system, agency=agency.code, snapshot=snapshot, now=now, body=body)

    def now(self, entered: Entered) -> Entered:
        """See a request that has waited under the catalogue and at the moment of now."""
        now = self.clock().astimezone(UTC)
        return replace(entered, snapshot=self.snapshot(), now=now)


async def _whole(request: web.Request, bytes_max: int) -> bytes:
    """Read a body; one that unpacks to more than the limit is not read to its end."""
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > bytes_max:
            raise Problem(413, "body_too_large", size_bytes=bytes_max)
    return bytes(body)
