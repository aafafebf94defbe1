"""The account of a bus that holds the conservation law, for tests to spoil."""

from __future__ import annotations

from bus.verify.law import AcceptedLaw, InboundLaw, QuarantineLaw, Verification

INBOUND = InboundLaw(
    topic="in.tax-samara.organisations",
    partition=0,
    begin=0,
    committed=9,
    records=9,
    accepted=7,
    released=0,
    quarantined=2,
    lost=0,
    invented=0,
    first_lost=None,
    removed=0,
    lag=0,
)
ACCEPTED = AcceptedLaw(
    topic="accepted.organisations",
    partition=0,
    position=7,
    records=7,
    history=5,
    refused=1,
    held=0,
    repeats=1,
    kept_records=7,
    is_whole=True,
    lag=0,
)
QUARANTINE = QuarantineLaw(topic="quarantine.tax-samara", distinct=2, missing=0, lag=0)
LAW = Verification(
    inbound=(INBOUND,),
    releases=(),
    accepted=(ACCEPTED,),
    quarantine=(QUARANTINE,),
    accepted_ids=5,
    lost_in_fund=0,
    doubled_in_fund=0,
)
