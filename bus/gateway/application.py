"""The gateway's application: routes of several rooms behind one set of limits and answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

import psycopg
from aiohttp import web
from aiohttp.typedefs import Handler
from aiokafka.errors import KafkaError

from bus.errors import DocumentError, Unavailable
from bus.gateway.connections import Connection
from bus.gateway.problems import Problem, language_of

logger = logging.getLogger(__name__)

ANSWER_S_MAX: Final = 60.0
"""How long an answer may take, or the beginning of one that is a stream of events."""
LIMIT: Final = web.RequestKey("limit", asyncio.Timeout)
"""What a stream of events lifts once it has begun."""
BEGAN_S: Final = web.RequestKey("began_s", float)
"""When the request's head was whole, on the event loop's clock."""
CODE: Final = web.RequestKey("code", str)
"""Of the problem that is answered."""
_BODY_BYTES_MAX: Final = 1024 * 1024
_TRY_AGAIN: Final = 503


def application(routes: Iterable[web.RouteDef]) -> web.Application:
    """Put routes together.

    Args:
        routes: Of every room that is served; a path stands once.
    """
    composed = web.Application(middlewares=[_begun, _answered], client_max_size=_BODY_BYTES_MAX)
    composed.add_routes(routes)
    return composed


@web.middleware
async def _begun(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that it is not idle, and note since when."""
    request[BEGAN_S] = asyncio.get_running_loop().time()
    if isinstance(request.protocol, Connection):
        request.protocol.begin()
    return await handler(request)


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in time, and with words where it can't be done; values never reach the log."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX) as limit:
            request[LIMIT] = limit
            return await handler(request)
    except Problem as problem:
        return _answer(request, problem)
    except web.HTTPException as problem:
        if problem.status < web.HTTPBadRequest.status_code:
            raise
        answer = _answer(request, Problem(problem.status, "not_served", path=request.path))
        if "Allow" in problem.headers:
            answer.headers["Allow"] = problem.headers["Allow"]
        return answer
    except TimeoutError:
        return _answer(request, Problem(_TRY_AGAIN, "too_slow", seconds=ANSWER_S_MAX))
    except DocumentError as problem:
        return _answer(request, Problem(400, "refused", why=problem.message))
    except Unavailable as problem:
        return _answer(request, Problem(_TRY_AGAIN, "unavailable", why=problem.message))
    except (KafkaError, psycopg.OperationalError, OSError) as problem:
        logger.warning("gateway.engine_away problem=%s", type(problem).__name__)
        return _answer(request, Problem(_TRY_AGAIN, "engine_away"))
    except Exception as problem:
        logger.exception("gateway.broken path=%s", request.match_info.route.resource)
        return _answer(request, Problem(500, "broken", kind=type(problem).__name__))


def _answer(request: web.Request, problem: Problem) -> web.Response:
    request[CODE] = problem.code
    return problem.answer(language_of(request.headers.get("Accept-Language", "")))
