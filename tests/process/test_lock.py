from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bus.errors import DocumentError, Fenced, InvariantBroken, Unavailable
from bus.process.exit_codes import (
    EXIT_CONFIGURATION,
    EXIT_FAULT,
    EXIT_FENCED,
    EXIT_UNAVAILABLE,
    exit_code_of,
)
from bus.process.lock import alone

HOLDER = """
import sys
from pathlib import Path
from bus.process.lock import alone
with alone(Path(sys.argv[1]), RuntimeError):
    print("held", flush=True)
    sys.stdin.read()
"""
LISTENER = """
import asyncio
from bus.process.ending import listen_for_the_end
async def main():
    stopping = asyncio.Event()
    listen_for_the_end(stopping)
    print("listening", flush=True)
    await stopping.wait()
asyncio.run(main())
"""


def test_the_second_process_is_told_who_holds_the_lock_until_the_first_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable, match=f"^by {holder.pid}$"), alone(path, _refusal):
            pytest.fail("two hold it")
        holder.kill()
    with alone(path, _refusal):
        assert path.read_text() == str(os.getpid())


def _refusal(pid: str) -> Unavailable:
    return Unavailable(f"by {pid}")


@pytest.mark.parametrize("is_signalled", [True, False], ids=["SIGTERM", "end of input"])
async def test_a_process_ends_when_told_to_and_when_its_supervisor_is_gone(
    is_signalled: bool,
) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTENER, stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert await process.stdout.readline() == b"listening\n"
    if is_signalled:
        process.terminate()
    else:
        process.stdin.close()
    assert await process.wait() == 0


def test_exit_codes_tell_what_a_supervisor_does_next() -> None:
    told = {
        exit_code_of(problem)
        for problem in (Fenced("x"), Unavailable("x"), DocumentError("x"), InvariantBroken("x"))
    }
    assert told == {EXIT_FENCED, EXIT_UNAVAILABLE, EXIT_CONFIGURATION, EXIT_FAULT}
    assert exit_code_of(ZeroDivisionError()) == EXIT_FAULT
