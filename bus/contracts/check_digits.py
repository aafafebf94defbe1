"""Check digits of the identifiers that Russian registers carry, by their published algorithms.

Everything here judges a text as a record stores it: ASCII digits alone, no separators, no padding.
`112-233-445 95` or `36 602 000` are printed forms; a mapping (`bus.tables.mapping`) turns them
into the stored form before a record exists, so that one registry entry has one spelling.

What one wrong digit does. A weighted sum modulo 11 (ИНН, ОГРН) or 13 (ОГРНИП) finds every single
changed digit except where two remainders print as the same digit:

| identifier | a changed digit is always refused when | it may pass when |
|---|---|---|
| ИНН of 10 | the control digit is not 0 | it is 0 (remainders 0 and 10 both print 0) |
| ИНН of 12 | one of two control digits is not 0 | both are 0 |
| ОГРН | the control digit is not 0 | it is 0 |
| ОГРНИП | the control digit is 3..9 | it is 0..2 (remainders 10, 11, 12 print 0, 1, 2) |
| СНИЛС | the control number is not 00 | it is 00, or the number is at most 001-001-998 |
| ОКПО, ОКТМО, ОКАТО | never guaranteed: remainder 10 starts a second pass with other weights | - |

A КПП, a БИК and the plain forms of ОКТМО and ОКАТО have no check digit; only their form is judged.

Sources: ИНН - order of the Federal Tax Service, 29.06.2012 № ММВ-7-6/435@; ОГРН, ОГРНИП - order of
the Ministry of Finance, 30.10.2017 № 165н; СНИЛС - rule of the Pension Fund, control numbers are
checked above 001-001-998 only; ОКПО, ОКТМО, ОКАТО - recommendations on standardisation
Р 50.1.024-2005, control number of a classifier code.
"""

# Lengths and remainders are the published algorithms themselves; names would hide them.
# ruff: noqa: PLR2004

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum, unique
from operator import mul
from types import MappingProxyType
from typing import Final

_INN10: Final = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN12_FIRST: Final = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN12_SECOND: Final = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_SNILS: Final = (9, 8, 7, 6, 5, 4, 3, 2, 1)
_FIRST_PASS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1)
_SECOND_PASS: Final = (3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3)
_SNILS_WITHOUT_CONTROL_MAX: Final = 1_001_998
_ZERO: Final = ord("0")


@unique
class Algorithm(StrEnum):
    """Names of the algorithms as a rule of kind `check_digits` writes them."""

    INN = "inn"
    """ИНН of an organisation (10 digits) or of a person (12 digits)."""
    INN10 = "inn10"
    INN12 = "inn12"
    OGRN = "ogrn"
    """ОГРН, 13 digits, first digit 1 or 5; other first digits number entries, not organisations."""
    OGRNIP = "ogrnip"
    KPP = "kpp"
    """Form only: 4 digits of the tax office, 2 of the reason (digits or A-Z), 3 digits."""
    SNILS = "snils"
    OKPO = "okpo"
    """8 digits (organisations) or 10 digits (entrepreneurs), the last one is the control digit."""
    OKTMO = "oktmo"
    """Form only: 8 digits (municipality) or 11 (settlement), the control digit left out."""
    OKTMO_CONTROLLED = "oktmo_controlled"
    """9 or 12 digits: a code of ОК 033 followed by its control digit."""
    BIK = "bik"
    """Form only: 9 digits that start with 04 (credit organisations) or 00, 01, 02 (others)."""
    OKATO = "okato"
    """Form only: 2, 5, 8 or 11 digits, by level of the classification."""
    OKATO_CONTROLLED = "okato_controlled"
    """3, 6, 9 or 12 digits: a code of ОК 019 followed by its control digit."""


def is_valid(algorithm: Algorithm, text: str) -> bool:
    """Tell whether `text` is well formed and its check digits agree with the rest.

    Args:
        algorithm: Which identifier the text claims to be.
        text: The stored form; a space, a separator or a digit beyond ASCII makes it invalid.
    Returns: Never raises for any text.
    """
    return CHECKS[algorithm](text)


