"""Bounds of recorded lines and of the truth, and the table of metrics, on both sides of each bound."""

import json
from typing import Any

import numpy as np
import pytest

from models.simulator import Truth
from models.training.cli import _source, parser
from models.training.matrix import replay
from models.training.metrics import _threshold, evaluate, report_lines
from models.training.records import LINE_BYTES_MAX, Record, misdated, read_records
from models.training.truth import read_truths
from scoring.clock import BEHIND_MAX_MS
from scoring.decode import DecodeLimits
from scoring.observer import Settings
from scoring.profile import ProfileLimits
from tests.training.test_inputs import AT_MS, line, refusal, truth
from tests.training.test_labels import authorization
from tests.training.test_metrics import samples

FIRST_MS, END_MS = 946_684_800_000, 4_133_980_800_000
OUTSIDE = "lies outside the years 2000 to 2100, in milliseconds since 1970"


@pytest.mark.parametrize(
    ("at_ms", "told"),
    [
        (FIRST_MS, ""),
        (END_MS - 1, ""),
        (FIRST_MS - 1, OUTSIDE),
        (END_MS, OUTSIDE),
        (FIRST_MS // 1000, "is in seconds: milliseconds since 1970 are read"),
        (FIRST_MS // 1000 - 1, OUTSIDE),
        (END_MS // 1000 - 1, "is in seconds: milliseconds since 1970 are read"),
        (END_MS // 1000, OUTSIDE),
        (FIRST_MS * 1000, "is in microseconds: milliseconds since 1970 are read"),
        (FIRST_MS * 1000 - 1000, OUTSIDE),
        (END_MS * 1000 - 1000, "is in microseconds: milliseconds since 1970 are read"),
        (END_MS * 1000, OUTSIDE),
        (FIRST_MS * 10**6, "is in nanoseconds: milliseconds since 1970 are read"),
        (FIRST_MS * 10**6 - 10**6, OUTSIDE),
        (END_MS * 10**6 - 10**6, "is in nanoseconds: milliseconds since 1970 are read"),
        (END_MS * 10**6, OUTSIDE),
    ],
)
def test_a_time_is_one_from_2000_until_2101(at_ms: int, told: str) -> None:
    assert misdated(at_ms) == told
    assert np.datetime64(FIRST_MS, "ms") == np.datetime64("2000-01-01")
    assert np.datetime64(END_MS, "ms") == np.datetime64("2101-01-01")


def test_a_line_may_have_two_mebibytes() -> None:
    short = line(AT_MS)
    assert LINE_BYTES_MAX == 2_097_152
    assert len(list(read_records([short + b" " * (LINE_BYTES_MAX - len(short))]))) == 1
    told = refusal(lambda lines: list(read_records(lines)), [short + b" " * (LINE_BYTES_MAX - len(short) + 1)])
    assert told == "line 1 has 2097153 bytes, at most 2097152 are accepted"


@pytest.mark.parametrize("text", [b'{"topic":"\xff"}', b"\xff\xfe{\x00", b"\xfe\xff\x00{"])
def test_a_line_of_another_encoding_is_named_as_such(text: bytes) -> None:
    assert refusal(lambda lines: list(read_records(lines)), [text]) == "line 1: not UTF-8"


def test_a_record_is_read_with_all_it_holds() -> None:
    text = b'{"topic":"fraud-reports","key":"\\u5408","at_ms":1777604400000,"value": {"a" : 1}}'
    (record,) = read_records([text])
    assert record == ("fraud-reports", "合".encode(), b'{"a" : 1}', 1_777_604_400_000, None)


def test_a_truth_is_read_with_all_it_holds() -> None:
    whole = {"typology": "T3", "episode": "T3-1", "amount_jpy": 120, "known_at_ms": AT_MS}
    found = read_truths([truth(fraud=1, **whole), truth(event_id="f", fraud=1), truth(event_id="g", fraud=0)])
    assert {name: tuple(one) for name, one in found.frauds.items()} == {
        "e": ("e", True, "T3", "T3-1", 120, AT_MS),
        "f": ("f", True, None, None, -1, None),
    }


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([truth(fraud="perhaps")], "line 1: fraud is spelt in no way that is understood "),
        ([truth(fraud=1), truth(event_id="f", fraud=1, known_at_ms=END_MS)], f"line 2: known_at_ms {OUTSIDE}"),
        ([truth(fraud=1), truth(fraud=0)], "line 2: an event that a line before calls fraud"),
        ([truth(fraud=1), truth(fraud=None)], "line 2: an event that a line before calls fraud"),
        ([truth(event_id="", fraud=1)], "line 1: Expected `str` of length >= 1"),
        ([truth(event_id="e" * 65, fraud=1)], "line 1: Expected `str` of length <= 64"),
    ],
)
def test_a_truth_that_cannot_be_is_refused(lines: list[bytes], told: str) -> None:
    assert refusal(read_truths, lines).startswith(told)
    known = "(1, fraud, true, y, yes, 0, false, genuine, n, no)"
    assert refusal(read_truths, [truth(fraud="perhaps")]).endswith(known)


def test_names_of_one_and_of_64_letters_are_read_and_later_lines_may_repeat_a_fraud() -> None:
    lines = [truth(event_id=name, fraud=1, typology=name, episode=name) for name in ("e", "e" * 64, "e")]
    assert set(read_truths(lines).frauds) == {"e", "e" * 64}
    assert read_truths([truth(fraud=0), truth(fraud=None), truth(fraud=0)]).genuine == 2


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.0011, 0.5, 0.999, 1.0])
def test_at_most_the_share_of_the_scores_exceeds_the_threshold(size: int, share: float) -> None:
    scores = np.random.default_rng(size).permutation(size).astype(float)
    line_ = _threshold(scores, share)
    assert int((scores > line_).sum()) == int(size * share)


