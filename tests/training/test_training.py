"""From simulated traffic to a bundle: the features of live scoring, no information from the future, the same bytes each
time.
"""

import io
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from models.simulator import EpisodeRates, Item, Simulator, SimulatorConfig, Truth
from models.simulator.writer import event_line, truth_line
from models.training import main
from models.training.matrix import Samples, replay
from models.training.records import Record, read_records
from models.training.train import EPISODE_WEIGHT_MAX, Plan, row_weights, split, take, usual_values
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.observer import Observer, Settings
from scoring.profile import ProfileLimits
from tests.examples import is_quick
from tests.training.bundled import train_bundle
from tests.training.report.undrawn import leave_pictures_out

CONFIG = SimulatorConfig(
    seed=3,
    days=3,
    events_per_day=3_000,
    cards=2_000,
    merchants=100,
    episodes=EpisodeRates(t1=30.0, t3=300.0, t4=200.0, t9=60.0),
    repeat_share=0.01,
    report_delay_days=0.5,
)
LIMITS = ProfileLimits(
    card=1 << 13,
    merchant=1 << 10,
    merchant_bin=1 << 13,
    bin=1 << 10,
    device=1 << 13,
    ip=1 << 13,
    account=1 << 13,
    address=1 << 13,
)
SETTINGS = Settings(decode=DecodeLimits(), profiles=LIMITS)
PLAN = Plan(name="test", source="a test", seed=5, trees=20)


@cache
def simulated() -> list[Item]:
    return list(Simulator(CONFIG))


@cache
def recorded() -> tuple[list[Record], dict[str, Truth]]:
    items = simulated()
    truths = {item.truth.event_id: item.truth for item in items if item.truth is not None and item.truth.fraud}
    return [Record(item.topic, item.key, item.value, item.at_ms) for item in items], truths


@cache
def samples() -> Samples:
    records, truths = recorded()
    return replay(records, truths, SETTINGS)


@cache
def bundled() -> tuple[dict[str, bytes], dict[str, float]]:
    return train_bundle(samples(), PLAN)


def test_every_event_is_a_row_or_counted_as_skipped() -> None:
    records, truths = recorded()
    events = sum(record.topic == "authorizations" for record in records)
    found = samples()
    assert events == len(found.matrix) + sum(found.skipped.values())
    assert found.skipped.keys() == {"repeat"}
    assert found.matrix.shape == (len(found.fraud), len(FEATURES))
    assert int(found.fraud.sum()) == len(truths) > 100
    assert {name for name in found.episode if name} == {truth.episode for truth in truths.values()}


def test_the_matrix_has_the_features_of_live_scoring_event_by_event() -> None:
    records, _ = recorded()
    observer = Observer(SETTINGS)
    found = samples()
    row = 0
    for record in records[:2_000]:
        if record.topic == "merchants":
            observer.merchant([record.key], [record.value])
        elif record.topic == "fraud-reports":
            observer.report([record.value or b""], [record.at_ms])
        else:
            observed = observer.observe([record.value or b""], [record.at_ms])
            if not observed.repeats[0]:
                assert observed.matrix[0].tobytes() == found.matrix[row].tobytes()
                row += 1
    assert row > 1_000


def test_records_are_read_from_their_lines_byte_for_byte() -> None:
    items = simulated()[:500]
    lines = [event_line(item) for item in items]
    assert list(read_records(lines)) == [Record(item.topic, item.key, item.value, item.at_ms) for item in items]


def test_a_null_value_forgets_a_merchant() -> None:
    line = b'{"topic":"merchants","key":"a|b","at_ms":1777604400000,"value":null}\n'
    assert list(read_records([line])) == [Record("merchants", b"a|b", None, 1777604400000)]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"",
        b"\xff",
        b'{"topic":"other","key":"","at_ms":1777604400000,"value":1}',
        b'{"topic":"merchants","key":"","at_ms":1777604400000}',
        b'{"topic":"merchants","key":"\xff","at_ms":1777604400000,"value":{}}',
        b'{"topic":"merchants","value":' + b"[" * 5_000,
    ],
)
def test_a_line_that_is_no_record_is_named(line: bytes) -> None:
    good = b'{"topic":"merchants","key":"a","at_ms":1777604400000,"value":null}'
    with pytest.raises(ValueError, match=r"^line 2: "):
        list(read_records([good, line]))


def test_the_parts_follow_each_other_in_time_and_cover_all_rows() -> None:
    found = samples()
    parts = split(found, PLAN)
    assert (parts.train.start, parts.train.stop, parts.calibration.stop) == (
        0,
        parts.calibration.start,
        parts.test.start,
    )
    assert parts.test.stop == len(found.fraud)
    ends = [take(found, rows).event_ms for rows in (parts.train, parts.calibration, parts.test)]
    assert ends[0].max() <= ends[1].min()
    assert ends[1].max() <= ends[2].min()
    span = found.event_ms.max() - found.event_ms.min()
    assert (ends[2].max() - ends[2].min()) / span == pytest.approx(0.2, abs=0.01)


def test_a_part_without_fraud_is_refused() -> None:
    records, _ = recorded()
    with pytest.raises(ValueError, match=r"no fraud among the .* rows of the train part: use more days"):
        split(replay(records[:2_000], {}, SETTINGS), PLAN)


