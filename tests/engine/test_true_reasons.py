"""Every reason of every decision and alert is true of its event, checked against the feature row in plain Python."""

from collections import Counter
from functools import cache
from itertools import groupby

import msgspec
import numpy as np
import pytest

from models.simulator import Simulator, SimulatorConfig
from models.simulator.stream import Item
from scoring.contract.alert import Alert
from scoring.contract.decision import Decision, Reason
from scoring.engine import Engine
from scoring.model.bundle import Bundle
from scoring.observer import Observer
from scoring.outputs import Source
from scoring.policy import policy_from
from streams.config.settings import Settings
from streams.config.wiring import build_engine
from tests.examples import is_quick, sample
from tests.policy.expected import FAMILY, NAMES, expected
from tests.policy.history_claims import CLAIMS

TRAFFIC = SimulatorConfig(
    seed=11,
    days=2,
    events_per_day=4_000 if is_quick() else 14_000,
    cards=4_000,
    merchants=200,
    report_delay_days=0.2,
    repeat_share=0.01,
)
"""Cards and merchants that repeat, and reports early enough to be seen."""


@cache
def batches() -> list[tuple[str, list[Item]]]:
    """Simulate once for all tests of this file."""
    made: list[tuple[str, list[Item]]] = []
    for topic, items in groupby(Simulator(TRAFFIC).traffic(), key=lambda item: item.topic):
        run = list(items)
        made += [(topic, run[start : start + 500]) for start in range(0, len(run), 500)]
    return made


def engine_at(review: int | None) -> Engine:
    """Build the shipped engine with its demonstration bundle, at its own thresholds or from a lower one on."""
    shipped = build_engine(Settings())
    if review is None:
        return shipped
    policy = policy_from({"version": "t", "global": {"review": review, "step_up": 850, "block": 950}})
    return Engine(shipped.model, policy, shipped.observer.settings, "test")


@pytest.mark.parametrize("review", sample([None, 350]))
def test_every_reason_is_true_of_its_event(review: int | None) -> None:
    engine = engine_at(review)
    observer = Observer(engine.observer.settings)
    contributions = np.empty(len(NAMES) + 1)
    families = Counter[str]()
    judged = alerted = compared = 0
    bundle = engine.model
    assert isinstance(bundle, Bundle)
    for topic, items in batches():
        values, stamps = [item.value for item in items], [item.at_ms for item in items]
        source = Source(topic=topic, partition=0, offsets=range(len(items)), timestamps_ms=stamps)
        if topic == "merchants":
            engine.merchant([item.key for item in items], values, source, received_at_ms=1)
            observer.merchant([item.key for item in items], values)
            continue
        if topic == "fraud-reports":
            engine.report(values, source, received_at_ms=1)
            observer.report(values, stamps)
            continue
        outputs = engine.score(values, source, received_at_ms=1, decided_at_ms=lambda: 1)
        observed = observer.observe(values, stamps)
        rows = [row for row, repeat in zip(observed.matrix, observed.repeats.tolist(), strict=True) if not repeat]
        told = {}
        for row, (_, value) in zip(rows, outputs.decisions, strict=True):
            decision = msgspec.json.decode(value, type=Decision)
            if decision.band == "ALLOW":
                assert decision.reasons == []
                continue
            bundle.trees.contributions(row, contributions)
            added = dict(zip(NAMES, contributions[:-1].tolist(), strict=True))
            seen = dict(zip(NAMES, row.tolist(), strict=True))
            plain = [(reason.id, reason.weight, without_usual(reason), reason.evidence) for reason in decision.reasons]
            figures = [figure for reason in decision.reasons for figure in (reason.usual or {}).items()]
            assert all(bundle.manifest.usual[name] == usual for name, usual in figures)
            compared += len(figures)
            wanted = expected(added, seen)
            assert plain == [(id_, pytest.approx(weight, abs=0.0011), *rest) for id_, weight, *rest in wanted]
            families.update(FAMILY[next(iter(reason.evidence or {"": 0}))] for reason in decision.reasons)
            told[decision.decision_id] = decision.reasons
            judged += 1
        for _, value in outputs.alerts:
            alert = msgspec.json.decode(value, type=Alert)
            assert alert.reasons == told[alert.event_id]
            alerted += 1
    assert judged > 20
    assert alerted > 5
    assert compared > 5
    assert set(families) <= set(CLAIMS)
    assert len(families) > 10


def without_usual(reason: Reason) -> str:
    """Return the text without the usual figure, which tests/policy/test_usual.py is about."""
    said, told, _ = reason.en.partition(", usually ")
    assert not told or reason.usual
    return said
