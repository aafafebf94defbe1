"""Each wrong verdict is found: planted here one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bus.enforce.judge import judge
from bus.model.record import Envelope
from bus.model.verdict import Accepted, Examined, Quarantined, Reason, Stage, Verdict
from bus.route.plan import plan
from bus.wire.signature import SignatureChecker
from tests.factories import Raw, signer
from tests.malformed.examination import Examiner, delivery_faults, is_disbelieved
from tests.malformed.mutants import Fate, Mill, Sent
from tests.malformed.targets import APPENDED_MS, pure_world

SNAPSHOT, TARGETS = pure_world()
TARGET, BATCH = Mill(TARGETS[:1], 1, now_ms=APPENDED_MS, only_utf_8=False).batch(100)
GOOD = next(one for one in BATCH if one.fate is Fate.GOOD)


def verdict_on(sent: Sent) -> Verdict:
    (verdict,) = judge(
        [sent.raw], source=TARGET.source, snapshot=SNAPSHOT, checker=SignatureChecker()
    )
    return verdict


def accepted(
    *, raw: Raw = GOOD.raw, envelope: Envelope | None = None, examined: Examined | None = None
) -> Accepted:
    """The verdict on the good record, or what a broken judge might make of it."""
    verdict = verdict_on(GOOD)
    assert isinstance(verdict, Accepted)
    return Accepted(
        raw=raw,
        envelope=envelope or verdict.envelope,
        dataset=verdict.dataset,
        examined=examined or verdict.examined,
    )


def refused(reason: Reason, path: str = "bus_sig") -> Quarantined:
    return Quarantined(
        raw=GOOD.raw,
        agency=TARGET.source.agency,
        dataset=TARGET.source.dataset,
        reason=reason,
        path=path,
    )


def faults(fate: Fate, verdict: Verdict, **headers: bytes) -> list[str]:
    changed = [(name, headers.get(name, value)) for name, value in GOOD.raw.headers]
    sent = replace(GOOD, fate=fate, raw=replace(GOOD.raw, headers=changed))
    return list(Examiner(SNAPSHOT).faults(TARGET, sent, verdict))


def test_what_ought_to_be_is_no_fault() -> None:
    assert faults(Fate.GOOD, accepted()) == []
    assert faults(Fate.HARMLESS, accepted()) == []
    assert faults(Fate.SPOILED, accepted()) == []
    assert faults(Fate.SPOILED, refused(Reason.INVALID_TEXT, "address")) == []
    assert faults(Fate.SPOILED, refused(Reason.KEY_FOREIGN), ce_source=b"urn:bus:a:other") == []
    assert faults(Fate.TAMPERED, refused(Reason.SIGNATURE_INVALID)) == []
    assert faults(Fate.TAMPERED, refused(Reason.KEY_MISMATCH, "key")) == []


def test_a_good_record_that_is_refused_is_found() -> None:
    assert faults(Fate.GOOD, refused(Reason.SIGNATURE_INVALID)) == ["refused as signature_invalid"]
    assert faults(Fate.HARMLESS, refused(Reason.HEADER_MALFORMED)) == [
        "refused as header_malformed"
    ]


def test_a_tampered_record_that_is_accepted_is_found() -> None:
    assert faults(Fate.TAMPERED, accepted()) == ["accepted"]


def test_a_value_that_was_decoded_before_its_signature_is_found() -> None:
    for reason, path in [(Reason.MALFORMED_AVRO, "places"), (Reason.KEY_MISMATCH, "places")]:
        (fault,) = faults(Fate.TAMPERED, refused(reason, path))
        assert fault.startswith("decoded before")


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.stage is Stage.SIGNATURE])
def test_a_record_that_was_signed_as_it_is_and_refused_for_its_signature_is_found(
    reason: Reason,
) -> None:
    found = f"its signature is good, and it is refused as {reason}"
    assert faults(Fate.SPOILED, refused(reason)) == [found]
    of_another = faults(Fate.SPOILED, refused(reason), ce_source=b"urn:bus:a:other")
    assert of_another == ([] if reason is Reason.KEY_FOREIGN else [found])
    assert not is_disbelieved(Fate.TAMPERED, reason, may_name_another=False)


def test_a_refusal_that_names_no_rule_or_no_field_is_found() -> None:
    assert faults(Fate.SPOILED, refused(Reason.RULE_VIOLATED, "")) == ["no rule is named"]
    assert faults(Fate.SPOILED, refused(Reason.MALFORMED_AVRO, "")) == [
        "the bus's two readings differ"
    ]


def test_an_accepted_value_that_has_another_encoding_is_found() -> None:
    value = GOOD.raw.value or b""
    assert value.endswith(b"\x00")
    overlong = replace(GOOD.raw, value=value[:-1] + b"\x80\x00")
    found = faults(Fate.SPOILED, accepted(raw=overlong))
    assert found[0] == "encoded again, its value has other bytes"
    assert found[1].startswith("others can't read its value")


def test_an_accepted_value_that_is_no_avro_is_found() -> None:
    longer = replace(GOOD.raw, value=(GOOD.raw.value or b"") + b"\x00")
    found = faults(Fate.SPOILED, accepted(raw=longer))
    assert found[0] == "its value is no Avro: bytes stand behind the datum"
    assert found[1].startswith("others can't read its value")


def test_an_accepted_value_that_no_database_takes_is_found() -> None:
    value = GOOD.raw.value or b""
    name = b"\xd0\xa8\xd0\xba\xd0\xbe\xd0\xbb\xd0\xb0"
    assert name in value
    spoiled = replace(GOOD.raw, value=value.replace(name, bytes(len(name)), 1))
    found = faults(Fate.SPOILED, accepted(raw=spoiled))
    assert "its value holds what a database refuses" in found


def test_an_accepted_envelope_that_does_not_say_what_was_signed_is_found() -> None:
    other = verdict_on(next(one for one in BATCH if one.fate is Fate.HARMLESS))
    assert isinstance(other, Accepted)
    found = faults(Fate.GOOD, accepted(envelope=other.envelope))
    assert found == ["composed again, its envelope has other headers"]


def test_another_key_than_the_registry_number_is_found() -> None:
    examined = Examined("63-other", *accepted().examined[1:])
    assert faults(Fate.GOOD, accepted(examined=examined)) == ["its key is not its registry number"]


def test_what_does_not_go_on_as_it_came_is_found() -> None:
    raws = [one.raw for one in BATCH]
    verdicts = judge(raws, source=TARGET.source, snapshot=SNAPSHOT, checker=SignatureChecker())
    deliveries = plan(verdicts, snapshot=SNAPSHOT, signer=signer("bus"))
    assert list(delivery_faults(verdicts, deliveries)) == []
    taken = {one.topic.split(".")[0]: one for one in deliveries}
    accepted_one, aside = taken["accepted"], taken["quarantine"]
    for doubled, dropped in ((accepted_one, aside), (aside, accepted_one)):
        others = [one for one in deliveries if one is not dropped]
        twice, never = (
            f"{dict(one.headers)['bus_in'].decode()}: goes on {times} times"
            for one, times in ((doubled, 2), (dropped, 0))
        )
        assert list(delivery_faults(verdicts, others)) == [never]
        assert list(delivery_faults(verdicts, [*deliveries, doubled])) == [twice]
        assert set(delivery_faults(verdicts, [*others, doubled])) == {twice, never}
    aside = next(one for one in deliveries if one.topic.startswith("quarantine."))
    aside.value = b"other"
    (fault,) = delivery_faults(verdicts, deliveries)
    assert fault.endswith("quarantine has other bytes than were sent")
