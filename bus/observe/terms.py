"""What the catalogue promises and how long it grants, as metrics: targets and ends.

Ends are moments, so that a page that nobody refreshes can't freeze what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum, unique
from typing import Final

from bus.catalogue.parties import Agency, SigningKey, System
from bus.catalogue.region import Region
from bus.contracts.contract import Contract, Status
from bus.observe import series
from bus.observe.board import Board
from bus.observe.known import Labels

_HOUR_S: Final = 3600
_FLOWING: Final = frozenset({Status.ACTIVE, Status.DEPRECATED})


@unique
class Score(StrEnum):
    """What a steward answers for; label `score`."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    TIMELINESS = "timeliness"


def show_terms(region: Region, now: datetime, board: Board) -> None:
    """Set the gauges; what is no more ceases to exist.

    Args:
        region: Of the catalogue in force.
        now: Aware; tells which agreements are in force, and who takes part.
        board: Where the gauges stand.
    """
    here = [agency for agency in region.agencies.values() if not agency.has_left(now)]
    flowing = [one for one in region.contracts.values() if one.status in _FLOWING]
    intervals: dict[Labels, float] = {
        (agency.code, contract.dataset): contract.sla.frequency_hours * _HOUR_S
        for contract in flowing
        for agency in here
        if contract.dataset in agency.provides
    }
    board.replace(series.EXPECTED_INTERVAL, intervals, gone=None)
    targets: dict[Labels, float] = {
        (contract.dataset, score): percent / 100
        for contract in flowing
        for score, percent in _targets(contract)
    }
    board.replace(series.TARGET, targets, gone=None)
    ends: dict[Labels, float] = {}
    for agreement in region.agreements:
        if agreement.is_in_force(now):
            pair = agreement.consumer, agreement.dataset
            ends[pair] = max(ends.get(pair, 0.0), agreement.ends_at.timestamp())
    board.replace(series.AGREEMENT_EXPIRY, ends, gone=None)
    expiries: dict[Labels, float] = {
        (agency.code,): end.timestamp()
        for agency in here
        if (end := _soonest_end(agency, region.keys.values())) is not None
    }
    board.replace(series.KEY_EXPIRY, expiries, gone=None)


def _targets(contract: Contract) -> Iterator[tuple[Score, float]]:
    sla = contract.sla
    yield Score.COMPLETENESS, sla.completeness_percent
    yield Score.VALIDITY, sla.validity_percent
    yield Score.TIMELINESS, sla.timeliness_percent


def _soonest_end(agency: Agency, keys: Iterable[SigningKey]) -> datetime | None:
    """Tell when the first of an agency's systems is without a key; None: none ever is."""
    known = list(keys)
    ends = [_newest_end(system, known) for system in agency.systems]
    return min((end for end in ends if end is not None), default=None)


def _newest_end(system: System, keys: Iterable[SigningKey]) -> datetime | None:
    """Tell when the newest of a system's keys ends that nobody revoked."""
    own = [key for key in keys if key.system == system.code and key.revoked_at is None]
    newest = max(own, key=lambda key: key.valid_from, default=None)
    return None if newest is None else newest.valid_to
