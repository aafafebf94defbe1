from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import cast

import pytest

from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.client.proof import claimed_catalogue, prove
from bus.enforce.judge import judge
from bus.errors import InvariantBroken
from bus.model.record import Headers, RegistryRecord
from bus.route.plan import plan
from bus.wire.signature import SignatureChecker
from tests import factories
from tests.factories import DATASET, Raw, one_signed, region, signed, signing_key, unsigned


@cache
def snapshot() -> Snapshot:
    keys = [signing_key(system) for system in ("edu-registry", "egrul-feed", "bus")]
    return build_snapshot(region(*keys), 7)


def delivered(*raws: Raw) -> list[Raw]:
    """Lay what the bus writes for these records into their topics."""
    verdicts = judge(raws, source=factories.SOURCE, snapshot=snapshot(), checker=SignatureChecker())
    deliveries = plan(verdicts, snapshot=snapshot(), signer=factories.signer("bus"))
    return [
        Raw(
            topic=delivery.topic,
            partition=delivery.partition,
            offset=offset,
            key=delivery.key,
            value=delivery.value,
            headers=delivery.headers,
        )
        for offset, delivery in enumerate(deliveries)
    ]


def accepted(*raws: Raw) -> list[Raw]:
    return [raw for raw in delivered(*raws) if raw.topic.startswith("accepted.")]


def in_views(*raws: Raw) -> list[Raw]:
    return [raw for raw in delivered(*raws) if raw.topic.startswith("view.")]


def proved(raws: list[Raw]) -> list[RegistryRecord]:
    return prove(
        raws,
        dataset=DATASET,
        is_view=raws[0].topic.startswith("view."),
        snapshot=snapshot(),
        checker=SignatureChecker(),
    )


def header(name: str, value: bytes | None) -> Callable[[Raw], Raw]:
    def changed(raw: Raw) -> Raw:
        rest = [(known, value if known == name else old) for known, old in raw.headers]
        return replace(raw, headers=cast("Headers", rest))  # Kafka lets a header have no value

    return changed


def test_an_accepted_record_is_proved_by_its_providers_signature() -> None:
    raws = [unsigned(key=f"63-{number}", offset=number) for number in range(5)]
    records = proved(accepted(*signed(raws)))
    assert [record.key for record in records] == [f"63-{number}" for number in range(5)]


def test_a_record_alone_is_proved_too() -> None:
    raws = [unsigned(key=f"63-{number}", offset=number) for number in range(5)]
    (record,) = proved([accepted(*signed(raws))[3]])
    assert record.key == "63-3"


def test_a_record_of_a_view_is_proved_by_the_buss_signature() -> None:
    (record,) = proved(in_views(one_signed(oktmo="36701305"))[:1])
    assert record.key == "63-0001"


FORGERIES: dict[str, Callable[[Raw], Raw]] = {
    "another value": lambda raw: replace(raw, value=(raw.value or b"")[:-1] + b"\x02"),
    "another key": lambda raw: replace(raw, key=b"63-9999"),
    "another version": header("bus_version", b"9"),
    "another event time": header("ce_time", b"2026-03-31T20:00:01Z"),
    "another agency": header("ce_source", b"urn:bus:tax-samara:edu-registry"),
    "another system": header("ce_source", b"urn:bus:education-samara:egrul-feed"),
    "no origin": header("bus_in", b"somewhere"),
    "another origin": header("bus_in", b"in.tax-samara.educational-institutions/0/0"),
    "no signature": header("bus_sig", b""),
    "a signature without a value": header("bus_sig", None),
    "a time without a value": header("ce_time", None),
    "an origin without a value": header("bus_in", None),
    "no text": header("ce_type", b"\xff"),
    "no headers": lambda raw: replace(raw, headers=[]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("topic", ["accepted", "view"])
def test_a_forged_record_is_refused_with_its_place(forgery: str, topic: str) -> None:
    genuine = signed([unsigned(oktmo="36701305"), unsigned(key="63-2", oktmo="36701305")])
    raws = (accepted if topic == "accepted" else in_views)(*genuine)[:2]
    forged = FORGERIES[forgery](raws[1])
    if forged == raws[1] or (topic == "view" and forgery == "another origin"):
        # The bus signs what it cut, and names the origin itself.
        forged = header("bus_in", b"in.tax-samara.organisations/0/0")(forged)
    with pytest.raises(InvariantBroken, match=rf"{raws[1].topic}/2/{raws[1].offset} "):
        proved([raws[0], forged])


def test_a_record_signed_by_another_system_of_the_region_is_refused() -> None:
    raw = accepted(one_signed())[0]
    (stranger,) = signed([unsigned()], factories.signer("egrul-feed"))
    swapped = header("bus_sig", dict(stranger.headers)["bus_sig"])(raw)
    with pytest.raises(InvariantBroken, match=r"knows no key egrul-feed\.1 of its signer"):
        proved([swapped])


def test_a_providers_signature_does_not_prove_a_view() -> None:
    raw = in_views(one_signed(oktmo="36701305"))[0]
    (own,) = signed([replace(raw, headers=[h for h in raw.headers if h[0] != "bus_sig"])])
    with pytest.raises(InvariantBroken, match="knows no key"):
        proved([own])


def test_the_catalogue_a_record_claims_is_read_or_0() -> None:
    assert claimed_catalogue(accepted(one_signed())[0]) == 7
    assert claimed_catalogue(Raw()) == 0
    assert claimed_catalogue(Raw(headers=[("bus_catalogue", b"x")])) == 0
