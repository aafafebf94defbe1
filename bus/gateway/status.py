"""`GET /records/{dataset}/{record_id}`: what became of a record, told to its provider alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, cast

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bus.catalogue.region import Region
from bus.contracts.rules import Rule
from bus.fund.entries import tables_of
from bus.gateway.admission import Admission
from bus.gateway.endpoint import JSON, Answer, Endpoint, query_of
from bus.gateway.places import Places
from bus.gateway.problems import Problem, language_of
from bus.kafka.cluster import Cluster
from bus.kafka.scan import committed_offsets, offsets, topic_partitions
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.verdict import Reason
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.quarantine.entry import QuarantineState
from bus.texts import Language, message, text
from bus.wire import topics
from bus.wire.record_id import is_record_id
from bus.wire.topics import Position, parse_position

QUERIES: Final = Queries.load("bus.gateway", "status")
AT_ONCE_MAX: Final = 16
AT_ONCE_OF_ONE_MAX: Final = 4
ENTRIES_MAX: Final = 10
_SET_ASIDE: Final = frozenset(
    {QuarantineState.OPEN, QuarantineState.RELEASING, QuarantineState.DISCARDED}
)
_POSITION: Final = r"^in\.[a-z0-9-]+\.[a-z0-9-]+/[0-9]{1,9}/[0-9]{1,18}$"


class Fate(StrEnum):
    """What has become of a record."""

    NOT_SEEN = "not_seen"
    """The bus has not judged such a record yet."""
    ACCEPTED = "accepted"
    WAITING = "waiting"
    """Accepted; the version that it follows has not come."""
    QUARANTINED = "quarantined"
    IN_FUND = "in_fund"


class StatusQuery(BaseModel):
    """What is asked beside the record's id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: Annotated[str, StringConstraints(pattern=_POSITION)] | None = Field(
        default=None,
        description="`topic/partition/offset` of the receipt; without it `accepted` is not told "
        "from `not_seen`",
    )


class BrokenRule(BaseModel):
    """A rule of the contract that the record breaks."""

    rule: str
    says: str = Field(description="in the reader's language")
    path: str
    severity: str


class SetAside(BaseModel):
    """An entry in quarantine of a record with this id."""

    quarantine_id: str
    reason: str
    says: str = Field(description="in the reader's language")
    path: str
    violations: list[BrokenRule]
    state: QuarantineState
    appended_at: datetime


class Kept(BaseModel):
    """Where the fund has it."""

    version: int
    operation: str
    recorded_at: datetime
    bus_in: str
    catalogue: int


class RecordStatus(BaseModel):
    """What has become of a record."""

    record_id: str
    dataset: str
    status: Fate
    in_fund: Kept | None
    quarantine: list[SetAside] = Field(description="newest first, ten at most")


