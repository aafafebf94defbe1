from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from bus.catalogue.snapshot import build_snapshot
from bus.demo.careless import (
    AFTERTHOUGHTS,
    CARELESS,
    ROUND_RECORDS,
    ROUND_SOUND,
    Means,
    Message,
    careless_round,
)
from bus.demo.programme import plan_programme
from bus.enforce.judge import judge
from bus.model.verdict import Accepted, Quarantined, Reason, Verdict
from bus.wire.signature import SignatureChecker
from tests.demo.sample_region import tools
from tests.factories import (
    APPENDED_MS,
    DATASET,
    SOURCE,
    SYSTEM,
    Raw,
    region,
    signer,
    signing_key,
)

RECORDS = plan_programme(records=1000, seed=4).careless[0]


def means() -> Means:
    encode, compiled = tools(DATASET)
    return Means(
        source=SOURCE,
        system=SYSTEM,
        signer=signer(),
        foreign_signer=signer("egrul-feed"),
        encode=encode,
        schema_id=compiled.schema_id,
        foreign_schema_id=3,
        now_ms=APPENDED_MS,
    )


def judged(messages: Sequence[Message]) -> list[Verdict]:
    raws = [
        Raw(offset=place, key=message.key, value=message.value, headers=message.headers)
        for place, message in enumerate(messages)
    ]
    known = region(signing_key("edu-registry"), signing_key("egrul-feed"))
    return judge(raws, source=SOURCE, snapshot=build_snapshot(known, 1), checker=SignatureChecker())


@pytest.mark.parametrize("reason", CARELESS)
def test_every_careless_message_is_quarantined_for_the_reason_that_it_names(
    reason: Reason,
) -> None:
    (verdict,) = judged([CARELESS[reason](means(), RECORDS[0])])
    assert isinstance(verdict, Quarantined)
    assert verdict.reason is reason


def test_a_round_is_every_fault_and_five_that_are_sound_in_themselves() -> None:
    messages = careless_round(means(), RECORDS)
    assert len(messages) == ROUND_RECORDS
    verdicts = judged(messages)
    set_aside = [verdict.reason for verdict in verdicts if isinstance(verdict, Quarantined)]
    assert set_aside == list(CARELESS)
    accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
    assert len(accepted) == AFTERTHOUGHTS
    correction, corrected, first, again, other = (verdict.envelope for verdict in accepted)
    assert correction.supersedes == corrected.record_id
    assert first.record_id == again.record_id == other.record_id
    assert accepted[2].raw.value == accepted[3].raw.value != accepted[4].raw.value


def test_messages_of_a_round_go_to_numbers_of_their_own() -> None:
    keys: Mapping[bytes, int] = {message.key: 1 for message in careless_round(means(), RECORDS)}
    assert len(keys) == ROUND_SOUND
