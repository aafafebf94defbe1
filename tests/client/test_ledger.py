from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.client.decision import Standing
from bus.client.ledger import Ledger, LoggedRefusal, LoggedRelease, LoggedVersion
from bus.errors import DocumentError
from bus.model.identifiers import RecordId
from bus.model.record import Operation
from bus.model.verdict import Reason

TOPIC = "in.education-samara.schools"


def identifier(key: str, version: int) -> RecordId:
    return RecordId(f"{key}{version:031x}")


def logged(
    key: str,
    version: int,
    offset: int,
    follows: int | None = None,
    operation: Operation | None = None,
) -> LoggedVersion:
    return LoggedVersion(
        key=key,
        version=version,
        record_id=identifier(key, version),
        operation=operation or (Operation.CREATE if follows is None else Operation.CORRECT),
        supersedes=None if follows is None else identifier(key, follows),
        fingerprint=bytes([version]),
        partition=0,
        offset=offset,
    )


def refusal(
    offset: int, reason: Reason = Reason.RULE_VIOLATED, *, attempt: int = 0
) -> LoggedRefusal:
    return LoggedRefusal(partition=0, offset=offset, reason=reason, attempt=attempt)


def release(offset: int, attempt: int = 1) -> LoggedRelease:
    return LoggedRelease(partition=0, offset=offset, attempt=attempt)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "schools.sqlite", TOPIC)
    yield opened
    opened.close()


def standings(ledger: Ledger, key: str) -> dict[int, Standing]:
    return {sent.version: sent.standing for sent in ledger.known(key, whole=True)}


def test_what_was_taken_in_is_known_after_opening_the_file_again(tmp_path: Path) -> None:
    path = tmp_path / "schools.sqlite"
    first = Ledger.open(path, TOPIC)
    first.take(sent=[logged("a", 1, 7)], positions={(TOPIC, 0): 8})
    first.close()
    second = Ledger.open(path, TOPIC)
    assert [sent.record_id for sent in second.known("a")] == [identifier("a", 1)]
    assert second.positions() == {(TOPIC, 0): 8}
    second.close()


def test_a_refused_version_names_its_quarantine_id(ledger: Ledger) -> None:
    ledger.take(sent=[logged("a", 1, 7)], positions={})
    ledger.take(refused=[refusal(7)], positions={})
    (sent,) = ledger.known("a")
    assert (sent.standing, sent.quarantine_id) == (Standing.REFUSED, f"{TOPIC}/0/7")


def test_versions_behind_a_refused_one_hang_whenever_the_refusal_is_read(ledger: Ledger) -> None:
    sent = [logged("a", 1, 1), logged("a", 2, 2, follows=1), logged("a", 3, 3, follows=2)]
    ledger.take(sent=sent, positions={})
    ledger.take(refused=[refusal(1)], positions={})
    ledger.take(sent=[logged("a", 4, 4, follows=3), logged("a", 5, 5)], positions={})
    assert standings(ledger, "a") == {
        1: Standing.REFUSED,
        2: Standing.HANGS,
        3: Standing.HANGS,
        4: Standing.HANGS,
        5: Standing.STANDS,
    }


def test_what_was_released_stands_again_and_lifts_what_hung_on_it(ledger: Ledger) -> None:
    sent = [logged("a", 1, 1), logged("a", 2, 2, follows=1), logged("a", 3, 3, follows=2)]
    ledger.take(sent=sent, refused=[refusal(1), refusal(3)], positions={})
    ledger.take(released=[release(1)], positions={})
    assert standings(ledger, "a") == {
        1: Standing.STANDS,
        2: Standing.STANDS,
        3: Standing.REFUSED,
    }
    assert [sent.quarantine_id for sent in ledger.known("a", whole=True)] == [
        f"{TOPIC}/0/3",
        None,
        None,
    ]
    assert dict(ledger.tally(0, 0).refused) == {Reason.RULE_VIOLATED: 1}


