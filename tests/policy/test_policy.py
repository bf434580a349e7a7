"""A policy is checked strictly, and the narrowest scope that names an event decides."""

from typing import Any

import numpy as np
import pytest
import yaml

from scoring.decode import Col, DecodeLimits, decode
from scoring.policy import PolicyError, PolicyTable, policy_from
from tests.events import encoded


def thresholds(start: int) -> dict[str, int]:
    return {"review": start, "step_up": start + 100, "block": start + 200}


def document(**changes: Any) -> dict[str, Any]:
    return {"version": "t", "global": thresholds(500), **changes}


def bands(table: PolicyTable, changes: list[dict[str, Any]], scores: list[int]) -> list[int]:
    decoded = decode([encoded(**change) for change in changes], DecodeLimits())
    at_ms = decoded.ints[:, Col.EVENT_MS]
    return table.judge(decoded.ints, decoded.hashes, at_ms, np.array(scores, dtype=np.int16)).bands.tolist()


def test_precedence_is_merchant_then_category_then_acquirer_then_global() -> None:
    policy = policy_from(
        document(
            acquirers=[{"acquirer": "acq-1", "thresholds": thresholds(400)}],
            mccs=[
                {"mcc": "5732", "thresholds": thresholds(300)},
                {"mcc": "5732", "acquirer": "acq-2", "thresholds": thresholds(250)},
            ],
            merchants=[{"acquirer": "acq-1", "merchant": "m-1", "thresholds": thresholds(200)}],
        )
    )
    table = PolicyTable(policy)
    named: list[dict[str, Any]] = [
        {},
        {"merchant": {"id": "m-2"}},
        {"merchant": {"id": "m-2"}, "acquirer": {"id": "acq-2"}},
        {"merchant": {"id": "m-2", "mcc": "5411"}},
        {"merchant": {"id": "m-1", "mcc": "5411"}, "acquirer": {"id": "acq-3"}},
    ]
    starts = [200, 300, 250, 400, 500]
    for below in (1, 0):
        scores = [start - below for start in starts]
        assert bands(table, named, scores) == [1 - below] * 5


def test_bands_rise_at_their_thresholds_exactly() -> None:
    table = PolicyTable(policy_from(document()))
    scores = [0, 499, 500, 599, 600, 699, 700, 999]
    assert bands(table, [{}] * 8, scores) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_threshold_of_1000_switches_a_band_off() -> None:
    policy = policy_from(document(**{"global": {"review": 900, "step_up": 1000, "block": 1000}}))
    assert bands(PolicyTable(policy), [{}], [999]) == [1]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("global: {review: 1, step_up: 2, block: 3}", "missing required field `version`"),
        ("version: t\nglobal: {review: 900, step_up: 800, block: 950}", "thresholds must rise"),
        ("version: t\nglobal: {review: 0, step_up: 800, block: 950}", r"\$.global.review"),
        ("version: t\nglobal: {review: 1, step_up: 2, blok: 3}", "did you mean `block`"),
        ("version: t\nglobal: {review: 1, step_up: 2, block: 3}\nmerchnts: []", "did you mean `merchants`"),
        ("version: t\nglobal: {review: 1.5, step_up: 2, block: 3}", r"`int`.*\$.global.review"),
        (
            "version: t\nglobal: {review: 1, step_up: 2, block: 3}\n"
            "mccs: [{mcc: '573', thresholds: {review: 1, step_up: 2, block: 3}}]",
            r"\$.mccs\[0\].mcc",
        ),
        (
            "version: t\nglobal: {review: 1, step_up: 2, block: 3}\n"
            "acquirers: [{acquirer: a, thresholds: {review: 1, step_up: 2, block: 3}},"
            " {acquirer: a, thresholds: {review: 1, step_up: 2, block: 3}}]",
            "acquirers names a twice",
        ),
        ("[]", "mapping"),
    ],
)
def test_a_broken_policy_names_the_path_and_the_way_out(broken: str, complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint):
        policy_from(yaml.safe_load(broken))


def test_the_identity_changes_with_the_content_and_not_with_the_order_of_keys() -> None:
    first = policy_from(document())
    assert first.identity == policy_from(dict(reversed(document().items()))).identity
    assert first.identity != policy_from(document(**{"global": thresholds(501)})).identity
    assert first.identity.startswith("t+")
