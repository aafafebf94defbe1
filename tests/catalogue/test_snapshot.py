from __future__ import annotations

from dataclasses import replace

from bus.catalogue.snapshot import build_snapshot
from tests import factories


def test_what_stayed_as_it_was_is_not_compiled_again() -> None:
    known = factories.snapshot()
    new = build_snapshot(factories.region(factories.signing_key("edu-registry")), 8, known)
    assert new.version == 8
    assert new.keys != known.keys
    assert [one.compiled for one in new.schemas.values()] == [
        one.compiled for one in known.schemas.values()
    ]
    assert all(one is known.schemas[schema_id] for schema_id, one in new.schemas.items())


def test_a_contract_that_changed_is_compiled_again_and_the_others_are_not() -> None:
    known = factories.snapshot()
    path = next(
        path
        for path, content in factories.sample_documents().items()
        if path.endswith("contract.yaml") and factories.DATASET.encode() in content
    )
    changed = factories.sample_documents()[path] + b"\n"
    new = build_snapshot(factories.region(**{path: changed}), 8, known)
    compiled_again = {
        one.compiled.dataset
        for schema_id, one in new.schemas.items()
        if one is not known.schemas[schema_id]
    }
    assert compiled_again == {factories.DATASET}


def test_a_contract_whose_filters_changed_is_compiled_again() -> None:
    known = factories.snapshot()
    region = known.region
    without = tuple(one for one in region.agreements if not one.rows)
    new = build_snapshot(replace(region, agreements=without), 8, known)
    again = {
        one.compiled.dataset
        for schema_id, one in new.schemas.items()
        if one is not known.schemas[schema_id]
    }
    assert again == {one.dataset for one in region.agreements if one.rows}
    assert again
    assert all(not one.compiled.wanted for one in new.schemas.values())
