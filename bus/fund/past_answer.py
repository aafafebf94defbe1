"""Answering a question about the past, or saying that the fund is not complete up to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bus.errors import DocumentError, Unavailable
from bus.fund.asof import AsOf, AsOfCount, AsOfRow
from bus.fund.past import PastReader
from bus.fund.watermark import low_watermark
from bus.kafka.cluster import Cluster
from bus.model.identifiers import DatasetCode
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What stood, and how far that can be relied upon."""

    recorded: datetime
    valid: datetime | None
    is_complete: bool
    """Whether the fund has everything that was accepted before the moment asked for."""
    complete_before: datetime
    rows: tuple[AsOfRow, ...]
    next_after: tuple[str, str] | None
    count: AsOfCount | None


async def answer(
    past: PastReader,
    cluster: Cluster,
    dataset: DatasetCode,
    question: AsOf,
    *,
    counting: bool,
    incomplete: bool,
) -> Answer:
    """Tell what stood of a dataset at a moment.

    A question without a moment is about what is recorded by now, complete or not.

    Args:
        past: Of the fund.
        cluster: Reached as a principal that may read the accepted topic.
        dataset: Whose entries.
        question: Moments, entries and page.
        counting: Count entries, and give none.
        incomplete: Answer although records of that time are still on their way to the fund.

    Raises:
        DocumentError: A moment lies in the future, or no contract describes the dataset.
        Unavailable: The fund is not complete up to the moment, or an engine does not answer.
    """
    asked_at = await past.now()
    moments = [moment for moment in (question.recorded, question.valid) if moment is not None]
    newest = max(moments, default=asked_at)
    if newest > asked_at:
        raise DocumentError(
            message(
                "error.fund.moment_to_come", moment=newest.isoformat(), now=asked_at.isoformat()
            )
        )
    complete_before = await low_watermark(cluster, past, dataset, asked_at)
    is_complete = newest <= complete_before
    if moments and not is_complete and not incomplete:
        raise Unavailable(
            message(
                "error.fund.incomplete",
                dataset=dataset,
                before=complete_before.isoformat(),
                moment=newest.isoformat(),
            )
        )
    # Why the present anew: what the watermark found to be taken in is recorded by then.
    recorded = question.recorded or await past.now()
    question = replace(question, recorded=recorded)
    count = await past.count_as_of(dataset, question) if counting else None
    page = None if counting else await past.as_of(dataset, question)
    return Answer(
        recorded=recorded,
        valid=question.valid,
        is_complete=is_complete,
        complete_before=complete_before,
        rows=() if page is None else page.rows,
        next_after=None if page is None else page.next_after,
        count=count,
    )
