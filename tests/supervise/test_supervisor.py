from __future__ import annotations

import asyncio
import errno
import sys
from pathlib import Path
from typing import Any

import pytest

from bus.errors import DocumentError
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot, Supervisor


async def test_a_worker_that_was_never_enrolled_is_not_started_again_and_says_so(
    tmp_path: Path,
) -> None:
    slot = Slot(role=Role.ENFORCE, number=0)
    environment = {"BUS_HOME": str(tmp_path), "BUS_KAFKA__BOOTSTRAP": "127.0.0.1:9"}
    environment |= {"BUS_KAFKA__CA_FILE": str(tmp_path / "ca.pem")}
    environment |= {"BUS_KAFKA__ADMIN_USER": "x", "BUS_KAFKA__ADMIN_PASSWORD_FILE": "x"}
    supervisor = Supervisor([slot], environment=environment, log_folder=tmp_path / "log")
    with pytest.raises(DocumentError, match=r"enforce-0\.log"):
        await asyncio.wait_for(supervisor.run(), 60)
    log = (tmp_path / "log" / "enforce-0.log").read_text(encoding="utf-8")
    assert "bus system enrol bus" in log
    assert "Traceback" not in log
    assert supervisor.restarts == 0


async def test_a_worker_that_can_not_be_started_is_tried_again_and_the_others_work_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (Slot(role=Role.FUND, number=number) for number in range(2))
    start, begun = asyncio.create_subprocess_exec, asyncio.Event()
    refusals = [OSError(errno.EAGAIN, "Resource temporarily unavailable")]

    async def once_refused(*command: str, **options: Any) -> asyncio.subprocess.Process:  # noqa: ANN401
        number = command[4] if len(command) > 4 else "in reserve"
        if number == "1" and refusals:
            raise refusals.pop()
        if number == "1":
            begun.set()
        return await start(sys.executable, "-c", "input()", **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", once_refused)
    supervisor = Supervisor([first, second])
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        await begun.wait()
    assert not running.done()
    assert supervisor.processes[first].returncode is None
    assert "slot=fund-1 exit=none, not started: [Errno 11] Resource" in caplog.text
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
