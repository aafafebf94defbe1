"""A request with its body, its sender and the sender's agency, as data requests look at it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from bus.catalogue.snapshot import Snapshot
from bus.errors import InvariantBroken
from bus.gateway.admission import Admission
from bus.gateway.problems import Problem
from bus.model.identifiers import AgencyCode, SystemCode

_NAME: Final = re.compile(r"[0-9a-f]{32}")


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
    """Tells of a request who sent it, and which agency that is."""

    admission: Admission

    async def enter(self, request: web.Request, body_bytes_max: int = 0) -> Entered:
        """Let a request in.

        Args:
            request: As it came.
            body_bytes_max: Of what it may carry; 0: it carries nothing.

        Raises:
            Problem: Its body is too large, or it can't be told who sent it.
        """
        caller, body = self.admission.caller(request), b""
        if body_bytes_max:
            body = await self.admission.body(request, caller, body_bytes_max)
        snapshot = self.admission.catalogue()
        agency = snapshot.region.agency_of(caller.system)
        if agency is None:
            raise InvariantBroken(
                f"system {caller.system} asked, and no agency of the catalogue runs it"
            )
        return Entered(
            system=caller.system,
            agency=agency.code,
            snapshot=snapshot,
            now=self.admission.clock().astimezone(UTC),
            body=body,
        )

    def now(self, entered: Entered) -> Entered:
        """See a request that has waited under the catalogue and at the moment of now."""
        now = self.admission.clock().astimezone(UTC)
        return replace(entered, snapshot=self.admission.catalogue(), now=now)


def named_in(request: web.Request) -> str:
    """Take the id of a data request out of the path.

    Raises:
        Problem: It can't be one.
    """
    name = request.match_info["request"]
    if _NAME.fullmatch(name) is None:
        raise Problem(404, "unknown_request", id=name)
    return name
