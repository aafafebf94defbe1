"""Which marts a region comes to at a moment."""

from __future__ import annotations

from datetime import timedelta

from bus.catalogue.agreement import Ending
from bus.catalogue.decision import Side
from bus.marts.entries import EntryKind
from bus.model.identifiers import AgencyCode
from tests.marts.samples import NOW, ROLE, agreement, marts


def test_a_mart_has_what_has_not_ended_and_nothing_of_what_has() -> None:
    ended = Ending(side=Side.CONSUMER, by="head of department", at=NOW)
    to_come = agreement("later", valid_from=(NOW + timedelta(days=2)).date())
    assert [*marts(to_come).by_role] == [ROLE]
    assert [*marts(agreement(ending=ended)).by_role] == []
    assert [*marts(agreement(ending=ended), moment=NOW - timedelta(seconds=1)).by_role] == [ROLE]


def test_what_an_agreement_says_beside_its_grant_changes_nothing() -> None:
    one, other = (
        marts(agreement(legal_basis=basis)).by_role[ROLE].objects
        for basis in ("order 1", "order 2")
    )
    assert [made.digest for made in one] == [made.digest for made in other]


def test_each_consumer_has_its_own_role_and_rights_on_its_own_things() -> None:
    tax = AgencyCode("tax-samara")
    wanted = [*marts(agreement(), agreement("two", consumer=tax)).entries("bus", may_log=False)]
    rights = {(entry.role, entry.name) for entry in wanted if entry.kind is EntryKind.RIGHT}
    assert len(rights) == 2 * 5
    assert all(name == 'DATABASE "bus"' or f'"{role}"' in name for role, name in rights)
