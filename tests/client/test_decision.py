from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.client.decision import (
    Decision,
    KnownVersion,
    Next,
    NothingStands,
    Repeat,
    Standing,
    VersionTaken,
    decide,
    decide_numbered,
)
from bus.model.identifiers import RecordId
from bus.model.record import Operation


def known(
    version: int,
    standing: Standing = Standing.STANDS,
    content: int = 0,
    operation: Operation = Operation.CREATE,
    supersedes: int | None = None,
) -> KnownVersion:
    return KnownVersion(
        version=version,
        record_id=RecordId(f"{version:032x}"),
        operation=operation,
        supersedes=None if supersedes is None else RecordId(f"{supersedes:032x}"),
        fingerprint=bytes([content]),
        standing=standing,
        quarantine_id=f"in.a.b/0/{version}" if standing is Standing.REFUSED else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[KnownVersion]:
    versions = draw(st.lists(st.integers(1, 50), unique=True, max_size=6))
    return [
        known(version, draw(st.sampled_from(Standing)), draw(st.integers(0, 2)))
        for version in sorted(versions, reverse=True)
    ]


CONTENTS = st.integers(0, 2).map(lambda content: bytes([content]))


def test_a_new_key_is_created_as_version_1() -> None:
    assert decide([], b"x") == Next(
        version=1, operation=Operation.CREATE, supersedes=None, resolves=None
    )


def test_a_row_equal_to_the_newest_version_is_a_repeat_refused_or_not() -> None:
    assert decide([known(3, Standing.REFUSED), known(2, content=1)], b"\0") == Repeat()
    assert decide([known(3)], b"\0") == Repeat()


def test_a_changed_row_corrects_the_newest_version_that_stands() -> None:
    decision = decide([known(3, Standing.REFUSED), known(2, Standing.HANGS), known(1)], b"new")
    assert decision == Next(
        version=4,
        operation=Operation.CORRECT,
        supersedes=known(1).record_id,
        resolves="in.a.b/0/3",
    )


def test_a_row_whose_versions_were_all_refused_is_created_anew_and_answers_the_newest() -> None:
    decision = decide([known(2, Standing.REFUSED), known(1, Standing.REFUSED)], b"new")
    assert decision == Next(
        version=3, operation=Operation.CREATE, supersedes=None, resolves="in.a.b/0/2"
    )


def test_a_row_equal_to_a_version_that_hangs_is_sent_again_on_ground_that_stands() -> None:
    decision = decide([known(2, Standing.HANGS), known(1, Standing.REFUSED)], b"\0")
    assert decision == Next(
        version=3, operation=Operation.CREATE, supersedes=None, resolves="in.a.b/0/1"
    )


@given(histories(), CONTENTS)
def test_what_is_sent_follows_every_version_and_stands_on_one_that_stands(
    history: list[KnownVersion], content: bytes
) -> None:
    decision = decide(history, content)
    standing = [sent for sent in history if sent.standing is Standing.STANDS]
    if isinstance(decision, Repeat):
        assert history[0].fingerprint == content
        return
    assert isinstance(decision, Next)
    assert decision.version == max((sent.version for sent in history), default=0) + 1
    assert (decision.operation is Operation.CREATE) == (not standing)
    assert decision.supersedes == (standing[0].record_id if standing else None)


@given(histories(), st.lists(CONTENTS, max_size=8))
def test_sending_a_row_twice_sends_it_once(
    history: list[KnownVersion], contents: list[bytes]
) -> None:
    for content in contents:
        decision = decide(history, content)
        if isinstance(decision, Next):
            sent = KnownVersion(
                version=decision.version,
                record_id=RecordId(f"{decision.version:032x}"),
                operation=decision.operation,
                supersedes=decision.supersedes,
                fingerprint=content,
                standing=Standing.STANDS,
                quarantine_id=None,
            )
            history = [sent, *history]
        assert decide(history, content) == Repeat()


@given(histories(), CONTENTS)
def test_the_versions_below_the_newest_standing_one_decide_nothing(
    history: list[KnownVersion], content: bytes
) -> None:
    needed = []
    for sent in history:
        needed.append(sent)
        if sent.standing is Standing.STANDS:
            break
    assert decide(needed, content) == decide(history, content)


@given(histories(), CONTENTS, st.integers(1, 50))
def test_a_numbered_row_keeps_its_number_and_follows_a_lower_one(
    history: list[KnownVersion], content: bytes, version: int
) -> None:
    decision = decide_numbered(history, content, version)
    same = [sent for sent in history if sent.version == version]
    lower = [
        sent for sent in history if sent.version < version and sent.standing is Standing.STANDS
    ]
    if same:
        equal = same[0].fingerprint == content
        assert decision == (Repeat() if equal else VersionTaken(version=version))
        return
    assert isinstance(decision, Next)
    assert decision.version == version
    assert decision.supersedes == (lower[0].record_id if lower else None)


def sent_after(history: list[KnownVersion], decision: Decision, content: int) -> list[KnownVersion]:
    assert isinstance(decision, Next), decision
    sent = KnownVersion(
        version=decision.version,
        record_id=RecordId(f"{decision.version:032x}"),
        operation=decision.operation,
        supersedes=decision.supersedes,
        fingerprint=bytes([content]),
        standing=Standing.STANDS,
        quarantine_id=None,
    )
    return [sent, *history]


def test_an_annulment_takes_back_the_version_that_stands_and_the_next_one_after_it() -> None:
    history = [known(2, content=2, operation=Operation.CORRECT, supersedes=1), known(1, content=1)]
    for version, content in ((2, 2), (1, 1)):
        decision = decide(history, bytes([content]), Operation.ANNUL)
        assert decision == Next(
            version=history[0].version + 1,
            operation=Operation.ANNUL,
            supersedes=known(version).record_id,
            resolves=None,
        )
        history = sent_after(history, decision, content)
        for said in range(content, 3):  # it, and those before it, may be said again
            assert decide(history, bytes([said]), Operation.ANNUL) == Repeat()
    assert decide(history, b"other", Operation.ANNUL) == NothingStands()
    assert decide(history, b"other", Operation.CEASE) == NothingStands()


def test_a_row_after_an_annulment_follows_what_it_uncovered() -> None:
    history = [
        known(3, content=2, operation=Operation.ANNUL, supersedes=2),
        known(2, content=2, operation=Operation.CORRECT, supersedes=1),
        known(1, content=1),
    ]
    assert decide(history, bytes([1])) == Repeat()
    decision = decide(history, bytes([2]))
    assert isinstance(decision, Next)
    assert (decision.operation, decision.supersedes) == (Operation.CORRECT, known(1).record_id)
    gone = [known(2, content=1, operation=Operation.ANNUL, supersedes=1), known(1, content=1)]
    created = decide(gone, bytes([1]))
    assert isinstance(created, Next)
    assert (created.operation, created.supersedes) == (Operation.CREATE, None)


def test_a_cease_is_said_once_and_a_create_opens_the_entry_again() -> None:
    history = sent_after(
        [known(1, content=1)], decide([known(1, content=1)], bytes([2]), Operation.CEASE), 2
    )
    assert decide(history, bytes([2]), Operation.CEASE) == Repeat()
    assert decide(history, bytes([2])) == Repeat()
    reopened = decide(history, bytes([2]), Operation.CREATE)
    assert isinstance(reopened, Next)
    assert (reopened.operation, reopened.supersedes) == (Operation.CREATE, None)


def test_a_refused_annulment_leaves_the_version_standing() -> None:
    history = [
        known(2, Standing.REFUSED, 1, Operation.ANNUL, supersedes=1),
        known(1, content=1),
    ]
    assert decide(history, bytes([1])) == Repeat()
    assert decide(history, bytes([1]), Operation.ANNUL) == Repeat()  # it would be refused again
    decision = decide(history, bytes([2]), Operation.ANNUL)
    assert decision == Next(
        version=3,
        operation=Operation.ANNUL,
        supersedes=known(1).record_id,
        resolves="in.a.b/0/2",
    )


def test_a_version_taken_by_another_operation_is_no_repeat() -> None:
    history = [known(1, content=1)]
    assert decide_numbered(history, bytes([1]), 1, Operation.ANNUL) == VersionTaken(version=1)
    assert decide_numbered(history, bytes([1]), 1, Operation.CORRECT) == Repeat()


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([None, *Operation])), min_size=1, max_size=10
    )
)
def test_whatever_was_said_last_is_said_once(said: list[tuple[int, Operation | None]]) -> None:
    history: list[KnownVersion] = []
    for content, operation in said:
        decision = decide(history, bytes([content]), operation)
        if isinstance(decision, Next):
            history = sent_after(history, decision, content)
        if not isinstance(decision, NothingStands):
            assert decide(history, bytes([content]), operation) == Repeat()
