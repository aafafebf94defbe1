from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bus.catalogue.agreement import Consent, Standing
from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.region import (
    Condition,
    ConditionOperator,
    Region,
    SigningKey,
    parse_region,
)
from bus.errors import DocumentError, Finding
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from tests.catalogue.small_region import (
    AGREEMENT,
    CONTRACT,
    KEY,
    PASSPORT,
    line,
    planted,
    small_region,
)
from tests.factories import APPROVED_ON, noon
from tests.texts.english import in_english


@pytest.fixture(scope="module")
def region() -> Region:
    return parse_region(small_region())


def refused(documents: dict[str, bytes]) -> list[Finding]:
    with pytest.raises(DocumentError) as caught:
        parse_region(documents)
    return list(map(in_english, caught.value.findings))


def test_region_has_what_its_documents_say(region: Region) -> None:
    assert (region.code, region.partitions, region.name.en) == ("small", 3, "Small Region")
    assert list(region.agencies) == ["civil-small", "health-small"]
    assert list(region.contracts) == ["shelters"]
    assert region.agencies[AgencyCode("civil-small")].provides == {"shelters"}
    assert region.providers_of(DatasetCode("shelters")) == ("civil-small",)
    assert region.passports["shelters-register"].removed == ("Письмо",)


def test_agreement_has_what_its_document_says(region: Region) -> None:
    (agreement,) = region.agreements
    assert agreement.id == "health-shelters"
    assert agreement.providers == ("civil-small",)
    assert agreement.fields == ("number", "address", "oktmo")
    assert agreement.rows == (
        Condition(field="oktmo", op=ConditionOperator.PREFIX, values=("36701",)),
    )
    assert agreement.provider_consent == Consent(standing=Standing.GIVEN, on=APPROVED_ON)
    assert agreement.consumer_consent == Consent(standing=Standing.GIVEN, on=APPROVED_ON)
    assert not agreement.is_full
    assert agreement.is_in_force(noon(date(2027, 12, 31)))
    assert not agreement.is_in_force(noon(date(2028, 1, 1)))


def test_agreement_that_names_nothing_grants_everything() -> None:
    documents = small_region()
    text = documents[AGREEMENT].decode()
    for part in (
        "providers: [civil-small]\n",
        "fields: [number, address, oktmo]\n",
        'rows:\n  - {field: oktmo, op: prefix, values: ["36701"]}\n',
    ):
        text = text.replace(part, "")
    (agreement,) = parse_region({**documents, AGREEMENT: text.encode()}).agreements
    assert agreement.is_full
    assert (agreement.providers, agreement.fields, agreement.rows) == (None, None, ())


def test_start_of_history_alone_makes_an_agreement_less_than_full() -> None:
    text = (
        small_region()[AGREEMENT]
        .decode()
        .replace("providers: [civil-small]\n", "history_from: 2026-03-01\n")
        .replace("fields: [number, address, oktmo]\n", "")
        .replace('rows:\n  - {field: oktmo, op: prefix, values: ["36701"]}\n', "")
    )
    (agreement,) = parse_region({**small_region(), AGREEMENT: text.encode()}).agreements
    assert not agreement.is_full


def test_system_is_found_by_its_code(region: Region) -> None:
    agency = region.agency_of(SystemCode("health-maps"))
    assert agency is not None
    assert agency.code == "health-small"
    assert region.agency_of(SystemCode("nobody")) is None


def test_key_is_read_as_written(region: Region) -> None:
    assert region.keys[KeyId("shelter-list.2026-1")] == SigningKey(
        key_id=KeyId("shelter-list.2026-1"),
        system=SystemCode("shelter-list"),
        algorithm="ed25519",
        public_key=bytes(32),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
    )


def test_rendered_key_is_read_back() -> None:
    key = SigningKey(
        key_id=KeyId("shelter-list.2026-2"),
        system=SystemCode("shelter-list"),
        algorithm="ed25519",
        public_key=bytes(range(32)),
        valid_from=datetime(2026, 6, 1, tzinfo=UTC),
        valid_to=datetime(2027, 6, 1, 12, 30, tzinfo=UTC),
        revoked_at=datetime(2026, 9, 1, tzinfo=UTC),
    )
    documents = {**small_region(), "keys/shelter-list.2026-2.yaml": render_key(key)}
    assert parse_region(documents).keys[key.key_id] == key


