"""How `bus contract show` and `bus contract diff` look in a terminal."""

from __future__ import annotations

from functools import partial

from bus.cli.output import print_table, results
from bus.contract_pages.description import ContractDescription, DescribedConsumer
from bus.contract_pages.words import day_words, granted_words, sla_figures, words
from bus.contracts.difference import Difference
from bus.contracts.yaml_document import dotted
from bus.errors import say as said
from bus.model.identifiers import DatasetCode
from bus.texts import Language, text


def print_contract(contract: ContractDescription, language: Language) -> None:
    """Print a contract: what it is, its fields, rules, promises, versions and consumers."""
    _print_summary(contract, language)
    _print_fields_and_rules(contract, language)
    say = partial(_say, language)
    results.print(f"\n{say('sla')}", style="bold")
    figures = sla_figures(contract.sla)
    print_table(["", ""], [[say(f"sla.{n}"), say(unit, number=x)] for n, unit, x in figures])
    results.print(f"\n{say('versions')}", style="bold")
    print_table(
        [say("version"), say("schema_id"), say("accepted_until")],
        [
            [v.number, v.schema_id or say("no_id"), v.accepted_until or say("no_end")]
            for v in contract.versions
        ],
    )
    results.print(f"\n{say('consumers')}", style="bold")
    print_table(
        [say("consumer"), say("agreement"), say("granted"), say("topic"), say("valid")],
        [
            [
                consumer.code, consumer.agreement, granted_words(consumer, language),
                consumer.topic, _term(consumer, language),
            ]
            for consumer in contract.consumers
        ],
    )  # fmt: skip


def _say(language: Language, key: str, **values: object) -> str:
    return text(f"page.{key}", language, **values)


def _term(consumer: DescribedConsumer, language: Language) -> str:
    first, last = (day_words(day, language) for day in (consumer.valid_from, consumer.valid_to))
    return f"{first} – {last}, {text(f'agreement.state.{consumer.state}', language)}"


def _print_summary(contract: ContractDescription, language: Language) -> None:
    say = partial(_say, language)
    process = contract.process
    state = say("no_passport") if process.state is None else say(f"state.{process.state}")
    providers = [f"{provider.code} ({provider.topic})" for provider in contract.providers]
    results.print(words(contract.title, language), style="bold", markup=False)
    print_table(
        ["", ""],
        [
            [say("dataset"), contract.dataset],
            [
                say("contract_version"),
                f"{contract.contract_version}, {say(f'status.{contract.status}')}",
            ],
            [say("purpose"), contract.purpose],
            [say("owner"), f"{words(contract.owner_name, language)} ({contract.owner})"],
            [say("steward"), contract.steward],
            [say("legal_basis"), contract.legal_basis],
            [say("process"), f"{process.code}: {state}"],
            [say("providers"), ", ".join(providers)],
            [say("topic"), contract.topic],
            [say("key"), contract.key_field],
            [say("version_source"), say(f"version_source.{contract.version_source}")],
            [say("operations"), ", ".join(contract.operations)],
            [say("immutable"), ", ".join(contract.immutable_fields)],
            [say("compatibility"), contract.compatibility],
        ],
    )


def _print_fields_and_rules(contract: ContractDescription, language: Language) -> None:
    say = partial(_say, language)
    results.print(f"\n{say('fields')}", style="bold")
    is_russian = language is Language.RU
    print_table(
        [say("field"), say("type"), say("class"), say("meaning")],
        [
            [
                field.path, field.type,
                field.classification and say(f"class.{field.classification}"),
                (is_russian and field.title) or field.doc or field.title,
            ]
            for field in contract.fields
        ],
    )  # fmt: skip
    results.print(f"\n{say('rules')}", style="bold")
    print_table(
        [say("rule"), say("fields"), say("demand"), say("consequence")],
        [
            [
                rule.id, ", ".join(rule.fields), words(rule.text, language),
                say(f"severity.{rule.severity}"),
            ]
            for rule in contract.rules
        ],
    )  # fmt: skip


def print_difference(dataset: DatasetCode, found: Difference, language: Language) -> None:
    """Print what differs between two schema versions, and how they fit."""
    title = text("diff.title", language, dataset=dataset, older=found.older, newer=found.newer)
    results.print(title, style="bold", markup=False)
    changed = {change.path: f"{change.before} → {change.after}" for change in found.changed}
    rows: list[tuple[str, str, str]] = [
        *(("diff.added", path, type_) for path, type_ in found.added.items()),
        *(("diff.removed", path, type_) for path, type_ in found.removed.items()),
        *(("diff.changed", path, types) for path, types in changed.items()),
        *(("diff.rule_added", rule, "") for rule in found.rules_added),
        *(("diff.rule_removed", rule, "") for rule in found.rules_removed),
        ("diff.compatible", found.compatible, ""),
        *(("diff.backward", dotted(b.path), said(b.found, language)) for b in found.backward),
        *(("diff.forward", dotted(b.path), said(b.found, language)) for b in found.forward),
    ]
    print_table(["", "", ""], [[text(key, language), *rest] for key, *rest in rows])
