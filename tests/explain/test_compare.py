"""Two decisions are compared byte for byte, and what may have made them differ is named."""

from typing import Any

import msgspec
import orjson
import pytest

from scoring.contract.decision import Decision, Versions
from scoring.engine import Engine
from scoring.explanation.compare import Cause, Difference, causes, differences
from scoring.policy import policy_from
from tests.bundles import small_bundle
from tests.engine.test_engine import SETTINGS, score
from tests.events import encoded

QUIET = policy_from({"version": "t", "global": {"review": 999, "step_up": 1000, "block": 1000}})
((_, PLAIN),) = score(Engine(small_bundle(), QUIET, SETTINGS, "test"), [encoded()]).decisions
VERSIONS = msgspec.json.decode(PLAIN, type=Decision).versions


def changed(**fields: Any) -> bytes:
    return orjson.dumps(orjson.loads(PLAIN) | fields)


def test_the_same_bytes_do_not_differ() -> None:
    assert differences(PLAIN, bytes(bytearray(PLAIN))) == []


def test_the_same_content_in_other_bytes_differs_as_a_whole() -> None:
    spaced = orjson.dumps(orjson.loads(PLAIN), option=orjson.OPT_INDENT_2)
    assert differences(PLAIN, spaced) == [Difference(path="$", published=None, recomputed=None)]


def test_each_field_that_differs_is_named_with_both_values() -> None:
    other = orjson.loads(PLAIN)
    other["score"], other["tds"]["status"] = 7, "ABSENT"
    other["compliance"]["gaps"] = ["SC1"]
    del other["clock"]
    other["reasons"] = [{"id": "NIGHT", "evidence": {}}]
    old = orjson.loads(PLAIN)
    assert differences(PLAIN, orjson.dumps(other)) == [
        Difference(path="$.clock", published='"ON_TIME"', recomputed=None),
        Difference(path="$.score", published=str(old["score"]), recomputed="7"),
        Difference(path="$.reasons", published="[]", recomputed=None),
        Difference(path="$.tds.status", published='"UNKNOWN"', recomputed='"ABSENT"'),
        Difference(path="$.compliance.gaps", published="[]", recomputed=None),
        Difference(path="$.reasons[0].id", published=None, recomputed='"NIGHT"'),
        Difference(path="$.reasons[0].evidence", published=None, recomputed="{}"),
        Difference(path="$.compliance.gaps[0]", published=None, recomputed='"SC1"'),
    ]


def test_a_probability_that_differs_in_its_last_digit_differs() -> None:
    found = differences(PLAIN, changed(probability=orjson.loads(PLAIN)["probability"] * (1 + 2**-52)))
    assert [each.path for each in found] == ["$.probability"]


def test_the_token_of_the_card_is_not_shown() -> None:
    found = differences(PLAIN, changed(pan_hmac="0" * 64))
    assert found == [Difference(path="$.pan_hmac", published=None, recomputed=None)]


def at(*paths: str) -> list[Difference]:
    return [Difference(path=path, published="1", recomputed="2") for path in paths]


@pytest.mark.parametrize(
    ("field", "cause"),
    [
        ("policy", Cause.POLICY),
        ("code", Cause.RELEASE),
        ("features", Cause.RELEASE),
        ("reference", Cause.RELEASE),
    ],
)
def test_other_versions_are_named_and_nothing_beside_them(field: str, cause: Cause) -> None:
    other = msgspec.structs.replace(VERSIONS, **{field: "another"})
    paths = at(f"$.versions.{field}", "$.score", "$.compliance.gaps", "$.tds.status")
    assert causes(paths, other, VERSIONS, is_whole=False) == [cause]


def test_several_other_versions_are_all_named() -> None:
    other = Versions(model="a", features="b", policy="c", code="d", reference="e")
    assert causes(at("$.score"), other, VERSIONS, is_whole=True) == [Cause.POLICY, Cause.RELEASE]


@pytest.mark.parametrize(
    ("path", "is_whole", "wanted"),
    [
        ("$.score", True, [Cause.ORDER, Cause.CONFIG]),
        ("$.reasons[0].evidence.card_attempts_1h", True, [Cause.ORDER, Cause.CONFIG]),
        ("$.probability", False, [Cause.START, Cause.ORDER, Cause.CONFIG]),
        ("$.compliance.standing.status", True, [Cause.MERCHANTS, Cause.CONFIG]),
        ("$.tds.result", True, [Cause.RESULTS, Cause.CONFIG]),
        ("$.times.decided_ms", True, [Cause.CONFIG]),
    ],
)
def test_with_equal_versions_the_fields_say_what_it_may_be(path: str, is_whole: bool, wanted: list[Cause]) -> None:
    assert causes(at(path), VERSIONS, VERSIONS, is_whole=is_whole) == wanted


def test_nothing_differs_without_a_cause() -> None:
    other = msgspec.structs.replace(VERSIONS, policy="another")
    assert causes([], other, VERSIONS, is_whole=False) == []
