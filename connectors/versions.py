"""Version numbers that a source makes of what it knows. Pure."""

from __future__ import annotations

from typing import Final

EPOCH_MAX: Final = 2**15 - 1
COUNTER_MAX: Final = 2**48 - 1


def packed(epoch: int, counter: int) -> int:
    """Pack an epoch and a counter into one number: a later epoch is higher than any earlier one.

    15 bits of epoch above 48 of counter: the sign stays free, so that the number fits int64.

    Args:
        epoch: Of the source: raised by one when it was restored, 1 to 32767.
        counter: Rises with each change of an entry within an epoch; a place in PostgreSQL's log
            fits: it counts bytes, 256 TiB of them.
    """
    assert 1 <= epoch <= EPOCH_MAX, "restored that often, a source is another one"
    assert 0 <= counter <= COUNTER_MAX, "a log of 256 TiB has come to its end"
    return epoch << 48 | counter
