from __future__ import annotations

from bus.catalogue.kept_keys import kept_key_findings
from tests.catalogue.small_region import KEY, small_region

AGENCY = "agencies/civil-small.yaml"


def test_a_key_that_stays_and_one_that_is_new_are_no_finding() -> None:
    again = {
        **small_region(),
        KEY.replace("-1.", "-2."): small_region()[KEY].replace(b"-1", b"-2", 1),
    }
    assert kept_key_findings(small_region(), again) == ()
    assert kept_key_findings({}, small_region()) == ()


def test_a_key_may_be_revoked_and_not_removed() -> None:
    revoked = small_region()[KEY] + b"revoked_at: 2026-05-01T00:00:00Z\n"
    assert kept_key_findings(small_region(), {**small_region(), KEY: revoked}) == ()
    rest = {path: content for path, content in small_region().items() if path != KEY}
    (finding,) = kept_key_findings(small_region(), rest)
    assert finding.path == KEY
    assert "`shelter-list.2026-1`" in str(finding)
    assert "revoked_at" in finding.spoken("ru")


def test_a_key_keeps_its_bytes() -> None:
    other = small_region()[KEY].replace(b"AAAA=", b"AAAE=")
    (finding,) = kept_key_findings(small_region(), {**small_region(), KEY: other})
    assert finding.path.startswith(f"{KEY}:4 ")
    assert "another public key" in str(finding)


def test_a_system_that_signed_stays_with_its_agency() -> None:
    moved = small_region()
    system, _, _ = moved[AGENCY].decode().partition("systems:")
    kept = moved[AGENCY].decode().removeprefix(system).removeprefix("systems:\n")
    moved[AGENCY] = system.encode()
    moved["agencies/health-small.yaml"] += kept.encode()
    (finding,) = kept_key_findings(small_region(), moved)
    assert "`shelter-list` with agency `health-small`" in str(finding)
    assert "expected agency `civil-small`" in str(finding)
