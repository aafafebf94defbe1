"""What import-linter is told holds for every room, and every module that calls itself pure."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import Any, Final

from tests.factories import ROOT

CONTRACTS: Final[dict[str, dict[str, Any]]] = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
}
PURE: Final = frozenset(CONTRACTS["Judgement is pure"]["source_modules"])
ROOMS: Final = frozenset(
    f"bus.{path.stem}"
    for path in (ROOT / "bus").iterdir()
    if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
)


def test_every_room_is_pure_or_agents_or_forbidden_faust() -> None:
    without_faust = frozenset(CONTRACTS["Only agents know Faust"]["source_modules"])
    assert without_faust | (PURE & ROOMS) | {"bus.agents"} == ROOMS
    assert "bus.agents" not in without_faust


def test_pure_rooms_are_those_that_the_architecture_marks() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    marked = {f"bus.{room}" for room in re.findall(r"^\| `(\w+)` °", page, re.MULTILINE)}
    assert marked == PURE & ROOMS


def test_a_module_that_calls_itself_pure_is_held_to_it() -> None:
    loose = []
    for path in sorted((ROOT / "bus").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        held = any(module == one or module.startswith(f"{one}.") for one in PURE)
        if re.search(r"\bPure\.", told) and not held:
            loose.append(module)
    assert loose == [], "name them in pyproject.toml, or say what they are"