def test_what_was_refused_after_its_release_is_refused_for_the_later_reason(
    ledger: Ledger,
) -> None:
    later = refusal(1, Reason.NO_CONTRACT, attempt=1)
    ledger.take(sent=[logged("a", 1, 1)], released=[release(1)], refused=[later], positions={})
    ledger.take(refused=[refusal(1)], positions={})
    assert dict(ledger.tally(0, 0).refused) == {Reason.NO_CONTRACT: 1}
    ledger.take(released=[release(1, 2)], positions={})
    assert standings(ledger, "a") == {1: Standing.STANDS}


def test_known_versions_reach_down_to_the_newest_that_stands(ledger: Ledger) -> None:
    sent = [logged("a", 1, 1), logged("a", 2, 2, follows=1), logged("a", 3, 3, follows=2)]
    ledger.take(sent=sent, refused=[refusal(3)], positions={})
    assert [sent.version for sent in ledger.known("a")] == [3, 2]
    assert [sent.version for sent in ledger.known("a", whole=True)] == [3, 2, 1]


def test_known_versions_reach_below_an_annulment_to_what_it_uncovers(ledger: Ledger) -> None:
    sent = [
        logged("a", 1, 1),
        logged("a", 2, 2, follows=1),
        logged("a", 3, 3, follows=2),
        logged("a", 4, 4, follows=3, operation=Operation.ANNUL),
    ]
    ledger.take(sent=sent, positions={})
    assert [sent.version for sent in ledger.known("a")] == [4, 3, 2]


