from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bus.access.credentials import USED_AFTER, load_credentials, read_public_key
from bus.access.enrol import enrol
from bus.access.keys import keys_of, revoke, rotate
from bus.errors import DocumentError
from bus.kafka.administration import Administration
from bus.model.identifiers import KeyId, SystemCode
from tests.access.conftest import NOW

SYSTEM = SystemCode("edu-registry")
WEEK = timedelta(days=7)
FIRST, SECOND = KeyId("edu-registry.1"), KeyId("edu-registry.2")


@pytest.fixture
def enrolled(home: Path, admin: Administration) -> Path:
    enrol(home, admin, SYSTEM, NOW)
    return home


def _signs(home: Path, moment: datetime) -> KeyId:
    return load_credentials(home, SYSTEM, moment).key_id


def test_at_every_moment_of_a_rotation_the_key_that_signs_is_valid(enrolled: Path) -> None:
    rotation = rotate(enrolled, SYSTEM, NOW, WEEK)
    assert (rotation.former, rotation.key_id) == (FIRST, SECOND)
    assert (rotation.used_from, rotation.former_until) == (NOW + USED_AFTER, NOW + WEEK)
    keys = {key.key_id: key for key in keys_of(enrolled)}
    for minutes in range(0, 8 * 24 * 60, 5):
        moment = NOW + timedelta(minutes=minutes)
        key = keys[_signs(enrolled, moment)]
        assert key.valid_from <= moment
        assert key.valid_to is None or moment < key.valid_to
        assert key.key_id == (FIRST if moment < rotation.used_from else SECOND)


def test_the_former_key_may_sign_for_as_long_as_programs_run_that_have_it(enrolled: Path) -> None:
    rotate(enrolled, SYSTEM, NOW, WEEK)
    former = read_public_key(enrolled / "keys" / f"{FIRST}.yaml")
    assert former.valid_to == NOW + WEEK


def test_a_key_that_ends_earlier_is_not_given_more_time(enrolled: Path) -> None:
    rotate(enrolled, SYSTEM, NOW, WEEK)
    third = rotate(enrolled, SYSTEM, NOW + timedelta(days=1), timedelta(days=1))
    assert third.former == SECOND
    assert [key.valid_to for key in keys_of(enrolled)] == [
        NOW + WEEK,
        NOW + timedelta(days=2),
        None,
    ]


def test_a_key_that_is_not_in_use_yet_is_not_followed_by_another(enrolled: Path) -> None:
    rotate(enrolled, SYSTEM, NOW, WEEK)
    with pytest.raises(DocumentError, match=r"edu-registry\.2 is a new key"):
        rotate(enrolled, SYSTEM, NOW + USED_AFTER - timedelta(seconds=1), WEEK)


def test_a_system_without_a_key_here_is_told(home: Path) -> None:
    with pytest.raises(DocumentError, match="bus system enrol edu-registry"):
        rotate(home, SYSTEM, NOW, WEEK)


def test_a_revoked_key_signs_nothing_from_then_on(enrolled: Path) -> None:
    rotate(enrolled, SYSTEM, NOW, WEEK)
    later = NOW + timedelta(hours=1)
    assert revoke(enrolled, SECOND, later).revoked_at == later
    assert _signs(enrolled, later - timedelta(minutes=1)) == SECOND
    assert _signs(enrolled, later) == FIRST


def test_revoking_again_never_moves_the_moment_to_later(enrolled: Path) -> None:
    revoke(enrolled, FIRST, NOW)
    assert revoke(enrolled, FIRST, NOW + WEEK).revoked_at == NOW
    assert revoke(enrolled, FIRST, NOW - WEEK).revoked_at == NOW - WEEK


def test_a_key_nobody_knows_is_told_with_those_that_are(enrolled: Path) -> None:
    with pytest.raises(DocumentError, match=r"no key edu-registry\.9; known are edu-registry\.1"):
        revoke(enrolled, KeyId("edu-registry.9"), NOW)
