from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import InvariantBroken
from bus.model.identifiers import CODE_PATTERN, AgencyCode, DatasetCode
from bus.wire import topics

codes = st.from_regex(CODE_PATTERN, fullmatch=True).map(str.strip)


@given(codes.map(AgencyCode), codes.map(DatasetCode))
def test_an_inbound_topic_is_read_as_it_was_built(agency: AgencyCode, dataset: DatasetCode) -> None:
    name = topics.inbound(agency, dataset)
    assert topics.parse_inbound(name) == topics.Inbound(agency=agency, dataset=dataset)


@given(codes.map(DatasetCode))
def test_an_accepted_topic_is_read_as_it_was_built(dataset: DatasetCode) -> None:
    assert topics.dataset_of_accepted(topics.accepted(dataset)) == dataset


@given(codes, st.integers(0, 1000), st.integers(0, 2**63 - 1))
def test_a_position_is_read_as_it_was_written(topic: str, partition: int, offset: int) -> None:
    position = topics.Position(topic=f"in.{topic}.x1", partition=partition, offset=offset)
    assert topics.parse_position(str(position)) == position


@pytest.mark.parametrize("name", ["in.a.b.c", "in.Agency.set", "accepted.x1", "in..x", "in.x_y.z"])
def test_a_foreign_name_is_no_inbound_topic(name: str) -> None:
    with pytest.raises(InvariantBroken, match="not of the form"):
        topics.parse_inbound(name)
