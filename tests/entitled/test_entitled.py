"""Nobody receives what its agreement does not give, and a copy says what it gives of the fund.

A case is one invented agreement over one invented history. The first of the two claims is held
against every record that is received, the second after every batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bus.catalogue.snapshot import instant_ms
from bus.catalogue.views import View, view_of
from bus.client.delivered import DeliveredRecord
from bus.model.record import Presence
from bus.wire import topics
from tests.entitled import documents, histories
from tests.entitled.documents import Documents
from tests.entitled.entitlement import (
    end_of,
    given_fields,
    gives_day,
    gives_row,
    is_in_force,
    what_stands,
)
from tests.entitled.exchange import Consumer, Exchange
from tests.entitled.histories import Entry, Sent
from tests.factories import Raw

REGIONS: Final = 101
HISTORIES: Final = 10
"""Of each region, each read under all of its agreements: 10,100 cases."""
KINDS: Final = Counter[str]()


@settings(
    max_examples=REGIONS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],  # of a seed nothing smaller says more
)
@given(st.integers(0, 2**48))
def invented_cases(seed: int) -> None:
    chance = Random(seed)
    made = documents.invent(chance)
    for number in range(HISTORIES):
        _Case(made, Random(f"{seed} {number}")).play()


def test_nobody_receives_what_its_agreement_does_not_give_and_copies_say_what_it_gives() -> None:
    KINDS.clear()
    invented_cases()
    assert KINDS["cases"] >= 10_000
    # Else the cases would say nothing: every kind of thing has happened many times.
    for kind in ("stands", "left", "cut", "closed", "suspended", "late view", "held", "ceased"):
        assert KINDS[kind] > 100, KINDS


class _Case:
    """One history under all agreements of a region."""

    def __init__(self, made: Documents, chance: Random) -> None:
        self._documents = made
        self._chance = chance
        self._sent: list[Sent] = []
        self._stood: dict[Entry, list[Sent]] = {}
        """Every version of an entry that ever stood, unceased, when something was told."""
        self._views = {one.id: view_of(one, made.contract) for one in made.region.agreements}
        standing = {view.code for view in self._views.values() if view and view.is_standing}
        late = frozenset(code for code in standing if chance.random() < 0.3)
        KINDS["late view"] += len(late)
        self._exchange = Exchange(made, chance, late)
        self._consumers = [Consumer(one, made) for one in made.region.agreements]

    def play(self) -> None:
        batches = histories.invent(self._chance, self._documents)
        begin_late = self._chance.randint(0, len(batches))
        for number, batch in enumerate(batches):
            if number == begin_late:
                self._begin_late(batch[0].came)
            self._exchange.take(batch)
            self._sent += batch
            self._note_standing()
            is_begun = number >= begin_late
            for moment in (batch[-1].came, batch[-1].came + timedelta(hours=1)):
                self._read_all(moment, is_begun=is_begun)
        if begin_late == len(batches) and batches:
            self._begin_late(batches[-1][-1].came)
            self._read_all(batches[-1][-1].came, is_begun=True)
        KINDS["cases"] += len(self._consumers)
        KINDS["held"] += self._exchange.held

    def _begin_late(self, moment: datetime) -> None:
        self._exchange.begin_late(instant_ms(moment))

    def _note_standing(self) -> None:
        for entry, (sent, is_ceased) in what_stands(self._sent).items():
            KINDS["ceased"] += is_ceased
            if not is_ceased:
                self._stood.setdefault(entry, []).append(sent)

    def _read_all(self, moment: datetime, *, is_begun: bool) -> None:
        for consumer in self._consumers:
            view = self._views[consumer.agreement.id]
            assert view is not None
            self._check_rights(consumer, view, moment)
            for raw, record in consumer.read(self._exchange, moment):
                if view.is_standing:
                    self._check_row(consumer, raw, record)
                else:
                    self._check_record(consumer, record)
            if is_in_force(consumer.agreement, moment) and (is_begun or not view.is_standing):
                self._check_copy(consumer, view)

    def _check_rights(self, consumer: Consumer, view: View, moment: datetime) -> None:
        is_given = is_in_force(consumer.agreement, moment)
        expected = (topics.view(view.code),) if is_given else ()
        assert consumer.topics_at(moment) == expected
        KINDS["closed"] += moment >= end_of(consumer.agreement)
        KINDS["suspended"] += not is_given and any(
            rest.covers(moment) for rest in consumer.agreement.suspensions
        )

    def _check_record(self, consumer: Consumer, record: DeliveredRecord) -> None:
        """Hold one record of a view that enforcement cuts against its agreement."""
        agreement = consumer.agreement
        (sent, *_) = [one for one in self._sent if one.envelope.record_id == record.record_id]
        assert gives_row(agreement, sent)
        assert any(gives_day(agreement, one) for one in self._sent if one.envelope == sent.envelope)
        assert record.fields == given_fields(agreement, sent)
        KINDS["cut"] += 1

    def _check_row(self, consumer: Consumer, raw: Raw, record: DeliveredRecord) -> None:
        """Hold one record of a standing view against its agreement."""
        agreement, entry = consumer.agreement, (record.agency, record.key)
        names = {name for name, _ in raw.headers}
        assert names == _HEADERS
        origins = [one for one in self._stood.get(entry, ()) if _says(raw, one)]
        assert origins, "of a version that never stood"
        assert any(gives_row(agreement, one) for one in origins)
        if record.operation is Presence.STANDS:
            assert any(
                record.fields == given_fields(agreement, one)
                for one in origins
                if gives_row(agreement, one)
            )
        else:
            assert record.operation is Presence.LEFT
            assert raw.value is None
            assert record.fields == {}
        KINDS[record.operation.value] += 1

    def _check_copy(self, consumer: Consumer, view: View) -> None:
        agreement = consumer.agreement
        found = {(one.agency, one.key): one for one in consumer.copy.current()}
        expected = self._expected(consumer, view)
        assert {entry: one.fields for entry, one in found.items()} == {
            entry: given_fields(agreement, sent) for entry, (sent, _) in expected.items()
        }
        if view.is_standing:
            assert set(consumer.copy) == set(expected)
            return
        for entry, (_, is_ceased) in expected.items():
            copied = consumer.copy.entry(*entry)
            assert copied is not None
            assert (copied.ceased_by is not None) is is_ceased

    def _expected(self, consumer: Consumer, view: View) -> Mapping[Entry, tuple[Sent, bool]]:
        agreement = consumer.agreement
        stands = {
            entry: one
            for entry, one in what_stands(self._sent).items()
            if gives_row(agreement, one[0])
        }
        if view.is_standing:
            return {entry: one for entry, one in stands.items() if not one[1]}
        if agreement.history_from is None:
            return stands  # its fields never change, so that what stands decides for all versions
        return what_stands(
            one for one in self._sent if gives_row(agreement, one) and gives_day(agreement, one)
        )


_HEADERS: Final = {
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "content-type",
    "bus_op", "bus_version", "bus_lane", "bus_in", "bus_catalogue", "bus_sig",
}  # fmt: skip


def _says(raw: Raw, sent: Sent) -> bool:
    """Tell whether a record's headers are about a version, and about no other."""
    headers = dict(raw.headers)
    place = f"{sent.raw.topic}/{sent.raw.partition}/{sent.raw.offset}"
    return (headers["bus_in"], headers["ce_time"]) == (
        place.encode(),
        sent.envelope.event_time.encode(),
    )
