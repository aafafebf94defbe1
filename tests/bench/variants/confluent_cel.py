"""confluent-kafka's CEL rules: what one costs a record in its Avro deserialiser.

    python tests/bench/variants/confluent_cel.py < question.json

The question has the schema, framed values in hex, expressions over the record's fields by name, one
that no record meets, and the number of rounds; the answer is one JSON object, times in nanoseconds
of CPU a record. The registry is the library's own in memory. A rule is a condition of kind CEL at
reading.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence

_TOPIC = "documents"
_SUBJECT = f"{_TOPIC}-value"

Read = Callable[[bytes], object]


def main() -> None:
    """Answer the question on standard input."""
    import confluent_kafka  # noqa: PLC0415 - the benchmark's own environment has it

    asked = json.load(sys.stdin)
    values = [bytes.fromhex(one) for one in asked["values"]]
    schema, rounds = json.dumps(asked["schema"]), int(asked["rounds"])
    _prove_that_rules_count(schema, values[0], asked["refusing"])
    bare = _reader(schema, None)
    _time(bare, values)
    pairs = {}
    for name, expression in asked["expressions"].items():
        ruled = _reader(schema, f"message.{expression}")
        _time(ruled, values)
        pairs[name] = [(_time(bare, values), _time(ruled, values)) for _ in range(rounds)]
    answer = {
        "version": confluent_kafka.__version__,
        "no_rule": [_time(bare, values) for _ in range(rounds)],
        "rules": pairs,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _reader(schema: str, expression: str | None) -> Read:
    """Make a deserialiser of a registry of its own, whose one schema has the rule, or none."""
    from confluent_kafka.schema_registry import (  # noqa: PLC0415 - as above
        Rule,
        RuleKind,
        RuleMode,
        RuleSet,
        Schema,
        SchemaRegistryClient,
    )
    from confluent_kafka.schema_registry.avro import AvroDeserializer  # noqa: PLC0415
    from confluent_kafka.schema_registry.rules.cel.cel_executor import (  # noqa: PLC0415
        CelExecutor,
    )
    from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: PLC0415

    CelExecutor.register()  # type: ignore[no-untyped-call]
    rules = None
    if expression is not None:
        rule = Rule(
            name="rule",
            doc=None,
            kind=RuleKind.CONDITION,
            mode=RuleMode.READ,
            type="CEL",
            tags=None,
            params=None,
            expr=expression,
            on_success=None,
            on_failure=None,
            disabled=False,
        )
        rules = RuleSet(None, [rule])
    client = SchemaRegistryClient.new_client({"url": "mock://"})  # a store of its own
    client.register_schema(_SUBJECT, Schema(schema, "AVRO", rule_set=rules))
    reader = AvroDeserializer(client)
    context = SerializationContext(_TOPIC, MessageField.VALUE)
    return lambda value: reader(value, context)


def _prove_that_rules_count(schema: str, value: bytes, expression: str) -> None:
    """Stop where a rule that the value breaks is passed over: the figures would mean nothing."""
    try:
        _reader(schema, f"message.{expression}")(value)
    except Exception:  # noqa: BLE001 - the library's own
        return
    raise AssertionError("the executor passed over a rule that the record breaks")


def _time(read: Read, values: Sequence[bytes]) -> float:
    """Give nanoseconds of CPU for one record; a refused one would raise."""
    began = time.thread_time_ns()
    for value in values:
        read(value)
    return (time.thread_time_ns() - began) / len(values)


if __name__ == "__main__":
    main()
