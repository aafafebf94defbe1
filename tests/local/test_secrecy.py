"""Who is let in, and where secrets lie."""

import socket
import ssl
import stat
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from bus.local import Engines
from bus.local.choices import LOOPBACK, read_choices
from bus.local.layout import Layout
from tests.local.clients import create_topic, create_user, login, produce, quiet, sql
from tests.local.conftest import Start


def test_kafka_refuses_a_wrong_password(shared: Engines) -> None:
    errors: list[KafkaError] = []
    settings: dict[str, Any] = {**login(shared, password="wrong"), "error_cb": errors.append}
    client = AdminClient(settings)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=1)
    client.poll(1)
    assert KafkaError._AUTHENTICATION in {e.code() for e in errors}


def test_kafka_refuses_a_principal_without_a_right(shared: Engines) -> None:
    create_topic(shared, "in.tax.payer")
    create_user(shared, "tax", "tax-password")
    stranger = login(shared, user="tax", password="tax-password")
    refusals = produce(stranger, "in.tax.payer", [b"value"])
    assert {e.code() for e in refusals} == {KafkaError.TOPIC_AUTHORIZATION_FAILED}
    assert produce(login(shared), "in.tax.payer", [b"value"]) == []


def test_kafka_refuses_a_client_that_does_not_encrypt(shared: Engines) -> None:
    settings = {**login(shared), "security.protocol": "SASL_PLAINTEXT"}
    with pytest.raises(KafkaException):
        AdminClient(quiet(settings)).list_topics(timeout=1)


def test_a_topic_is_never_created_by_asking_for_it(shared: Engines) -> None:
    refusals = produce(
        {**login(shared), "topic.metadata.propagation.max.ms": "500"}, "in.tax.misspelt", [b"value"]
    )
    assert {e.code() for e in refusals} <= {
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
    assert refusals


@pytest.mark.parametrize("listener", ["kafka_broker_port", "kafka_controller_port"])
def test_the_brokers_own_listeners_refuse_who_shows_no_certificate(
    shared: Engines, listener: str
) -> None:
    choices = read_choices(Layout.of(shared.kafka_ca_file.parent.parent))
    context = ssl.create_default_context(cafile=shared.kafka_ca_file)
    with (
        socket.create_connection((LOOPBACK, getattr(choices, listener)), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as encrypted,
        pytest.raises(ssl.SSLError, match=r"(?i)certificate.required|bad.certificate"),
    ):
        encrypted.recv(1)


def test_postgres_refuses_a_wrong_password_on_both_its_doors(shared: Engines) -> None:
    port = psycopg.conninfo.conninfo_to_dict(shared.postgres_dsn)["port"]
    for host in (LOOPBACK, str(shared.postgres_socket_folder)):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(
                host=host, port=port, user="bus_admin", dbname="bus", password="wrong"
            ).close()


def test_postgres_keeps_what_it_promises(shared: Engines) -> None:
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "idle_in_transaction_session_timeout": "0",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
    }
    found = {name: sql(shared, f"SHOW {name}")[0][0] for name in expected}
    assert found == expected
    collation = sql(shared, "SELECT datlocale FROM pg_database WHERE datname = 'bus'")
    assert collation == [("C.UTF-8",)]


def test_a_failing_statement_leaves_no_value_in_postgres_log(shared: Engines) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        sql(
            shared,
            "CREATE TEMP TABLE person (name text PRIMARY KEY);"
            "INSERT INTO person VALUES ('Ivanova'); INSERT INTO person VALUES ('Ivanova')",
        )
    deadline = time.monotonic() + 10
    text = ""
    while "duplicate key" not in text:  # the log is written by a process of its own
        assert time.monotonic() < deadline
        text = "".join(f.read_text() for f in shared.postgres_log_folder.iterdir())
    assert "Ivanova" not in text


def test_the_broker_writes_its_log(shared: Engines) -> None:
    assert "Kafka Server started" in shared.kafka_log.read_text()


def test_only_the_owner_may_read_secrets_and_data(shared: Engines) -> None:
    layout = Layout.of(shared.kafka_ca_file.parent.parent)
    choices = read_choices(layout)
    assert choices is not None
    closed = (layout.secrets, layout.kafka, layout.log, choices.postgres_root)
    assert {p.name: mode(p) for p in closed} == {p.name: 0o700 for p in closed}
    assert {mode(p) for p in layout.secrets.iterdir()} == {0o600}
    assert {p.name for p in layout.secrets.iterdir()} == {
        "broker.pem",
        "ca.key",
        "gateway.pem",
        "kafka-admin.password",
        "postgres.password",
    }
    assert mode(layout.kafka_settings_file) == 0o600
    assert mode(shared.postgres_socket_folder) == 0o700
    assert mode(layout.engines_file) == mode(shared.kafka_ca_file) == 0o644


def test_no_password_is_in_a_file_that_others_read(shared: Engines) -> None:
    layout = Layout.of(shared.kafka_ca_file.parent.parent)
    passwords = [p.read_bytes() for p in layout.secrets.glob("*.password")]
    assert len(passwords) == 2
    files = [p for p in layout.home.rglob("*") if p.is_file() and p.parent != layout.secrets]
    assert files
    for file in files:
        content = file.read_bytes()
        assert not any(password in content for password in passwords), file


def test_no_password_is_ever_on_a_command_line_or_in_an_environment(start: Start) -> None:
    seen = "\n".join(start.seen)
    for word in ("format.arguments", "initdb", "kafka.Kafka", "--config-file="):
        assert word in seen  # the watcher saw each step
    assert start.engines.kafka_admin_password_file.read_text() not in seen
    assert start.engines.postgres_password_file.read_text() not in seen


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
