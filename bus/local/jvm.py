"""The Java that runs Kafka, and what it remembers of an earlier run.

Java writes down at its end which classes a run loaded and which methods were worth compiling, and
begins the next run with that, which spares a broker much of its start. What it remembers lies
beside the downloads, for every home; it can be lost at any time. Source: JEP 483, 514, 515.
"""

import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from bus.local.layout import Layout

MAIN_CLASS = "kafka.Kafka"

_HEAP_MAX = "512m"
_LEARN = "-XX:AOTCacheOutput="
_UNUSED_MAX_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Jvm:
    """A Java runtime and the libraries that it loads."""

    java: Path
    classpath: tuple[Path, ...]
    cache: Path
    """The folder of what may be lost."""

    def broker(self, layout: Layout) -> list[str]:
        """Return the command that runs the broker.

        Args:
            layout: Where its settings lie, and where the JVM may write.
        """
        memory = self._memory()
        if memory.exists():
            memory.touch()
            remember = f"-XX:AOTCache={memory}"
        else:
            memory.parent.mkdir(parents=True, exist_ok=True)
            remember = _learn(memory)
        return self._command(layout, remember, MAIN_CLASS, str(layout.kafka_settings_file))

    def tool(self, layout: Layout, arguments: Path) -> list[str]:
        """Return the command that runs a tool of Kafka's, with what a broker learnt if any did.

        Args:
            layout: Where the JVM may write.
            arguments: A file that holds the main class and what it gets.
        """
        memory = self._memory()
        known = f"-XX:AOTCache={memory}" if memory.exists() else "-XX:TieredStopAtLevel=1"
        return self._command(layout, known, f"@{arguments}")

    def _memory(self) -> Path:
        """Say where a run of just these files is remembered: Java takes it for no others."""
        files = (self.java, self.java.parents[1] / "lib" / "modules", *self.classpath)
        known = [(str(file), file.stat().st_mtime_ns) for file in files]
        digest = hashlib.sha256(repr((known, _more_options())).encode()).hexdigest()
        return self.cache / "java" / f"{digest[:16]}.aot"

    def _command(self, layout: Layout, option: str, *main: str) -> list[str]:
        return [
            str(self.java),
            f"-Xmx{_HEAP_MAX}",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",  # it would leave a file in /tmp after kill -9
            f"-XX:ErrorFile={layout.log / 'kafka-crash.log'}",
            f"-Djava.io.tmpdir={layout.kafka / 'tmp'}",
            f"-Dlog4j2.configurationFile={layout.kafka / 'log4j2.properties'}",
            option,
            *_more_options(),
            "-cp",
            ":".join(map(str, self.classpath)),
            *main,
        ]


def draft_of(broker: psutil.Process) -> Path | None:
    """Say where a broker that runs will write what it has learnt, if it was told to."""
    try:
        words = broker.cmdline()
    except psutil.Error:  # ended meanwhile
        return None
    drafts = (word.removeprefix(_LEARN) for word in words if word.startswith(_LEARN))
    return next(map(Path, drafts), None)


def keep(draft: Path, *, is_whole: bool) -> None:
    """Let the next brokers have what one has learnt, and forget what none has used for a month.

    Args:
        draft: What the broker wrote at its end.
        is_whole: Whether that end came by itself.
    """
    if is_whole and draft.exists():
        draft.replace(draft.with_suffix("").with_suffix(".aot"))
    for file in draft.parent.iterdir():
        is_rest = file.name.startswith(draft.name)
        if is_rest or file.stat().st_mtime < time.time() - _UNUSED_MAX_S:
            file.unlink(missing_ok=True)


def _learn(memory: Path) -> str:
    return f"{_LEARN}{memory.with_suffix('')}.{uuid.uuid4().hex}.new"


def _more_options() -> list[str]:
    """Return what the caller adds, such as another limit of memory."""
    return os.environ.get("BUS_JAVA_OPTIONS", "").split()