@pytest.mark.parametrize(
    ("number", "lacking"),
    [
        (1, ("operation", "refused_attempt", "released_attempt")),
        (2, ("refused_attempt", "released_attempt")),
    ],
)
def test_a_memory_of_a_format_before_is_taken_over_and_reads_refusals_again(
    number: int, lacking: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "schools.sqlite"
    first = Ledger.open(path, TOPIC)
    sent = [logged("a", 1, 1), logged("a", 2, 2, follows=1), logged("a", 3, 3, follows=2)]
    positions = {(TOPIC, 0): 4, ("quarantine.education-samara", 0): 9}
    first.take(sent=sent, refused=[refusal(3)], positions=positions)
    first.close()
    with closing(sqlite3.connect(path)) as older:
        for column in lacking:
            older.execute(f"ALTER TABLE version DROP COLUMN {column}")
        older.execute(f"PRAGMA user_version = {number}")
        older.commit()
    second = Ledger.open(path, TOPIC)
    operations = [sent.operation for sent in second.known("a", whole=True)]
    assert operations == [Operation.CORRECT, Operation.CORRECT, Operation.CREATE]
    assert second.positions() == {(TOPIC, 0): 4}
    second.take(released=[release(1)], positions={})
    assert standings(second, "a")[3] is Standing.REFUSED
    second.close()


def test_a_batch_that_fails_leaves_nothing_behind(ledger: Ledger) -> None:
    def failing() -> Iterator[LoggedVersion]:
        yield logged("a", 1, 1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ledger.take(sent=failing(), positions={(TOPIC, 0): 2})
    assert ledger.known("a") == []
    assert ledger.positions() == {}


def test_records_and_refusals_are_tallied_between_offsets(ledger: Ledger) -> None:
    sent = [logged("a", 1, 1), logged("b", 1, 3), logged("c", 1, 5), logged("d", 1, 9)]
    ledger.take(sent=sent, refused=[refusal(1), refusal(5, Reason.TRAILING_BYTES)], positions={})
    tally = ledger.tally(0, 3)
    assert (tally.records, tally.end, dict(tally.refused)) == (3, 10, {Reason.TRAILING_BYTES: 1})
    assert ledger.tally(0, 3, 5).records == 1
    assert ledger.tally(1, 0).end == 0


def test_a_topic_made_anew_under_its_old_name_is_recognised(ledger: Ledger) -> None:
    assert ledger.bind(TOPIC, "first")
    assert ledger.bind(TOPIC, "first")
    assert not ledger.bind(TOPIC, "second")


def test_keys_met_more_than_once_are_counted_per_run(ledger: Ledger) -> None:
    ledger.see(["a", "b", "a"])
    ledger.see(["a", "c", "b"])
    assert ledger.seen_more_than_once() == 2
    ledger.forget_seen()
    ledger.see(["a"])
    assert ledger.seen_more_than_once() == 0


def test_a_file_that_is_no_memory_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "schools.sqlite"
    path.write_bytes(b"not a database, and long enough to be looked at" * 50)
    with pytest.raises(DocumentError, match=r"schools\.sqlite.*remove the file"):
        Ledger.open(path, TOPIC)


@dataclass
class Model:
    """The same memory, the slow and plain way."""

    sent: list[LoggedVersion] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)

    def standings(self, key: str) -> dict[int, Standing]:
        own = sorted((one for one in self.sent if one.key == key), key=lambda one: one.offset)
        found: dict[RecordId, Standing] = {}
        versions: dict[int, Standing] = {}
        for one in own:
            ground = found.get(one.supersedes) if one.supersedes is not None else None
            if one.offset in self.refused:
                standing = Standing.REFUSED
            elif ground in {Standing.REFUSED, Standing.HANGS}:
                standing = Standing.HANGS
            else:
                standing = Standing.STANDS
            found[one.record_id] = versions[one.version] = standing
        return versions


Found = LoggedRefusal | LoggedRelease


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[LoggedVersion], list[Found], set[int]]:
    """Versions in the log's order, each following an earlier one of its key or none.

    Of some records a history in quarantine: refused, released, refused again and so on. Last, the
    offsets of those that were not released after the last refusal.
    """
    sent: list[LoggedVersion] = []
    newest = {"a": 0, "b": 0}
    for offset in range(draw(st.integers(1, 8))):
        key = draw(st.sampled_from("ab"))
        version = newest[key] = newest[key] + 1
        earlier = draw(st.integers(0, version - 1))
        sent.append(logged(key, version, offset, follows=earlier or None))
    found: list[Found] = []
    refused = set()
    for offset in draw(st.lists(st.integers(0, len(sent) - 1), unique=True)):
        steps = draw(st.integers(1, 4))
        history = [
            release(offset, (step + 1) // 2) if step % 2 else refusal(offset, attempt=step // 2)
            for step in range(steps)
        ]
        found += history
        if isinstance(history[-1], LoggedRefusal):
            refused.add(offset)
    return sent, found, refused


@settings(max_examples=60, deadline=None)
@given(logs(), st.randoms(use_true_random=False), st.integers(0, 8))
def test_standings_depend_on_the_log_and_not_on_when_refusals_and_releases_are_read(
    log: tuple[list[LoggedVersion], list[Found], set[int]], order: object, cut: int
) -> None:
    sent, found, refused = log
    again = found[: cut // 2]
    order.shuffle(found)  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder:
        ledger = Ledger.open(Path(folder) / "a.sqlite", TOPIC)
        _take(ledger, sent[:cut], [one for one in found if one.offset < cut])
        ledger.take(sent=sent[cut:], positions={})
        for one in [*(one for one in found if one.offset >= cut), *again]:
            _take(ledger, sent, [one])
        model = Model(sent=sent, refused=refused)
        assert {key: standings(ledger, key) for key in "ab"} == {
            key: model.standings(key) for key in "ab"
        }
        ledger.close()


def _take(ledger: Ledger, sent: list[LoggedVersion], found: list[Found]) -> None:
    ledger.take(
        sent=sent,
        refused=[one for one in found if isinstance(one, LoggedRefusal)],
        released=[one for one in found if isinstance(one, LoggedRelease)],
        positions={},
    )
