"""Another model between two batches: counts in its bins begin anew, payments stay. Without a score nothing counts."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from scoring.engine import Engine
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.watching import figures as figures_module
from scoring.watching.kernel import COUNTED_IN
from tests.events import encoded
from tests.model.test_failure import ALL, RULES_ONLY, aged, score
from tests.model.test_failure import new_engine as engine_of
from tests.watching.stream import RULES, START, History, Log, new_engine, payment, run, watched_bundle

FIRST = [payment(number, START, 3_000_000) for number in range(40 * COUNTED_IN)]
LATER = [payment(number, START + timedelta(hours=1), 3_000_000) for number in range(1_000, 1_000 + 20 * COUNTED_IN)]


def with_other_bins() -> Bundle:
    bundle = watched_bundle()
    baseline = bundle.manifest.baseline
    assert baseline is not None
    name, wide = next((name, one) for name, one in baseline.inputs.items() if one.bounds)
    narrow = msgspec.structs.replace(wide, bounds=wide.bounds[:-1], rows=wide.rows[:-1])
    other = msgspec.structs.replace(baseline, scores=(1,) * 20, inputs=baseline.inputs | {name: narrow})
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, baseline=other))


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "ROWS_MIN", 3)


def change(engine: Engine, model: Bundle) -> None:
    engine.use_model(engine.judge_by(model))


def test_counts_begin_anew_with_other_bins_and_payments_stay() -> None:
    engine, log = new_engine(), Log()
    engine.changelog.own(0)
    run(engine, FIRST, History())
    before = engine.watch.figures(RULES)
    assert before.counted["1d"] > 10
    log.take(engine.changelog.flush(0))
    change(engine, with_other_bins())
    after = engine.watch.figures(RULES)
    assert after.counted == {"1d": 0, "7d": 0, "28d": 0}
    assert (after.labelled, after.remembered) == (before.labelled, before.remembered)
    run(engine, LATER, History())
    alone = new_engine(bundle=with_other_bins())
    run(alone, LATER, History())
    found, expected = engine.watch.figures(RULES), alone.watch.figures(RULES)
    assert found.counted == expected.counted
    assert found.counted["1d"] > 5
    assert found.score_psi == expected.score_psi != {}
    assert found.input_psi.keys() == expected.input_psi.keys() != set()  # values are of profiles that saw more
    assert found.remembered == before.remembered + expected.remembered
    log.take(engine.changelog.flush(0))
    for is_compacted in (False, True):
        started, changed = new_engine(bundle=with_other_bins()), new_engine()
        change(changed, with_other_bins())
        for engine in (started, changed):
            log.restore(engine, 0, is_compacted=is_compacted)
            assert engine.watch.figures(RULES) == found


def test_rows_in_the_bins_of_before_are_deleted_at_the_next_flush() -> None:
    engine, log = new_engine(), Log()
    engine.changelog.own(0)
    run(engine, FIRST, History())
    log.take(engine.changelog.flush(0))
    change(engine, with_other_bins())
    log.take(engine.changelog.flush(0))
    again = new_engine()
    log.restore(again, 0, is_compacted=True)
    assert again.watch.figures(RULES).counted["1d"] == 0


def test_counts_go_on_with_a_model_of_the_same_bins() -> None:
    engine = new_engine()
    run(engine, FIRST, History())
    before = engine.watch.figures(RULES)
    change(engine, watched_bundle())
    assert engine.watch.figures(RULES) == before


@pytest.mark.parametrize("absent", NoModel)
def test_an_event_without_a_score_is_neither_counted_nor_remembered(absent: NoModel) -> None:
    limits = [{"amount_jpy": 1, "band": "STEP_UP"}]
    values = [encoded(event_id=f"e-{number}") for number in range(8 * COUNTED_IN)]
    engine = engine_of(absent, RULES_ONLY, everywhere=ALL, limits=limits)
    assert len(score(engine, values).decisions) == len(values)
    assert engine.watch.figures(()).remembered == 0
    engine = engine_of(aged(0), RULES_ONLY, everywhere=ALL, limits=limits)
    score(engine, values)
    assert engine.watch.figures(()).remembered == len(values)
