"""What an information system may read: the one answer for Kafka's rights and for its clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bus.catalogue.region import Region
from bus.catalogue.views import View, topic_of, view_of
from bus.model.identifiers import DatasetCode, SystemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One topic that a system may read."""

    topic: str
    view: View | None
    """None: the whole dataset."""
    agreements: tuple[str, ...]
    """Ids of those in force that grant it, ascending."""


def granted(
    region: Region, system: SystemCode, moment: datetime
) -> Mapping[DatasetCode, tuple[Grant, ...]]:
    """Tell every topic that agreements in force at a moment open to a system, by dataset.

    Returns: Datasets of which it may read anything; of each its topics, ascending. Where one
        agreement grants the whole dataset, those that grant less of it are listed all the same.
    """
    found: dict[DatasetCode, dict[str, tuple[View | None, list[str]]]] = {}
    for agreement in region.agreements:
        if system not in agreement.systems or not agreement.is_in_force(moment):
            continue
        view = view_of(agreement, region.contracts[agreement.dataset])
        topic = topic_of(agreement.dataset, view)
        of_dataset = found.setdefault(agreement.dataset, {})
        of_dataset.setdefault(topic, (view, []))[1].append(agreement.id)
    return {
        dataset: tuple(
            Grant(topic=topic, view=view, agreements=tuple(sorted(ids)))
            for topic, (view, ids) in sorted(of_dataset.items())
        )
        for dataset, of_dataset in found.items()
    }


def next_turn(region: Region, moment: datetime) -> datetime | None:
    """Tell the first moment after another at which rights may begin or cease.

    Args:
        region: Whose agreements, agencies, and keys that are delegated to the gateway.
        moment: Aware.

    Returns: Aware; None where nothing turns any more unless documents change.
    """
    turns = [turn for agreement in region.agreements for turn in agreement.turns]
    turns += [one.left_at for one in region.agencies.values() if one.left_at is not None]
    for key in region.keys.values():
        if key.is_delegated:
            turns += [
                turn for turn in (key.valid_from, key.valid_to, key.revoked_at) if turn is not None
            ]
    return min((turn for turn in turns if turn > moment), default=None)