def test_a_key_that_the_gateway_holds_is_told_by_its_name_and_no_other_is() -> None:
    delegated = SigningKey(
        key_id=KeyId("shelter-list.gateway-1"),
        system=SystemCode("shelter-list"),
        algorithm="ed25519",
        public_key=bytes(range(32)),
        valid_from=datetime(2026, 6, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
        is_delegated=True,
    )
    written = render_key(delegated)
    name = "keys/shelter-list.gateway-1.yaml"
    assert parse_region({**small_region(), name: written}).keys[delegated.key_id] == delegated
    (finding,) = refused({**small_region(), name: written.replace(b"held_by: gateway\n", b"")})
    assert "gateway-<number>" in str(finding.expected)
    own = small_region()[KEY] + b"held_by: gateway\n"
    (finding,) = refused({**small_region(), KEY: own})
    assert "gateway-<number>" in str(finding.expected)


def test_key_of_another_size_is_refused() -> None:
    short = base64.b64encode(bytes(31)).decode()
    documents = planted(small_region(), KEY, base64.b64encode(bytes(32)).decode(), short)
    (finding,) = refused(documents)
    assert (finding.path, finding.expected) == (
        f"{KEY}:4 public_key",
        "base64 of 32 bytes, not of 31",
    )


def test_moment_without_a_time_zone_is_refused() -> None:
    documents = planted(small_region(), KEY, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00")
    (finding,) = refused(documents)
    assert (finding.path, finding.expected) == (f"{KEY}:5 valid_from", "timezone info")


def test_file_is_named_by_what_it_is_about() -> None:
    documents = small_region()
    documents["agencies/health.yaml"] = documents.pop("agencies/health-small.yaml")
    assert refused(documents) == [
        Finding(
            path="agencies/health.yaml:1 agency",
            found="`health-small`",
            expected="`health`, as the file is named",
            remedy="Rename the file to health-small.yaml, or mend the name in it.",
        )
    ]


def test_document_that_nothing_reads_is_refused() -> None:
    documents = {**small_region(), "agreement/typo.yaml": b"{}", "keys/old/a.yaml": b"{}"}
    assert [finding.path for finding in refused(documents)] == [
        "agreement/typo.yaml",
        "keys/old/a.yaml",
    ]


def test_region_without_its_file_is_refused() -> None:
    documents = small_region()
    del documents["region.yaml"]
    assert [finding.path for finding in refused(documents)] == ["region.yaml"]


@pytest.mark.parametrize(
    ("path", "old", "new", "place", "found", "remedy"),
    [
        (
            AGREEMENT,
            "consumer: health-small",
            "consumer: health-smal",
            "consumer",
            "unknown agency `health-smal`",
            "Did you mean `health-small`?",
        ),
        (
            AGREEMENT,
            "systems: [health-maps]",
            "systems: [shelter-list]",
            "systems[0]",
            "system `shelter-list` of civil-small",
            "Name the consumer's own systems; another agency needs its own agreement.",
        ),
        (
            AGREEMENT,
            "systems: [health-maps]",
            "systems: [health-map]",
            "systems[0]",
            "unknown system `health-map`",
            "Did you mean `health-maps`?",
        ),
        (
            AGREEMENT,
            "dataset: shelters",
            "dataset: sirens",
            "dataset",
            "unknown dataset `sirens`",
            "Add it under contracts/.",
        ),
        (
            AGREEMENT,
            "providers: [civil-small]",
            "providers: [health-small]",
            "providers[0]",
            "agency `health-small`, which doesn't provide shelters",
            "Remove it, or add the dataset to `provides` in agencies/health-small.yaml.",
        ),
        (
            AGREEMENT,
            "fields: [number, address,",
            "fields: [number, adress,",
            "fields[1]",
            "field `adress`, which no version of shelters has",
            "Did you mean `address`?",
        ),
        (
            AGREEMENT,
            "field: oktmo",
            "field: okato",
            "rows[0].field",
            "field `okato`, which no version of shelters has",
            "Did you mean `oktmo`?",
        ),
        (
            CONTRACT,
            "  name: civil-small",
            "  name: civil-smal",
            "team.name",
            "unknown agency `civil-smal`",
            "Did you mean `civil-small`?",
        ),
        (
            PASSPORT,
            "agency: civil-small",
            "agency: police",
            "agency",
            "unknown agency `police`",
            "Add it under agencies/.",
        ),
        (
            PASSPORT,
            "produces: [shelters]",
            "produces: [shelter]",
            "produces[0]",
            "unknown dataset `shelter`",
            "Did you mean `shelters`?",
        ),
        (
            KEY,
            "system: shelter-list",
            "system: shelter-lists",
            "system",
            "unknown system `shelter-lists`",
            "Did you mean `shelter-list`?",
        ),
        (
            "agencies/civil-small.yaml",
            "provides: [shelters]",
            "provides: [sheltersx]",
            "systems[0].provides[0]",
            "unknown dataset `sheltersx`",
            "Did you mean `shelters`?",
        ),
    ],
)
def test_name_that_stands_for_nothing_is_refused(
    path: str, old: str, new: str, place: str, found: str, remedy: str
) -> None:
    documents = planted(small_region(), path, old, new)
    findings = refused(documents)
    (finding,) = [finding for finding in findings if finding.path.startswith(f"{path}:")]
    assert finding.path == f"{path}:{line(documents[path], new)} {place}"
    assert (finding.found, finding.remedy) == (found, remedy)


def test_dataset_under_two_contracts_is_refused() -> None:
    documents = small_region()
    for path in [path for path in documents if path.startswith("contracts/civil/shelter/")]:
        documents[path.replace("/shelter/", "/shelter-copy/")] = documents[path]
    assert refused(documents) == [
        Finding(
            path="contracts/civil/shelter-copy/contract.yaml:3 id",
            found=f"dataset `shelters`, which {CONTRACT} has already",
            expected="a code that is unique in the region",
            remedy="Give one of the two another code.",
        )
    ]


def test_system_of_two_agencies_is_refused() -> None:
    path = "agencies/health-small.yaml"
    documents = planted(small_region(), path, "system: health-maps", "system: shelter-list")
    findings = [finding for finding in refused(documents) if finding.path.startswith(path)]
    assert findings == [
        Finding(
            path=f"{path}:4 systems[0].system",
            found="system `shelter-list`, which agencies/civil-small.yaml has already",
            expected="a code that is unique in the region",
            remedy="Give one of the two another code.",
        )
    ]


def test_names_that_live_in_an_unreadable_document_are_not_called_unknown() -> None:
    documents = {**small_region(), CONTRACT: b"id: [", "agencies/civil-small.yaml": b"agency: 5"}
    assert {finding.path.partition(":")[0] for finding in refused(documents)} == {
        CONTRACT,
        "agencies/civil-small.yaml",
    }


def test_problems_of_all_documents_are_told_at_once() -> None:
    documents = planted(small_region(), AGREEMENT, "valid_to: 2027-12-31", "valid_to: never")
    documents = planted(documents, PASSPORT, "state: approved", "state: aproved")
    documents = planted(documents, "region.yaml", "partitions: 3", "partitions: 0")
    findings = refused(documents)
    assert [finding.path.partition(" ")[2] for finding in findings] == [
        "valid_to",
        "state",
        "partitions",
    ]


@pytest.mark.parametrize("op", ["equals", "at_least", "at_most"])
def test_one_value_is_compared_and_several_are_one_of(op: str) -> None:
    documents = planted(
        small_region(), AGREEMENT, 'op: prefix, values: ["36701"]', f'op: {op}, values: ["1", "2"]'
    )
    (finding,) = refused(documents)
    assert (finding.path, finding.expected) == (
        f"{AGREEMENT}:8 rows[0]",
        "one value for `equals`, `at_least` and `at_most`; several are `one_of`",
    )


def test_several_values_are_one_of_them() -> None:
    documents = planted(
        small_region(), AGREEMENT, 'op: prefix, values: ["36701"]', 'op: one_of, values: ["1", "2"]'
    )
    assert parse_region(documents).agreements[0].rows[0].values == ("1", "2")


def test_providers_of_a_dataset_are_in_order() -> None:
    documents = planted(
        small_region(),
        "agencies/health-small.yaml",
        "en: Maps}\n",
        "en: Maps}\n    provides: [shelters]\n",
    )
    documents["agencies/ark.yaml"] = documents["agencies/civil-small.yaml"].replace(
        b"civil-small", b"ark"
    ).replace(b"shelter-list", b"ark-list")  # fmt: skip
    region = parse_region(documents)
    assert region.providers_of(DatasetCode("shelters")) == ("ark", "civil-small", "health-small")


def test_number_of_findings_stands_in_the_message() -> None:
    documents = planted(small_region(), "region.yaml", "partitions: 3", "partitions: 0")
    with pytest.raises(DocumentError, match="1 finding\n"):
        parse_region(documents)
    with pytest.raises(DocumentError, match="2 findings\n"):
        parse_region({**documents, "stray.txt": b""})


def test_documents_are_read_from_where_the_region_says(tmp_path: Path) -> None:
    documents = small_region()
    for path, content in documents.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "contracts/civil/shelter/mapping.list.yaml").write_text("fields: {}")
    assert read_documents(tmp_path / "region.yaml", tmp_path / "keys") == documents
    without_keys = read_documents(tmp_path / "region.yaml", None)
    of_the_installation = {path for path in documents if path.startswith(("keys/", "decisions/"))}
    assert KEY in of_the_installation
    assert "decisions/health-shelters.provider.yaml" in of_the_installation
    assert documents.keys() - without_keys.keys() == of_the_installation


def test_region_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such file"):
        read_documents(tmp_path / "region.yaml", None)
