"""The sample region's contracts, compiled as enforcement compiles them."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from bus.contracts.compile import CompiledSchema
from bus.contracts.encode import Encode, encoder
from bus.demo.records import Values
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Examined, Severity
from tests.factories import APPENDED_MS, snapshot


@cache
def tools(dataset: DatasetCode) -> tuple[Encode, CompiledSchema]:
    region = snapshot().region
    contract = region.contracts[dataset]
    entry = region.lock.get(dataset, contract.newest.number)
    assert entry is not None
    return encoder(contract.newest.schema, entry.id), snapshot().schemas[entry.id].compiled


def broken_rules(dataset: DatasetCode, values: Values) -> frozenset[str]:
    """Rules that set the record aside; observed ones do not."""
    encode, compiled = tools(dataset)
    examined = compiled.examine(encode(MappingProxyType(values)), APPENDED_MS)
    assert isinstance(examined, Examined), examined
    return frozenset(
        violation.rule
        for violation in examined.violations
        if violation.severity is Severity.QUARANTINE
    )


def observed_rules(dataset: DatasetCode, values: Values) -> frozenset[str]:
    """Rules that are only counted."""
    encode, compiled = tools(dataset)
    examined = compiled.examine(encode(values), APPENDED_MS)
    assert isinstance(examined, Examined), examined
    return frozenset(violation.rule for violation in examined.violations) - broken_rules(
        dataset, values
    )
