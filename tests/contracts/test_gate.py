from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bus.catalogue.region import Region, parse_region
from bus.contracts.contract import Contract, Status
from bus.contracts.gate import Refusal, RefusalReason, may_publish
from bus.contracts.passport import Act, Passport, ProcessState, lacking
from bus.model.identifiers import DatasetCode
from tests.catalogue.small_region import small_region
from tests.texts.english import in_english


@pytest.fixture(scope="module")
def region() -> Region:
    return parse_region(small_region())


@pytest.fixture
def contract(region: Region) -> Contract:
    return region.contracts[DatasetCode("shelters")]


@pytest.fixture
def passport(region: Region) -> Passport:
    return region.passports["shelters-register"]


def test_contract_of_an_approved_process_may_be_in_force(
    contract: Contract, passport: Passport
) -> None:
    assert may_publish(contract, passport) is None
    assert may_publish(replace(contract, status=Status.DEPRECATED), passport) is None


@pytest.mark.parametrize("status", [Status.PROPOSED, Status.DRAFT, Status.RETIRED])
def test_contract_that_is_not_active_is_not_in_force(
    contract: Contract, passport: Passport, status: Status
) -> None:
    refusal = may_publish(replace(contract, status=status), passport)
    assert refusal is not None
    assert refusal.reason is RefusalReason.CONTRACT_NOT_ACTIVE


def test_contract_without_a_passport_is_refused(contract: Contract) -> None:
    refusal = may_publish(contract, None)
    assert refusal is not None
    assert in_english(refusal) == Refusal(
        reason=RefusalReason.NO_PASSPORT,
        found="no passport of process shelters-register",
        expected="an approved passport of the process that makes the dataset",
        remedy="Write passports/shelters-register.yaml and have it approved.",
    )


def test_process_that_is_only_inventoried_is_not_automated(
    contract: Contract, passport: Passport
) -> None:
    refusal = may_publish(contract, replace(passport, state=ProcessState.INVENTORIED))
    assert refusal is not None
    assert refusal.reason is RefusalReason.NOT_DESCRIBED


def test_process_that_is_only_described_is_not_automated(
    contract: Contract, passport: Passport
) -> None:
    refusal = may_publish(contract, replace(passport, state=ProcessState.DESCRIBED))
    assert refusal is not None
    assert refusal.reason is RefusalReason.NOT_OPTIMISED


def test_optimised_process_waits_for_its_approval(contract: Contract, passport: Passport) -> None:
    optimised = may_publish(contract, replace(passport, state=ProcessState.OPTIMISED))
    without_act = may_publish(contract, replace(passport, act=None))
    assert optimised is not None
    assert without_act is not None
    assert optimised.reason is without_act.reason is RefusalReason.NOT_APPROVED


def test_optimisation_must_remove_something(contract: Contract, passport: Passport) -> None:
    same = replace(passport, target_model=(*passport.current_model, "Публикация"))
    refusal = may_publish(contract, same)
    assert refusal is not None
    assert refusal.reason is RefusalReason.NOTHING_REMOVED


@pytest.mark.parametrize("member", ["consumes", "diagram_sha256"])
def test_approval_without_a_document_of_an_earlier_step_is_refused(
    contract: Contract, passport: Passport, member: str
) -> None:
    refusal = may_publish(contract, replace(passport, **{member: None}))  # type: ignore[arg-type]
    assert refusal is not None
    assert refusal.reason is RefusalReason.DOCUMENT_LACKING
    assert member in str(refusal.expected)


def test_each_state_demands_its_documents_and_those_before_it(passport: Passport) -> None:
    empty = replace(
        passport, act=None, consumes=None, current_model=(), target_model=(), diagram_sha256=None
    )
    demanded = {
        state: [document.member for document in lacking(replace(empty, state=state))]
        for state in ProcessState
    }
    assert demanded == {
        ProcessState.INVENTORIED: ["consumes"],
        ProcessState.DESCRIBED: ["consumes", "current_model", "diagram_sha256"],
        ProcessState.OPTIMISED: ["consumes", "current_model", "diagram_sha256", "target_model"],
        ProcessState.APPROVED: [
            "consumes", "current_model", "diagram_sha256", "target_model", "act",
        ],
    }  # fmt: skip
    assert lacking(passport) == ()


def test_passport_of_another_process_does_not_help(contract: Contract, passport: Passport) -> None:
    refusal = may_publish(contract, replace(passport, process="other-register"))
    assert refusal is not None
    assert refusal.reason is RefusalReason.ANOTHER_PROCESS


def test_dataset_must_be_a_result_of_the_process(contract: Contract, passport: Passport) -> None:
    refusal = may_publish(contract, replace(passport, produces=(DatasetCode("sirens"),)))
    assert refusal is not None
    assert refusal.reason is RefusalReason.NOT_A_RESULT
    assert str(refusal) == (
        "found passport shelters-register, which doesn't produce shelters; expected shelters in "
        "`produces`. Cite the process whose result the dataset is, or mend the passport."
    )


def test_removed_elements_keep_their_order(passport: Passport) -> None:
    longer = replace(
        passport,
        act=Act(number="7", date=date(2025, 12, 1), title="Приказ"),
        current_model=("Запрос", "Осмотр", "Письмо", "Запись"),
    )
    assert longer.removed == ("Запрос", "Письмо")
