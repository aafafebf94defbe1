"""Changes to a record's headers: before it is signed, after it, and where nobody signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, TypeAlias, cast

from bus.wire import topics
from bus.wire.headers import ADDED_BY_THE_BUS, HEADERS_BYTES_MAX
from bus.wire.original import PACKED
from tests.malformed.byte_changes import changed

Headers: TypeAlias = Sequence[tuple[str, bytes]]
_NO_VALUE: Final = cast("bytes", None)
"""Kafka has headers without a value; no client of ours writes one."""
_UNSIGNED: Final = "traceparent"
_TEXTS: Final = (
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\N{ARABIC-INDIC DIGIT THREE}".encode(),
    "\N{FULLWIDTH DIGIT ONE}".encode(),
    b"'; DROP TABLE bus.quarantine; --",
    b"9" * 5_000,
    b"{" * 2_000,
)
_BY_NAME: Final[Mapping[str, Sequence[str]]] = {
    "ce_specversion": ("1", "1.0 ", "2.0"),
    "ce_source": ("urn:bus:", "urn:bus:bus:bus", "urn:bus:a:b:c", "urn:BUS:x:y"),
    "ce_type": ("registry..create", "registry.births.create\n"),
    "ce_time": (
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "2026-02-30T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T23:59:60Z",
        "2026-03-01T09:30:00+00:00",
        "2026-03-01T09:30:00z",
        "2026-03-01T09:30:00.1234567Z",
        "2026-03-01T09:30:00Z\n",
        "9999-12-31T23:59:59Z",
    ),
    "ce_dataschema": (
        "urn:bus:schema:0",
        "urn:bus:schema:-1",
        "urn:bus:schema:4294967296",
        "urn:bus:schema:9999999999999999999",
        "urn:bus:schema:1_0",
    ),
    "content-type": ("application/avro; charset=utf-8", "application/json"),
    "bus_op": ("CREATE", "cease", "annul", "delete", "create\x00"),
    "bus_version": (
        "0",
        "-1",
        "01",
        "1.0",
        "1_0",
        "+1",
        "9223372036854775807",
        "9223372036854775808",
        "9999999999999999999",
    ),
    "bus_supersedes": ("0" * 32, "F" * 32, "0" * 31, "0" * 33),
    "bus_lane": ("LIVE", "live ", "other"),
    "bus_resolves": (
        "/",
        "//",
        "/0/0",
        "a/b/c",
        "{source}/0/-1",
        "{source}/-1/0",
        "{source}/2147483648/0",
        "{source}/0/9223372036854775808",
        "{source}/0/1_0",
        "{source}/ 0/0",
        "{source}/0/\N{ARABIC-INDIC DIGIT THREE}",
        "{source}/0/" + "9" * 4_000,
        "{source}/0/" + "9" * 5_000,
        "so\x00nd/0/0",
    ),
    "bus_group": (
        "0123456789abcdef/0/1",
        "0123456789abcdef/2/2",
        "0123456789abcdef/63/64",
        "0123456789abcdef/0/65",
        "0123456789ABCDEF/0/2",
        "0123456789abcdef/00/2",
        "0123456789abcdef/0/2\n",
    ),
}
"""Header → texts that its form comes close to."""
_OPTIONAL: Final = ("bus_resolves", "bus_group", "bus_supersedes")


def spoiled_header(headers: Headers, source: topics.Inbound, dice: Random) -> Headers:
    """Give one header, which need not be there yet, another content, to be signed so."""
    name = dice.choice([*_BY_NAME, *_OPTIONAL])
    before = dict(headers).get(name, b"")
    chance = dice.random()
    if chance < 0.5:
        after = dice.choice(_BY_NAME[name]).replace("{source}", str(source)).encode()
    elif chance < 0.65:
        after = dice.choice(_TEXTS)
    elif chance < 0.7:
        after = _NO_VALUE
    else:
        after = changed(before, before[::-1], dice)
    kept = [(known, after if known == name else value) for known, value in headers]
    return kept if name in dict(headers) else [*kept, (name, after)]


def tampered_headers(
    headers: Headers, other: Headers, dice: Random, *, only_utf_8: bool
) -> Headers:
    """Change signed headers so that a record can't be accepted any more.

    Args:
        headers: Of a signed record.
        other: Of another record of the same topic.
        dice: Chooses what to change, and how.
        only_utf_8: Leave out names that no client library can write.
    """
    made = list(headers)
    wanted = [at for at, (name, _) in enumerate(headers) if name != _UNSIGNED]
    signatures = [at for at in wanted if headers[at][0] == "bus_sig"]
    place = dice.choice(signatures if dice.random() < 0.15 else wanted)
    name, value = headers[place]
    match dice.choices(_WAYS, _WEIGHTS)[0]:
        case "value":
            made[place] = (name, changed(value or b"", dict(other).get(name) or b"", dice))
        case "no value":
            made[place] = (name, _NO_VALUE)
        case "name":
            renamed = changed(name.encode(), b"bus_in", dice)
            errors = "replace" if only_utf_8 else "surrogateescape"
            made[place] = (renamed.decode(errors=errors), value)
        case "missing":
            del made[place]
        case "doubled":
            again = dice.choice(headers)
            made.insert(dice.randint(0, len(made)), again)
        case "swapped":
            at = dice.choice([at for at, (_, text) in enumerate(headers) if text != value])
            made[place], made[at] = (name, headers[at][1]), (headers[at][0], value)
        case "the bus's own":
            made.append((dice.choice(ADDED_BY_THE_BUS), dice.randbytes(4)))
        case "heavy":
            made.append(("x-note", bytes(HEADERS_BYTES_MAX)))
        case _:
            made.append(("x" if only_utf_8 else "\udcff\udcfe", b""))
            del made[place]
    return made


def harmless(headers: Headers, dice: Random) -> Headers:
    """Change what no signature covers: the order, a trace, headers that the bus does not know."""
    made = list(headers)
    if dice.random() < 0.3:
        made = [pair for pair in made if pair[0] != _UNSIGNED]
        made.append((_UNSIGNED, dice.randbytes(dice.choice((0, 3, 55)))))
    if dice.random() < 0.5:
        name = dice.choice((f"x-{dice.getrandbits(32):x}", f"х{dice.getrandbits(8)}", PACKED))
        made.append((name, dice.choice((_NO_VALUE, b"", b"\xff\x00", dice.randbytes(200)))))
    dice.shuffle(made)
    return made


_SHARES: Final[Mapping[str, int]] = {
    "value": 40,
    "no value": 6,
    "name": 18,
    "missing": 12,
    "doubled": 12,
    "swapped": 6,
    "the bus's own": 3,
    "heavy": 1,
    "no name": 2,
}
_WAYS: Final = tuple(_SHARES)
_WEIGHTS: Final = tuple(_SHARES.values())
