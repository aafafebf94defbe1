"""The mill makes what it says, from its seed alone."""

from __future__ import annotations

from collections import Counter

from bus.wire.headers import SIGNED
from tests.factories import Raw
from tests.malformed.mutants import Fate, Mill
from tests.malformed.targets import APPENDED_MS, pure_world


def mill(seed: int, *, only_utf_8: bool = False) -> Mill:
    _, targets = pure_world()
    return Mill(targets, seed, now_ms=APPENDED_MS, only_utf_8=only_utf_8)


def raws(seed: int, batches: int = 3) -> list[Raw]:
    made = mill(seed)
    return [sent.raw for _ in range(batches) for sent in made.batch(200)[1]]


def test_equal_seeds_make_equal_records_and_others_make_others() -> None:
    assert raws(7) == raws(7)
    assert raws(7) != raws(8)


def test_one_record_in_a_hundred_is_good_and_no_registry_number_comes_twice() -> None:
    made = mill(7)
    sent = [one for _ in range(10) for one in made.batch(500)[1]]
    fates = Counter(one.fate for one in sent)
    assert fates[Fate.GOOD] == 50
    assert set(fates) == set(Fate)
    good = [(one.raw.topic, one.raw.key) for one in sent if one.fate is Fate.GOOD]
    assert len(set(good)) == len(good)


def test_what_is_harmless_keeps_every_signed_byte() -> None:
    made = mill(7)
    harmless = [one.raw for one in made.batch(2_000)[1] if one.fate is Fate.HARMLESS]
    orders = {tuple(name for name, _ in raw.headers if name in SIGNED) for raw in harmless}
    assert len(orders) > len(harmless) / 2
    for raw in harmless:
        names = [name for name, _ in raw.headers]
        assert len(set(names)) == len(names)
        assert "bus_sig" in names


def test_for_client_libraries_every_header_name_is_text() -> None:
    made = mill(7, only_utf_8=True)
    for _ in range(5):
        for one in made.batch(1_000)[1]:
            for name, _value in one.raw.headers:
                name.encode()


def test_datasets_and_a_dataset_of_deep_nesting_take_turns() -> None:
    made = mill(7)
    met = {made.batch(2)[0].source.dataset for _ in range(200)}
    assert met == {target.source.dataset for target in pure_world()[1]}
    assert "nests" in met


def test_registry_numbers_keep_their_form_after_a_million() -> None:
    for target in pure_world()[1]:
        assert target.key(1_000_007) == target.key(7)
