from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.model.identifiers import KeyId
from bus.model.record import BatchSignature
from bus.wire.signature import (
    BatchSigner,
    SignatureChecker,
    leaf_hash,
    parse_signature,
    root_along_path,
    tree_levels,
)

KEY_ID = KeyId("edu-registry.1")
SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
SIGNER = BatchSigner(KEY_ID, SEED)


def rfc_6962_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 §2.1, over leaves hashed already: split at the largest power."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = rfc_6962_root(leaves[:split]), rfc_6962_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash("in.a.b", b"%d" % n, [b"1.0", None], b"value") for n in range(count)]


def parsed(headers: list[bytes]) -> list[BatchSignature]:
    signatures = [parse_signature(header) for header in headers]
    assert None not in signatures
    return [signature for signature in signatures if signature is not None]


def check(headers: list[bytes], leaves: list[bytes]) -> list[bool]:
    return SignatureChecker().check(parsed(headers), leaves, [PUBLIC] * len(leaves))


@given(st.integers(1, 256))
def test_the_tree_is_that_of_rfc_6962(count: int) -> None:
    leaves = leaves_of(count)
    assert tree_levels(leaves)[-1] == [rfc_6962_root(leaves)]


@given(st.integers(1, 256), st.data())
@settings(max_examples=30)
def test_each_record_of_a_batch_is_provable_alone(count: int, data: st.DataObject) -> None:
    leaves = leaves_of(count)
    place = data.draw(st.integers(0, count - 1))
    headers = SIGNER.sign(leaves)
    signature = parsed(headers)[place]
    assert root_along_path(leaves[place], place, count, signature.path) == rfc_6962_root(leaves)
    assert check([headers[place]], [leaves[place]]) == [True]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_batches_in_any_mixture_are_good(sizes: list[int], shuffled: random.Random) -> None:
    pairs = []
    for number, size in enumerate(sizes):
        leaves = [hashlib.sha256(b"%d/%d" % (number, n)).digest() for n in range(size)]
        pairs += list(zip(SIGNER.sign(leaves), leaves, strict=True))
    shuffled.shuffle(pairs)
    assert check([header for header, _ in pairs], [leaf for _, leaf in pairs]) == [True] * len(
        pairs
    )


@given(st.integers(1, 64), st.data())
@settings(max_examples=200)
def test_one_changed_byte_of_a_signature_header_is_refused_for_that_record_alone(
    count: int, data: st.DataObject
) -> None:
    leaves = leaves_of(count)
    headers = SIGNER.sign(leaves)
    place = data.draw(st.integers(0, count - 1))
    at = data.draw(st.integers(0, len(headers[place]) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(headers[place])
    changed[at] ^= mask
    signature = parse_signature(bytes(changed))
    if signature is None:
        return
    signatures = parsed(headers)
    signatures[place] = signature
    verdicts = SignatureChecker().check(signatures, leaves, [PUBLIC] * count)
    # Another key id finds another key in the catalogue; here it is only not this one's signature.
    assert verdicts == [other != place for other in range(count)]


@given(st.integers(3, 64), st.data())
def test_a_record_that_claims_another_place_is_refused_though_its_batch_is_whole(
    count: int, data: st.DataObject
) -> None:
    leaves = leaves_of(count)
    place, claimed = data.draw(st.lists(st.integers(0, count - 1), unique=True, min_size=2))[:2]
    signatures = parsed(SIGNER.sign(leaves))
    signatures[place] = signatures[place]._replace(place=claimed)
    verdicts = SignatureChecker().check(signatures, leaves, [PUBLIC] * count)
    assert verdicts == [other != place for other in range(count)]


@given(st.integers(2, 64), st.data())
def test_a_changed_record_is_refused_and_its_neighbours_are_not(
    count: int, data: st.DataObject
) -> None:
    leaves = leaves_of(count)
    headers = SIGNER.sign(leaves)
    place = data.draw(st.integers(0, count - 1))
    leaves[place] = leaf_hash("in.a.other", b"%d" % place, [b"1.0", None], b"value")
    assert check(headers, leaves) == [other != place for other in range(count)]


def test_a_signature_of_another_key_is_refused() -> None:
    leaves = leaves_of(3)
    foreign = BatchSigner(KEY_ID, bytes(32)).sign(leaves)
    assert check(foreign, leaves) == [False] * 3


def test_a_root_that_was_good_under_one_key_is_not_under_another_of_the_same_name() -> None:
    leaves = leaves_of(3)
    signatures, checker = parsed(SIGNER.sign(leaves)), SignatureChecker()
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    assert checker.check(signatures, leaves, [PUBLIC] * 3) == [True] * 3
    assert checker.check(signatures, leaves, [other] * 3) == [False] * 3


def test_an_absent_header_and_an_empty_one_are_different_leaves() -> None:
    assert leaf_hash("t", b"k", [None], b"v") != leaf_hash("t", b"k", [b""], b"v")


def test_bytes_moved_between_key_and_value_make_another_leaf() -> None:
    assert leaf_hash("t", b"ab", [b"h"], b"c") != leaf_hash("t", b"a", [b"h"], b"bc")


@pytest.mark.parametrize(
    "header",
    [b"", b"\x01", b"\x02" + SIGNER.sign(leaves_of(1))[0][1:], SIGNER.sign(leaves_of(1))[0] + b"x"],
)
def test_a_header_of_another_form_is_no_signature(header: bytes) -> None:
    assert parse_signature(header) is None
