from __future__ import annotations

import json

from bus import registry
from bus.gateway.described import ENDPOINTS, Described, document
from bus.gateway.problems import Problem
from bus.texts import Language, all_texts
from tests.factories import ROOT, snapshot

WRITTEN = ROOT / "docs/reference/openapi.json"


def test_the_committed_document_says_what_is_served() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == document(), "run `make reference`"


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = document()
    schemas = json.loads(text)["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= schemas.keys()
    assert schemas.keys() == named


def test_every_problem_has_words_and_every_request_its_name() -> None:
    for endpoint in ENDPOINTS:
        for status, codes in endpoint.problems.items():
            assert 400 <= status < 600
            for code in codes:
                assert {f"gateway.{code}", f"gateway.{code}.next"} <= all_texts().keys()
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)


def test_problems_are_documents_of_their_kind() -> None:
    problem = Problem(429, "too_many", per_s=5, retry_after_s=7)
    for language in Language:
        content = problem.content(language)
        assert content["type"] == "urn:bus:problem:too_many"
        assert (content["status"], content["title"]) == (429, "Too Many Requests")
        assert content["detail"] == content["message"]
        answer = problem.answer(language)
        assert answer.content_type == "application/problem+json"
        assert answer.headers["Retry-After"] == "7"


def test_the_gateways_own_paths_and_the_registry_doors_are_apart() -> None:
    own = {endpoint.path for endpoint in ENDPOINTS}
    doors = {route.path for route in registry.routes(snapshot)}
    assert own.isdisjoint(doors)
    described = Described(catalogue=snapshot).routes()
    assert {route.path for route in described} <= own
