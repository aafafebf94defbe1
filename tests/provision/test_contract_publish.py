from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bus.contracts.gate import RefusalReason
from bus.provision.contract_publish import publish_contracts
from tests.provision.conftest import REGION_FILE

ROOT = REGION_FILE.parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sample region; its region file."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path / "deploy" / "samara" / "region.yaml"


def _lock(checkout: Path) -> Path:
    return checkout.parents[2] / "schemas" / "avro" / "registry.lock.json"


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_published_region_has_nothing_to_write(checkout: Path) -> None:
    before = _lock(checkout).read_bytes()
    publication = publish_contracts(checkout, None)
    assert not publication.is_refused
    assert not publication.new_ids
    assert _lock(checkout).read_bytes() == before


def test_ids_are_the_same_when_the_lock_is_written_from_nothing(checkout: Path) -> None:
    before = json.loads(_lock(checkout).read_bytes())
    _lock(checkout).unlink()
    publication = publish_contracts(checkout, None)
    assert len(publication.new_ids) == sum(len(versions) for versions in before.values())
    assert json.loads(_lock(checkout).read_bytes()).keys() == before.keys()
    assert not publish_contracts(checkout, None).new_ids


def test_new_agreement_gives_its_view_s_schema_the_next_id(checkout: Path) -> None:
    before = json.loads(_lock(checkout).read_bytes())
    last = max(entry["id"] for versions in before.values() for entry in versions.values())
    _edit(checkout.parent / "agreements" / "health-institutions.yaml", "  - founder\n", "")
    publication = publish_contracts(checkout, None)
    assert [new.id for new in publication.new_ids] == [last + 1]
    assert publication.new_ids[0].subject.startswith("view.")
    after = json.loads(_lock(checkout).read_bytes())
    assert {subject: after[subject] for subject in before} == before


def test_contract_without_an_approved_passport_is_refused_and_says_who_acts(
    checkout: Path,
) -> None:
    passport = checkout.parent / "passports" / "organisations-register.yaml"
    _edit(passport, "state: approved", "state: described")
    _lock(checkout).unlink()
    publication = publish_contracts(checkout, None)
    refusal = publication.refusals[0]
    assert refusal.dataset == "organisations"
    assert refusal.refusal.reason is RefusalReason.NOT_OPTIMISED
    assert refusal.agency == "tax-samara"
    assert (
        refusal.post
        == "Заместитель руководителя управления, курирующий регистрацию юридических лиц"
    )
    assert not [finding for finding in publication.findings if "optimised" in str(finding.found)]
    assert not publication.new_ids
    assert not _lock(checkout).exists()


def test_draft_contract_that_a_system_provides_is_refused(checkout: Path) -> None:
    contract = checkout.parents[2] / "schemas/avro/economy/organisation/contract.yaml"
    _edit(contract, "status: active\ndomain", "status: draft\ndomain")
    refusal = publish_contracts(checkout, None).refusals[0]
    assert refusal.refusal.reason is RefusalReason.CONTRACT_NOT_ACTIVE
    assert refusal.post


def test_contract_that_only_wants_to_automate_what_is_there_is_refused(checkout: Path) -> None:
    proposed = checkout.parent / "proposed" / "social"
    shutil.copytree(proposed, checkout.parents[2] / "schemas" / "avro" / "social")
    (refusal,) = publish_contracts(checkout, None).refusals
    assert str(refusal) == (
        "subsidies: found process subsidies-granting described, not optimised; expected state "
        "approved. Optimise the process first: its target model must leave something out. "
        "To act: social-samara, Начальник отдела субсидий и льгот."
    )
    passport = checkout.parent / "passports" / "subsidies-granting.yaml"
    _edit(passport, "state: described", "state: approved")
    (refusal,) = publish_contracts(checkout, None).refusals
    assert refusal.refusal.reason is RefusalReason.NOTHING_REMOVED


def test_changed_schema_is_found_and_the_lock_stays(checkout: Path) -> None:
    before = _lock(checkout).read_bytes()
    schema = checkout.parents[2] / "schemas/avro/territory/municipality/v1.avsc"
    content = json.loads(schema.read_bytes())
    content["doc"] = "another description"
    schema.write_text(json.dumps(content))
    publication = publish_contracts(checkout, None)
    assert any("municipalities version 1" in str(finding.found) for finding in publication.findings)
    assert _lock(checkout).read_bytes() == before


def test_unreadable_document_is_found_with_its_place(checkout: Path) -> None:
    _edit(checkout.parent / "agencies" / "tax-samara.yaml", "agency:", "agenzy:")
    publication = publish_contracts(checkout, None)
    assert publication.is_refused
    assert any("agencies/tax-samara.yaml:1" in finding.path for finding in publication.findings)
