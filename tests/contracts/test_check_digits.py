"""Check digits against real codes, other projects' vectors, python-stdnum and their own algebra."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum.ru import inn as peer_inn
from stdnum.ru import ogrn as peer_ogrn

from bus.contracts.check_digits import (
    CHECKS,
    Algorithm,
    classifier_control_digit,
    is_valid,
    with_check_digits,
)

SHARED: Final = Path(__file__).parents[3] / "shared" / "data"
PRINTED_FORM: Final = "a printed form with separators; records store digits alone"
NINE_DIGITS: Final = "nine digits without the control number are not a СНИЛС"
WITH_CONTROL: Final = "a code with its control digit; that is algorithm okato_controlled"
DEVIATIONS: Final = {
    ("snils", "112-233-445 95"): PRINTED_FORM,
    ("snils", "646-663-083 23"): PRINTED_FORM,
    ("okato", "17 205 000 000"): PRINTED_FORM,
    ("okato", "01 201 802 003"): PRINTED_FORM,
    ("snils", "001001998"): NINE_DIGITS,
    ("snils", "001001997"): NINE_DIGITS,
    ("okato", "794038"): WITH_CONTROL,
    ("okato", "457892"): WITH_CONTROL,
    ("okato", "729267"): WITH_CONTROL,
    ("okato", "729255"): WITH_CONTROL,
    ("okato", "77150100"): "eight digits are a code of the third level without control",
    ("bik", "040205770"): "the form does not know the list of territories (02 is not one)",
}
BODY_DIGITS: Final = {
    Algorithm.INN10: (9,),
    Algorithm.INN12: (10,),
    Algorithm.OGRN: (12,),
    Algorithm.OGRNIP: (14,),
    Algorithm.SNILS: (9,),
    Algorithm.OKPO: (7, 9),
    Algorithm.OKTMO_CONTROLLED: (8, 11),
    Algorithm.OKATO_CONTROLLED: (2, 5, 8, 11),
}
FIRST_DIGITS: Final = {Algorithm.OGRN: "15", Algorithm.OGRNIP: "3"}
# A change is surely seen while the last digits are not among these; see the module's table.
BLIND_ENDINGS: Final = {
    Algorithm.INN10: (1, {"0"}),
    Algorithm.INN12: (2, {"00"}),
    Algorithm.OGRN: (1, {"0"}),
    Algorithm.OGRNIP: (1, {"0", "1", "2"}),
    Algorithm.SNILS: (2, {"00"}),
}


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"shared test data are absent: {path}")
    return path


@st.composite
def valid_numbers(draw: st.DrawFn, algorithm: Algorithm) -> str:
    length = draw(st.sampled_from(BODY_DIGITS[algorithm]))
    first = draw(st.sampled_from(FIRST_DIGITS.get(algorithm, "123456789")))
    rest = draw(st.text("0123456789", min_size=length - 1, max_size=length - 1))
    return with_check_digits(algorithm, first + rest)


def test_vectors_of_other_projects_are_judged_alike_but_for_named_deviations() -> None:
    vectors = json.loads(shared("identifiers/vectors_from_other_projects.json").read_text("utf-8"))
    supported = [v for v in vectors if v["type"] in set(Algorithm)]
    differing = {
        (v["type"], v["value"])
        for v in supported
        if is_valid(Algorithm(v["type"]), v["value"]) != v["valid"]
    }
    assert len(supported) == 130
    assert differing == set(DEVIATIONS)


def test_codes_called_deviating_for_their_form_are_valid_in_the_form_we_store() -> None:
    for (kind, value), reason in DEVIATIONS.items():
        if reason == PRINTED_FORM:
            digits = "".join(sign for sign in value if sign.isdigit())
            algorithm = Algorithm(kind)
            assert is_valid(algorithm, digits), value
        if reason == WITH_CONTROL:
            assert is_valid(Algorithm.OKATO_CONTROLLED, value), value


@pytest.mark.parametrize(
    ("name", "encoding", "count"),
    [
        ("territories/oktmo_36_samara_municipalities.cp1251.csv", "cp1251", 379),
        ("territories/oktmo_36_samara_settlements.utf8.csv", "utf-8", 1648),
    ],
)
def test_every_real_oktmo_code_agrees_with_its_printed_control_digit(
    name: str, encoding: str, count: int
) -> None:
    lines = shared(name).read_text(encoding).splitlines()
    codes = [(line.split(";")[0].replace(" ", ""), line.split(";")[1]) for line in lines]
    assert len(codes) == count
    for code, digit in codes:
        assert is_valid(Algorithm.OKTMO, code), code
        assert classifier_control_digit(code) == int(digit), code
        assert is_valid(Algorithm.OKTMO_CONTROLLED, code + digit), code
        wrong = str((int(digit) + 1) % 10)
        assert not is_valid(Algorithm.OKTMO_CONTROLLED, code + wrong), code


@given(st.data(), st.sampled_from(sorted(BODY_DIGITS)))
def test_what_is_given_check_digits_is_valid(data: st.DataObject, algorithm: Algorithm) -> None:
    assert is_valid(algorithm, data.draw(valid_numbers(algorithm)))


@given(st.data(), st.sampled_from(sorted(BLIND_ENDINGS)))
def test_any_single_changed_digit_is_refused_where_the_algorithm_guarantees_it(
    data: st.DataObject, algorithm: Algorithm
) -> None:
    number = data.draw(valid_numbers(algorithm))
    ending_digits, blind = BLIND_ENDINGS[algorithm]
    position = data.draw(st.integers(0, len(number) - 1))
    if position < len(number) - ending_digits:
        assume(number[-ending_digits:] not in blind)
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != number[position]]))
    changed = number[:position] + digit + number[position + 1 :]
    if algorithm is Algorithm.SNILS:
        assume(int(changed[:9]) > 1_001_998)
    assert not is_valid(algorithm, changed)


def test_the_stated_blind_spots_exist() -> None:
    # Remainders 0 and 10 of an ИНН both print 0, so this pair differs in one digit and both pass.
    zero = next(n for n in range(10**6) if _inn_remainder(f"770{n:06d}") == 0)
    twins = [
        f"770{zero:06d}"[:place] + digit + f"770{zero:06d}"[place + 1 :] + "0"
        for place in range(3, 9)
        for digit in "0123456789"
    ]
    changed = [twin for twin in twins if _inn_remainder(twin[:9]) == 10]
    assert changed
    assert all(is_valid(Algorithm.INN10, number) for number in changed)
    assert is_valid(Algorithm.INN10, f"770{zero:06d}0")


def _inn_remainder(body: str) -> int:
    weights = (2, 4, 10, 3, 5, 9, 4, 6, 8)
    return sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11


@given(st.sampled_from(("0", "1", "5", "7")), st.text("0123456789", min_size=8, max_size=11))
def test_inn_agrees_with_python_stdnum(first: str, rest: str) -> None:
    text = first + rest
    assume(not text.startswith("00"))
    assert is_valid(Algorithm.INN, text) == peer_inn.is_valid(text)
    if len(text) in {9, 10}:
        assert peer_inn.is_valid(with_check_digits(Algorithm.INN, "7" + text[1:]))


@given(st.sampled_from("15"), st.text("0123456789", min_size=12, max_size=12))
def test_ogrn_agrees_with_python_stdnum(first: str, rest: str) -> None:
    text = first + rest
    assert is_valid(Algorithm.OGRN, text) == peer_ogrn.is_valid(text)
    assert peer_ogrn.is_valid(with_check_digits(Algorithm.OGRN, text[:12]))


@given(st.text("0123456789", min_size=13, max_size=13))
def test_ogrnip_agrees_with_python_stdnum_but_for_its_remainders_10_to_12(rest: str) -> None:
    number = with_check_digits(Algorithm.OGRNIP, "3" + rest)
    # python-stdnum 2.2 leaves out the last `mod 10`, so it knows no number of these remainders.
    peer_knows = int(number[:14]) % 13 < 10
    assert peer_ogrn.is_valid(number) == peer_knows


@pytest.mark.parametrize("algorithm", list(Algorithm))
@given(text=st.text(max_size=16))
def test_no_text_makes_an_algorithm_raise(algorithm: Algorithm, text: str) -> None:
    assert isinstance(is_valid(algorithm, text), bool)


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize(
    "text", ["", " ", "0", "0" * 8, "0" * 9, "0" * 10, "0" * 11, "0" * 12, "0" * 13, "0" * 15]
)
def test_nothing_but_zeros_is_no_identifier(algorithm: Algorithm, text: str) -> None:
    expected = algorithm is Algorithm.BIK and len(text) == 9
    assert is_valid(algorithm, text) is expected


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        (Algorithm.INN, "7707083893"),
        (Algorithm.INN, "526317984689"),
        (Algorithm.OGRN, "1027700132195"),
        (Algorithm.OGRNIP, "304500116000157"),
        (Algorithm.SNILS, "11223344595"),
        (Algorithm.KPP, "7736AZ001"),
        (Algorithm.OKPO, "00002565"),
        (Algorithm.OKTMO, "36602404"),
        (Algorithm.BIK, "013601205"),
        (Algorithm.OKATO, "45286560000"),
    ],
)
def test_only_ascii_digits_without_spaces_count(algorithm: Algorithm, text: str) -> None:
    assert is_valid(algorithm, text)
    arabic_indic = text[:-1] + chr(0x660 + int(text[-1]))
    full_width = text[:-1] + chr(0xFF10 + int(text[-1]))
    for other in (arabic_indic, full_width, f" {text}", f"{text}\n", text[:-1], text + "0"):
        assert not is_valid(algorithm, other), other


def test_kpp_takes_letters_in_the_two_places_of_the_reason_only() -> None:
    assert not is_valid(Algorithm.KPP, "7736az001")
    assert not is_valid(Algorithm.KPP, "773A01001")
    assert not is_valid(Algorithm.KPP, "773601A01")
    assert not is_valid(Algorithm.KPP, "7736ЖА001")


def test_ogrn_of_an_entry_that_is_not_an_organisation_is_refused() -> None:
    other_entry = "2" + "027700132195"[:11]
    number = other_entry + str(int(other_entry) % 11 % 10)
    assert not is_valid(Algorithm.OGRN, number)


def test_early_snils_pass_with_any_control_number_and_later_ones_do_not() -> None:
    assert is_valid(Algorithm.SNILS, "00100199800")
    assert is_valid(Algorithm.SNILS, "00100199899")
    assert sum(is_valid(Algorithm.SNILS, f"001001999{end:02d}") for end in range(100)) == 1


@pytest.mark.parametrize(
    ("body", "control"),
    [("087654303", "00"), ("087654302", "00")],
)
def test_snils_sums_of_100_and_101_print_00(body: str, control: str) -> None:
    number = with_check_digits(Algorithm.SNILS, body)
    assert number == body + control


def test_check_digits_are_not_made_for_a_body_that_no_number_has() -> None:
    for algorithm, body in (
        (Algorithm.INN, "77"),
        (Algorithm.INN, "001234567"),
        (Algorithm.OGRN, "202770013219"),
        (Algorithm.OKPO, "5797216x"),
        (Algorithm.SNILS, ""),
    ):
        with pytest.raises(ValueError, match="no number has the body"):
            with_check_digits(algorithm, body)
    with pytest.raises(ValueError, match="no check digits"):
        with_check_digits(Algorithm.KPP, "7736010")


def test_every_algorithm_has_its_function() -> None:
    assert set(CHECKS) == set(Algorithm)
