"""The one grammar of topic names, built and parsed here only.

    in.<agency>.<dataset>     what a provider publishes
    accepted.<dataset>        what met its contract, from all providers
    view.<view>               a projection for consumers with a mask, a row filter or few providers
    quarantine.<agency>       what did not, original bytes and headers untouched
    release.<agency>          quarantined records that re-enter after a rule was mended
    receipts.<agency>         what became of them; its provider reads it
    ask.<agency>              data requests that a provider has to answer; its systems read it
    reply.<agency>            that an answer is there, for the agency whose system asked
    positions.<agency>        how far its connectors are in their sources; its systems write it
    control.<name>            the fund's refusals, the audit log and its checkpoints, erasures, all
                              written by the bus alone; the catalogue and the gate's refusals,
                              written by the administrator alone
    _schemas                  schemas in Confluent's format, for readers that expect a registry;
                              written by the administrator alone

Source: design of the bus, ADR-0004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, ViewCode, is_code

CATALOGUE: Final = "control.catalogue"
REFUSALS: Final = "control.refusals"
GATE: Final = "control.gate"
"""Contracts that were kept from coming into force, one record for each attempt."""
AUDIT: Final = "control.audit"
"""The audit log: each partition is a tree, and a leaf's number is its offset (ADR-0019)."""
AUDIT_PARTITIONS: Final = 4
"""In every region: a batch's leaf must have its place whatever partitions data topics have."""
ERASURES: Final = "control.erasures"
"""Which entries were erased, so that it can be done again when an older database is restored."""
CHECKPOINTS: Final = "control.checkpoints"
"""What all trees came to, signed, one record each 30 seconds; every system may read it."""
SCHEMAS: Final = "_schemas"
ENFORCE_GROUP: Final = "bus.enforce"
"""Consumer group whose committed offsets say how far enforcement has come."""
FUND_GROUP: Final = "bus.fund"
QUARANTINE_GROUP: Final = "bus.quarantine"
_PARTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A provider's own topic for one dataset."""

    agency: AgencyCode
    dataset: DatasetCode

    def __str__(self) -> str:
        return f"in.{self.agency}.{self.dataset}"


def inbound(agency: AgencyCode, dataset: DatasetCode) -> str:
    """Name the topic into which `agency` publishes `dataset`."""
    return str(Inbound(agency=agency, dataset=dataset))


def accepted(dataset: DatasetCode) -> str:
    """Name the topic of accepted records of all providers of `dataset`."""
    return f"accepted.{dataset}"


def view(code: ViewCode) -> str:
    """Name the topic of one view."""
    return f"view.{code}"


def quarantine(agency: AgencyCode) -> str:
    """Name the topic of records of `agency` that were set aside."""
    return f"quarantine.{agency}"


def release(agency: AgencyCode) -> str:
    """Name the topic through which quarantined records of `agency` re-enter."""
    return f"release.{agency}"


def is_release(topic: str) -> bool:
    """Tell whether records of a topic were released from quarantine."""
    return topic.startswith("release.")


def receipts(agency: AgencyCode) -> str:
    """Name the topic that tells `agency` what became of its quarantined records."""
    return f"receipts.{agency}"


def ask(agency: AgencyCode) -> str:
    """Name the topic that tells `agency` which data requests it has to answer."""
    return f"ask.{agency}"


def reply(agency: AgencyCode) -> str:
    """Name the topic that tells `agency` what became of its systems' data requests."""
    return f"reply.{agency}"


def positions(agency: AgencyCode) -> str:
    """Name the topic in which connectors of `agency` keep how far they are in their sources."""
    return f"positions.{agency}"


def parse_inbound(topic: str) -> Inbound:
    """Read agency and dataset from an inbound topic's name.

    Raises:
        InvariantBroken: It is no inbound topic: the caller subscribed to the wrong thing.
    """
    parts = topic.split(".")
    if len(parts) != _PARTS or parts[0] != "in" or not (is_code(parts[1]) and is_code(parts[2])):
        raise InvariantBroken(f"topic {topic!r} is not of the form in.<agency>.<dataset>")
    return Inbound(agency=AgencyCode(parts[1]), dataset=DatasetCode(parts[2]))


def dataset_of_accepted(topic: str) -> DatasetCode:
    """Read the dataset from the name of an accepted topic.

    Raises:
        InvariantBroken: It is no accepted topic.
    """
    kind, _, dataset = topic.partition(".")
    if kind != "accepted" or not is_code(dataset):
        raise InvariantBroken(f"topic {topic!r} is not of the form accepted.<dataset>")
    return DatasetCode(dataset)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """One record's place in Kafka; its text form travels in header `bus_in`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def parse_position(text: str) -> Position:
    """Read `topic/partition/offset`.

    Raises:
        ValueError: The text has another form.
    """
    topic, partition, offset = text.rsplit("/", 2)
    return Position(topic=topic, partition=int(partition), offset=int(offset))
