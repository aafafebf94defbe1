"""A Faust agent as Faust's documentation shows it: one event at a time, sent on to a topic."""

from __future__ import annotations

import tempfile

import faust

from tests.bench.variants.job import read_job, tell_done, tell_first
from tests.bench.variants.resident_rules import judge_with

job = read_job()
is_good = judge_with(job.schema)
app = faust.App(
    job.group,
    broker=f"kafka://{job.bootstrap}",
    broker_credentials=faust.SASLCredentials(
        mechanism="SCRAM-SHA-512",
        username=job.user,
        password=job.password,
        ssl_context=job.ssl_context(),
    ),
    value_serializer="raw",
    topic_partitions=len(job.starts),
    web_enabled=False,
    datadir=tempfile.mkdtemp(prefix="faust-"),
)
source = app.topic(job.source, key_type=bytes, value_type=bytes)
out = app.topic(job.out, key_type=bytes, value_type=bytes)
dlq = app.topic(job.dlq, key_type=bytes, value_type=bytes)


@app.agent(source)
async def enforce(stream: faust.StreamT[bytes]) -> None:
    """Send each record on."""
    seen = 0
    async for event in stream.events():
        if not seen:
            tell_first()
        await event.forward(out if is_good(event.value) else dlq)
        seen += 1
        if seen == job.records:
            break
    await app.producer.flush()
    await app.consumer.commit()
    tell_done()


if __name__ == "__main__":
    faust.Worker(app, loglevel="error").execute_from_commandline()
