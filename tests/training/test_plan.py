"""The plan of a training and the report of its parts, against plain values."""

import runpy
import sys
from collections import Counter
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from models.simulator.config import DAY_MS, START_MS
from models.training.cli import _config, _left_out, parser
from models.training.matrix import Samples
from models.training.train import (
    LABEL_NOT_KNOWN,
    Plan,
    _sample_rows,
    data_card,
    label_lines,
    row_weights,
    split,
)
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.model.manifest import Manifest
from tests.training.bundled import train_bundle
from tests.training.test_labels import samples

PLAN = Plan(name="test", source="a test", seed=5, trees=5)
PARAMETERS = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.06,
    "min_data_in_leaf": 60,
    "min_data_per_group": 200,
    "cat_smooth": 30.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


def test_the_options_of_a_training_without_options() -> None:
    options = vars(parser().parse_args(["--out", "x"]))
    assert str(options.pop("out")) == "x"
    assert options == {
        "name": "demo",
        "events": None,
        "truth": None,
        "label_delay_days": 7,
        "days": 12,
        "events_per_day": 60_000,
        "cards": 100_000,
        "merchants": 2_000,
        "seed": 20_260,
        "trees": 300,
        "threads": 1,
        "without": [],
        "search": None,
        "search_minutes": 60.0,
    }


@pytest.mark.parametrize(("days", "weeks"), [(1, 1), (7, 1), (8, 2), (12, 2), (14, 2), (15, 3)])
def test_simulated_days_begin_whole_weeks_before_the_demonstration(days: int, weeks: int) -> None:
    options = ["--days", str(days), "--seed", "3", "--cards", "400", "--merchants", "90", "--events-per-day", "900"]
    config = _config(parser().parse_args(["--out", "x", *options]))
    assert config.start_ms == START_MS - weeks * 7 * DAY_MS
    assert (config.seed, config.days, config.events_per_day) == (3, days, 900)
    assert (config.cards, config.merchants) == (400, 90)
    assert (config.episodes.t1, config.repeat_share) == (4.0, 0.0005)


def test_the_plan_has_the_options_of_the_bundle_in_the_repository() -> None:
    assert Plan(name="x", source="x").parameters() == PARAMETERS | {"seed": 1, "num_threads": 1}
    assert Plan(name="x", source="x", seed=8, threads=3).parameters() == PARAMETERS | {"seed": 8, "num_threads": 3}
    whole = Plan(name="x", source="x")
    assert (whole.trees, whole.calibration_share, whole.test_share) == (300, 0.15, 0.2)
    manifest = Manifest.decode((resources.files("models") / "bundles" / "demo" / "manifest.json").read_bytes())
    made = PARAMETERS | {"seed": 20_260, "num_threads": 1, "num_boost_round": 300}
    assert manifest.training.parameters == made
    assert manifest.training.seed == 20_260


@pytest.mark.parametrize(
    ("calibration", "test", "is_refused"),
    [(0.0, 0.2, True), (0.2, 0.0, True), (0.5, 0.5, True), (0.5, 0.499, False), (-0.1, 0.5, True), (0.5, -0.1, True)],
)
def test_shares_are_positive_and_leave_something_to_train_on(calibration: float, test: float, is_refused: bool) -> None:
    shares = {"calibration_share": calibration, "test_share": test}
    if is_refused:
        with pytest.raises(ValueError, match="must be positive and leave something"):
            Plan(name="x", source="x", **shares)
    else:
        Plan(name="x", source="x", **shares)


def test_the_cuts_lie_where_their_shares_of_the_time_end() -> None:
    times = samples().event_ms
    parts = split(samples(), PLAN)
    span = int(times[-1] - times[0])
    assert parts.cuts_ms == (int(times[0]) + int(span * (1 - 0.2 - 0.15)), int(times[0]) + int(span * 0.8))
    assert (parts.train.start, parts.train.stop) == (0, int((times < parts.cuts_ms[0]).sum()))
    assert (parts.calibration.start, parts.calibration.stop) == (
        parts.train.stop,
        int((times < parts.cuts_ms[1]).sum()),
    )
    assert (parts.test.start, parts.test.stop, parts.gaps) == (parts.calibration.stop, len(times), 0)


def test_a_late_row_belongs_to_the_part_that_the_stream_had_reached() -> None:
    found = samples()
    times = found.event_ms.copy()
    late = int(split(found, PLAN).test.start) + 100
    times[late] = times[0]
    assert split(replace(found, event_ms=times), PLAN) == split(found, PLAN)


def test_the_report_on_the_labels() -> None:
    found, parts = samples(), split(samples(), PLAN)
    rows = {"train": parts.train, "calibration": parts.calibration, "test": parts.test}
    cuts = dict(zip(rows, parts.cuts_ms, strict=False))
    known_ms = found.known_ms.copy()
    late = {name: np.flatnonzero(found.fraud[rows[name]])[:3] + rows[name].start for name in ("train", "calibration")}
    for name, places in late.items():
        known_ms[places] = cuts[name] + 1
    lines = label_lines(replace(found, known_ms=known_ms), PLAN)
    wanted = []
    for name, part in rows.items():
        count = len(late.get(name, ()))
        known = int(found.fraud[part].sum()) - count
        size = part.stop - part.start
        wanted.append(f"{name}: {size} rows, {known} frauds known by its cut, {count} later: genuine there")
    assert lines == wanted


