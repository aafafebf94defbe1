"""The page of test vectors, the publishing example and the bus agree, each by its own code."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.model.record import BatchSignature
from bus.wire import headers
from bus.wire.signature import SignatureChecker, parse_signature
from tests.factories import ROOT


@cache
def vectors() -> dict[str, Any]:
    page = (ROOT / "docs/reference/signature-vectors.md").read_text(encoding="utf-8")
    found = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


@cache
def example() -> ModuleType:
    path = ROOT / "docs/examples/publish_with_confluent.py"
    spec = importlib.util.spec_from_file_location("publish_with_confluent", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALONE = [batch["records"][0] for batch in vectors()["batches"] if len(batch["records"]) == 1]


def test_the_example_signs_the_headers_that_the_bus_checks() -> None:
    assert example().SIGNED == headers.SIGNED


@pytest.mark.parametrize("record", ALONE, ids=lambda record: str(record["key"]))
def test_the_example_makes_headers_and_signature_of_a_vector(record: dict[str, Any]) -> None:
    _, agency, dataset = vectors()["topic"].split(".")
    told = record["headers"]
    value = bytes.fromhex(record["value"])
    follows = {"version": int(told["bus_version"]) - 1, "operation": "create"}
    composed = example().compose_headers(
        agency=agency,
        system=told["ce_source"].rpartition(":")[2],
        dataset=dataset,
        key=record["key"],
        value=value,
        line={
            "operation": told["bus_op"],
            "version": int(told["bus_version"]),
            "event_time": told["ce_time"],
            "follows": follows if "bus_supersedes" in told else None,
        },
    )
    assert {name: part.decode() for name, part in composed} == told
    signature = example().sign(
        vectors()["topic"],
        record["key"].encode(),
        composed,
        value,
        vectors()["key_id"],
        Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vectors()["seed"])),
    )
    assert signature.hex() == record["bus_sig"]


@pytest.mark.parametrize("batch", vectors()["batches"], ids=lambda batch: str(batch["name"]))
def test_the_bus_finds_every_vector_good_and_no_other_leaf(batch: dict[str, Any]) -> None:
    public_key = bytes.fromhex(vectors()["public_key"])
    for record in batch["records"]:
        parsed = parse_signature(bytes.fromhex(record["bus_sig"]))
        assert isinstance(parsed, BatchSignature)
        leaf = bytes.fromhex(record["leaf"])
        other = bytes([leaf[0] ^ 1]) + leaf[1:]
        for one, good in ((leaf, True), (other, False)):
            assert SignatureChecker().check([parsed], [one], [public_key]) == [good]
