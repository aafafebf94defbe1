"""`bus local up|status|down|reset`: a real Kafka and a real PostgreSQL on this machine.

Every command may be repeated, and may be interrupted at any point: the next one finds what runs
by looking at the machine and completes it.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from bus.errors import BusError, DocumentError
from bus.local.artifacts import default_cache, ensure_artifacts, read_lock
from bus.local.broker import accepts_connections, ensure_broker, find_broker, stop_broker
from bus.local.broker_settings import ADMIN_PRINCIPAL
from bus.local.choices import LOOPBACK, Choices, choose, read_choices
from bus.local.database import (
    ensure_database,
    find_database,
    is_ready,
    postgres_version,
    stop_database,
)
from bus.local.database_settings import dsn
from bus.local.engines import (
    Engines,
    EngineState,
    EngineStatus,
    PlatformStatus,
    read_engines,
    write_engines,
)
from bus.local.home_lock import exclusive
from bus.local.layout import Layout, PostgresPlace
from bus.local.owner import Owner
from bus.local.private_files import READABLE_FOLDER, make_folder, refuse_foreign
from bus.local.processes import Ending
from bus.texts import Message, message

_LOCK_WAIT_S = 180.0

Progress = Callable[[Message], None]


def _say_nothing(_: Message) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How each engine ended."""

    kafka: Ending
    postgres: Ending


def up(home: Path, *, cache: Path | None = None, progress: Progress = _say_nothing) -> Engines:
    """Start what does not run yet, wait until both engines answer, and publish where they are.

    Args:
        home: The folder of all data; created the first time.
        cache: The folder of downloads; `default_cache()` if None.
        progress: Told, from several threads, what takes time.

    Returns: The running engines, the same ones when all was up already.

    Raises:
        Unavailable: A download fails or an engine does not start. What this call started is
            stopped again.
        DocumentError: The home cannot be used.
    """
    layout = Layout.of(home)
    layout.home.mkdir(parents=True, exist_ok=True)  # its mode is the operator's choice
    refuse_foreign(layout.home, Owner.caller())
    make_folder(layout.run, mode=READABLE_FOLDER)
    with exclusive(layout.lock_file, wait_s=_LOCK_WAIT_S):
        make_folder(layout.secrets)
        make_folder(layout.log)
        kafka_ran, postgres_ran = find_broker(layout), _find_postgres(layout)
        choices = choose(
            layout, kafka_runs=kafka_ran is not None, postgres_runs=postgres_ran is not None
        )
        starter = _Starter(layout, choices, cache or default_cache(), progress)
        try:
            engines = starter.start()
        except BaseException:
            if kafka_ran is None:
                stop_broker(layout)
            if postgres_ran is None:
                stop_database(layout, choices)
            raise
        write_engines(layout, engines)
        return engines


@dataclass(frozen=True, slots=True)
class _Starter:
    layout: Layout
    choices: Choices
    cache: Path
    progress: Progress

    def start(self) -> Engines:
        """Start both engines side by side; if both fail, the broker's error is told first."""
        with ThreadPoolExecutor(2, thread_name_prefix="engine") as pool:
            kafka = pool.submit(self._start_kafka)
            postgres = pool.submit(self._start_postgres)
        _raise_all(kafka, postgres)
        return self._engines(kafka_pid=kafka.result(), postgres_pid=postgres.result())

    def _start_kafka(self) -> int:
        lock = read_lock()
        pid = ensure_broker(
            self.layout,
            self.choices,
            libraries=lambda: ensure_artifacts(lock, self.cache, progress=self.progress),
            cache=self.cache,
        )
        self._tell_address("Kafka", lock.kafka_version, self.choices.kafka_client_port)
        return pid

    def _start_postgres(self) -> int:
        pid = ensure_database(self.layout, self.choices)
        self._tell_address("PostgreSQL", postgres_version(), self.choices.postgres_port)
        return pid

    def _tell_address(self, engine: str, version: str, port: int) -> None:
        address = _address(port)
        self.progress(message("local.started", engine=engine, version=version, address=address))

    def _engines(self, *, kafka_pid: int, postgres_pid: int) -> Engines:
        layout, choices = self.layout, self.choices
        return Engines(
            kafka_bootstrap=_address(choices.kafka_client_port),
            kafka_ca_file=layout.ca_file,
            kafka_admin_user=ADMIN_PRINCIPAL,
            kafka_admin_password_file=layout.kafka_admin_password_file,
            kafka_version=read_lock().kafka_version,
            kafka_pid=kafka_pid,
            kafka_log=layout.kafka_log,
            postgres_dsn=dsn(choices),
            postgres_password_file=layout.postgres_password_file,
            postgres_version=postgres_version(),
            postgres_pid=postgres_pid,
            postgres_log_folder=PostgresPlace(choices.postgres_root).log_folder,
            postgres_socket_folder=layout.socket_folder,
        )


