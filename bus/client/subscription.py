"""What one system may read of one dataset, and what proves that a record is genuine. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType

from bus.catalogue.agreement import Agreement
from bus.catalogue.granted import Grant, granted
from bus.catalogue.region import Region
from bus.catalogue.snapshot import view_subject
from bus.catalogue.views import View, view_schema
from bus.contracts.encode import Decode, decoder
from bus.errors import DocumentError, Words
from bus.fund.columns import Column, columns_of
from bus.model.identifiers import DatasetCode, SystemCode
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One topic that serves a system, and how its values are read."""

    topic: str
    agreements: tuple[str, ...]
    """Ids of the agreements it is read under, ascending."""
    view: View | None
    """None: the whole dataset."""
    decoders: Mapping[int, Decode]
    """By schema id of the values in this topic."""
    columns: tuple[Column, ...]
    """Of the newest schema: what a table would hold it in."""


def feeds_of(
    region: Region, system: SystemCode, dataset: DatasetCode, moment: datetime
) -> tuple[Feed, ...]:
    """Tell which topics serve a system with a dataset.

    An agreement that grants the whole dataset covers all others; without one, each view that the
    agreements name is a topic of its own, and one record may come in several, cut differently.

    Args:
        region: The catalogue.
        system: The reader.
        dataset: What it wants.
        moment: Aware; agreements in force then count.

    Returns: By topic, ascending; one at least.

    Raises:
        DocumentError: No agreement in force grants the system anything of the dataset.
    """
    grants = granted(region, system, moment).get(dataset)
    if grants is None:
        raise DocumentError(_no_agreement(region, system, dataset, moment))
    whole = [grant for grant in grants if grant.view is None]
    return tuple(feed_of(region, dataset, grant) for grant in whole or grants)


def feed_of(region: Region, dataset: DatasetCode, grant: Grant) -> Feed:
    """Tell how the values of one granted topic are read."""
    decoders: dict[int, Decode] = {}
    columns: tuple[Column, ...] = ()
    view = grant.view
    for version in region.contracts[dataset].schema_versions:
        subject = dataset if view is None else view_subject(view)
        entry = region.lock.get(subject, version.number)
        # Why it may have none: a version without the fields that a view shows is not in the view.
        if entry is not None:
            schema = version.schema if view is None else view_schema(view, version)
            decoders[entry.id] = decoder(schema)
            columns = columns_of(schema)
    return Feed(
        topic=grant.topic,
        agreements=grant.agreements,
        view=view,
        decoders=MappingProxyType(decoders),
        columns=columns,
    )


def changes_of(region: Region, system: SystemCode, dataset: DatasetCode) -> tuple[datetime, ...]:
    """Tell the moments within days at which other agreements may be in force, ascending."""
    return tuple(
        sorted(
            change
            for agreement in region.agreements
            if agreement.dataset == dataset and system in agreement.systems
            for change in agreement.changes
        )
    )


def _no_agreement(
    region: Region, system: SystemCode, dataset: DatasetCode, moment: datetime
) -> Words:
    own = [agreement for agreement in region.agreements if system in agreement.systems]
    return message(
        "error.client.no_agreement"
        if dataset in region.contracts
        else "error.client.no_agreement_nor_dataset",
        day=moment.astimezone(UTC).date(),
        system=system,
        dataset=dataset,
        listed=_listed([_in_words(agreement, moment) for agreement in own]),
    )


def _listed(agreements: Sequence[Words]) -> Words:
    if not agreements:
        return message("error.client.no_agreements")
    return reduce(
        lambda told, one: message("error.client.and_agreement", told=told, one=one), agreements
    )


def _in_words(agreement: Agreement, moment: datetime) -> Words:
    ending = agreement.ending
    return message(
        f"error.client.agreement.{agreement.state_at(moment)}",
        id=agreement.id,
        dataset=agreement.dataset,
        begins=agreement.valid_from,
        ends=agreement.valid_to if ending is None else ending.at.date(),
    )
