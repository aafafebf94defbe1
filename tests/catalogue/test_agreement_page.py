from __future__ import annotations

import re

from bus.catalogue.agreement import AgreementState, ConditionOperator
from bus.catalogue.shapes import AgreementShape
from bus.contracts.yaml_document import read_yaml
from bus.texts import all_texts
from tests.factories import ROOT

PAGE = (ROOT / "docs/how-to/write-an-agreement.md").read_text(encoding="utf-8")


def test_the_page_shows_an_agreement_with_all_that_it_may_have() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    document = read_yaml("agreements/education-registrations.yaml", example.encode())
    shape = AgreementShape.model_validate(document.value)
    assert shape.agreement == "education-registrations"
    assert set(shape.model_fields_set) == set(AgreementShape.model_fields)


def test_the_page_names_every_state_in_both_languages() -> None:
    for state in AgreementState:
        texts = all_texts()[f"agreement.state.{state}"]
        assert f"| {texts['en']}, {texts['ru']} |" in PAGE


def test_the_page_tells_every_operator() -> None:
    told = {
        word for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for word in row.split("`")
    }
    assert set(ConditionOperator) <= told
