"""The full profile: the real enforce worker on signed records, against a loop that carries them.

The records are written in a transaction that is still open when the worker starts. It has taken a
few visible ones and waits for more, so that its start is not measured, when the transaction is
committed and all the others are there at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from bus.supervise.role import Role
from bus.wire import topics
from bus.wire.signature import BatchSigner
from tests.bench.broker_topics import BrokerTopics
from tests.bench.installed import Installed
from tests.bench.measure import Failed, Figures, figures, look
from tests.bench.resident_documents import (
    AGENCY,
    DATASET,
    INBOUND,
    PARTITIONS,
    SYSTEM,
    bad_of,
    signed_batches,
)

_LOOK_AGAIN_S: Final = 0.02
_TIMEOUT_S: Final = 120.0
_WARM_UP_BATCHES: Final = PARTITIONS


class FullProfile:
    """Loads signed records and lets the enforce worker take them."""

    def __init__(self, one: Installed, broker: BrokerTopics, view_topic: str, records: int) -> None:
        """Make the records.

        Args:
            one: The platform, its region in force.
            broker: Its topics.
            view_topic: Of the region's one view.
            records: Of each round, beside those of warming up.
        """
        credentials = one.installation.credentials(SYSTEM)
        signer = BatchSigner(credentials.key_id, credentials.private_key)
        self._one = one
        self._broker = broker
        self._log = one.installation.home / "log" / "bench-enforce.log"
        self._log.parent.mkdir(exist_ok=True)
        self._batches = signed_batches(records, signer)
        self.records = records
        self.starts: list[int] = [0] * PARTITIONS
        """Where the records of the last round begin."""
        self._outputs = (topics.accepted(DATASET), topics.quarantine(AGENCY), view_topic)

    def enforced(self) -> Figures:
        """Load the records and measure the enforce worker on them.

        Raises:
            Failed: The worker ended, was too slow, or made other outputs than it should.
        """
        broker = self._broker
        with broker.filling() as out:
            for batch in self._batches[:_WARM_UP_BATCHES]:
                out.send_batch(batch)
        self.starts = broker.ends(INBOUND)
        with broker.filling_hidden() as hidden:
            for batch in self._batches:
                hidden.send_batch(batch)
        with self._worker() as worker:
            self._await_commit(worker, self.starts)
            before = [broker.count(topic) for topic in self._outputs]
            first = look(worker.pid, self._one.engine_pids["kafka"])
            hidden.show()
            self._await_commit(worker, self._ends())
            last = look(worker.pid, self._one.engine_pids["kafka"])
        self._check([broker.count(topic) for topic in self._outputs], before)
        return figures(first, last, self.records)

    def _ends(self) -> list[int]:
        """Tell where the last round's records end; a marker of the transaction lies behind."""
        ends = list(self.starts)
        for batch in self._batches:
            ends[batch[0].partition] += len(batch)
        return ends

    def _await_commit(self, worker: subprocess.Popen[bytes], ends: Sequence[int]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        with self._broker.commits(topics.ENFORCE_GROUP, INBOUND) as look_up:
            while not all(at >= end for at, end in zip(look_up(), ends, strict=True)):
                if worker.poll() is not None:
                    said = self._log.read_text(encoding="utf-8")[-1_500:]
                    raise Failed(f"the enforce worker ended with {worker.poll()}\n{said}")
                if time.monotonic() > deadline:
                    raise Failed(f"the enforce worker stands at {look_up()}, not {ends}")
                time.sleep(_LOOK_AGAIN_S)

    def _check(self, after: Sequence[int], before: Sequence[int]) -> None:
        accepted, set_aside, seen = (b - a for a, b in zip(before, after, strict=True))
        bad = bad_of(self.records)
        expected = (self.records - bad, bad, self.records // 2 - bad)
        if (accepted, set_aside, seen) != expected:
            raise Failed(f"accepted, quarantine, view: {(accepted, set_aside, seen)}, {expected}")

    @contextmanager
    def _worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the product's worker, as its supervisor starts it."""
        installation = self._one.installation
        with (
            self._log.open("ab") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "bus.agents.worker", Role.ENFORCE, "0"],
                stdin=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "BUS_HOME": str(installation.home)},
            ) as worker,
        ):
            try:
                yield worker
            finally:
                worker.terminate()
