from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.chaos.controls import NOTICED_AS, VARIABLE, Broken


@pytest.mark.parametrize("broken", Broken)
def test_what_a_control_run_takes_away_is_still_there_to_be_taken(broken: Broken) -> None:
    """In a process of its own: what is broken there stays whole here."""
    program = "from tests.chaos.controls import take_away_what_is_named as take; take()"
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, VARIABLE: broken.value}, check=True
    )


def test_every_control_has_a_name_that_it_must_be_noticed_by() -> None:
    assert set(NOTICED_AS) == set(Broken)
