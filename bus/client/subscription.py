"""What one system may read of one dataset, and what proves that a record is genuine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from bus.catalogue.agreement import Agreement
from bus.catalogue.region import Region
from bus.catalogue.snapshot import view_subject
from bus.catalogue.views import View, view_of, view_schema
from bus.contracts.encode import Decode, decoder
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode, SystemCode
from bus.wire import topics


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


def feeds_of(
    region: Region, system: SystemCode, dataset: DatasetCode, day: date
) -> tuple[Feed, ...]:
    """Tell which topics serve a system with a dataset.

    An agreement that grants the whole dataset covers all others; without one, each view that the
    agreements name is a topic of its own, and one record may come in several, cut differently.

    Args:
        region: The catalogue.
        system: The reader.
        dataset: What it wants.
        day: UTC; agreements in force on it count.

    Returns: By topic, ascending; one at least.

    Raises:
        DocumentError: No agreement in force grants the system anything of the dataset.
    """
    granting = [
        agreement
        for agreement in region.agreements
        if system in agreement.systems
        and agreement.dataset == dataset
        and agreement.is_in_force(day)
    ]
    if not granting:
        raise DocumentError(_no_agreement(region, system, dataset, day))
    contract = region.contracts[dataset]
    by_view: dict[str, tuple[View | None, list[str]]] = {}
    for agreement in granting:
        view = view_of(agreement, contract)
        topic = topics.accepted(dataset) if view is None else topics.view(view.code)
        by_view.setdefault(topic, (view, []))[1].append(agreement.id)
    whole = topics.accepted(dataset)
    chosen = [whole] if whole in by_view else sorted(by_view)
    return tuple(_feed(region, dataset, topic, *by_view[topic]) for topic in chosen)


def _feed(
    region: Region, dataset: DatasetCode, topic: str, view: View | None, agreements: Iterable[str]
) -> Feed:
    decoders = {}
    for version in region.contracts[dataset].schema_versions:
        subject = dataset if view is None else view_subject(view)
        entry = region.lock.get(subject, version.number)
        # Why it may have none: a version without the fields that a view shows is not in the view.
        if entry is not None:
            schema = version.schema if view is None else view_schema(view, version)
            decoders[entry.id] = decoder(schema)
    return Feed(
        topic=topic,
        agreements=tuple(sorted(agreements)),
        view=view,
        decoders=MappingProxyType(decoders),
    )


def _no_agreement(region: Region, system: SystemCode, dataset: DatasetCode, day: date) -> str:
    own = [agreement for agreement in region.agreements if system in agreement.systems]
    listed = "; ".join(_in_words(agreement, day) for agreement in own) or "none at all"
    unknown = "" if dataset in region.contracts else f" (there is no dataset {dataset})"
    return (
        f"no exchange agreement in force on {day} lets system {system} read dataset "
        f"{dataset}{unknown}; agreements of this system: {listed}; write an agreement, have both "
        "sides approve it, and run `bus catalogue apply`"
    )


def _in_words(agreement: Agreement, day: date) -> str:
    if agreement.is_in_force(day):
        state = f"in force until {agreement.valid_to}"
    elif day < agreement.valid_from:
        state = f"begins on {agreement.valid_from}"
    else:
        state = f"ended on {agreement.valid_to}"
    return f"{agreement.id} (dataset {agreement.dataset}, {state})"
