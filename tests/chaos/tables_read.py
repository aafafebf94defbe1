"""Reads the fund's and the quarantine's tables as they are, by SQL of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from psycopg import sql

from bus.contracts.encode import Decode
from bus.model.identifiers import DatasetCode
from tests.chaos.evidence import (
    CurrentRow,
    FundRow,
    HeldRow,
    Place,
    QuarantineRow,
    RefusedRow,
    digest_of,
)
from tests.chaos.history import History
from tests.chaos.sequence import taken_back
from tests.chaos.topics_read import STAMP_FIELDS, decoded, place_of, stamp_of

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
_CLOSED: Final = frozenset({"released", "resolved", "discarded", "superseded"})


@dataclass(slots=True)
class Tables:
    """What the tables hold, once they are read."""

    dsn: str
    decoders: Mapping[DatasetCode, Mapping[int, Decode]]
    sent: History
    history: list[FundRow] = field(default_factory=list)
    current: list[CurrentRow] = field(default_factory=list)
    held: list[HeldRow] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)

    def read(self) -> Tables:
        with psycopg.connect(self.dsn) as connection:
            for dataset in self.decoders:
                self.history += self._history(connection, dataset)
                self.current += self._current(connection, dataset)
            self.held += self._held(connection)
            self.refused += self._refused(connection)
            self.quarantine += self._quarantine(connection)
        return self

    def _history(self, connection: Connection, dataset: DatasetCode) -> Iterator[FundRow]:
        rows = _select(
            connection,
            "SELECT agency, key, version, record_id, operation, supersedes, value,"
            " accepted_topic, accepted_partition, accepted_offset FROM history.{}",
            dataset,
        )
        annulled = taken_back((row[2], row[3], row[5]) for row in rows if row[4] == "annul")
        for agency, key, version, own, operation, _, value, topic, partition, offset in rows:
            yield FundRow(
                dataset=dataset,
                agency=agency,
                key=key,
                version=version,
                record_id=own,
                stamp=self._stamp(dataset, value),
                accepted=Place(topic, partition, offset),
                is_standing=operation != "annul" and own not in annulled,
                digest=digest_of(value),
            )

    def _stamp(self, dataset: DatasetCode, value: bytes) -> str | None:
        return stamp_of(decoded(value, self.decoders[dataset]), dataset)

    @staticmethod
    def _current(connection: Connection, dataset: DatasetCode) -> Iterator[CurrentRow]:
        rows = _select(
            connection,
            "SELECT agency, key, version, record_id, {} FROM current.{}",
            STAMP_FIELDS[dataset],
            dataset,
        )
        for agency, key, version, own, stamp in rows:
            yield CurrentRow(
                dataset=dataset,
                agency=agency,
                key=key,
                version=version,
                record_id=own,
                stamp=stamp,
            )

    def _held(self, connection: Connection) -> Iterator[HeldRow]:
        rows = _select(
            connection, "SELECT dataset, agency, key, version, record_id, value FROM bus.held"
        )
        for dataset, agency, key, version, own, value in rows:
            yield HeldRow(
                dataset=dataset,
                agency=agency,
                key=key,
                version=version,
                record_id=own,
                stamp=self._stamp(DatasetCode(dataset), value),
            )

    @staticmethod
    def _refused(connection: Connection) -> Iterator[RefusedRow]:
        rows = _select(connection, "SELECT quarantine_id, record_id, reason FROM bus.refusals")
        for inbound, own, reason in rows:
            place = place_of(inbound)
            assert place is not None
            yield RefusedRow(inbound=place, record_id=own, reason=reason)

    def _quarantine(self, connection: Connection) -> Iterator[QuarantineRow]:
        rows = _select(
            connection,
            'SELECT topic, partition, "offset", record_id, reason, state FROM bus.quarantine',
        )
        for topic, partition, offset, own, reason, state in rows:
            yield QuarantineRow(
                inbound=Place(topic, partition, offset),
                mark=own if own in self.sent.sent else None,
                reasons=(reason,) if reason else (),
                state=state,
                is_resolved=state in _CLOSED,
            )


def _select(connection: Connection, query: LiteralString, *names: str) -> list[tuple[Any, ...]]:
    filled = sql.SQL(query).format(*map(sql.Identifier, names))
    return connection.execute(filled).fetchall()
