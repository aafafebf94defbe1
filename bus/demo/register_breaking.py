"""Faults in records of the newer registers, each with the rule that must find it (`breaking`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final

from bus.demo import breaking
from bus.demo.breaking import Breaking
from bus.demo.records import Values
from bus.demo.registers import (
    ACTIVITIES,
    BIRTHS,
    CENTRES,
    DEATHS,
    DOCUMENTS,
    PLOTS,
    REGISTRATIONS,
    SERVICES,
)
from bus.model.identifiers import DatasetCode

_FAR_MOMENT: Final = datetime(2099, 1, 1, tzinfo=UTC)
_FAR_DAY: Final = date(2099, 1, 1)
_LONG_AGO: Final = date(1901, 1, 1)


def _with(**changed: object) -> Callable[[Values], Values]:
    return lambda record: {**record, **changed}


def _within(name: str, **changed: object) -> Callable[[Values], Values]:
    """Change members of a record inside the record."""

    def breaks(record: Values) -> Values:
        inner = record[name]
        assert isinstance(inner, Mapping)
        return {**record, name: {**inner, **changed}}

    return breaks


def _faults(**rules: Callable[[Values], Values]) -> tuple[Breaking, ...]:
    return tuple(
        Breaking(rule=name.replace("_", "-"), breaks=breaks) for name, breaks in rules.items()
    )


REGISTER_BREAKINGS: Final[Mapping[DatasetCode, tuple[Breaking, ...]]] = MappingProxyType(
    {
        BIRTHS: _faults(
            born_before_act=_with(born_on=_FAR_DAY),
            children_born_plausible=_with(children_born=60),
            office_oktmo_form=_within("office", oktmo="36 701"),
            certificate_series_form=_within("certificate", series="2-ЕР"),
            entered_at_plausible=_with(entered_at=_FAR_MOMENT),
        ),
        DEATHS: _faults(
            died_before_act=_with(died_on=_FAR_DAY),
            born_before_died=_with(born_on=_FAR_DAY),
            office_code_form=_within("office", code="первый"),
            causes_counted=_with(causes=[{"code": "I25.1", "kind": "underlying"}] * 20),
        ),
        REGISTRATIONS: _faults(
            stay_has_an_end=_with(kind="stay", registered_until=None),
            basis_known=_with(basis="по знакомству"),
            registered_before_its_end=_with(registered_until=_LONG_AGO),
            postcode_form=_within("address", postcode="4430"),
        ),
        CENTRES: _faults(
            windows_given=_with(windows=None),
            opened_before_closed=_with(closed_on=_LONG_AGO),
            latitude_plausible=_within("location", latitude=5.32),
            queue_url_form=_with(queue_url="по телефону"),
        ),
        SERVICES: _faults(
            fee_only_when_paid=_with(is_paid=True, fee_roubles=None),
            sphere_valid=_with(sphere="прочее"),
            channels_given=_with(channels=[]),
            effective_in_order=_with(effective_to=_LONG_AGO),
            body_inn_check_digits=_within("body", inn="6317000001"),
        ),
        PLOTS: _faults(
            category_valid=_with(category="прочие"),
            value_has_its_day=_with(valued_on=None),
            tenure_known=_with(tenure="по договорённости"),
            registered_before_ceased=_with(ceased_on=_LONG_AGO),
        ),
        DOCUMENTS: _faults(
            document_type_valid=_with(document_type="записка"),
            machine_readable_is_data=_with(is_machine_readable=True),
            content_sha256_form=_within("content", sha256="abc"),
            media_type_known=_within("content", media_type="image/gif"),
            valid_in_order=_with(valid_to=_LONG_AGO),
        ),
        ACTIVITIES: _faults(
            section_form=_with(section="Раздел A"),
            not_its_own_parent=lambda record: {**record, "parent_code": record["code"]},
            name_given=_with(name="    "),
            valid_in_order=_with(valid_to=_LONG_AGO),
        ),
    }
)
ALL_BREAKINGS: Final[Mapping[DatasetCode, tuple[Breaking, ...]]] = MappingProxyType(
    {**breaking.BREAKINGS, **REGISTER_BREAKINGS}
)
