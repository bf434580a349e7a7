"""A challenger adds its own field to the decisions and its own counts, and changes nothing else."""

import bisect
import itertools
import json
from collections import Counter
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.clock import UNDATED
from scoring.contract.decision import Decision
from scoring.decide.shadow import without_challenger
from scoring.decode import Col
from scoring.engine import SHADOW_STAGE, STAGES, Engine
from scoring.features.all import FEATURES
from scoring.model.absent import NoModel
from scoring.model.challenger import Challenger
from scoring.observer import Observer
from scoring.outputs import NOTHING, Emitted, Outputs, Tally, joined
from scoring.policy import policy_from
from tests.bundles import small_bundle
from tests.engine.test_engine import NOW_MS, SETTINGS, TRAFFIC, source
from tests.events import encoded
from tests.examples import examples
from tests.model.test_failure import RULES_ONLY, score
from tests.model.test_failure import new_engine as engine_of
from tests.shadow.made import booster_of, challenger_files, columns_of, plain_score

BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
SOME = tuple(FEATURES[column] for column in (40, 0, 7, 3, 90))
CATALOGUES = {"all": tuple(FEATURES), "some": SOME, "reversed": tuple(reversed(FEATURES))}
LIMIT_JPY = 60_000
OWN = ("challenger_scores", "challenger_bands")
RULES = [
    {"id": "high", "mode": "on", "when": "score > 500", "action": "block", "text": {"en": "a", "ja": "b"}}
    | {"author": "c", "reason": "d"}
]


def policy(review: int, step_up: int, block: int, *, has_rules: bool = True) -> Any:
    levels = {"review": review, "step_up": step_up, "block": block}
    more = {"rules": RULES} if has_rules else {}
    return policy_from({"version": "s", "global": levels, "limits": [{"amount_jpy": LIMIT_JPY}], **more})


def challenger(kind: str = "all") -> Challenger:
    return Challenger.load(challenger_files(CATALOGUES[kind]), FEATURES)


def run(engine: Engine, values: list[bytes], cuts: list[int], emitted: Emitted = NOTHING) -> list[Outputs]:
    edges = [0, *sorted(cuts), len(values)]
    return [
        engine.score(
            values[low:high],
            source(high - low, first=low, stamp_ms=UNDATED),
            received_at_ms=NOW_MS,
            decided_at_ms=lambda: NOW_MS + 1,
            emitted=emitted,
        )
        for low, high in itertools.pairwise(edges)
        if high > low
    ]


def bare(text: bytes) -> bytes:
    """Drop the field from a decision by parsing it, and write the rest as it was."""
    document = json.loads(text)
    said = document.pop("challenger")
    tail = b',"challenger":' + json.dumps(said, separators=(",", ":")).encode() + b"}"
    assert text.endswith(tail)
    return text[: -len(tail)] + b"}"


@given(
    cuts=st.lists(st.integers(1, 249), max_size=4),
    levels=st.lists(st.integers(1, 999), min_size=3, max_size=3, unique=True).map(sorted),
    kind=st.sampled_from(sorted(CATALOGUES)),
    known=st.sets(st.integers(0, 249), max_size=30),
    start=st.integers(0, 350),
)
@settings(max_examples=examples(30), deadline=None)
def test_all_but_its_own_field_is_the_same_without_a_challenger(
    cuts: list[int], levels: list[int], kind: str, known: set[int], start: int
) -> None:
    values = [*TRAFFIC[start : start + 246], b"{", TRAFFIC[start], encoded(), encoded(event_id='q"e')]
    ids = [json.loads(values[place])["event_id"].encode() for place in known if values[place] != b"{"]
    emitted = Emitted(decisions=frozenset(ids))
    plain, shadowed = (Engine(small_bundle(), policy(*levels), SETTINGS, "test") for _ in range(2))
    shadowed.challenger = challenger(kind)
    for expected, found in zip(run(plain, values, cuts, emitted), run(shadowed, values, cuts, emitted), strict=True):
        assert [(key, bare(value)) for key, value in found.decisions] == expected.decisions
        assert [without_challenger(value) for _, value in found.decisions] == [value for _, value in expected.decisions]
        assert (found.alerts, found.dead_letters, found.repeats) == (
            expected.alerts,
            expected.dead_letters,
            expected.repeats,
        )
        for field in fields(Tally):
            if field.name not in OWN:
                assert getattr(found.tally, field.name) == getattr(expected.tally, field.name), field.name
        assert not any(getattr(expected.tally, name) for name in OWN)
        assert sum(found.tally.challenger_bands.values()) == len(found.decisions)


