"""Quix Streams, at least once, with its own commit interval."""

from __future__ import annotations

from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.kafka import ConnectionConfig  # type: ignore[import-not-found]

from tests.bench.variants.job import Job, read_job, tell_done, tell_first
from tests.bench.variants.resident_rules import judge_with


def run(job: Job) -> None:
    """Work the job off."""
    is_good = judge_with(job.schema)
    app = Application(
        broker_address=ConnectionConfig(
            bootstrap_servers=job.bootstrap,
            security_protocol="SASL_SSL",
            ssl_ca_location=job.ca_file,
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=job.user,
            sasl_password=job.password,
        ),
        consumer_group=job.group,
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        auto_create_topics=False,
        loglevel="ERROR",
    )
    source = app.topic(job.source, value_deserializer="bytes", key_deserializer="bytes")
    out = app.topic(job.out, value_serializer="bytes", key_serializer="bytes")
    dlq = app.topic(job.dlq, value_serializer="bytes", key_serializer="bytes")
    seen = 0

    def judged(value: bytes) -> Any:  # noqa: ANN401 - what flows on
        nonlocal seen
        if not seen:
            tell_first()
        seen += 1
        if seen == job.records:
            app.stop()  # what is in hand is finished, flushed and committed first
        return value, is_good(value)

    rows = app.dataframe(source).apply(judged)
    rows.filter(lambda pair: pair[1]).apply(lambda pair: pair[0]).to_topic(out)
    rows.filter(lambda pair: not pair[1]).apply(lambda pair: pair[0]).to_topic(dlq)
    app.run()
    tell_done()


if __name__ == "__main__":
    run(read_job())
