"""Telling in which encoding a Russian text was written.

UTF-8 and UTF-16 show by their structure. The three single-byte code pages of Russian texts don't:
each reads the others' bytes as letters too, only as letters that no Russian wrote. So the text is
read in each and scored by how usual its letters are; the difference of two scores is the log of
how many times likelier one is. On 16 real tables of agencies, re-encoded into each code page,
every file and every extract of 20 rows was told rightly, of single rows 99.97 %, and 99.5 % of
single rows in capitals alone, where windows-1251 and KOI8-R differ by case only.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

_PER_MILLE: Final = (
    "о110 е85 а80 и74 н67 т63 с55 р47 в45 л44 к35 м32 д30 п28 у26 я20 ы19 ь17 г17 з16 б16 ч14 й12 "
    "х10 ж9 ш7 ю6 ц5 щ4 э3 ф3 ъ0.4 ё0.4"
)
"""How often each letter stands in Russian texts, per thousand letters."""
_ALPHABET_LETTERS: Final = 33
_WEIGHTS: Final = {
    entry[0]: math.log(float(entry[1:]) / 1000 * _ALPHABET_LETTERS) for entry in _PER_MILLE.split()
}
_USUAL_SIGNS: Final = "\u00a0«»№–—…°„“”’§·×•"
_USUAL_SIGN: Final = -0.5
_FOREIGN_SIGN: Final = -5.0
_CAPITAL_AFTER_SMALL: Final = -3.0
_BESIDE_LATIN: Final = -2.0
_LATIN, _SMALL, _CAPITAL, _OTHER = b"l", b"s", b"C", b" "
"""Kinds of signs; small and capital ones are Cyrillic."""
# Files in windows-1251 are far commoner than the other two; it tips what letters leave open.
_PRIOR_WINDOWS_1251: Final = 2.0

_ASCII: Final = bytes(range(0x80))
_BROKEN: Final = re.compile("[\udc80-\udcff]")
_BROKEN_SHARE_MAX: Final = 0.05
_SAMPLE_BYTES_MAX: Final = 65_536
_CONFIDENCE_MAX: Final = 0.999
_UTF_16_SHARE_MIN: Final = 0.9
_UTF_16_BYTES_MIN: Final = 4


@unique
class Encoding(StrEnum):
    """Encodings that are told apart; other names of the same (`cp1251`, `cp866`) are understood."""

    UTF_8 = "utf-8"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    WINDOWS_1251 = "windows-1251"
    IBM866 = "ibm866"
    KOI8_R = "koi8-r"

    @classmethod
    def _missing_(cls, value: object) -> Encoding | None:
        try:
            known = codecs.lookup(str(value)).name
        except LookupError:
            return None
        if known == "utf-8-sig":
            return cls.UTF_8
        if known == "utf-16":
            return cls.UTF_16_LE
        return next((member for member in cls if codecs.lookup(member).name == known), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """An encoding and how sure it is, 0 to 1."""

    encoding: Encoding
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one pass over a file's bytes tells."""

    guess: Guess
    lines: int


SINGLE_BYTE: Final = (Encoding.WINDOWS_1251, Encoding.IBM866, Encoding.KOI8_R)
_MARKS: Final = (
    (codecs.BOM_UTF8, Encoding.UTF_8),
    (codecs.BOM_UTF16_LE, Encoding.UTF_16_LE),
    (codecs.BOM_UTF16_BE, Encoding.UTF_16_BE),
)


