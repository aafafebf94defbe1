"""Asking a Prometheus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from bus.errors import Unavailable
from bus.texts import message

_TIMEOUT_S: Final = 30
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float

    @property
    def is_number(self) -> bool:
        """Whether it is finite: nothing divided by nothing is not."""
        return math.isfinite(self.value)


async def ask(url: str, expr: str) -> tuple[Sample, ...]:
    """Evaluate an expression now.

    Args:
        url: Of Prometheus: `http://127.0.0.1:9090`.
        expr: PromQL that gives an instant vector.

    Raises:
        Unavailable: It does not answer, or refuses the expression.
    """
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{url.rstrip('/')}/api/v1/query", data={"query": expr}) as answer,
        ):
            if answer.status != _OK:
                told = {"url": url, "problem": f"HTTP {answer.status}"}
                raise Unavailable(message("error.observe.prometheus", **told))
            body = await answer.json()
    except (TimeoutError, aiohttp.ClientError, ValueError) as problem:
        told = {"url": url, "problem": type(problem).__name__}
        raise Unavailable(message("error.observe.prometheus", **told)) from problem
    return tuple(
        Sample(labels=one["metric"], value=float(one["value"][1])) for one in body["data"]["result"]
    )
