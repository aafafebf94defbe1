"""The limit: bytes copied by librdkafka, nothing looked at, a commit per 200,000 records."""

from __future__ import annotations

from tests.bench.variants.confluent_loop import run
from tests.bench.variants.job import read_job

if __name__ == "__main__":
    run(read_job(), judge=None, commit_records=200_000)