def test_a_manifest_says_of_each_part_its_times_rows_and_frauds() -> None:
    found, parts = samples(), split(samples(), PLAN)
    files, metrics = train_bundle(found, PLAN)
    training = Bundle.load(files, FEATURES).manifest.training
    for rows, told in (
        (parts.train, training.train),
        (parts.calibration, training.calibration),
        (parts.test, training.test),
    ):
        times = found.event_ms[rows]
        assert (told.from_ms, told.until_ms) == (times.min(), times.max() + 1)
        assert (told.rows, told.frauds, told.late_frauds) == (len(times), found.fraud[rows].sum(), 0)
    assert (training.seed, training.left_out) == (5, {})
    assert training.parameters == PARAMETERS | {"seed": 5, "num_threads": 1, "num_boost_round": 5}
    assert metrics["fraud_rate"] == pytest.approx(found.fraud[parts.test].mean(), abs=1e-6)
    for name in ("mean_probability", "calibration_mean_probability"):
        assert metrics[name] == round(metrics[name], 6)


def test_what_training_left_out_is_counted_by_reason_and_so_are_rows_without_a_label() -> None:
    delayed = replace(samples(), undated=1, delay_ms=3 * DAY_MS, skipped={"repeat": 4})
    training = Bundle.load(train_bundle(delayed, PLAN)[0], FEATURES).manifest.training
    assert training.left_out == {"repeat": 4, LABEL_NOT_KNOWN: split(delayed, PLAN).gaps}


def few() -> Samples:
    """Make rows of two kinds of fraud; one episode is long."""
    n = 400
    fraud = np.arange(n) < 150
    typology = np.array(["T1" if i < 100 else "T3" for i in range(n)], np.object_)
    episode = np.array(["long" if i < 100 else f"e{i}" if i < 149 else "e101" for i in range(n)], np.object_)
    typology[~fraud], episode[~fraud] = None, None
    matrix = np.arange(n, dtype=float)[:, None] * np.ones((1, 2))
    some = {name: getattr(samples(), name)[:n] for name in ("event_ms", "amount_jpy", "card", "known_ms")}
    return replace(samples(), matrix=matrix, fraud=fraud, typology=typology, episode=episode, **some)


def test_a_long_episode_weighs_as_much_as_fifty_frauds() -> None:
    weights = row_weights(few())
    assert weights.tolist() == [0.5] * 100 + [1.0] * 300


def test_the_sample_is_half_of_frauds_spread_evenly_in_the_order_of_rows() -> None:
    rows = _sample_rows(few())[:, 0]
    assert rows.tolist() == sorted(rows.tolist())
    frauds, genuine = rows[rows < 150], rows[rows >= 150]
    assert frauds.tolist() == np.linspace(0, 149, 24).astype(int).tolist()
    assert genuine.tolist() == [150 + place for place in np.linspace(0, 249, 24).astype(int).tolist()]


def test_the_data_card_counts_rows_kinds_and_what_was_left_out() -> None:
    card = data_card(replace(few(), skipped={"answer": 2, "repeat": 3}), PLAN).split("\n")
    assert card[0] == "Source: a test."
    counted = Counter(name for name in few().typology if name)
    assert counted == {"T1": 100, "T3": 50}
    assert card[1] == "Rows: 400 authorizations, 150 of them fraud (T1 100, T3 50). Skipped: answer 2, repeat 3."
    assert card[3].startswith("Weights: the fraudulent rows of one episode together weigh at most 50; ")
    assert data_card(few(), PLAN).split("\n")[1].endswith("Skipped: none.")


def test_the_module_reads_its_options_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["models.training", "--out", "nowhere", "--trees", "999"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("models.training", run_name="__main__")
    assert (ended.value.code, "999 trees, expected 1 to 300" in capsys.readouterr().err) == (2, True)


def test_a_part_without_fraud_is_reported_with_its_rows_and_the_cause() -> None:
    found, parts = samples(), split(samples(), PLAN)
    rows, late = parts.train.stop, int(found.fraud[parts.train].sum())
    told = f"no fraud among the {rows} rows of the train part"
    for changed, wanted in (
        (replace(found, fraud=np.zeros_like(found.fraud)), f"{told}: use more days"),
        (replace(found, known_ms=found.event_ms + 99 * DAY_MS), f"{told}, {late} became known after it: use more days"),
    ):
        with pytest.raises(ValueError, match="no fraud") as caught:
            split(changed, PLAN)
        assert str(caught.value) == wanted


def test_one_tree_is_a_valid_plan_and_the_report_says_that_nothing_was_left_out() -> None:
    assert Plan(name="x", source="x", trees=1).trees == 1
    assert _left_out(samples()) == "left out: 0"
    assert _left_out(replace(samples(), skipped={"answer": 2, "repeat": 3})) == "left out: 5 (answer 2, repeat 3)"