def status(home: Path) -> PlatformStatus:
    """Look at the machine: which engines run, where, and do they listen."""
    layout = _existing_layout(home)
    choices = read_choices(layout) if layout else None
    if layout is None or choices is None:
        nothing = EngineStatus(state=EngineState.STOPPED, pid=None, port=None, log=None)
        return PlatformStatus(kafka=nothing, postgres=nothing, engines=None)
    place = PostgresPlace(choices.postgres_root)
    broker, database = find_broker(layout), find_database(choices)
    kafka_answers = broker is not None and accepts_connections(choices.kafka_client_port)
    return PlatformStatus(
        kafka=EngineStatus(
            state=_state(broker, answers=kafka_answers),
            pid=broker.pid if broker else None,
            port=choices.kafka_client_port,
            log=layout.kafka_log,
        ),
        postgres=EngineStatus(
            state=_state(database, answers=is_ready(place)),
            pid=database.pid if database else None,
            port=choices.postgres_port,
            log=place.log_folder,
        ),
        engines=read_engines(layout.home),
    )


def down(home: Path) -> Stopped:
    """Stop both engines and keep all data. What does not run is no error.

    Raises:
        Unavailable: Another command works on this home, or a process does not end.
    """
    layout = _existing_layout(home)
    if layout is None or not layout.run.exists():
        return Stopped(kafka=Ending.NOT_RUNNING, postgres=Ending.NOT_RUNNING)
    with exclusive(layout.lock_file, wait_s=_LOCK_WAIT_S):
        return _stop(layout)


def reset(home: Path) -> Stopped:
    """Stop both engines and remove all data, secrets and logs of a home.

    Only the platform's own folders are removed; the home itself goes if nothing else is in it.

    Raises:
        DocumentError: There is a folder, and it is not the home of a platform.
        Unavailable: Another command works on this home, or a process does not end.
    """
    layout = _existing_layout(home)
    if layout is None:
        return Stopped(kafka=Ending.NOT_RUNNING, postgres=Ending.NOT_RUNNING)
    choices = read_choices(layout)
    if choices is None:
        raise DocumentError(message("error.local.no_home", home=layout.home))
    with exclusive(layout.lock_file, wait_s=_LOCK_WAIT_S):
        stopped = _stop(layout)
        for folder in (
            choices.postgres_root,
            layout.kafka,
            layout.log,
            layout.secrets,
            layout.run,
        ):
            if folder.exists():
                shutil.rmtree(folder)
    if not any(layout.home.iterdir()):
        layout.home.rmdir()
    return stopped


def _existing_layout(home: Path) -> Layout | None:
    layout = Layout.of(home)
    if not layout.home.exists():
        return None
    # Why: another user's engines would look stopped, since only the owner's are looked for.
    refuse_foreign(layout.home, Owner.caller())
    return layout


def _stop(layout: Layout) -> Stopped:
    choices = read_choices(layout)
    with ThreadPoolExecutor(2, thread_name_prefix="engine") as pool:
        kafka = pool.submit(stop_broker, layout)
        postgres = pool.submit(_stop_postgres, layout, choices)
    _raise_all(kafka, postgres)
    layout.engines_file.unlink(missing_ok=True)
    return Stopped(kafka=kafka.result(), postgres=postgres.result())


def _stop_postgres(layout: Layout, choices: Choices | None) -> Ending:
    return Ending.NOT_RUNNING if choices is None else stop_database(layout, choices)


def _find_postgres(layout: Layout) -> psutil.Process | None:
    choices = read_choices(layout)
    return None if choices is None else find_database(choices)


def _raise_all(*futures: Future[int] | Future[Ending]) -> None:
    errors = [e for f in futures if (e := f.exception()) is not None]
    if not errors:
        return
    for error in errors:
        if not isinstance(error, BusError):
            raise error
    raise type(errors[0])("\n".join(str(e) for e in errors)) from errors[0]


def _state(process: psutil.Process | None, *, answers: bool) -> EngineState:
    if process is None:
        return EngineState.STOPPED
    return EngineState.RUNNING if answers else EngineState.SILENT


def _address(port: int) -> str:
    return f"{LOOPBACK}:{port}"
