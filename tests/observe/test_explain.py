from __future__ import annotations

import pytest

from bus.contracts.gate import RefusalReason
from bus.model.record import Presence
from bus.model.verdict import Reason
from bus.observe.explain import Mender, Subject, codes, explain, explain_all, mender_of
from bus.observe.health import Ailment
from bus.quarantine.entry import QuarantineState
from bus.texts import Language
from docs.log_lines import log_lines


@pytest.mark.parametrize("language", list(Language))
def test_every_code_is_explained_in_both_languages(language: Language) -> None:
    found = {(one.subject, one.code): one for one in explain_all(language)}
    expected = {
        *((Subject.REASON, str(reason)) for reason in Reason),
        *((Subject.GATE, str(reason)) for reason in RefusalReason),
        *((Subject.STATE, str(state)) for state in QuarantineState),
        *((Subject.PRESENCE, str(presence)) for presence in Presence),
        *((Subject.AILMENT, str(ailment)) for ailment in Ailment),
        *((Subject.EXIT, code) for code in ("1", "2", "3", "69", "70", "75", "78")),
    }
    assert expected <= set(found)
    for one in found.values():
        assert one.says
        if one.subject is Subject.REASON:
            assert one.stage
            assert one.mender
            assert one.example


def test_every_line_that_is_logged_is_explained_and_no_other() -> None:
    logged = {line.code for line in log_lines()}
    assert logged == {code for subject, code in codes() if subject is Subject.LOG}
    assert len(logged) > 30
    (one,) = explain("worker.stopped", Language.EN)
    assert one.page == "docs/reference/log.md#workerstopped"


def test_the_two_languages_say_different_words() -> None:
    for english, russian in zip(explain_all(Language.EN), explain_all(Language.RU), strict=True):
        assert english.code == russian.code
        assert english.says != russian.says
        assert (english.example is None) or english.example != russian.example


def test_a_code_means_one_thing_only() -> None:
    known = [code for _, code in codes()]
    assert len(known) == len(set(known))
    assert explain("no_such_code", Language.EN) == ()


def test_what_is_wrong_with_the_facts_is_the_registers_matter_and_with_the_form_the_systems() -> (
    None
):
    assert mender_of(Reason.RULE_VIOLATED) is Mender.PROVIDER_RECORD
    assert mender_of(Reason.UNSIGNED) is Mender.PROVIDER_SYSTEM
    assert mender_of(Reason.NO_CONTRACT) is Mender.STEWARD