def metrics_of(fraud: list[int], scores: list[float]) -> dict[str, float]:
    n = len(fraud)
    episodes = [f"T{1 + i % 2}-{i}" if flag else None for i, flag in enumerate(fraud)]
    return evaluate(samples(fraud, [100] * n, episodes, list(range(n))), np.array(scores))


def test_rates_without_any_row_are_none() -> None:
    genuine = metrics_of([0] * 200, [float(i) for i in range(200)])
    assert {
        value for name, value in genuine.items() if not name.startswith(("auc", "no_t1_auc", "false", "no_t1_f"))
    } == {0}
    assert genuine["auc"] == genuine["no_t1_auc"] == 0.5
    assert genuine["false_positives_per_fraud_at_1pct"] == 2.0
    assert genuine["no_t1_false_positives_per_fraud_at_0.5pct"] == 1.0
    fraud = metrics_of([1] * 200, [float(i) for i in range(200)])
    assert (fraud["auc"], fraud["pr_auc"], fraud["false_positives_per_fraud_at_1pct"]) == (0.5, 1.0, 0.0)


def test_the_table_shows_each_metric_for_all_fraud_and_without_enumeration() -> None:
    rng = np.random.default_rng(3)
    metrics = metrics_of([int(i % 40 < 2) for i in range(4_000)], rng.random(4_000).round(4).tolist())
    assert all(value == round(value, 6) for value in metrics.values())
    kinds = ["recall", "value_recall", "episode_recall", "first_hit_recall", "false_positives_per_fraud"]
    names = [
        "fraud_rate",
        "auc",
        "pr_auc",
        *(f"{kind}_at_{share}pct" for share in ("0.2", "0.5", "1") for kind in kinds),
    ]
    assert set(metrics) == {
        *(f"{prefix}{name}" for name in names for prefix in ("", "no_t1_")),
        *(f"{prefix}{kind}_at_0.1pct" for kind in kinds for prefix in ("", "no_t1_")),
        *("recall_at_1pct_T1", "recall_at_1pct_T2"),
    }
    head, *lines = report_lines(metrics)
    assert head == " " * 38 + "all fraud" + "  without T1", "each head ends where its figures do"
    assert lines[: len(names)] == [
        f"{name[:36]:<38}{metrics[name]:>9.4f}{metrics[f'no_t1_{name}']:>12.4f}" for name in names
    ]
    assert lines[len(names) :] == [
        f"{name:<38}{metrics[name]:>9.4f}" for name in ("recall_at_1pct_T1", "recall_at_1pct_T2")
    ]