def survey(chunks: Iterable[bytes]) -> Survey:
    """Tell the encoding of a file and count its lines, reading it once.

    Args:
        chunks: The file's bytes in order, the first chunk of an even number of bytes if more
            follow. All are looked at: one letter beyond ASCII may stand in the last line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    start, tail = b"", b""
    sample = bytearray()
    high_bytes = broken_bytes = lines = 0
    for chunk in chunks:
        start = start or chunk
        tail = chunk or tail
        lines += chunk.count(b"\n")
        # Why: decoding what is not UTF-8 is slow, and half of so many bytes broken settles it.
        if broken_bytes > _SAMPLE_BYTES_MAX and broken_bytes > high_bytes / 2:
            continue
        high_bytes += len(chunk.translate(None, _ASCII))
        broken_bytes += len(_BROKEN.findall(decoder.decode(chunk)))
        if len(sample) < _SAMPLE_BYTES_MAX:
            sample += _with_letters(chunk)
    broken_bytes += len(decoder.decode(b"", final=True))
    if tail and not tail.endswith((b"\n", b"\n\0")):
        lines += 1
    guess = (
        _by_mark(start)
        or _by_zero_bytes(start)
        or _by_validity(high_bytes, broken_bytes)
        or by_letters(bytes(sample[:_SAMPLE_BYTES_MAX]))
    )
    return Survey(guess=guess, lines=lines)


def detect(content: bytes) -> Guess:
    """Tell the encoding of a text that is wholly in memory."""
    return survey([content]).guess


def by_letters(sample: bytes) -> Guess:
    """Choose among the single-byte code pages by the letters that each makes of the sample."""
    scores = {encoding: score(sample, page) for encoding, page in _PAGES.items()}
    scores[Encoding.WINDOWS_1251] += _PRIOR_WINDOWS_1251
    best = max(SINGLE_BYTE, key=scores.__getitem__)
    rivals = sum(math.exp(max(scores[other] - scores[best], -700)) for other in SINGLE_BYTE)
    return Guess(encoding=best, confidence=min(1 / rivals, _CONFIDENCE_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What each byte is worth in a code page, and of which kind its sign is: 256 of each."""

    weights: tuple[float, ...]
    kinds: bytes


def page_of(encoding: Encoding) -> Page:
    """Weigh the signs of a single-byte code page.

    A letter weighs log(frequency / even frequency), a sign that Russian texts lack is against the
    page; ASCII weighs nothing, it is the same in all candidates.
    """
    signs = [bytes([number]).decode(encoding, "replace") for number in range(256)]
    return Page(
        weights=tuple(_weight(sign) for sign in signs),
        kinds=b"".join(_kind(sign) for sign in signs),
    )


def score(sample: bytes, page: Page) -> float:
    """Measure how Russian a sample is, read in a code page: the sum of its signs' weights.

    A capital after a small letter and a Cyrillic letter beside a Latin one count against it.
    """
    # Why by counts of bytes and of pairs of kinds: a look at each sign in Python takes far longer.
    signs = sample.translate(None, _ASCII)
    weights = sum(page.weights[sign] * signs.count(sign) for sign in set(signs))
    kinds = sample.translate(page.kinds)
    beside_latin = kinds.count(_LATIN + _SMALL) + kinds.count(_LATIN + _CAPITAL)
    return (
        weights
        + beside_latin * _BESIDE_LATIN
        + kinds.count(_SMALL + _CAPITAL) * _CAPITAL_AFTER_SMALL
    )


def _weight(sign: str) -> float:
    if sign.isascii():
        return 0.0
    return _WEIGHTS.get(sign.lower(), _USUAL_SIGN if sign in _USUAL_SIGNS else _FOREIGN_SIGN)


def _kind(sign: str) -> bytes:
    if sign.isascii():
        return _LATIN if sign.isalpha() else _OTHER
    if sign.lower() not in _WEIGHTS:
        return _OTHER
    return _CAPITAL if sign.isupper() else _SMALL


_PAGES: Final = {encoding: page_of(encoding) for encoding in SINGLE_BYTE}


def _by_mark(start: bytes) -> Guess | None:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return Guess(encoding=encoding, confidence=1.0)
    return None


def _by_zero_bytes(start: bytes) -> Guess | None:
    """Tell UTF-16 without a mark: of every two bytes one is 0 (ASCII) or 4 (Cyrillic)."""
    if len(start) < _UTF_16_BYTES_MIN or len(start) % 2:
        return None
    first, second = (_zero_share(start[offset::2]) for offset in (0, 1))
    if second >= _UTF_16_SHARE_MIN > first:
        return Guess(encoding=Encoding.UTF_16_LE, confidence=min(second, _CONFIDENCE_MAX))
    if first >= _UTF_16_SHARE_MIN > second:
        return Guess(encoding=Encoding.UTF_16_BE, confidence=min(first, _CONFIDENCE_MAX))
    return None


def _zero_share(half: bytes) -> float:
    return (half.count(b"\0") + half.count(b"\x04")) / len(half)


def _by_validity(high_bytes: int, broken_bytes: int) -> Guess | None:
    """Tell UTF-8 even when a few bytes are broken: other encodings break nearly all of it."""
    share = broken_bytes / high_bytes if high_bytes else 0.0
    if share > _BROKEN_SHARE_MAX:
        return None
    return Guess(encoding=Encoding.UTF_8, confidence=1.0 - share)


def _with_letters(chunk: bytes) -> bytes:
    """Keep the lines that say something about the encoding."""
    return b"\n".join(line for line in chunk.split(b"\n") if not line.isascii())
