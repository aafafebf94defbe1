"""Data requests in the demonstration: many for the fund, one for nobody, one for a provider."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Final

from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.client import Asker, Question
from bus.client.delivered import as_text
from bus.client.gateway import GatewaySession
from bus.client.request_inbox import RequestInbox
from bus.demo.breaking import INSTITUTIONS, ORGANISATIONS
from bus.demo.expectation import ANSWERED_AUTO, ASKED_OF_FUND, BY_PROVIDER, REFUSED
from bus.demo.parties import Clock
from bus.demo.programme import EDUCATION, Programme
from bus.demo.records import Values
from bus.demo.registers import DEATHS
from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, SystemCode
from bus.observe.letters import read_letters
from bus.requests.state import RequestState
from bus.wiring import Installation

_PORTAL: Final = SystemCode("region-portal")
_HEALTH: Final = SystemCode("health-analytics")
_NAMES: Final = {
    RequestState.ANSWERED_AUTO: ANSWERED_AUTO,
    RequestState.ANSWERED: BY_PROVIDER,
    RequestState.REFUSED: REFUSED,
}
_ANSWER_S: Final = 20.0


async def ask_for_data(
    installation: Installation,
    programme: Programme,
    provider: AgencyCode,
    answer_ms: list[float],
    clock: Clock,
) -> Counter[str]:
    """Ask for organisations, for a death nobody agreed on, and for a school not published yet.

    Args:
        installation: With a gateway that serves.
        programme: What was published, and what was not.
        provider: The agency that keeps the register of institutions.
        answer_ms: How long each took that the fund answers is noted here.
        clock: Gives the present, aware.

    Returns: How many requests came to what.

    Raises:
        InvariantBroken: One came to something else than an outcome.
        Unavailable: An engine or the gateway does not answer.
    """
    outcomes = Counter({ANSWERED_AUTO: 0, BY_PROVIDER: 0, REFUSED: 0})
    published = [str(row.values["registry_number"]) for row in programme.paced[0].rows]
    clock_s = asyncio.get_running_loop().time
    async with Asker.open(
        installation.cluster_as(_PORTAL), installation.gateway_as(_PORTAL), clock=clock
    ) as portal:
        for number in range(ASKED_OF_FUND):
            asked_s = clock_s()
            key = published[number % len(published)]
            reply = await portal.ask(Question(dataset=ORGANISATIONS, key=key))
            answer_ms.append((clock_s() - asked_s) * 1000)
            outcomes[_named(reply.state)] += bool(reply.records)
        reply = await portal.ask(Question(dataset=DEATHS, key="63-1"))
        outcomes[_named(reply.state)] += 1
    school = programme.unpublished[0]
    question = Question(dataset=INSTITUTIONS, key=str(school["registry_number"]), provider=provider)
    async with Asker.open(
        installation.cluster_as(_HEALTH), installation.gateway_as(_HEALTH), clock=clock
    ) as health:
        reply = await health.ask(question)
        await _answer_all(installation, school, clock)
        reply = await health.look(reply, wait_s=_ANSWER_S)
        outcomes[_named(reply.state)] += bool(reply.records)
    return outcomes


async def count_letters(installation: Installation, region: Region) -> int:
    """Count the letters that all of it replaced.

    Raises:
        Unavailable: An engine does not answer.
    """
    found = await read_letters(installation.cluster_as(BUS), installation.fund_dsn(), region)
    return sum(one.total for one in found)


def _named(state: RequestState) -> str:
    name = _NAMES.get(state)
    if name is None:
        raise InvariantBroken(f"a data request of the demonstration came to {state}")
    return name


async def _answer_all(installation: Installation, school: Values, clock: Clock) -> None:
    """Answer as the provider's person does: look into the inbox, send the record."""
    record = json.loads(json.dumps(school, default=as_text))
    async with GatewaySession(installation.gateway_as(EDUCATION), clock) as session:
        inbox = RequestInbox(session, EDUCATION)
        for waiting in await inbox.waiting():
            await inbox.answer(waiting["id"], [record])
