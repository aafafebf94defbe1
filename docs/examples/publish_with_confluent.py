"""Publish registry records with confluent-kafka alone: nothing of the bus is imported.

Reads one JSON object a line from standard input::

    {"operation": "create", "version": 1, "event_time": "2026-03-01T09:30:00Z", "value": {...}}
    {"operation": "correct", "version": 2, "follows": {"operation": "create", "version": 1}, ...}

A line that answers a quarantined record also has `"resolves": "<its quarantine id>"`.
In `value` a date is a text like 2026-03-01, and a decimal a text too, so that no digit is lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import Any

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SIGNED = (
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "content-type",
    "bus_op", "bus_version", "bus_supersedes", "bus_lane", "bus_resolves", "bus_group",
)  # fmt: skip


def record_id(agency: str, dataset: str, key: str, version: int, operation: str) -> str:
    """Derive the id of one version of a registry entry."""
    identity = f"{agency}\0{dataset}\0{key}\0{version}\0{operation}"
    return sha256(identity.encode()).hexdigest()[:32]


def compose_headers(
    *, agency: str, system: str, dataset: str, key: str, value: bytes, line: Mapping[str, Any]
) -> list[tuple[str, bytes]]:
    """Write the headers of one record, all but the signature."""
    operation, version = line["operation"], line["version"]
    texts = {
        "ce_specversion": "1.0",
        "ce_id": record_id(agency, dataset, key, version, operation),
        "ce_source": f"urn:bus:{agency}:{system}",
        "ce_type": f"registry.{dataset}.{operation}",
        "ce_time": line["event_time"],
        "ce_dataschema": f"urn:bus:schema:{int.from_bytes(value[1:5], 'big')}",
        "content-type": "application/avro",
        "bus_op": operation,
        "bus_version": str(version),
        "bus_lane": "live",
    }
    if follows := line.get("follows"):
        texts["bus_supersedes"] = record_id(
            agency, dataset, key, follows["version"], follows["operation"]
        )
    if resolves := line.get("resolves"):
        texts["bus_resolves"] = resolves
    return [(name, text.encode()) for name, text in texts.items()]


def sign(
    topic: str,
    key: bytes,
    headers: Sequence[tuple[str, bytes]],
    value: bytes,
    key_id: str,
    private_key: Ed25519PrivateKey,
) -> bytes:
    """Make header `bus_sig` of a record that is signed alone: a tree of one leaf."""
    present = dict(headers)
    parts = [topic.encode(), key, *(present.get(name) for name in SIGNED), value]
    lengths = [0xFFFFFFFF if part is None else len(part) for part in parts]
    leaf = sha256(
        b"\x00bus/1 leaf\x00"
        + pack(f">{len(lengths)}I", *lengths)
        + b"".join(part for part in parts if part is not None)
    ).digest()
    name = key_id.encode()
    signature = private_key.sign(b"bus/1 root\x00" + name + b"\x00" + pack(">H", 1) + leaf)
    return bytes([1, len(name)]) + name + pack(">HH", 1, 0) + signature


def publish(chosen: argparse.Namespace) -> None:
    """Publish every line of standard input; end when the broker has acknowledged all."""
    topic = f"in.{chosen.agency}.{chosen.dataset}"
    pem = (chosen.secrets / f"{chosen.key_id}.key").read_bytes()
    private_key = load_pem_private_key(pem, password=None)
    assert isinstance(private_key, Ed25519PrivateKey)
    registry = SchemaRegistryClient({"url": chosen.registry, "ssl.ca.location": str(chosen.ca)})
    schema = json.loads(str(registry.get_latest_version(f"{topic}-value").schema.schema_str))
    decimals = {one["name"] for one in schema["fields"] if "decimal" in str(one["type"])}
    serialize = AvroSerializer(
        registry, conf={"auto.register.schemas": False, "use.latest.version": True}
    )
    producer = Producer(
        {
            "bootstrap.servers": chosen.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(chosen.ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": chosen.system,
            "sasl.password": (chosen.secrets / "password").read_text().strip(),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    refusals: list[KafkaError] = []

    def told(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refusals.append(error)

    for text in sys.stdin:
        line = json.loads(text)
        row = {
            name: Decimal(part) if name in decimals and part is not None else part
            for name, part in line["value"].items()
        }
        key = str(row[chosen.key_field])
        value = serialize(row, SerializationContext(topic, MessageField.VALUE))
        assert value is not None
        headers = compose_headers(
            agency=chosen.agency,
            system=chosen.system,
            dataset=chosen.dataset,
            key=key,
            value=value,
            line=line,
        )
        signature = sign(topic, key.encode(), headers, value, chosen.key_id, private_key)
        producer.produce(
            topic,
            key=key.encode(),
            value=value,
            headers=[*headers, ("bus_sig", signature)],
            on_delivery=told,
        )
        producer.poll(0)
    left = producer.flush(60)
    if left or refusals:
        sys.exit(f"{left} records not acknowledged, {len(refusals)} refused: {refusals[:1]}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bootstrap", required=True, help="host:port of a broker")
    parser.add_argument("--registry", required=True, help="https://host:port of the registry door")
    parser.add_argument("--ca", required=True, type=Path, help="PEM that both are trusted by")
    parser.add_argument("--agency", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--key-field", default="registry_number")
    parser.add_argument("--key-id", required=True, help="name of the signing key: <system>.<n>")
    parser.add_argument("--secrets", required=True, type=Path, help="folder of password and key")
    publish(parser.parse_args())


if __name__ == "__main__":
    main()
