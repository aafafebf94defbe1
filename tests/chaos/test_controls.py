from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.chaos.controls import NOTICED_AS, STAGE, VARIABLE, Broken, environment_of


@pytest.mark.parametrize("broken", Broken)
def test_what_a_control_run_takes_away_is_still_there_to_be_taken(broken: Broken) -> None:
    """In a process of its own: what is broken there stays whole here."""
    program = "from tests.chaos.controls import take_away_what_is_named as take; take()"
    environment = {**os.environ, **environment_of(broken, is_whole=False)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_what_is_whole_has_the_stage_and_goes_without_nothing() -> None:
    assert environment_of(None, is_whole=False) == {}
    for broken in Broken:
        assert environment_of(broken, is_whole=True) == {STAGE: broken}
        assert environment_of(broken, is_whole=False) == {STAGE: broken, VARIABLE: broken}


def test_batches_of_a_whole_stage_are_small_and_settled_in_order_all_the_same() -> None:
    program = (
        "from tests.chaos.controls import take_away_what_is_named as take; take()\n"
        "from bus.agents import consumer_thread, enforce, transport\n"
        "sizes = {module.BATCH_RECORDS_MAX for module in (consumer_thread, transport)}\n"
        "assert sizes == {256}, sizes\n"
        "assert enforce._Settler.add.__module__ == enforce.__name__\n"
    )
    environment = {**os.environ, **environment_of(Broken.PAST_A_GAP, is_whole=True)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_every_control_has_a_name_that_it_must_be_noticed_by() -> None:
    assert set(NOTICED_AS) == set(Broken)
