from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus.agents.role import Role
from bus.agents.supervisor import Slot, Supervisor
from bus.errors import DocumentError


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