def plain_band(score: int, yen: int, levels: list[int]) -> str:
    band = bisect.bisect_right(levels, score)
    return BANDS[max(band, 1 if yen > LIMIT_JPY else 0)]


def observed_of(values: list[bytes]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the matrix of the events that are decided, and their yen, -1 unknown."""
    observed = Observer(SETTINGS).observe(values, [UNDATED] * len(values))
    kept = ~observed.passed_over
    return observed.matrix[kept], observed.decoded.ints[kept, Col.AMOUNT_JPY]


@pytest.mark.parametrize("kind", sorted(CATALOGUES))
def test_its_score_is_that_of_lightgbm_and_its_band_that_of_the_same_thresholds(kind: str) -> None:
    matrix, yen = observed_of(TRAFFIC)
    files = challenger_files(CATALOGUES[kind])
    margins = booster_of(files).predict(matrix[:, columns_of(CATALOGUES[kind])], raw_score=True)
    expected = [plain_score(margin) for margin in np.asarray(margins).tolist()]
    plain = Engine(small_bundle(), policy(1, 2, 3), SETTINGS, "test")
    own_scores = [json.loads(value)["score"] for _, value in run(plain, TRAFFIC, [])[0].decisions]
    seen = sorted({*own_scores, *expected})
    levels = [seen[len(seen) * quarter // 4] for quarter in (1, 2, 3)]
    engine = Engine(small_bundle(), policy(*levels), SETTINGS, "test")
    engine.challenger = challenger(kind)
    (outputs,) = run(engine, TRAFFIC, [])
    made = [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]
    assert [one.challenger and one.challenger.score for one in made] == expected
    assert {one.challenger and one.challenger.model for one in made} == {engine.challenger.version}
    pairs: Counter[tuple[str, str]] = Counter()
    for one, value in zip(made, yen.tolist(), strict=True):
        assert one.challenger is not None
        own = plain_band(one.challenger.score, value, levels)
        assert one.challenger.band == own
        pairs[plain_band(one.score, value, levels), own] += 1
    assert len(pairs) >= 3
    assert outputs.tally.challenger_bands == pairs
    assert outputs.tally.challenger_scores == Counter(
        [("CHAMPION", one.score) for one in made] + [("CHALLENGER", score) for score in expected]
    )


def test_counts_of_parts_of_a_batch_add_up() -> None:
    whole, cut = (Engine(small_bundle(), policy(560, 600, 640), SETTINGS, "test") for _ in range(2))
    whole.challenger = cut.challenger = challenger()
    (one,) = run(whole, TRAFFIC, [])
    parts = joined(run(cut, TRAFFIC, [100, 333]))
    assert one.decisions == parts.decisions
    for name in OWN:
        assert getattr(one.tally, name) == getattr(parts.tally, name)


def test_it_may_come_and_go_between_batches_and_has_a_stage_of_its_own() -> None:
    engine = Engine(small_bundle(), policy(560, 600, 640), SETTINGS, "test")
    for is_there in (False, True, False):
        engine.challenger = challenger() if is_there else None
        marks: list[str] = []
        place = source(1)
        outputs = engine.score(
            [encoded(event_id=f"e-{is_there}-{len(marks)}-{id(place)}")],
            place,
            received_at_ms=NOW_MS,
            decided_at_ms=lambda: NOW_MS,
            mark=marks.append,
        )
        assert marks == [*STAGES, *([SHADOW_STAGE] if is_there else [])]
        assert (b'"challenger"' in outputs.decisions[0][1]) == is_there
        assert bool(outputs.tally.challenger_bands) == is_there


@pytest.mark.parametrize("absent", NoModel)
def test_without_a_champion_the_challenger_is_told_and_not_counted(absent: NoModel) -> None:
    engine = engine_of(absent, RULES_ONLY)
    engine.challenger = challenger()
    outputs = score(engine, [encoded(event_id="e-1"), encoded(event_id="e-2")])
    for _, value in outputs.decisions:
        made = msgspec.json.decode(value, type=Decision)
        assert (made.status, made.score) == ("DEGRADED", 0)
        assert made.challenger is not None
    assert (outputs.tally.challenger_scores, outputs.tally.challenger_bands) == ({}, {})