def with_check_digits(algorithm: Algorithm, body: str) -> str:
    """Append the check digits that make `body` valid, for whoever issues or generates numbers.

    Args:
        algorithm: One that has check digits.
        body: The digits before the check digits, e.g. 9 or 10 of an ИНН, 9 of a СНИЛС.

    Raises:
        ValueError: the algorithm has no check digits, or no number of it has such a body.
    """
    if algorithm not in _CHECK_DIGITS:
        message = f"{algorithm}: this identifier has no check digits to append"
        raise ValueError(message)
    number = body
    if _is_digits(body):
        number = body + _CHECK_DIGITS[algorithm](body)
    if not is_valid(algorithm, number):
        message = f"{algorithm}: no number has the body {body!r}; see {__name__} for its form"
        raise ValueError(message)
    return number


def is_inn(text: str) -> bool:
    """Decide an ИНН of either length."""
    return is_inn10(text) or is_inn12(text)


def is_inn10(text: str) -> bool:
    """Decide the ИНН of an organisation; no tax office has the region 00."""
    return (
        len(text) == 10 and _has_region(text) and _weighted(_INN10, text) % 11 % 10 == int(text[9])
    )


def is_inn12(text: str) -> bool:
    """Decide the ИНН of a person; no tax office has the region 00."""
    return (
        len(text) == 12
        and _has_region(text)
        and _weighted(_INN12_FIRST, text) % 11 % 10 == int(text[10])
        and _weighted(_INN12_SECOND, text) % 11 % 10 == int(text[11])
    )


def is_ogrn(text: str) -> bool:
    """Decide the ОГРН of an organisation."""
    return (
        len(text) == 13
        and text[0] in "15"
        and _is_digits(text)
        and int(text[:12]) % 11 % 10 == int(text[12])
    )


def is_ogrnip(text: str) -> bool:
    """Decide the ОГРНИП of an entrepreneur; remainders 10, 11, 12 print their last digit."""
    return (
        len(text) == 15
        and text[0] == "3"
        and _is_digits(text)
        and int(text[:14]) % 13 % 10 == int(text[14])
    )


def is_kpp(text: str) -> bool:
    """Decide the form of a КПП, NNNNPPXXX; letters stand in the two places of the reason only."""
    reason = text[4:6]
    return (
        len(text) == 9
        and _has_region(text[:4] + text[6:])
        and all("0" <= sign <= "9" or "A" <= sign <= "Z" for sign in reason)
    )


def is_snils(text: str) -> bool:
    """Decide a СНИЛС of 11 digits.

    Numbers up to 001-001-998 were issued without control numbers, so theirs is not checked; nine
    digits alone are refused even there, since a СНИЛС is always printed with both last digits.
    """
    if len(text) != 11 or not _is_digits(text):
        return False
    number = int(text[:9])
    if number <= _SNILS_WITHOUT_CONTROL_MAX:
        return number > 0
    return _weighted(_SNILS, text) % 101 % 100 == int(text[9:])


def is_okpo(text: str) -> bool:
    """Decide an ОКПО of 8 or 10 digits."""
    return len(text) in {8, 10} and text.strip("0") != "" and _is_controlled(text)


def is_oktmo(text: str) -> bool:
    """Decide the form of an ОКТМО code; no subject of the federation has the code 00."""
    return len(text) in {8, 11} and _has_region(text)


def is_oktmo_controlled(text: str) -> bool:
    """Decide an ОКТМО code that ends in its control digit."""
    return is_oktmo(text[:-1]) and _is_controlled(text)


def is_bik(text: str) -> bool:
    """Decide the form of a БИК.

    04 stands for credit organisations; 00, 01 and 02 for other participants and clients of the Bank
    of Russia, among them the treasury offices that public bodies are paid through. Whether the two
    digits of the territory exist is a matter of a code list, not of the form.
    """
    return len(text) == 9 and text[:2] in {"00", "01", "02", "04"} and _is_digits(text)