def test_typologies_are_judged_at_the_line_that_one_per_cent_of_all_but_enumeration_exceed() -> None:
    """Enumeration has the highest scores of all, and must not use up the alerts of the other kinds."""
    fraud = [1, 1, 1, 1] + [0] * 396
    scores = [9.0, 3.0, 8.0, 1.9925, *np.linspace(0, 2, 396)]  # the last fraud is the fourth of 398, and three are 1 %
    assert sum(score > 1.9925 for score in scores) == 5
    metrics = metrics_of(fraud, scores)
    assert (metrics["recall_at_1pct_T1"], metrics["recall_at_1pct_T2"]) == (1.0, 0.5)
    assert metrics["no_t1_recall_at_0.5pct"] == 0.5
    scores[3] = 2.5
    assert metrics_of(fraud, scores)["recall_at_1pct_T2"] == 1.0


def test_unknown_yen_count_as_zero() -> None:
    amounts: list[Any] = [-1, 50, -1, 30] + [100] * 196
    fraud = [1, 1, 1, 1] + [0] * 196
    scores = np.array([9.0, 0.0, 8.0, -1.0, *np.linspace(1, 2, 196)])
    metrics = evaluate(samples(fraud, amounts, ["T2", "T2", "T3", "T3"] + [None] * 196, list(range(200))), scores)
    assert metrics["value_recall_at_1pct"] == 0.0
    assert metrics["recall_at_1pct"] == metrics["first_hit_recall_at_1pct"] == 0.5
    assert metrics["episode_recall_at_1pct"] == 1.0
    assert json.loads(json.dumps(metrics)) == metrics


@pytest.mark.parametrize(("days", "is_read"), [(-1, False), (0, True), (3_650, True), (3_651, False)])
def test_labels_come_after_at_most_ten_years(days: int, is_read: bool) -> None:
    options = parser().parse_args(["--out", "x", "--label-delay-days", str(days)])
    if is_read:
        assert _source(options).startswith("simulated traffic, {")
    else:
        with pytest.raises(ValueError, match="must lie between 0 and 3650"):
            _source(options)


def test_merchants_beyond_the_limit_are_counted_and_an_unneeded_delay_is_none() -> None:
    records = [
        Record(
            "merchants", f"a/m-{n}".encode(), json.dumps({"acquirer_id": "a", "merchant_id": f"m-{n}"}).encode(), AT_MS
        )
        for n in range(7)
    ]
    records.append(authorization("known", AT_MS))
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits(), merchants_max=2)
    truths = {"known": Truth("known", True, None, None, 1, AT_MS + 9), "elsewhere": Truth("x", True, None, None, 1)}
    found = replay(records, truths, settings, delay_ms=5)
    assert found.skipped == {"merchants beyond limit": 5}
    assert (found.undated, found.delay_ms, found.unmatched) == (0, 0, 1)
    assert found.known_ms.tolist() == [AT_MS + 9]


def test_events_dated_too_far_from_their_record_are_counted_and_are_no_rows() -> None:
    records = [authorization("known", AT_MS)]
    records += [authorization(f"late-{n}", AT_MS)._replace(at_ms=AT_MS + BEHIND_MAX_MS + 1) for n in range(3)]
    records += [authorization(f"early-{n}", AT_MS + 10**9)._replace(at_ms=AT_MS) for n in range(2)]
    records += [authorization("late-0", AT_MS)._replace(at_ms=AT_MS + BEHIND_MAX_MS + 1)]
    found = replay(records, {})
    assert found.skipped == {"early": 2, "late": 3, "repeat": 1}
    assert len(found.matrix) == len(found.fraud) == 1


def test_one_fraud_that_is_caught_counts_as_one() -> None:
    """One yen, one episode, one alert: no divisor is rounded up."""
    scores = np.array([9.0, 8.0, 7.0, *np.linspace(0, 1, 297)])
    fraud = [0, 1, 0] + [0] * 297
    metrics = evaluate(samples(fraud, [1] * 300, [None, "T2", *[None] * 298], list(range(300))), scores)
    for name in ("recall", "value_recall", "episode_recall", "first_hit_recall"):
        assert metrics[f"{name}_at_1pct"] == 1.0
    assert metrics["false_positives_per_fraud_at_1pct"] == 2.0
