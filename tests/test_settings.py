from __future__ import annotations

import pytest

from bus.errors import DocumentError
from bus.settings import read_settings
from bus.texts import Language


def test_every_wrong_setting_is_told_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUS_STALLED_AFTER_S", "5")
    monkeypatch.setenv("BUS_POSTGRES__DSN", "host=db")
    with pytest.raises(DocumentError, match="the settings are wrong") as caught:
        read_settings(language="tt")
    told = {one.path: (str(one.found), str(one.expected)) for one in caught.value.findings}
    assert told == {
        "BUS_LANGUAGE": ("'tt'", "'en' or 'ru'"),
        "BUS_STALLED_AFTER_S": ("'5'", "greater than or equal to 10"),
        "BUS_POSTGRES__PASSWORD_FILE": ("nothing", "a value"),
    }


def test_value_of_an_unknown_setting_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_POSTGRES__DSN", "host=db")
    monkeypatch.setenv("BUS_POSTGRES__PASSWORD_FILE", "password")
    monkeypatch.setenv("BUS_POSTGRES__PASSWORD", "s3cret")
    with pytest.raises(DocumentError, match="BUS_POSTGRES__PASSWORD: found a setting") as caught:
        read_settings()
    assert "s3cret" not in caught.value.spoken("ru")
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_chosen_value_stands_above_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_LANGUAGE", "en")
    assert read_settings(language="ru").language is Language.RU
