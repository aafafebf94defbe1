"""Words and codes that the invented records are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STREETS: Final = (
    "Садовая", "Молодёжная", "Центральная", "Школьная", "Лесная", "Набережная", "Полевая",
    "Советская", "Мира", "Победы", "Заводская", "Степная", "Волжская", "Парковая", "Весенняя",
    "Строителей", "Солнечная", "Рабочая", "Цветочная", "Луговая",
)  # fmt: skip
GARDEN_NAMES: Final = (
    "Ромашка", "Солнышко", "Теремок", "Ласточка", "Родничок", "Светлячок", "Колосок", "Ладушки",
    "Журавлик", "Золотой ключик", "Сказка", "Росинка",
)  # fmt: skip
COMPANY_NAMES: Final = (
    "Степь", "Парус", "Причал", "Жигули-Ремонт", "Волжанка", "Луга", "Меридиан", "Утёс", "Заря",
    "Вектор-Снаб", "Сокол", "Ковыль", "Плёс", "Межа", "Курган", "Исток", "Бакен", "Яровое",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionKind:
    """One kind of educational institution."""

    kind: str
    """Code of the contract's list."""
    variety: str
    words: str
    """What it is called in its full name, after the legal form."""
    short: str
    """Beginning of its short name, after the letters of the legal form."""
    named: str
    """How number and name follow; `{number}` and `{name}` are put in."""
    places: tuple[int, int]
    """Fewest and most places."""
    is_municipal: bool


INSTITUTION_KINDS: Final = (
    InstitutionKind(
        kind="preschool",
        variety="детский сад",
        words="дошкольное образовательное учреждение",
        short="ДОУ",
        named="«Детский сад № {number} «{name}»",
        places=(60, 340),
        is_municipal=True,
    ),
    InstitutionKind(
        kind="school",
        variety="средняя общеобразовательная школа",
        words="общеобразовательное учреждение",
        short="ОУ",
        named="«Средняя школа № {number}»",
        places=(220, 1600),
        is_municipal=True,
    ),
    InstitutionKind(
        kind="supplementary",
        variety="дом детского творчества",
        words="учреждение дополнительного образования",
        short="УДО",
        named="«Дом детского творчества № {number} «{name}»",
        places=(150, 900),
        is_municipal=True,
    ),
    InstitutionKind(
        kind="vocational",
        variety="техникум",
        words="профессиональное образовательное учреждение",
        short="ПОУ",
        named="«Техникум № {number}»",
        places=(300, 1200),
        is_municipal=False,
    ),
)
KIND_WEIGHTS: Final = (55, 32, 9, 4)
LEGAL_FORMS: Final = {
    "budgetary": ("бюджетное", "Б"),
    "autonomous": ("автономное", "А"),
    "treasury": ("казённое", "К"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyForm:
    """One legal form of an organisation, with the codes that go with it."""

    words: str
    short: str
    okopf: str
    okfs: str


COMPANY_FORMS: Final = (
    CompanyForm(
        words="Общество с ограниченной ответственностью", short="ООО", okopf="12300", okfs="16"
    ),
    CompanyForm(words="Непубличное акционерное общество", short="НАО", okopf="12267", okfs="16"),
    CompanyForm(words="Муниципальное унитарное предприятие", short="МУП", okopf="65243", okfs="14"),
    CompanyForm(
        words="Автономная некоммерческая организация", short="АНО", okopf="71400", okfs="16"
    ),
    CompanyForm(
        words="Сельскохозяйственный производственный кооператив",
        short="СПК",
        okopf="14100",
        okfs="16",
    ),
)
FORM_WEIGHTS: Final = (70, 8, 8, 6, 8)
OKVED: Final = (
    "01.11", "01.41", "10.71.1", "25.11", "35.30.14", "38.11", "41.20", "43.21", "45.20", "46.31",
    "47.11", "49.31.2", "49.41", "55.10", "56.10", "62.01", "68.32.1", "71.12", "85.41", "93.11",
)  # fmt: skip
