"""What one rule of each kind costs a record, in nanoseconds, and what it costs elsewhere.

Ours: the compiled function of a schema version with no rule, and with one; both judge the same
good records in turn, and the difference is the rule's, the reading of its field included. Theirs:
the CEL rule executor of confluent-kafka's deserialiser, with and without the same expression, in
a process of the benchmark's own environment.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from pydantic import TypeAdapter

from bus.contracts.compile import Examine, compile_schema
from bus.contracts.contract import SchemaVersion
from bus.contracts.rules import Rule
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Malformed
from tests.bench.figures import rounded, spread
from tests.bench.invented_contract import BAD_EACH, COMPARISON, RULES, SCHEMA
from tests.bench.load import framed
from tests.bench.options import Options, say

RECORDS: Final = 2_000
ROUNDS: Final = 15
QUICK_ROUNDS: Final = 3
CEL: Final[Mapping[str, str]] = {
    "cel_number": "fee_kopecks >= 0",
    "cel_text": 'kind in ["certificate", "licence", "permit", "extract"]',
    "cel_pattern": 'document_number.matches("^[0-9]{6}$")',
}
"""The same demands that rules of other kinds make of these fields."""
_PEER: Final = "confluent_kafka_cel"
_PEER_SCRIPT: Final = Path(__file__).parent / "variants/confluent_cel.py"
_SCHEMA_ID: Final = 1
_APPENDED_MS: Final = 1_800_000_000_000
_RULES: Final = TypeAdapter[Rule](Rule)
_OTHER_KINDS: Final[Mapping[str, Mapping[str, object]]] = {
    "required": {"kind": "required", "field": "office"},
    "compare": {**COMPARISON},
    "code_list": {"kind": "code_list", "field": "status", "codes": ["valid", "lost", "void"]},
}


async def run(options: Options) -> dict[str, Any]:
    """Measure ours in this process, theirs in one of its own."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    say("rules: one of each kind")
    ours = await asyncio.to_thread(_measure_ours, rounds)
    say("rules: confluent-kafka's CEL executor")
    if not options.peers.exists():
        return {"ns_per_record": ours, "not_run": {_PEER: f"there is no {options.peers}"}}
    theirs = await _measure_theirs(options.peers, rounds)
    return {"ns_per_record": ours, _PEER: theirs}


def chosen() -> dict[str, Mapping[str, object]]:
    """Name one rule of each kind, as a contract writes it."""
    named = {str(rule["kind"]): {**rule, "field": name} for name, rule in RULES.items()}
    cel = {
        name: {"kind": "cel", "field": "kind", "expression": expression}
        for name, expression in CEL.items()
    }
    return {**named, **_OTHER_KINDS, **cel}


def _measure_ours(rounds: int) -> dict[str, Any]:
    records = [framed(_SCHEMA_ID, n) for n in range(1, RECORDS) if n % BAD_EACH]
    rules = {name: _rule(name, written) for name, written in chosen().items()}
    without, cel = _compiled([]), [rule for name, rule in rules.items() if name.startswith("cel_")]
    plain = [rule for name, rule in rules.items() if not name.startswith("cel_")]
    found: dict[str, Any] = {"no_rule": spread([_time(without, records) for _ in range(rounds)])}
    for name, examined in {
        **{name: [rule] for name, rule in rules.items()},
        "all_but_cel": plain,
        "all_cel": cel,
    }.items():
        function = _compiled(examined)
        _time(function, records)
        pairs = [(_time(without, records), _time(function, records)) for _ in range(rounds)]
        found[name] = spread([with_rule - bare for bare, with_rule in pairs])
    return found


def _rule(name: str, written: Mapping[str, object]) -> Rule:
    text = {"ru": "Правило", "en": "A rule"}
    rule_id = name.replace("_", "-")
    return _RULES.validate_python({**written, "id": rule_id, "text": text})


def _compiled(rules: Sequence[Rule]) -> Examine:
    version = SchemaVersion(number=1, schema=SCHEMA, rules=tuple(rules), accepted_until=None)
    return compile_schema(
        dataset=DatasetCode("documents-000"),
        key_field="registry_number",
        version=version,
        schema_id=_SCHEMA_ID,
        wanted=frozenset(),
    ).examine


def _time(examine: Examine, records: Sequence[bytes]) -> float:
    """Give nanoseconds of CPU for one record; the records must be good."""
    began = time.thread_time_ns()
    for value in records:
        judged = examine(value, _APPENDED_MS)
    took = time.thread_time_ns() - began
    if isinstance(judged, Malformed) or judged.violations:
        raise AssertionError("a good record was refused")
    return took / len(records)


async def _measure_theirs(python: Path, rounds: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        python, _PEER_SCRIPT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    values = [framed(_SCHEMA_ID, n).hex() for n in range(1, RECORDS) if n % BAD_EACH]
    asked = {
        "schema": SCHEMA,
        "values": values,
        "expressions": CEL,
        "refusing": "fee_kopecks < 0",
        "rounds": rounds,
    }
    answer, _ = await process.communicate(json.dumps(asked).encode())
    if process.returncode:
        raise RuntimeError(f"{_PEER} ended with {process.returncode}; see standard error")
    found = json.loads(answer.splitlines()[-1])
    return {
        "version": found["version"],
        "no_rule": spread(found["no_rule"]),
        **{
            name: spread([with_rule - bare for bare, with_rule in pairs])
            for name, pairs in found["rules"].items()
        },
        "median_of_one_rule": rounded(
            median(
                with_rule - bare for pairs in found["rules"].values() for bare, with_rule in pairs
            ),
            0,
        ),
    }
