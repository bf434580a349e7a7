"""Which entry of a policy holds for an event at a time: the look-up of a batch against a plain resolver."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decode import Col
from scoring.policy import PolicyTable, policy_from
from scoring.policy.explain import Subject, explained
from scoring.profile import Entity
from tests.examples import examples
from tests.policy.drawn import AMOUNTS, EVENTS, GOODS_OF, batch, documents, expected_band, in_force


@settings(max_examples=examples(60))
@given(documents(), st.lists(st.integers(-1, 10), min_size=5, max_size=5), st.integers(0, 999), st.data())
def test_bands_are_those_of_the_narrowest_entry_in_force(
    document: dict[str, Any], times: list[int], score: int, data: st.DataObject
) -> None:
    joined = frozenset(data.draw(st.sampled_from(((), (int(Entity.MERCHANT),)))))
    decoded, table = batch(joined), PolicyTable(policy_from(document), joined)
    # Different times within one batch, and scores on the thresholds.
    at_ms = np.array([times[row % len(times)] for row in range(len(EVENTS))], dtype=np.int64)
    scores = np.array([min(999, (score + 37 * row) % 1000) for row in range(len(EVENTS))], dtype=np.int16)
    judged = table.judge(decoded.ints, decoded.hashes, at_ms, scores)
    plain = document | {"limits": []}
    for row, event in enumerate(EVENTS):
        jpy = AMOUNTS[row % len(AMOUNTS)]
        ask = (event, int(at_ms[row]), int(scores[row]), jpy)
        assert judged.bands[row] == expected_band(document, *ask), (event, at_ms[row])
        assert (row in judged.limited) == (judged.bands[row] > expected_band(plain, *ask))


@settings(max_examples=examples(40))
@given(documents(), st.integers(-1, 10), st.sampled_from(("HR_GOODS", "NIGHT", "VEL_CARD")), st.integers(1, 3))
def test_an_alert_is_suppressed_by_any_suppression_in_force(
    document: dict[str, Any], at_ms: int, reason: str, band: int
) -> None:
    decoded, table = batch(frozenset()), PolicyTable(policy_from(document))
    for row, event in enumerate(EVENTS):
        expected = any(
            in_force(entry, event, at_ms)
            and band <= {"REVIEW": 1, "STEP_UP": 2}[entry["up_to_band"]]
            and (not entry["reasons"] or reason in entry["reasons"])
            for entry in document["suppressions"]
        )
        assert table.is_suppressed(decoded.ints[row], decoded.hashes[row], at_ms, band, reason) is expected


@pytest.mark.parametrize("at_ms", [0, 2**42])
def test_a_policy_without_entries_has_the_global_thresholds(at_ms: int) -> None:
    table = PolicyTable(policy_from({"version": "t", "global": {"review": 10, "step_up": 20, "block": 30}}))
    decoded = batch(frozenset())
    scores = np.arange(len(EVENTS), dtype=np.int16)
    bands = table.judge(decoded.ints, decoded.hashes, np.full(len(EVENTS), at_ms), scores).bands
    assert bands.tolist() == [sum(score >= level for level in (10, 20, 30)) for score in range(len(EVENTS))]
    assert (decoded.ints[:, Col.AMOUNT_JPY] == -1).sum() == len(EVENTS) // len(AMOUNTS)


@settings(max_examples=examples(40))
@given(documents(), st.integers(-1, 10), st.integers(0, 999), st.sampled_from(AMOUNTS))
def test_an_explanation_names_what_decides(document: dict[str, Any], at_ms: int, score: int, jpy: int | None) -> None:
    policy = policy_from(document)
    for event in EVENTS:
        found = explained(policy, Subject(*event, at_ms))
        levels = found.thresholds
        band = sum(score >= level for level in (levels.review, levels.step_up, levels.block))
        if found.limit is not None and jpy is not None and jpy > found.limit.amount_jpy:
            band = max(band, 1 + ("REVIEW", "STEP_UP", "BLOCK").index(found.limit.band))
        assert band == expected_band(document, event, at_ms, score, jpy)
        assert len(found.suppressions) == sum(in_force(each, event, at_ms) for each in document["suppressions"])
        used = [each for each in found.candidates if each.verdict == "applies"]
        assert sum(each.section == "limits" for each in used) == (found.limit is not None)
        assert sum(each.section not in ("limits", "suppressions") for each in used) <= 1
    assert GOODS_OF["5732"] == "appliances"