STATUS: Final = Endpoint(
    name="recordStatus",
    method="GET",
    path="/records/{dataset}/{record_id}",
    says="Tell what has become of a record that this system's agency published",
    query=StatusQuery,
    answers={200: Answer(says="its fate", content={JSON: RecordStatus})},
    problems={
        400: ("bad_query",),
        403: ("not_provided", "not_yours"),
        404: ("no_record_id",),
        429: ("busy_for_you",),
        503: ("busy",),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """What the request works with."""

    admission: Admission
    cluster: Cluster
    """Reached as the bus."""
    fund_dsn: str = field(repr=False)
    places: Places = field(default_factory=lambda: Places(AT_ONCE_MAX, AT_ONCE_OF_ONE_MAX))

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [STATUS.route(self._status)]

    async def _status(self, request: web.Request) -> web.Response:
        caller = self.admission.caller(request)
        region = self.admission.catalogue().region
        dataset = DatasetCode(request.match_info["dataset"])
        agency = region.agency_of(caller.system)
        if agency is None or dataset not in agency.provides:
            raise Problem(403, "not_provided", system=caller.system, dataset=dataset)
        record_id = request.match_info["record_id"]
        if not is_record_id(record_id):
            raise Problem(404, "no_record_id")
        inbound = topics.inbound(agency.code, dataset)
        position = _position(query_of(request, StatusQuery), inbound)
        asked = _Asked(agency=agency.code, dataset=dataset, record_id=record_id, topic=inbound)
        language = language_of(request.headers.get("Accept-Language", ""))
        with self.places.taken(caller.system):
            session = await connect(self.fund_dsn, "bus gateway", {})
            try:
                found = await _found(session, asked, region, language)
                fate = fate_of(found, position)
                if fate is Fate.NOT_SEEN and position is not None:
                    fate, found = await self._judged(session, asked, region, language, position)
            finally:
                await session.close()
        status = RecordStatus(
            record_id=record_id,
            dataset=dataset,
            status=fate,
            in_fund=found.kept,
            quarantine=list(found.entries),
        )
        return web.Response(text=status.model_dump_json(), content_type=JSON)

    async def _judged(
        self,
        session: Session,
        asked: _Asked,
        region: Region,
        language: Language,
        position: Position,
    ) -> tuple[Fate, _Found]:
        """Tell a record that was accepted a moment ago from one that is not judged yet.

        Why in this order: when enforcement's offset is past it, its outcome is durable; and when
        the quarantine table has all that its topic held then, and not this one, it is accepted.
        """
        done = await committed_offsets(self.cluster, topics.ENFORCE_GROUP)
        passed = {(place.topic, place.partition): offset for place, offset in done.items()}
        is_judged = passed.get((position.topic, position.partition), 0) > position.offset
        is_told = is_judged and await self._is_quarantine_read(session, asked.agency)
        found = await _found(session, asked, region, language)
        fate = fate_of(found, position)
        return (Fate.ACCEPTED if fate is Fate.NOT_SEEN and is_told else fate), found

    async def _is_quarantine_read(self, session: Session, agency: AgencyCode) -> bool:
        topic = topics.quarantine(agency)
        places = [
            place for place in await topic_partitions(self.cluster, [topic]) if place.topic == topic
        ]
        for place, (_, end) in (await offsets(self.cluster, places)).items():
            named = {"topic": topic, "partition": place.partition}
            row = await (await session.execute(QUERIES.get("position"), named)).fetchone()
            if end > (0 if row is None else cast("int", row[0])):
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    agency: AgencyCode
    dataset: DatasetCode
    record_id: str
    topic: str
    """The agency's inbound topic of the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    kept: Kept | None
    is_held: bool
    entries: Sequence[SetAside]


def fate_of(found: _Found, position: Position | None) -> Fate:
    """Decide what to tell of a record; pure.

    Why the position counts first: of two records with one id and other values, one is in the fund
    and the other in quarantine.

    Args:
        found: What the database has of its id.
        position: Of the record that is asked about; None: any with the id.
    """
    aside = [entry for entry in found.entries if entry.state in _SET_ASIDE]
    if position is not None and str(position) in {entry.quarantine_id for entry in aside}:
        return Fate.QUARANTINED
    if found.kept is not None:
        return Fate.IN_FUND
    if found.is_held:
        return Fate.WAITING
    return Fate.QUARANTINED if aside and position is None else Fate.NOT_SEEN


def _position(query: StatusQuery, inbound: str) -> Position | None:
    """Read the place; another agency's is none."""
    if query.position is None:
        return None
    position = parse_position(query.position)
    if position.topic != inbound:
        raise Problem(403, "not_yours", topic=inbound)
    return position


async def _found(session: Session, asked: _Asked, region: Region, language: Language) -> _Found:
    named = {
        "agency": asked.agency,
        "dataset": asked.dataset,
        "record_id": asked.record_id,
        "topic": asked.topic,
        "limit": ENTRIES_MAX,
    }
    async with translated(message("doing.gateway.status", dataset=asked.dataset)):
        statement = QUERIES.get("kept", history=tables_of(asked.dataset)["history"])
        kept = await (await session.execute(statement, named)).fetchone()
        held = await session.execute(QUERIES.get("held"), named)
        aside = await (await session.execute(QUERIES.get("set_aside"), named)).fetchall()
    contract = region.contracts[asked.dataset]
    rules = {rule.id: rule for version in contract.schema_versions for rule in version.rules}
    return _Found(
        kept=None if kept is None else Kept.model_validate(dict(zip(_KEPT, kept, strict=True))),
        is_held=held.rowcount > 0,
        entries=[_entry(row, rules, language) for row in aside],
    )


_KEPT: Final = ("version", "operation", "recorded_at", "bus_in", "catalogue")


def _entry(row: tuple[object, ...], rules: Mapping[str, Rule], language: Language) -> SetAside:
    quarantine_id, reason, path, violations, state, appended_at = row
    told = Reason(str(reason))
    return SetAside(
        quarantine_id=str(quarantine_id),
        reason=told,
        says=text(f"reason.{told}", language),
        path=str(path),
        violations=[
            BrokenRule(
                rule=one["rule"],
                says=getattr(rules[one["rule"]].text, language) if one["rule"] in rules else "",
                path=one["path"],
                severity=one["severity"],
            )
            for one in cast("list[dict[str, str]]", violations)
        ],
        state=QuarantineState(str(state)),
        appended_at=cast("datetime", appended_at),
    )
