"""Regions made of values, as small as a right needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType

from bus.catalogue.agreement import Agreement, Consent, Standing
from bus.catalogue.lock import EMPTY_LOCK
from bus.catalogue.parties import Agency, System
from bus.catalogue.region import Region
from bus.contracts.contract import (
    Classification,
    Compatibility,
    Contract,
    SchemaVersion,
    Sla,
    Status,
    VersionSource,
)
from bus.contracts.rules import Text
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Operation

WORDS = Text(ru="слова", en="words")
APPROVED = Consent(standing=Standing.GIVEN, on=date(2020, 1, 1))
FIRST_DAY = date(2026, 1, 1)
LAST_DAY = date(2026, 12, 31)
FIELDS = ("number", "name", "town")


def region(
    agencies: Mapping[str, Mapping[str, Sequence[str]]],
    agreements: Iterable[Agreement] = (),
    *,
    partitions: int = 2,
) -> Region:
    """Make a region: agency → system → datasets that the system provides."""
    made = [
        Agency(
            code=AgencyCode(agency),
            name=WORDS,
            oktmo=None,
            systems=tuple(
                System(
                    code=SystemCode(system),
                    name=WORDS,
                    provides=tuple(DatasetCode(dataset) for dataset in provides),
                )
                for system, provides in systems.items()
            ),
        )
        for agency, systems in agencies.items()
    ]
    datasets = sorted({dataset for agency in made for dataset in agency.provides})
    return Region(
        code="test-region",
        name=WORDS,
        partitions=partitions,
        agencies=MappingProxyType({agency.code: agency for agency in made}),
        contracts=MappingProxyType({dataset: contract(dataset) for dataset in datasets}),
        agreements=tuple(agreements),
        passports=MappingProxyType({}),
        keys=MappingProxyType({}),
        lock=EMPTY_LOCK,
    )


def agreement(
    consumer: str,
    systems: Sequence[str],
    dataset: str,
    *,
    fields: Sequence[str] | None = None,
    valid_from: date = FIRST_DAY,
    valid_to: date = LAST_DAY,
) -> Agreement:
    """Make an agreement; without `fields` it grants the whole dataset."""
    return Agreement(
        id=f"{consumer}-{dataset}",
        providers=None,
        consumer=AgencyCode(consumer),
        systems=tuple(SystemCode(system) for system in systems),
        dataset=DatasetCode(dataset),
        fields=None if fields is None else tuple(fields),
        rows=(),
        history_from=None,
        purpose=WORDS,
        legal_basis="order 1",
        valid_from=valid_from,
        valid_to=valid_to,
        provider_consent=APPROVED,
        consumer_consent=APPROVED,
    )


def contract(dataset: DatasetCode) -> Contract:
    """Make a contract over three text fields."""
    schema = {
        "type": "record",
        "name": "Entry",
        "namespace": "test",
        "fields": [{"name": name, "type": "string"} for name in FIELDS],
    }
    return Contract(
        dataset=dataset,
        title=WORDS,
        owner=AgencyCode("owner"),
        steward="head of register",
        status=Status.ACTIVE,
        contract_version="1.0.0",
        key_field="number",
        version_source=VersionSource.PUBLISHER,
        operations=frozenset(Operation),
        immutable_fields=frozenset(),
        compatibility=Compatibility.FULL_TRANSITIVE,
        process="register",
        legal_basis="order 1",
        classification=MappingProxyType(dict.fromkeys(FIELDS, Classification.PUBLIC)),
        sla=Sla(
            latency_s=60,
            frequency_hours=24,
            retention_days=365,
            completeness_percent=90,
            validity_percent=95,
            timeliness_percent=95,
        ),
        schema_versions=(SchemaVersion(number=1, schema=schema, rules=(), accepted_until=None),),
    )