def test_the_rows_of_a_long_episode_share_their_weight() -> None:
    found = samples()
    weights = row_weights(found)
    assert (weights[~found.fraud] == 1).all()
    names, counts = np.unique(found.episode[found.fraud].astype(str), return_counts=True)
    assert counts.max() > EPISODE_WEIGHT_MAX
    for name, count in zip(names, counts, strict=True):
        assert weights[found.episode == name].sum() == pytest.approx(min(count, EPISODE_WEIGHT_MAX))


def test_a_bundle_comes_out_and_ranks_fraud_it_has_never_seen() -> None:
    files, metrics = bundled()
    bundle = Bundle.load(files, FEATURES)
    assert metrics["auc"] > 0.8
    assert bundle.manifest.metrics == metrics
    assert bundle.manifest.training.lightgbm_version == lightgbm.__version__
    assert bundle.manifest.training.test.rows + bundle.manifest.training.train.rows < len(samples().fraud)
    assert "a test" in bundle.manifest.data_card
    margins = np.empty(len(samples().matrix))
    bundle.trees.margins(samples().matrix, margins)
    probabilities, _ = bundle.calibration.apply(margins)
    rows = split(samples(), PLAN).calibration
    assert probabilities[rows].mean() == pytest.approx(samples().fraud[rows].mean(), rel=0.25)


def ranking(metrics: dict[str, float]) -> dict[str, float]:
    """Give the manifest without its calibration, whose labels come from a part of its own."""
    return {name: value for name, value in metrics.items() if not name.endswith("mean_probability")}


def test_later_rows_have_no_effect_on_earlier_parts() -> None:
    found, parts = samples(), split(samples(), PLAN)
    files, metrics = bundled()
    table = Bundle.load(files, FEATURES).manifest.calibration
    for rows, same_table in ((parts.test, True), (parts.calibration, False)):
        fraud = found.fraud.copy()
        genuine = np.flatnonzero(~fraud[rows])[:200] + rows.start
        fraud[genuine] = True
        other_files, other_metrics = train_bundle(replace(found, fraud=fraud), PLAN)
        assert other_files["model.txt"] == files["model.txt"]
        assert (Bundle.load(other_files, FEATURES).manifest.calibration == table) == same_table
        assert (ranking(other_metrics) == ranking(metrics)) != same_table
        assert (other_metrics["mean_probability"] == metrics["mean_probability"]) == same_table


def test_the_same_samples_and_plan_give_the_same_bytes() -> None:
    assert train_bundle(samples(), PLAN)[0] == bundled()[0]


def test_another_seed_gives_another_model() -> None:
    other = Plan(name="test", source="a test", seed=6, trees=20)
    assert bundled()[0]["model.txt"] != train_bundle(samples(), other)[0]["model.txt"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"trees": 0}, "0 trees"), ({"trees": 301}, "301 trees"), ({"test_share": 0.9}, "leave something")],
)
def test_an_invalid_plan_is_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan(name="x", source="x", **fields)  # type: ignore[arg-type]


def test_recorded_files_train_as_the_simulator_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_pictures_out(monkeypatch)
    events, truths = io.BytesIO(), io.BytesIO()
    for item in simulated():
        events.write(event_line(item))
        if item.truth is not None:
            truths.write(truth_line(item.truth))
    (tmp_path / "events.jsonl").write_bytes(events.getvalue())
    (tmp_path / "truth.jsonl").write_bytes(truths.getvalue())
    out = tmp_path / "deep" / "bundle"
    files = ["--events", str(tmp_path / "events.jsonl"), "--truth", str(tmp_path / "truth.jsonl")]
    assert main([*files, "--out", str(out), "--seed", "5", "--trees", "20", "--name", "test"]) == 0
    bundle = {"model.txt", "manifest.json", "sample.f64"}
    assert {path.name for path in out.iterdir()} == bundle | {"card.json", "card.md", "report.html"}
    assert (out / "model.txt").read_bytes() == bundled()[0]["model.txt"]
    said = capsys.readouterr().out
    assert "without T1" in said
    size = sum(path.stat().st_size for path in out.iterdir())
    assert re.fullmatch(rf"wrote {re.escape(str(out))} \({size} bytes, \d{{1,4}} s\)", said.splitlines()[-1])


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["--events", "nowhere.jsonl"], 2, "--events and --truth go together"),
        (["--events", "nowhere.jsonl", "--truth", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["--trees", "999"], 2, "999 trees"),
        (["--days", "0"], 2, "days"),
    ],
)
def test_input_that_cannot_be_trained_on_ends_with_a_reason(
    argv: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv, "--out", str(tmp_path)]) == status
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_bundle_has_the_medians_of_the_rows_that_it_learnt_from() -> None:
    found = samples()
    manifest = Bundle.load(bundled()[0], FEATURES).manifest
    learnt = found.matrix[split(found, PLAN).train]
    assert manifest.usual == usual_values(learnt)
    for column, feature in enumerate(FEATURES):
        known = sorted(value for value in learnt[:, column].tolist() if value == value)  # noqa: PLR0124 -- NaN is not
        if feature.categorical or not known:
            assert feature.name not in manifest.usual
            continue
        half = len(known) // 2
        middle = known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2
        assert manifest.usual[feature.name] == pytest.approx(middle, abs=1e-6)
    assert len(manifest.usual) > 100


def test_medians_of_many_rows_are_those_of_rows_spread_evenly() -> None:
    rows = 25_001 if is_quick() else 50_001
    matrix = np.full((rows, len(FEATURES)), np.nan)
    matrix[:, 0] = np.arange(rows)
    matrix[:10, 1] = np.inf
    assert usual_values(matrix) == {FEATURES[0].name: pytest.approx(rows // 2, abs=3)}
