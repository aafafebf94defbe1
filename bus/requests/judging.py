"""Whether what a provider answers meets the contract, and what the asker may see of it. Pure.

An answer is judged by the rules of the newest schema version and cut by the very function that
cuts the topic of the agreement's view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bus.catalogue.snapshot import Projection, Snapshot, locked_schema_id
from bus.contracts.defaults import field_defaults, whole_record
from bus.contracts.encode import NotEncodable, encoder
from bus.contracts.schema_reader import read_shape
from bus.enforce.judge import VALUE_BYTES_MAX
from bus.errors import DocumentError, Finding
from bus.model.identifiers import SystemCode
from bus.model.record import Envelope, Headers, Lane, Operation
from bus.model.verdict import Accepted, Malformed, Severity
from bus.requests.request import DataRequest
from bus.route.plan import project
from bus.texts import finding_at
from bus.wire.headers import compose
from bus.wire.record_id import record_id

RECORDS_MAX: Final = 20
"""Of one answer."""
_DECIDES_NOTHING: Final = 1
"""Version in the envelope of an answer: it is no registry record, and no fund takes it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One record of an answer as the asker may see it."""

    key: str = field(repr=False)
    value: bytes = field(repr=False)
    """Framed; cut where a view is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """An answer that breaks the contract, or answers something else; nothing of it is kept."""

    findings: tuple[Finding, ...]
    """With field and rule, never with a value."""


Judged: TypeAlias = tuple[Shown, ...] | Unfit


def judge_answer(
    records: Sequence[Mapping[str, object]],
    *,
    request: DataRequest,
    by: SystemCode,
    projection: Projection | None,
    snapshot: Snapshot,
    now_ms: int,
) -> Judged:
    """Judge and cut an answer.

    Args:
        records: Values by field as JSON writes them; a field left out is its default, or null.
        request: What was asked.
        by: The answering system.
        projection: How the agreement's view is cut; None: it shows everything.
        snapshot: The catalogue in force.
        now_ms: The present, as the append time of a record would be.

    Returns: What the asker may see, which may be nothing; or why the answer is not taken.
    """
    judge = _Judge(request, by, projection, snapshot, now_ms)
    shown: list[Shown] = []
    findings: list[Finding] = []
    for number, record in enumerate(records):
        found = judge.one(record, f"records[{number}]")
        if isinstance(found, Unfit):
            findings += found.findings
        elif found is not None:
            shown.append(found)
    return Unfit(findings=tuple(findings)) if findings else tuple(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A record of an answer, as if its provider had sent it to a topic."""

    topic: str = ""
    partition: int = 0
    offset: int = 0
    timestamp: int
    key: bytes
    value: bytes = field(repr=False)
    headers: Headers = field(repr=False)


class _Judge:
    """Knows the contract; judges record by record."""

    def __init__(
        self,
        request: DataRequest,
        by: SystemCode,
        projection: Projection | None,
        snapshot: Snapshot,
        now_ms: int,
    ) -> None:
        region = snapshot.region
        newest = region.contracts[request.dataset].newest
        self._request, self._by, self._now_ms = request, by, now_ms
        self._projection, self._version = projection, snapshot.version
        self._shape = read_shape(newest.schema, where=str(request.dataset))
        self._defaults = field_defaults(newest.schema)
        self._schema_id = locked_schema_id(region, request.dataset, newest.number)
        self._compiled = snapshot.schemas[self._schema_id].compiled
        self._encode = encoder(newest.schema, self._schema_id)

    def one(self, record: Mapping[str, object], place: str) -> Shown | Unfit | None:
        """Judge one record; None: it is sound, and the agreement does not show it."""
        values = whole_record(self._shape, record, self._defaults)
        try:
            value = self._encode(values)
        except NotEncodable as problem:
            return _unfit(place, problem.findings)
        except (DocumentError, ValueError, OverflowError):
            return _unfit(place, (finding_at(place, "error.requests.unwritable"),))
        examined = self._compiled.examine(value, self._now_ms)
        if isinstance(examined, Malformed) or len(value) > VALUE_BYTES_MAX:
            return _unfit(place, (finding_at(place, "error.requests.unwritable"),))
        broken = [one for one in examined.violations if one.severity is Severity.QUARANTINE]
        if broken:
            return _unfit(
                place,
                [
                    finding_at(one.path, "error.requests.rule_broken", rule=one.rule)
                    for one in broken
                ],
            )
        if not self._is_asked_for(examined.key, values):
            return _unfit(place, (finding_at(place, "error.requests.not_asked_for"),))
        envelope = self._envelope(examined.key)
        raw = _Sent(
            timestamp=self._now_ms,
            key=examined.key.encode(),
            value=value,
            headers=compose(envelope, self._request.dataset),
        )
        if self._projection is None:
            return Shown(key=examined.key, value=value)
        verdict = Accepted(
            raw=raw, envelope=envelope, dataset=self._request.dataset, examined=examined
        )
        delivery = project(verdict, self._projection, self._version)
        if delivery is None:
            return None
        return Shown(key=examined.key, value=delivery.value or b"")

    def _is_asked_for(self, key: str, values: Mapping[str, object]) -> bool:
        request = self._request
        if request.search is None:
            return key == request.key
        return all(str(values.get(name)) == wanted for name, wanted in request.search.items())

    def _envelope(self, key: str) -> Envelope:
        request = self._request
        return Envelope(
            record_id=record_id(
                request.agency, request.dataset, key, _DECIDES_NOTHING, Operation.CREATE
            ),
            agency=request.agency,
            system=self._by,
            event_time="1970-01-01T00:00:00Z",
            schema_id=self._schema_id,
            operation=Operation.CREATE,
            version=_DECIDES_NOTHING,
            supersedes=None,
            lane=Lane.LIVE,
            resolves=None,
        )


def _unfit(place: str, findings: Sequence[Finding]) -> Unfit:
    return Unfit(
        findings=tuple(
            Finding(
                path=one.path if one.path.startswith(place) else f"{place}.{one.path}",
                found=one.found,
                expected=one.expected,
                remedy=one.remedy,
            )
            for one in findings
        )
    )
