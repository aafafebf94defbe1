"""A region at a moment → the marts that there should be. Pure.

A mart has what agreements give that have not ended, those to come and those at rest among them:
its views carry the terms themselves, so that nothing needs to run when one begins, rests or ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from bus.catalogue.agreement import Agreement
from bus.catalogue.region import Region
from bus.fund.layout import Layouts
from bus.marts.entries import ROLE_PREFIX, EntryKind, MartEntry
from bus.marts.statements import Made, dataset_statements
from bus.model.identifiers import AgencyCode, DatasetCode

CONNECTIONS_MAX: Final = 5
"""Of one consumer at once."""
ATTRIBUTES: Final = f"login, {CONNECTIONS_MAX} connections"
"""What a mart's role may; all else PostgreSQL gives only if asked."""
_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "1min",
    "lock_timeout": "10s",
    "statement_timeout": "5min",
    "timezone": "UTC",
}
_LOG_SETTINGS: Final = {
    "log_min_messages": "log",
    "log_parameter_max_length": "0",
    "log_statement": "all",
}
"""So that the server's log tells who read by which statement, without the values bound to it, and
without errors: a failed cast quotes what it read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mart:
    """What one consuming agency may read by SQL."""

    agency: AgencyCode
    objects: tuple[Made, ...]
    """By name."""

    @property
    def role(self) -> str:
        """Name of its role, and of its schema."""
        return role_of(self.agency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marts:
    """All of them."""

    by_role: Mapping[str, Mart]

    def entries(self, database: str, *, may_log: bool) -> Iterator[MartEntry]:
        """Tell every entry that a database should have, and no other.

        Args:
            database: Its name.
            may_log: Whether the bus may have the roles' statements logged.
        """
        for mart in self.by_role.values():
            yield _entry(mart, EntryKind.ROLE, "", ATTRIBUTES)
            for name, value in settings_of(mart.role, may_log=may_log).items():
                yield _entry(mart, EntryKind.SETTING, name, value)
            yield _entry(mart, EntryKind.RIGHT, f'DATABASE "{database}"', "CONNECT")
            yield _entry(mart, EntryKind.SCHEMA, mart.role, "")
            yield _entry(mart, EntryKind.RIGHT, f'SCHEMA "{mart.role}"', "USAGE")
            for made in mart.objects:
                yield _entry(mart, EntryKind(made.kind), made.signature, made.digest)
                yield right_of(mart, made)


def right_of(mart: Mart, made: Made) -> MartEntry:
    """Give the mart's right on one of its things."""
    if made.kind == EntryKind.VIEW:
        return _entry(mart, EntryKind.RIGHT, f'TABLE "{mart.role}"."{made.name}"', "SELECT")
    name = f'ROUTINE "{mart.role}".{made.signature}'
    return _entry(mart, EntryKind.RIGHT, name, "EXECUTE")


def _entry(mart: Mart, kind: EntryKind, name: str, detail: str) -> MartEntry:
    return MartEntry(role=mart.role, kind=kind, name=name, detail=detail)


def settings_of(role: str, *, may_log: bool) -> Mapping[str, str]:
    """Tell the settings with which a mart's sessions begin."""
    return {**_SETTINGS, "search_path": role, **(_LOG_SETTINGS if may_log else {})}


def role_of(agency: AgencyCode) -> str:
    """Name the role and the schema of a consumer's mart; a code's 48 characters fit in 63 bytes."""
    return f"{ROLE_PREFIX}{agency}"


def marts_of(region: Region, layouts: Layouts, moment: datetime) -> Marts:
    """Decide every mart.

    Args:
        region: Agreements and contracts.
        layouts: Of its datasets.
        moment: Aware; what has ended by then is left out.
    """
    given: dict[AgencyCode, dict[DatasetCode, list[Agreement]]] = {}
    for agreement in region.agreements:
        if agreement.is_approved and moment < agreement.ends_at:
            of_agency = given.setdefault(agreement.consumer, {})
            of_agency.setdefault(agreement.dataset, []).append(agreement)
    marts = [
        Mart(agency=agency, objects=tuple(_objects(region, layouts, agency, given[agency])))
        for agency in sorted(given)
    ]
    return Marts(by_role=MappingProxyType({mart.role: mart for mart in marts}))


def _objects(
    region: Region,
    layouts: Layouts,
    agency: AgencyCode,
    given: Mapping[DatasetCode, Sequence[Agreement]],
) -> Iterator[Made]:
    for dataset in sorted(given):
        yield from dataset_statements(
            role_of(agency), region.contracts[dataset], layouts[dataset], given[dataset]
        )
