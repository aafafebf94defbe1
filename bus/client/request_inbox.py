"""A provider's side of data requests: what waits for its system, answers and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bus.client.gateway import GatewaySession
from bus.model.identifiers import SystemCode
from bus.requests.coverage import RefusalReason
from bus.texts import message


class RequestInbox:
    """Speaks for one system that publishes datasets."""

    def __init__(self, session: GatewaySession, system: SystemCode) -> None:
        """Take what is connected."""
        self._session = session
        self._doing = message("doing.requests.inbox", system=system)

    async def waiting(self) -> list[dict[str, Any]]:
        """Read what waits for an answer, the most urgent first.

        Raises:
            DocumentError: The gateway refuses it.
            Unavailable: It does not answer.
        """
        content = json.loads(await self._session.get("/requests/inbox", {}, self._doing))
        waiting: list[dict[str, Any]] = content["requests"]
        return waiting

    async def answer(self, request: str, records: Sequence[Mapping[str, object]]) -> dict[str, str]:
        """Answer a request; the same answer once more changes nothing.

        Args:
            request: Its id.
            records: Values by field, as JSON writes them.

        Raises:
            DocumentError: It breaks the contract, or the request is closed.
            Unavailable: The gateway does not answer.
        """
        return await self._say(f"/requests/{request}/answer", {"records": list(records)})

    async def refuse(self, request: str, reason: RefusalReason) -> dict[str, str]:
        """Refuse a request, with a reason that a provider may have.

        Raises: as `answer`.
        """
        return await self._say(f"/requests/{request}/refuse", {"reason": reason.value})

    async def _say(self, path: str, content: Mapping[str, object]) -> dict[str, str]:
        done: dict[str, str] = json.loads(await self._session.post(path, content, self._doing))
        return done
