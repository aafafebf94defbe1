"""Read accepted records or a view with confluent-kafka alone: nothing of the bus is imported.

Writes one JSON object a line: key, source, operation, version and the decoded value.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def consume(chosen: argparse.Namespace) -> None:
    """Read a topic from its beginning until so many records have come."""
    registry = SchemaRegistryClient({"url": chosen.registry, "ssl.ca.location": str(chosen.ca)})
    deserialize = AvroDeserializer(registry)
    consumer = Consumer(
        {
            "bootstrap.servers": chosen.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(chosen.ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": chosen.system,
            "sasl.password": (chosen.secrets / "password").read_text().strip(),
            "group.id": f"{chosen.system}.{chosen.group}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([chosen.topic])
    left = chosen.count
    while left:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            sys.exit(f"{chosen.topic}: {message.error()}")
        headers = {  # all are UTF-8 but the signature
            name: part.decode()
            for name, part in dict(message.headers() or []).items()
            if isinstance(part, bytes) and name != "bus_sig"
        }
        context = SerializationContext(chosen.topic, MessageField.VALUE)
        record = {
            "key": (message.key() or b"").decode(),
            "source": headers["ce_source"],
            "operation": headers["bus_op"],
            "version": int(headers["bus_version"]),
            "value": deserialize(message.value(), context),
        }
        sys.stdout.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
        left -= 1
    consumer.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bootstrap", required=True, help="host:port of a broker")
    parser.add_argument("--registry", required=True, help="https://host:port of the registry door")
    parser.add_argument("--ca", required=True, type=Path, help="PEM that both are trusted by")
    parser.add_argument("--system", required=True)
    parser.add_argument("--secrets", required=True, type=Path, help="folder of the password")
    parser.add_argument("--topic", required=True, help="accepted.<dataset> or view.<view>")
    parser.add_argument("--group", default="reading", help="second part of the group's name")
    parser.add_argument("--count", required=True, type=int, help="records to read before ending")
    consume(parser.parse_args())


if __name__ == "__main__":
    main()
