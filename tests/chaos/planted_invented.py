"""Faults to plant: records that failed for certain, or of nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.chaos.checker import Name
from tests.chaos.evidence import LogRecord, Place, digest_of
from tests.chaos.fake_run import ENTITLED
from tests.chaos.ground import NOBODYS, Ground, refused, set_aside
from tests.chaos.history import Outcome

ARCHIVE, MINISTRY, CITY = ENTITLED[:3]


# resurrected


def failed_and_accepted(ground: Ground) -> None:
    sent = ground.failed()
    ground.run.accepted.append(ground.log_record(sent, f"accepted.{sent.dataset}"))


def failed_and_in_a_view(ground: Ground) -> None:
    sent = ground.failed(seen_by=MINISTRY)
    ground.run.views.append(ground.log_record(sent, MINISTRY.topic))


def failed_and_in_the_fund(ground: Ground) -> None:
    ground.run.history.append(ground.fund_row(ground.failed()))


def failed_and_held(ground: Ground) -> None:
    """Though what it supersedes is in the history."""
    there = {row.record_id for row in ground.run.history}
    sent = ground.pick(sent for sent in ground.all_failed() if sent.supersedes in there)
    ground.run.held.append(ground.held_row(sent))


def failed_and_refused(ground: Ground) -> None:
    ground.run.refused.append(refused(str(ground.failed().record_id)))


def failed_and_in_quarantine(ground: Ground) -> None:
    ground.run.quarantine.append(set_aside(ground.failed().mark))


def failed_and_delivered(ground: Ground) -> None:
    ground.run.delivered.append(ground.delivered(ground.failed(seen_by=CITY), CITY))


# invented


def accepted_from_nowhere(ground: Ground) -> None:
    record = ground.pick(ground.run.accepted)
    place = ground.end_of(record.place.topic)
    ground.run.accepted.append(replace(record, place=place, record_id=NOBODYS, stamp="of nobody"))


def in_a_view_from_nowhere(ground: Ground) -> None:
    ground.run.views.append(replace(ground.pick(ground.run.views), record_id=NOBODYS))


def in_the_fund_from_nowhere(ground: Ground) -> None:
    row = ground.fund_row(ground.failed(), NOBODYS)
    ground.run.history.append(row)


def twice_in_the_fund_from_nowhere(ground: Ground) -> None:
    row = ground.fund_row(ground.failed(), NOBODYS)
    ground.run.history += [row, row]


def held_from_nowhere(ground: Ground) -> None:
    ground.run.held.append(replace(ground.held_row(ground.failed()), record_id=NOBODYS))


def refused_from_nowhere(ground: Ground) -> None:
    ground.run.refused.append(refused(NOBODYS))


def delivered_from_nowhere(ground: Ground) -> None:
    ground.run.delivered.append(replace(ground.delivered(ground.failed(), CITY), record_id=NOBODYS))


def set_aside_from_nowhere(ground: Ground) -> None:
    ground.run.quarantine.append(set_aside(None))


def set_aside_under_an_unknown_mark(ground: Ground) -> None:
    ground.run.quarantine.append(set_aside("of nobody"))


def accepted_with_other_content(ground: Ground) -> None:
    _alter(ground, ground.run.accepted, stamp="of nobody")


def accepted_under_another_key(ground: Ground) -> None:
    _alter(ground, ground.run.accepted, key="77")


def in_a_view_as_another_version(ground: Ground) -> None:
    _alter(ground, ground.run.views, version=77)


def accepted_with_another_value_of_a_field(ground: Ground) -> None:
    _alter(ground, ground.run.accepted, differing=frozenset({"size"}))


def in_a_view_with_another_value_of_a_field(ground: Ground) -> None:
    _alter(ground, ground.run.views, differing=frozenset({"number"}))


def delivered_with_another_value_of_a_field(ground: Ground) -> None:
    rows = ground.run.delivered
    index = ground.pick(range(len(rows)))
    rows[index] = replace(rows[index], differing=frozenset({"number"}))


def _alter(ground: Ground, log: list[LogRecord], **changed: str | int | frozenset[str]) -> None:
    """Change a row whose id is its own: of another, the change would hide whose it is."""
    index = ground.pick(i for i, row in enumerate(log) if row.record_id not in ground.shared)
    log[index] = replace(log[index], **changed)  # type: ignore[arg-type]


def in_the_fund_with_other_content(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    ground.run.history[ground.run.history.index(row)] = replace(row, stamp="of nobody")


def in_the_fund_as_another_agencys(ground: Ground) -> None:
    _misplace_row(ground, agency="east")


def in_the_fund_under_another_key(ground: Ground) -> None:
    _misplace_row(ground, key="77")


def in_the_fund_as_another_version(ground: Ground) -> None:
    _misplace_row(ground, version=77)


def in_the_fund_in_another_dataset(ground: Ground) -> None:
    _misplace_row(ground, dataset="bridges")


def _misplace_row(ground: Ground, **changed: str | int) -> None:
    """Change a row that does not stand: what is current does not follow from it."""
    row = ground.pick(row for row in ground.run.history if not row.is_standing)
    misplaced = replace(row, **changed)  # type: ignore[arg-type]
    ground.run.history[ground.run.history.index(row)] = misplaced


def held_as_another_agencys(ground: Ground) -> None:
    _alter_held(ground, agency="east")


def held_under_another_key(ground: Ground) -> None:
    _alter_held(ground, key="77")


def held_as_another_version(ground: Ground) -> None:
    _alter_held(ground, version=77)


def held_in_another_dataset(ground: Ground) -> None:
    _alter_held(ground, dataset="bridges")


def in_the_fund_and_can_not_be_read(ground: Ground) -> None:
    _spoil_row(ground, stamp=None)


def in_the_fund_with_other_bytes(ground: Ground) -> None:
    """Which show the same stamp."""
    _spoil_row(ground, digest=digest_of(b"of nobody"))


def in_the_fund_from_a_place_that_is_empty(ground: Ground) -> None:
    _spoil_row(ground, accepted=Place("accepted.roads", 0, 10**7))


def in_the_fund_from_the_place_of_another(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    others = (one.place for one in ground.run.accepted if one.record_id != row.record_id)
    changed = replace(row, accepted=ground.pick(others))
    ground.run.history[ground.run.history.index(row)] = changed


def in_the_fund_and_not_accepted(ground: Ground) -> None:
    row = ground.plain_row(Outcome.OK)
    rows = ground.run.accepted
    rows[:] = [one for one in rows if one.record_id != row.record_id]


def _spoil_row(ground: Ground, **changed: Place | bytes | None) -> None:
    row = ground.plain_row(Outcome.OK)
    spoilt = replace(row, **changed)  # type: ignore[arg-type]
    ground.run.history[ground.run.history.index(row)] = spoilt


def held_and_can_not_be_read(ground: Ground) -> None:
    _alter_held(ground, stamp=None)


def _alter_held(ground: Ground, **changed: str | int | None) -> None:
    row = ground.pick(ground.run.held)
    altered = replace(row, **changed)  # type: ignore[arg-type]
    ground.run.held[ground.run.held.index(row)] = altered


PLANTED: Final = (
    (Name.RESURRECTED, failed_and_accepted),
    (Name.RESURRECTED, failed_and_in_a_view),
    (Name.RESURRECTED, failed_and_in_the_fund),
    (Name.RESURRECTED, failed_and_held),
    (Name.RESURRECTED, failed_and_refused),
    (Name.RESURRECTED, failed_and_in_quarantine),
    (Name.RESURRECTED, failed_and_delivered),
    (Name.INVENTED, accepted_from_nowhere),
    (Name.INVENTED, in_a_view_from_nowhere),
    (Name.INVENTED, in_the_fund_from_nowhere),
    (Name.INVENTED, twice_in_the_fund_from_nowhere),
    (Name.INVENTED, held_from_nowhere),
    (Name.INVENTED, refused_from_nowhere),
    (Name.INVENTED, delivered_from_nowhere),
    (Name.INVENTED, set_aside_from_nowhere),
    (Name.INVENTED, set_aside_under_an_unknown_mark),
    (Name.INVENTED, accepted_with_other_content),
    (Name.INVENTED, accepted_under_another_key),
    (Name.INVENTED, in_a_view_as_another_version),
    (Name.INVENTED, accepted_with_another_value_of_a_field),
    (Name.INVENTED, in_a_view_with_another_value_of_a_field),
    (Name.INVENTED, delivered_with_another_value_of_a_field),
    (Name.INVENTED, in_the_fund_with_other_content),
    (Name.INVENTED, in_the_fund_as_another_agencys),
    (Name.INVENTED, in_the_fund_under_another_key),
    (Name.INVENTED, in_the_fund_as_another_version),
    (Name.INVENTED, in_the_fund_in_another_dataset),
    (Name.INVENTED, held_as_another_agencys),
    (Name.INVENTED, held_under_another_key),
    (Name.INVENTED, held_as_another_version),
    (Name.INVENTED, held_in_another_dataset),
    (Name.INVENTED, in_the_fund_and_can_not_be_read),
    (Name.INVENTED, in_the_fund_with_other_bytes),
    (Name.INVENTED, in_the_fund_from_a_place_that_is_empty),
    (Name.INVENTED, in_the_fund_from_the_place_of_another),
    (Name.INVENTED, in_the_fund_and_not_accepted),
    (Name.INVENTED, held_and_can_not_be_read),
)
