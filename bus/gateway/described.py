"""What the gateway tells everybody: its OpenAPI document, and whether it is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web
from pydantic import BaseModel

from bus.catalogue.snapshot import Snapshot
from bus.gateway.endpoint import JSON, Answer, Endpoint
from bus.gateway.feeding import FEED
from bus.gateway.first_load import BEGIN, PAGE
from bus.gateway.openapi import openapi
from bus.gateway.publishing import PUBLISH
from bus.gateway.request_endpoints import ANSWER, ASK, LOOK, REFUSE, WAITING
from bus.gateway.status import STATUS


class Health(BaseModel):
    """Whether the gateway is well."""

    status: Literal["ok"]
    catalogue: int


HEALTH: Final = Endpoint(
    name="health",
    method="GET",
    path="/healthz",
    says="Tell whether the gateway is well, and which catalogue it has",
    answers={200: Answer(says="it is", content={JSON: Health})},
    is_open=True,
)
DOCUMENT: Final = Endpoint(
    name="openapi",
    method="GET",
    path="/openapi.json",
    says="Give this document",
    answers={200: Answer(says="OpenAPI 3.1", content={JSON: None})},
    is_open=True,
)
ENDPOINTS: Final = (
    *(PUBLISH, STATUS, FEED, BEGIN, PAGE),
    *(ASK, LOOK, WAITING, ANSWER, REFUSE),
    *(HEALTH, DOCUMENT),
)
"""Every request of the gateway but the registry door's."""


def document() -> str:
    """Write the OpenAPI document of every request."""
    return json.dumps(openapi(ENDPOINTS), ensure_ascii=False, indent=2) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the requests work with."""

    catalogue: Callable[[], Snapshot]

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        text = document()

        async def described(_: web.Request) -> web.Response:
            return web.Response(text=text, content_type=JSON)

        return [HEALTH.route(self._healthy), DOCUMENT.route(described)]

    async def _healthy(self, _: web.Request) -> web.Response:
        health = Health(status="ok", catalogue=self.catalogue().version)
        return web.Response(text=health.model_dump_json(), content_type=JSON)
