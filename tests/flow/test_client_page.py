"""The code of docs/how-to/use-the-client.md, run as it stands."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from bus.gateway.process import serving
from bus.wiring import Installation
from tests.factories import ROOT
from tests.flow import path

PAGE = ROOT / "docs/how-to/use-the-client.md"


def blocks() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


async def run(block: str, names: dict[str, object]) -> None:
    code = compile(block, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    begun = eval(code, names)  # noqa: S307 - the page is ours
    if inspect.isawaitable(begun):
        await begun


async def test_the_page_does_what_it_says(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BUS_HOME", str(installation.home))
    connect, publish, *rest = blocks()
    names: dict[str, object] = {}
    async with serving(installation), path.supervised(installation):
        await run(connect, names)
        await run(publish, names)
        report, outcome, problems = names["report"], names["outcome"], names["problems"]
        assert (report.sent, report.unsendable_count) == (2, 1)  # type: ignore[attr-defined]
        assert (outcome.accepted, outcome.pending) == (2, 0)  # type: ignore[attr-defined]
        assert [row.number for row in problems] == [3]  # type: ignore[attr-defined]
        await path.settled(installation)
        for block in rest:
            await run(block, names)
    assert {"page-1", "page-2"} <= names["standing"]  # type: ignore[operator]
    assert names["names"]["page-2"] == "Тольятти"  # type: ignore[index]
    assert names["found"].missing_count == 0  # type: ignore[attr-defined]
    told = capsys.readouterr().out
    assert "Самара 1 None ()" in told
    assert len(rest) == 4
