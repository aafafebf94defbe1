"""The kit as a plug-in of pytest: one test for each check, in an author's own repository.

```python
# test_my_source.py
from connectors.kit.plugin import conforms

test_conforms = conforms(MySource, MyTwin)
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.kit.checks import CHECKS, Check, Kit
from connectors.kit.trial import MakeTwin
from connectors.kit.twin import NotOffered
from connectors.source import Source


def conforms(
    source: type[Source[Any]], twin: MakeTwin, *, kills_max: int = 30
) -> Callable[..., Any]:
    """Make a test for each check; those that do not apply are skipped, and say why.

    Args:
        source: The class to be checked.
        twin: Makes a real source for it, empty.
        kills_max: At how many steps runners are killed; `bus connector test` does it at every one.
    """
    kit = Kit(source=source, make=source, make_twin=twin, kills_max=kills_max)

    @pytest.mark.parametrize("one", CHECKS, ids=[one.__name__ for one in CHECKS])
    async def test_conforms(one: Check) -> None:
        try:
            await one(kit)
        except NotOffered as reason:
            pytest.skip(str(reason))

    return test_conforms
