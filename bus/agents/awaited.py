"""Waiting for a catalogue that a record's headers name."""

from __future__ import annotations

import asyncio
from typing import Final

from bus.catalogue.snapshot import Snapshot
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.texts import message

CATALOGUE_WAIT_S: Final = 30


async def catalogue_of(catalogue: CatalogueFollower, needed: int) -> Snapshot:
    """Give the catalogue in force, once it is of a version or a later one.

    Raises:
        Unavailable: It did not come within half a minute.
    """
    try:
        return await asyncio.wait_for(catalogue.at_least(needed), CATALOGUE_WAIT_S)
    except TimeoutError as problem:
        raise Unavailable(
            message("error.agents.no_catalogue", version=needed, wait_s=CATALOGUE_WAIT_S)
        ) from problem
