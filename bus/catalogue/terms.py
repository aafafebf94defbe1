"""The terms of an agreement as one digest, and what of a contract they speak about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from bus.catalogue.agreement import Agreement, canonical_rows
from bus.catalogue.decision import Side, canonical_json
from bus.contracts.contract import Classification, Contract
from bus.model.identifiers import AgencyCode

_DOMAIN: Final = b"bus/1 agreement terms\x00"
_ASKED_FOR_WHEN_NEW: Final = frozenset({Classification.RESTRICTED, Classification.PERSONAL})


def terms_digest(agreement: Agreement) -> str:
    """Name what is agreed by its hash; the order in which names and conditions stand is no term.

    Returns: 64 hex digits. Nothing that the sides decide about the terms is part of it.
    """
    return sha256(terms_statement(agreement)).hexdigest()


def terms_statement(agreement: Agreement) -> bytes:
    """Give the bytes that the digest is of.

    Source: ADR-0020; `tests/catalogue/agreement_decision.json` holds some byte for byte.
    """
    fields, history = agreement.fields, agreement.history_from
    terms = {
        "agreement": agreement.id,
        "providers": agreement.providers,
        "consumer": agreement.consumer,
        "systems": sorted(set(agreement.systems)),
        "dataset": agreement.dataset,
        "fields": None if fields is None else sorted(set(fields)),
        "rows": [[row.field, row.op, *row.values] for row in canonical_rows(agreement.rows)],
        "history_from": None if history is None else history.isoformat(),
        "purpose": {"ru": agreement.purpose.ru, "en": agreement.purpose.en},
        "legal_basis": agreement.legal_basis,
        "valid_from": agreement.valid_from.isoformat(),
        "valid_to": agreement.valid_to.isoformat(),
    }
    return _DOMAIN + canonical_json(terms)


def agreed_fields(agreement: Agreement, contract: Contract) -> Mapping[str, str]:
    """Tell what the contract says of each field that the terms speak about, by field, ascending.

    The fields that are granted, and those that rows are chosen by.
    """
    named = contract.field_names if agreement.fields is None else agreement.fields
    chosen_by = (row.field for row in agreement.rows)
    return {name: contract.meanings[name] for name in sorted({*named, *chosen_by})}


def changed_fields(
    agreement: Agreement, contract: Contract, approved: Mapping[str, str]
) -> tuple[str, ...]:
    """Tell of which fields the contract says something else than a side approved, ascending.

    An agreement on all fields, now and later, grants a new one by itself, unless it is restricted
    or personal: what nobody has seen of that kind, nobody has approved.
    """
    changed = {name for name, said in approved.items() if contract.meanings.get(name) != said}
    for name in agreed_fields(agreement, contract).keys() - approved.keys():
        is_granted_unseen = (
            agreement.fields is None
            and all(row.field != name for row in agreement.rows)
            and contract.classification.get(name) not in _ASKED_FOR_WHEN_NEW
        )
        if not is_granted_unseen:
            changed.add(name)
    return tuple(sorted(changed))


def speakers(agreement: Agreement, contract: Contract) -> Mapping[Side, AgencyCode]:
    """Tell which agency decides for each side.

    For a provider that is named alone it decides itself; for several, and for all that there are
    or will be, the contract's owner does.
    """
    named = agreement.providers
    provider = named[0] if named is not None and len(named) == 1 else contract.owner
    return {Side.PROVIDER: provider, Side.CONSUMER: agreement.consumer}
