"""How agreements look in a terminal and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

from bus.catalogue.agreement import (
    Agreement,
    AgreementState,
    Consent,
    Standing,
)
from bus.catalogue.consent import fits
from bus.catalogue.decision import DecisionKind, Judged, Proof, Side, moment_text
from bus.catalogue.region import Region
from bus.catalogue.terms import speakers, terms_digest
from bus.cli.context import language
from bus.cli.output import heading, headings, print_table, results
from bus.contract_pages.words import day_words, words
from bus.contract_pages.words import granted_words as grant_in_words
from bus.texts import text

_SHOWN_HEX_DIGITS = 16
"""As `bus catalogue show` prints a document's digest."""


def plain_agreement(agreement: Agreement, at: datetime) -> dict[str, object]:
    """Give an agreement and what it comes to at a moment, for JSON."""
    return {
        "agreement": agreement.id,
        "consumer": agreement.consumer,
        "systems": agreement.systems,
        "dataset": agreement.dataset,
        "providers": agreement.providers,
        "fields": agreement.fields,
        "rows": [
            {"field": one.field, "op": one.op, "values": one.values} for one in agreement.rows
        ],
        "history_from": agreement.history_from,
        "state": agreement.state_at(at),
        "valid_from": agreement.valid_from,
        "valid_to": agreement.valid_to,
        "ends_at": agreement.ends_at,
        "approvals": {
            "provider": agreement.provider_consent,
            "consumer": agreement.consumer_consent,
        },
    }


def plain_shown(
    agreement: Agreement, region: Region, documents: Mapping[str, bytes], at: datetime
) -> dict[str, object]:
    """Give all that `print_shown` prints, for JSON."""
    return {
        **plain_agreement(agreement, at),
        "purpose": agreement.purpose,
        "legal_basis": agreement.legal_basis,
        "speaks": speakers(agreement, region.contracts[agreement.dataset]),
        "terms_sha256": terms_digest(agreement),
        "documents": dict(_documents(agreement, documents)),
        "steps": [
            {
                "on": one.decision.on,
                "side": one.decision.side,
                "number": one.decision.number,
                "decision": one.decision.kind,
                "at": one.decision.at,
                "by": one.decision.by,
                "why": one.decision.why,
                "key_id": one.decision.key_id,
                "proof": one.proof,
                "terms_sha256": one.decision.terms,
            }
            for one in _steps(agreement)
        ],
    }


def print_shown(
    agreement: Agreement, region: Region, documents: Mapping[str, bytes], at: datetime
) -> None:
    """Print what an agreement grants, how the sides stand to it, and each step that led here."""
    spoken = language()
    results.print(words(agreement.purpose, spoken), style="bold", markup=False)
    term = " – ".join(day_words(day, spoken) for day in (agreement.valid_from, agreement.valid_to))
    history = agreement.history_from
    rows: list[tuple[str, object]] = [
        (heading("agreement"), agreement.id),
        (heading("state"), state_word(agreement.state_at(at))),
        (heading("consumer"), f"{agreement.consumer}: {', '.join(agreement.systems)}"),
        (heading("dataset"), agreement.dataset),
        (heading("granted"), grant_in_words(agreement, spoken)),
        (heading("fields"), _all_or(agreement.fields)),
        (heading("provider"), _all_or(agreement.providers)),
        (
            heading("history_from"),
            text("agreement.all_history", spoken) if history is None else history,
        ),
        (heading("legal_basis"), agreement.legal_basis),
        (heading("term"), term),
        *_standings(agreement, region),
        *[(heading("until"), moment_text(one.at)) for one in [agreement.ending] if one is not None],
        *[
            (heading("document"), f"{path} {digest}")
            for path, digest in _documents(agreement, documents)
        ],
    ]
    print_table(["", ""], rows)
    if not agreement.decisions:
        return
    results.print()
    print_table(
        headings("day", "side", "decision", "at", "post", "signing_key", "counts"),
        [_step(one, agreement, region) for one in _steps(agreement)],
    )


def granted_words(agreement: Agreement) -> str:
    """Say in a cell's few words what is granted."""
    spoken, number = language(), len(agreement.fields or ())
    if agreement.fields is None:
        return text("agreement.some_rows" if agreement.rows else "agreement.whole", spoken)
    key = "agreement.fields_of_some_rows" if agreement.rows else "agreement.fields"
    return text(key, spoken, number=number)


def state_word(state: AgreementState) -> str:
    """Name a state."""
    return text(f"agreement.state.{state}", language())


def _all_or(names: Iterable[str] | None) -> str:
    return text("agreement.all_of_them", language()) if names is None else ", ".join(names)


def _standings(agreement: Agreement, region: Region) -> list[tuple[str, object]]:
    speaking = speakers(agreement, region.contracts[agreement.dataset])
    named = {Side.PROVIDER: heading("provider_side"), Side.CONSUMER: heading("consumer_side")}
    return [
        (named[side], f"{speaking[side]}: {_consent_words(agreement.consent_of(side))}")
        for side in Side
    ]


def _consent_words(consent: Consent) -> str:
    return text(
        f"agreement.standing.{consent.standing}",
        language(),
        on="" if consent.on is None else day_words(consent.on, language()),
        fields=", ".join(consent.changed),
    )


def _steps(agreement: Agreement) -> list[Judged]:
    """Give all decisions in the order of their days; of one day the provider's first."""
    sides = list(Side)
    return sorted(
        agreement.decisions,
        key=lambda one: (one.decision.on, sides.index(one.decision.side), one.decision.number),
    )


def _step(one: Judged, agreement: Agreement, region: Region) -> list[object]:
    decision, spoken = one.decision, language()
    kind = text(f"agreement.decision.{decision.kind}", spoken)
    return [
        day_words(decision.on, spoken),
        text(f"agreement.side.{decision.side}", spoken),
        kind if decision.why is None else f"{kind}: {decision.why}",
        None if decision.at is None else moment_text(decision.at),
        decision.by,
        decision.key_id,
        _worth(one, agreement, region),
    ]


def _worth(one: Judged, agreement: Agreement, region: Region) -> str:
    """Say what a step counts for now."""
    spoken = language()
    is_on_terms = one.decision.kind in {DecisionKind.APPROVE, DecisionKind.REFUSE}
    if one.proof is not Proof.HOLDS or not is_on_terms:
        return text(f"agreement.proof.{one.proof}", spoken)
    fit = fits(one.decision, agreement, region.contracts[agreement.dataset])
    if fit.standing is Standing.GIVEN:
        return text(f"agreement.proof.{one.proof}", spoken)
    return text(f"agreement.step.{fit.standing}", spoken, fields=", ".join(fit.changed))


def _documents(agreement: Agreement, documents: Mapping[str, bytes]) -> Iterable[tuple[str, str]]:
    """Name the documents that an agreement consists of by their first hex digits of SHA-256."""
    paths = (
        f"agreements/{agreement.id}.yaml",
        *(f"decisions/{agreement.id}.{side}.yaml" for side in Side),
    )
    for path in paths:
        if path in documents:
            yield path, sha256(documents[path]).hexdigest()[:_SHOWN_HEX_DIGITS]
