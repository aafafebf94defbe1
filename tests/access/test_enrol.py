from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    ScramMechanism,
    UserScramCredentialDeletion,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.access.credentials import (
    audit_key_file,
    delegated_key_file,
    load_audit_key,
    load_credentials,
    load_password,
)
from bus.access.delegate import delegate
from bus.access.enrol import AUDIT_KEY_BYTES, enrol, enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS, GATEWAY
from bus.catalogue.region import parse_region
from bus.errors import DocumentError
from bus.kafka.administration import Administration
from bus.kafka.cluster import Cluster
from bus.model.identifiers import KeyId, SystemCode
from tests.access.conftest import NOW
from tests.access.doors import log_in

SYSTEM = SystemCode("edu-registry")
REGION_FILE = Path(__file__).parents[2] / "deploy" / "samara" / "region.yaml"


def _as(system: SystemCode, home: Path, admin_cluster: Cluster) -> Cluster:
    password = load_credentials(home, system, NOW).password
    return replace(admin_cluster, principal=system, password=password)


def test_enrolled_system_is_let_in_and_another_password_is_not(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    cluster = _as(SYSTEM, home, admin_cluster)
    assert log_in(cluster)
    assert not log_in(replace(cluster, password="another"))


def test_secrets_are_for_the_owner_alone(home: Path, admin: Administration) -> None:
    enrol(home, admin, SYSTEM, NOW)
    folder = home / "secrets" / "systems" / SYSTEM
    assert {path.name for path in folder.iterdir()} == {"password", "edu-registry.1.key"}
    for place in (home / "secrets", folder.parent, folder):
        assert S_IMODE(place.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert S_IMODE(path.stat().st_mode) == 0o600


def test_enrolling_again_keeps_everything(home: Path, admin: Administration) -> None:
    first = enrol(home, admin, SYSTEM, NOW)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    again = enrol(home, admin, SYSTEM, NOW + timedelta(days=3))
    assert first.is_new_key
    assert (again.is_new_key, again.was_known) == (False, True)
    assert again.key_id == first.key_id == KeyId("edu-registry.1")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_enrolling_again_mends_modes_and_a_lost_public_key(
    home: Path, admin: Administration
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    document = home / "keys" / "edu-registry.1.yaml"
    content = document.read_bytes()
    document.unlink()
    folder = home / "secrets" / "systems" / SYSTEM
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    enrol(home, admin, SYSTEM, NOW)
    assert document.read_bytes() == content
    assert S_IMODE(folder.stat().st_mode) == 0o700
    assert {S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_public_key_that_a_person_revoked_stays_revoked(home: Path, admin: Administration) -> None:
    enrol(home, admin, SYSTEM, NOW)
    document = home / "keys" / "edu-registry.1.yaml"
    revoked = document.read_text() + "revoked_at: 2026-11-24T16:00:00+00:00\n"
    document.write_text(revoked)
    enrol(home, admin, SYSTEM, NOW)
    assert document.read_text() == revoked


def test_user_that_the_cluster_lost_is_let_in_again_with_the_same_password(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    cluster = _as(SYSTEM, home, admin_cluster)
    lost = UserScramCredentialDeletion(SYSTEM, ScramMechanism.SCRAM_SHA_512)
    for answer in admin.client.alter_user_scram_credentials([lost]).values():
        answer.result(10)
    assert not log_in(cluster)
    assert not enrol(home, admin, SYSTEM, NOW).was_known
    assert log_in(cluster)


def test_password_that_was_lost_here_is_made_and_set_anew(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    before = _as(SYSTEM, home, admin_cluster)
    (home / "secrets" / "systems" / SYSTEM / "password").unlink()
    enrol(home, admin, SYSTEM, NOW)
    assert log_in(_as(SYSTEM, home, admin_cluster))
    assert not log_in(before)


def test_public_keys_are_documents_of_the_catalogue_the_bus_own_too(
    home: Path, admin: Administration
) -> None:
    enrol_all(home, admin, [SYSTEM, BUS], NOW)
    region = parse_region(read_documents(REGION_FILE, home / "keys"))
    for system in (SYSTEM, BUS):
        credentials = load_credentials(home, system, NOW)
        key = region.keys[credentials.key_id]
        private = Ed25519PrivateKey.from_private_bytes(credentials.private_key)
        assert key.system == system
        assert key.public_key == private.public_key().public_bytes_raw()
        assert key.valid_from == datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize("code", ["bus", "bus-admin", "bus-broker"])
def test_agency_cannot_have_a_system_with_a_name_of_the_bus(code: str) -> None:
    documents = read_documents(REGION_FILE, None)
    path = "agencies/health-samara.yaml"
    documents[path] = documents[path].replace(b"health-analytics", code.encode())
    with pytest.raises(DocumentError, match=f"`{code}`, which the bus itself has already"):
        parse_region(documents)


def test_newest_key_signs(home: Path, admin: Administration) -> None:
    enrol(home, admin, SYSTEM, NOW)
    folder = home / "secrets" / "systems" / SYSTEM
    second = folder / "edu-registry.10.key"
    second.write_bytes((folder / "edu-registry.1.key").read_bytes())
    (folder / "edu-registry.old.key").write_bytes(b"not a number")
    assert load_credentials(home, SYSTEM, NOW).key_id == "edu-registry.1", "10 has no document"
    assert enrol(home, admin, SYSTEM, NOW).key_id == "edu-registry.10"
    assert (home / "keys" / "edu-registry.10.yaml").exists()


def test_key_that_was_lost_here_is_followed_by_another_number(
    home: Path, admin: Administration
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    lost = (home / "keys" / "edu-registry.1.yaml").read_bytes()
    (home / "secrets" / "systems" / SYSTEM / "edu-registry.1.key").unlink()
    again = enrol(home, admin, SYSTEM, NOW)
    assert (again.key_id, again.is_new_key) == ("edu-registry.2", True)
    assert (home / "keys" / "edu-registry.1.yaml").read_bytes() == lost
    assert load_credentials(home, SYSTEM, NOW).key_id == "edu-registry.2"


def test_enrolling_nobody_does_nothing(home: Path, admin: Administration) -> None:
    assert enrol_all(home, admin, [], NOW) == ()


def test_administrator_cannot_be_enrolled(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    with pytest.raises(DocumentError, match="super user"):
        enrol(home, admin, SystemCode(admin_cluster.principal), NOW)
    assert not home.exists()
    assert log_in(admin_cluster)


def test_system_that_was_not_enrolled_is_told_what_to_do(home: Path) -> None:
    with pytest.raises(DocumentError, match="bus system enrol edu-registry"):
        load_credentials(home, SYSTEM, NOW)


def test_key_file_that_is_no_key_is_told(home: Path, admin: Administration) -> None:
    enrol(home, admin, SYSTEM, NOW)
    (home / "secrets" / "systems" / SYSTEM / "edu-registry.1.key").write_bytes(b"rubbish")
    with pytest.raises(DocumentError, match="Ed25519 as PKCS8 PEM"):
        load_credentials(home, SYSTEM, NOW)


def test_the_bus_alone_gets_the_key_of_the_audit_log_and_keeps_it(
    home: Path, admin: Administration
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    with pytest.raises(DocumentError, match="bus system enrol bus"):
        load_audit_key(home)
    enrol(home, admin, BUS, NOW)
    key = load_audit_key(home)
    assert len(key) == AUDIT_KEY_BYTES
    assert S_IMODE(audit_key_file(home).stat().st_mode) == 0o600
    enrol(home, admin, BUS, NOW)
    assert load_audit_key(home) == key


def test_credentials_do_not_show_secrets_when_printed(home: Path, admin: Administration) -> None:
    enrol(home, admin, SYSTEM, NOW)
    credentials = load_credentials(home, SYSTEM, NOW)
    assert credentials.password not in repr(credentials)
    assert repr(credentials.private_key) not in repr(credentials)


def test_a_delegated_key_says_whose_it_is_and_who_holds_it(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    enrol(home, admin, SYSTEM, NOW)
    made = delegate(home, admin, SYSTEM, {}, NOW)
    keys = parse_region(read_documents(REGION_FILE, home / "keys")).keys
    key = keys[made.key_id]
    assert (made.key_id, key.system, key.is_delegated) == (
        KeyId("edu-registry.gateway-1"),
        SYSTEM,
        True,
    )
    private = delegated_key_file(home, made.key_id)
    assert S_IMODE(private.stat().st_mode) == 0o600
    assert S_IMODE(private.parent.stat().st_mode) == 0o700
    # The system goes on with its own key, and the gateway logs in under its own name.
    assert load_credentials(home, SYSTEM, NOW).key_id == KeyId("edu-registry.1")
    gateway = replace(admin_cluster, principal=GATEWAY, password=load_password(home, GATEWAY))
    assert log_in(gateway)


def test_delegating_again_keeps_a_valid_key_and_replaces_a_revoked_one(
    home: Path, admin: Administration
) -> None:
    first = delegate(home, admin, SYSTEM, {}, NOW)
    keys = parse_region(read_documents(REGION_FILE, home / "keys")).keys
    again = delegate(home, admin, SYSTEM, keys, NOW)
    assert (first.is_new, again.is_new, again.key_id) == (True, False, first.key_id)
    revoked = {first.key_id: replace(keys[first.key_id], revoked_at=NOW)}
    assert delegate(home, admin, SYSTEM, revoked, NOW).key_id == KeyId("edu-registry.gateway-2")
