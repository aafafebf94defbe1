"""`bus contract refusals`: what the gate kept from coming into force, and who had to act."""

from __future__ import annotations

import asyncio

from bus.cli.context import installation
from bus.cli.output import JsonOption, headings, print_json, print_table
from bus.provision.gate_log import read_refusals


def refusals(*, json: JsonOption = False) -> None:
    """Show every contract that was refused for want of an approved, optimised process passport.

    Example: bus contract refusals --json
    """
    found = asyncio.run(read_refusals(installation().cluster_as_admin()))
    if json:
        print_json({"refusals": found})
        return
    print_table(
        headings("refused", "by", "dataset", "reason", "found", "to_act"),
        [
            [
                f"{one.refused_at:%Y-%m-%d %H:%M}",
                one.attempt,
                f"{one.dataset} {one.contract_version}",
                one.reason,
                one.found,
                f"{one.agency}, {one.post}",
            ]
            for one in found
        ],
    )