def is_okato(text: str) -> bool:
    """Decide the form of an ОКАТО code; no subject of the federation has the code 00."""
    return len(text) in {2, 5, 8, 11} and _has_region(text)


def is_okato_controlled(text: str) -> bool:
    """Decide an ОКАТО code that ends in its control digit."""
    return is_okato(text[:-1]) and _is_controlled(text)


def classifier_control_digit(code: str) -> int:
    """Compute the control digit of a classifier code (ОКПО, ОКТМО, ОКАТО).

    Args:
        code: 1 to 11 ASCII digits, without the control digit.
    Returns: 0 to 9. Weights 1, 2 .. 10, 1 modulo 11; a remainder of 10 is computed again with
        weights 3 .. 10, 1, 2, 3; should that be 10 too, the digit is 0.
    """
    remainder = _weighted(_FIRST_PASS, code) % 11
    if remainder == 10:
        remainder = _weighted(_SECOND_PASS, code) % 11
    return remainder % 10


def _is_controlled(text: str) -> bool:
    return _is_digits(text) and classifier_control_digit(text[:-1]) == int(text[-1])


def _has_region(text: str) -> bool:
    return _is_digits(text) and text[:2] != "00"


def _is_digits(text: str) -> bool:
    # Why: str.isdigit alone accepts Arabic-Indic, full-width and superscript digits.
    return text.isascii() and text.isdigit()


def _weighted(weights: tuple[int, ...], digits: str) -> int:
    """Sum weight times digit over the shorter of the two."""
    # Why: bytes iterate as integers, twice as fast as int() of each sign; rules run per record.
    codes = digits[: len(weights)].encode()
    total: int = sum(map(mul, weights, codes))
    return total - _ZERO * sum(weights[: len(codes)])


def _inn_check_digits(body: str) -> str:
    if len(body) == 9:
        return str(_weighted(_INN10, body) % 11 % 10)
    first = str(_weighted(_INN12_FIRST, body) % 11 % 10)
    return first + str(_weighted(_INN12_SECOND, body + first) % 11 % 10)


def _snils_control_number(body: str) -> str:
    return f"{_weighted(_SNILS, body) % 101 % 100:02d}"


def _control_digit_text(body: str) -> str:
    return str(classifier_control_digit(body))


CHECKS: Final[Mapping[Algorithm, Callable[[str], bool]]] = MappingProxyType(
    {
        Algorithm.INN: is_inn,
        Algorithm.INN10: is_inn10,
        Algorithm.INN12: is_inn12,
        Algorithm.OGRN: is_ogrn,
        Algorithm.OGRNIP: is_ogrnip,
        Algorithm.KPP: is_kpp,
        Algorithm.SNILS: is_snils,
        Algorithm.OKPO: is_okpo,
        Algorithm.OKTMO: is_oktmo,
        Algorithm.OKTMO_CONTROLLED: is_oktmo_controlled,
        Algorithm.BIK: is_bik,
        Algorithm.OKATO: is_okato,
        Algorithm.OKATO_CONTROLLED: is_okato_controlled,
    }
)
"""The function of each algorithm, for code that binds it once and calls it per record."""

_CHECK_DIGITS: Final[Mapping[Algorithm, Callable[[str], str]]] = MappingProxyType(
    {
        Algorithm.INN: _inn_check_digits,
        Algorithm.INN10: _inn_check_digits,
        Algorithm.INN12: _inn_check_digits,
        Algorithm.OGRN: lambda body: str(int(body) % 11 % 10),
        Algorithm.OGRNIP: lambda body: str(int(body) % 13 % 10),
        Algorithm.SNILS: _snils_control_number,
        Algorithm.OKPO: _control_digit_text,
        Algorithm.OKTMO_CONTROLLED: _control_digit_text,
        Algorithm.OKATO_CONTROLLED: _control_digit_text,
    }
)
