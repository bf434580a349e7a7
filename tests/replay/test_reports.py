"""A table of reports beside the table of payments: every report at its time of receipt, against plain Python."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.decode import DecodeLimits, parse_reports
from streams.config.strict import ConfigError
from streams.replay import command
from streams.replay.columns.declared import mappings_of
from streams.replay.source import Chunk, SourceError
from streams.replay.table import TableSource
from tests.examples import examples

MAPPING = """\
acquirer: bank-1
time: {column: at, unit: seconds}
card: {column: card, type: text}
merchant: {column: shop, type: text}
amount: {column: yen, unit: minor, currency: JPY}
reference: ref
reports:
  event: ref
  received: {column: got, unit: date-time, zone: Asia/Tokyo}
  label: {column: what, values: {F: FRAUD, R: LEGIT, U: UNKNOWN}}
  source: {column: who}
  code: {column: reason}
"""
DAY_S = 86_400
START_S = 1_600_000_000
payments = st.lists(st.tuples(st.sampled_from([0, 1, DAY_S, 9 * DAY_S]), st.booleans()), min_size=1, max_size=9)
reports = st.lists(
    st.tuples(
        st.integers(0, 10),  # payment, or none
        st.integers(-1, 25),  # days after the first payment
        st.sampled_from(["F", "R", "u", ""]),
        st.sampled_from(["TC40", "CHARGEBACK", "ANALYST"]),
        st.sampled_from(["10.4", ""]),
    ),
    min_size=1,  # a table without a row is refused
    max_size=9,
)


def tokyo(time_s: int) -> str:
    return datetime.fromtimestamp(time_s + 9 * 3_600, UTC).strftime("%Y-%m-%d %H:%M:%S")


def files(tmp_path: Path, times: list[int], said: Sequence[tuple[int, int, str, str, str]]) -> list[str]:
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["at", "card", "shop", "yen", "ref"])
        rows.writerows([time, f"c{i}", "s", 100 + i, f"p{i}"] for i, time in enumerate(times))
    with (tmp_path / "r.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["ref", "got", "what", "who", "reason"])
        rows.writerows([f"p{i}", tokyo(START_S + day * DAY_S), *more] for i, day, *more in said)
    (tmp_path / "m.yaml").write_text(MAPPING)
    names = ("--table", "t.csv"), ("--reports", "r.csv"), ("--mapping", "m.yaml")
    return ["--config", "-", *(word for option, name in names for word in (option, str(tmp_path / name)))]


def opened(words: list[str]) -> TableSource:
    source = command._source(command.parser().parse_args(words))
    assert isinstance(source, TableSource)
    return source


def stream(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """List reports and events in the order in which they are sent."""
    return [
        orjson.loads(value) for chunk in chunks for _, value in (*chunk.others.get("fraud_reports", ()), *chunk.events)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(50))
@given(payments, reports)
def test_every_report_is_sent_once_at_its_time_and_the_others_are_counted(
    tmp_path: Path, steps: list[tuple[int, bool]], said: list[tuple[int, int, str, str, str]]
) -> None:
    times = [START_S + sum(step for step, _ in steps[: i + 1]) for i in range(len(steps))]
    source = opened(files(tmp_path, times, said))
    chunks = list(source.chunks())
    rest = source.rest()
    sent = stream([*chunks, *([] if rest is None else [rest])])
    assert (
        parse_reports([v for c in chunks for _, v in c.others.get("fraud_reports", ())], DecodeLimits()).rejects == []
    )
    counts = {"blank": 0, "before": 0, "unmatched": 0}
    due: dict[str, tuple[int, int]] = {}
    for row, (payment, day, what, _, _) in enumerate(said):
        if not what:
            counts["blank"] += 1
        elif payment >= len(times):
            counts["unmatched"] += 1
        elif START_S + day * DAY_S < times[payment]:
            counts["before"] += 1
        else:
            due[f"q{row}"] = (START_S + day * DAY_S, payment)
    assert sum(source.left_out.values()) == sum(counts.values())
    names = {"column 'what' is blank": "blank", "received before its payment": "before"}
    names["no such payment was sent"] = "unmatched"
    assert {names[reason.removeprefix("report: ")] for reason in source.left_out} == {n for n, c in counts.items() if c}
    found = {one["label_id"]: (place, one) for place, one in enumerate(sent) if "label_id" in one}
    assert found.keys() == due.keys()
    for name, (place, report) in found.items():
        received_s, payment = due[name]
        _, _, what, who, reason = said[int(name[1:])]
        assert report["event_id"] == str(payment)
        assert datetime.fromisoformat(report["received_ts"]).timestamp() == received_s
        assert report["label"] == {"F": "FRAUD", "R": "LEGIT", "U": "UNKNOWN"}[what.upper()]
        assert (report["source"], report.get("code", "")) == (who, reason)
        before = [times[int(one["event_id"])] for one in sent[:place] if "label_id" not in one]
        after = [times[int(one["event_id"])] for one in sent[place:] if "label_id" not in one]
        # one that was received in the second of its own payment comes after it
        assert max(before) < received_s or received_s == times[payment], "never after an event that should see it"
        assert not after or min(after) > received_s - DAY_S, "at most a day early"
        assert str(payment) in [one["event_id"] for one in sent[:place]]


def test_a_reversed_report_is_no_fraud_in_the_ranking_and_late_ones_count(tmp_path: Path) -> None:
    said = [(0, 1, "F", "TC40", ""), (1, 1, "F", "CHARGEBACK", ""), (1, 90, "R", "CHARGEBACK", "")]
    said += [(2, 200, "F", "CHARGEBACK", ""), (2, 100, "R", "ANALYST", ""), (3, 2, "U", "TC40", "")]
    source = opened(files(tmp_path, [START_S] * 5, said))
    chunks = list(source.chunks())
    assert source.labels is not None
    assert list(source.labels.fraud) == [1, 0, 1, 0, 0]
    assert not any(chunk.others for chunk in chunks), "all reports are due after the last payment"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("p0,2020-13-01,F,TC40,", "column 'got' is not a date and time"),
        ("p0,2020-10-01,X,TC40,", "column 'what' is spelt in no way that the mapping declares (F, R, U)"),
        ("p0,2020-10-01,F,VISA,", "column 'who' does not fit report.source: expected one of ANALYST, CHARGEBACK"),
        ("p0,2020-10-01,F,TC40,123456789", "column 'reason' does not fit report.code: its length is wrong"),
        ("p0,2020-10-01,F", "has 3 cells, and the header has 5"),
    ],
)
def test_a_wrong_cell_names_file_row_and_column(tmp_path: Path, row: str, told: str) -> None:
    words = files(tmp_path, [START_S], [(0, 1, "F", "TC40", "")])
    with (tmp_path / "r.csv").open("a") as stream:
        stream.write(row + "\n")
    with pytest.raises(SourceError) as caught:
        opened(words)
    assert f"r.csv, line 3 (row 1): {told}" in str(caught.value)


def test_reports_need_a_reference_and_a_mapping_of_theirs(tmp_path: Path) -> None:
    words = files(tmp_path, [START_S], [(0, 1, "F", "TC40", "")])
    with pytest.raises(SourceError, match="go without --labels"):
        opened([*words, "--labels"])
    (tmp_path / "m.yaml").write_text(MAPPING.replace("reference: ref\n", ""))
    with pytest.raises(ConfigError, match="reports needs reference"):
        opened(words)
    (tmp_path / "m.yaml").write_text(MAPPING.partition("reports:")[0])
    with pytest.raises(SourceError, match="says nothing of reports"):
        opened(words)
    (tmp_path / "m.yaml").write_text(MAPPING.replace("label: {column: what, values", "label: {column: what, value"))
    with pytest.raises(ConfigError, match=r"\$\.reports\.label\.value: unknown key; did you mean values"):
        mappings_of(str(tmp_path / "m.yaml"))
    (tmp_path / "m.yaml").write_text(MAPPING.replace("source: {column: who}", "source: {constant: VISA}"))
    with pytest.raises(ConfigError, match=r"\$\.reports\.source\.constant: does not fit report\.source"):
        mappings_of(str(tmp_path / "m.yaml"))
