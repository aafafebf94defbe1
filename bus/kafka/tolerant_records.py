"""Reading records whose header names are not UTF-8, which any client may send.

aiokafka decodes the names while it fetches and dies of such a record, before anyone could judge
it; the reader would come back to the same offset for ever. Here a batch that can't be read so is
read again with undecodable bytes kept as surrogates, and judging sets the record aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT: Final = 8
_OVERHEAD: Final = 12


class _Slice(bytes):
    """Bytes that decode whatever they are."""

    def decode(self, encoding: str = "utf-8", _: str = "strict") -> str:
        return super().decode(encoding, "surrogateescape")


class _Buffer(bytearray):
    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401 - as bytearray's
        found = super().__getitem__(at)
        return _Slice(found) if isinstance(at, slice) else found


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for its type checker
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Buffer(self._buffer)


class _Batch:
    """A batch read by aiokafka's fast parser and, where that fails, by the tolerant one."""

    def __init__(self, fast: Any, content: bytes) -> None:  # noqa: ANN401 - compiled class
        self._fast = fast
        self._content = content

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for the compiled batch
        return getattr(self._fast, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._fast))
        except UnicodeDecodeError:
            return iter(list(_TolerantBatch(bytearray(self._content))))


class TolerantMemoryRecords:
    """Stands where aiokafka's fetcher makes its `MemoryRecords`."""

    def __init__(self, content: bytes) -> None:
        """Take what one partition's fetch answered."""
        self._content = content
        self._fast = MemoryRecords(content)
        self._at = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for the compiled class
        return getattr(self._fast, name)

    def next_batch(self) -> Any:  # noqa: ANN401 - a batch, or None at the end
        """Give the next batch; control batches are the fast parser's own."""
        batch = self._fast.next_batch()
        if batch is None:
            return None
        length = int.from_bytes(self._content[self._at + _LENGTH_AT : self._at + _OVERHEAD], "big")
        begin, self._at = self._at, self._at + _OVERHEAD + length
        return batch if batch.is_control_batch else _Batch(batch, self._content[begin : self._at])


def read_tolerantly() -> None:
    """Let every aiokafka consumer of this process read so; calling it again changes nothing."""
    fetcher.MemoryRecords = TolerantMemoryRecords
