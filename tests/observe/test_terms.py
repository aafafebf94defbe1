"""What the catalogue promises and until when it grants, as alerts read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from bus.catalogue.agreement import Ending
from bus.catalogue.decision import Side
from bus.catalogue.region import Region
from bus.contracts.contract import Status
from bus.model.identifiers import DatasetCode, KeyId
from bus.observe.board import Board
from bus.observe.status import LastCheck, keep_check, read_check, show_check
from bus.observe.terms import show_terms
from tests.factories import AGENCY, DATASET, SYSTEM, signing_key, snapshot
from tests.observe.test_counting import samples, value

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REGION = snapshot().region
INTERVAL, TARGET = "bus_dataset_expected_interval_seconds", "bus_dataset_target_ratio"
AGREEMENT, KEY = "bus_agreement_expiry_timestamp_seconds", "bus_key_expiry_timestamp_seconds"


def shown(*regions: Region, now: datetime = NOW) -> Board:
    board = Board()
    for region in regions:
        show_terms(region, now, board)
    return board


def names(board: Board) -> set[str]:
    return {name for name, _ in samples(board)}


def test_a_contract_in_force_tells_its_targets_and_each_providers_interval() -> None:
    board, sla = shown(REGION), REGION.contracts[DATASET].sla
    assert value(board, INTERVAL, agency=AGENCY, dataset=DATASET) == sla.frequency_hours * 3600
    for score, percent in {
        "completeness": sla.completeness_percent,
        "validity": sla.validity_percent,
        "timeliness": sla.timeliness_percent,
    }.items():
        assert value(board, TARGET, dataset=DATASET, score=score) == percent / 100
    provided = sum(len(REGION.providers_of(dataset)) for dataset in REGION.contracts)
    assert sum(name == INTERVAL for name, _ in samples(board)) == provided


def test_what_is_no_more_promised_ceases_to_be_expected() -> None:
    retired = {
        **REGION.contracts,
        DATASET: replace(REGION.contracts[DATASET], status=Status.RETIRED),
    }
    left = {**REGION.agencies, AGENCY: replace(REGION.agencies[AGENCY], left_at=NOW)}
    for changed in (
        replace(REGION, contracts=MappingProxyType(retired)),
        replace(REGION, agencies=MappingProxyType(left)),
    ):
        found = samples(shown(REGION, changed))
        assert (INTERVAL, (("agency", AGENCY), ("dataset", DATASET))) not in found
        assert any(name == INTERVAL for name, _ in found)


def test_of_a_consumers_agreements_in_force_the_last_end_counts() -> None:
    one = next(one for one in REGION.agreements if one.dataset == DATASET)
    assert one.is_in_force(NOW)
    longer = replace(one, id="longer", valid_to=one.valid_to + timedelta(days=40))
    to_come = replace(
        one,
        id="to-come",
        valid_from=NOW.date() + timedelta(days=1),
        valid_to=longer.valid_to + timedelta(days=1),
    )
    board = shown(replace(REGION, agreements=(longer, one, to_come)))
    of = {"consumer": one.consumer, "dataset": DATASET}
    assert value(board, AGREEMENT, **of) == longer.ends_at.timestamp()
    ended = replace(one, ending=Ending(side=Side.PROVIDER, by="Начальник отдела", at=NOW))
    assert AGREEMENT not in names(shown(replace(REGION, agreements=(ended,))))


def test_the_newest_key_of_each_system_counts_and_the_first_of_them_to_end() -> None:
    def key(number: int, began: int, ends: int | None, **more: object) -> tuple[KeyId, object]:
        made = signing_key(
            SYSTEM,
            key_id=KeyId(f"{SYSTEM}.{number}"),
            valid_from=NOW - timedelta(days=began),
            valid_to=None if ends is None else NOW + timedelta(days=ends),
            **more,
        )
        return made.key_id, made

    def end_of(*keys: tuple[KeyId, object]) -> float | None:
        region = replace(REGION, keys=MappingProxyType(dict(keys)))  # type: ignore[arg-type]
        found = samples(shown(region)).get((KEY, (("agency", AGENCY),)))
        return None if found is None else (found - NOW.timestamp()) / 86_400

    assert end_of(key(1, 300, 10), key(2, 20, 700)) == 700
    assert end_of(key(1, 300, 10), key(2, 20, None)) is None
    assert end_of(key(1, 300, 10), key(2, 20, 700, revoked_at=NOW)) == 10
    assert end_of(key(1, 300, -5)) == -5, "what has ended already is told"
    assert end_of() is None


def test_the_law_is_told_as_the_last_check_left_it_and_not_at_all_where_there_was_none(
    tmp_path: Path,
) -> None:
    board = Board()
    assert read_check(tmp_path) is None
    assert not names(board) & {"bus_law_holds", "bus_law_checked_timestamp_seconds"}
    keep_check(tmp_path, LastCheck(at=NOW, holds=False))
    check = read_check(tmp_path)
    assert check is not None
    show_check(check, board)
    assert value(board, "bus_law_holds") == 0
    assert value(board, "bus_law_checked_timestamp_seconds") == NOW.timestamp()


def test_a_dataset_that_is_gone_takes_its_series_with_it() -> None:
    other = DatasetCode("organisations")
    rest = {code: one for code, one in REGION.contracts.items() if code != other}
    found = samples(shown(REGION, replace(REGION, contracts=MappingProxyType(rest))))
    assert not [labels for _, labels in found if ("dataset", other) in labels and _ != AGREEMENT]
