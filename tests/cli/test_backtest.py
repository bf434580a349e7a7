"""`sekisho backtest`: a table, its reports, a bundle and policies to a report; errors name the option or the file."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.profile import ProfileLimits
from streams.cli.command import main
from streams.config.policies import load_policy_file
from tests.bundles import bundle_files
from tests.cli.test_train import DAY_S, DAYS, MATURITY, ROWS, START_S, write
from tests.examples import is_quick

Run = Callable[..., tuple[int, str, str]]
COUNT, SPAN, LEARNT = (850, 30, 1_200) if is_quick() else (ROWS, DAYS, ROWS)  # payments, their days; for a training
CURRENT = """\
version: "7"
global: {review: 600, step_up: 700, block: 800}
author: t.suzuki
"""
DRAFT = (
    CURRENT
    + """\
limits: [{amount_jpy: 50000}]
merchants:
  - {acquirer: bank-1, merchant: s1, thresholds: {review: 1, step_up: 1000, block: 1000}}
"""
)


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the rows, computed once."""
    return tmp_path_factory.mktemp("processed")


@pytest.fixture
def run(tmp_path: Path, processed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `sekisho backtest` on the files of the test, with small profiles."""
    small = ProfileLimits(**dict.fromkeys(ProfileLimits.__dataclass_fields__, 1 << 10))
    monkeypatch.setattr("streams.cli.train.ProfileLimits", lambda: small)
    monkeypatch.setattr("models.training.report.page.plots._picture", lambda figure: "data:,")  # they take a second
    write(tmp_path, count=COUNT, days=SPAN)
    (tmp_path / "bundle").mkdir()
    for name, content in bundle_files().items():
        (tmp_path / "bundle" / name).write_bytes(content)
    (tmp_path / "now.yaml").write_text(CURRENT)
    (tmp_path / "draft.yaml").write_text(DRAFT)

    def call(out: str, *more: str) -> tuple[int, str, str]:
        words = {"--table": "t.csv", "--reports": "r.csv", "--mapping": "m.yaml", "--bundle": "bundle"}
        words |= {"--policy": "now.yaml", "--out": out, "--rows": str(processed)}
        given = [word for name, file in words.items() if name not in more for word in (name, str(tmp_path / file))]
        status = main(["backtest", *given, "--maturity-days", str(MATURITY), *more])
        return status, *capsys.readouterr()

    return call


def report_in(folder: Path) -> Any:
    return json.loads((folder / "backtest.json").read_bytes())


def payments(tmp_path: Path) -> list[dict[str, Any]]:
    """Read the table and the reports in plain Python: fraud, answer, and whether a payment is old enough."""
    with (tmp_path / "r.csv").open() as stream:
        reports = list(csv.DictReader(stream))
    with (tmp_path / "t.csv").open() as stream:
        table = list(csv.DictReader(stream))
    last = {report["ref"]: report["what"] for report in sorted(reports, key=lambda one: int(one["got"]))}
    end = max(int(report["got"]) for report in reports if report["ref"] != "unknown")
    end = max(end, *(int(row["at"]) for row in table))
    return [
        {
            "fraud": last.get(row["ref"]) == "F",
            "declined": row["answer"] == "51",
            "mature": int(row["at"]) < end - MATURITY * DAY_S,
            "yen": int(row["yen"]),
            "at": int(row["at"]),
            "shop": row["shop"],
        }
        for row in table
    ]


def test_a_backtest_counts_the_payments_of_the_table_by_what_happened_to_them(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "draft.yaml").open("a") as draft_file:
        draft_file.write(
            "\nrules: [{id: all, mode: shadow, when: 'true', action: block, "
            "text: {en: a, ja: b}, author: c, reason: d}]\n"
        )
    status, out, err = run("out", "--candidate", str(tmp_path / "draft.yaml"), "--minutes", "6")
    assert (status, err) == (0, "")
    found = report_in(tmp_path / "out")
    rows = payments(tmp_path)
    counted = [row for row in rows if row["mature"]]
    assert (found["payments"], found["counted"], found["young"]) == (COUNT, len(counted), COUNT - len(counted))
    assert 0 < found["young"] < COUNT
    assert [one["name"] for one in found["policies"]] == ["current", "draft"]
    expected = {
        "FRAUD": [row for row in counted if row["fraud"]],
        "DECLINED": [row for row in counted if row["declined"] and not row["fraud"]],
        "GOOD": [row for row in counted if not row["declined"] and not row["fraud"]],
    }
    for one in found["policies"]:
        for fate, own in expected.items():
            cells = [cell for cell in one["cells"] if cell["fate"] == fate]
            assert sum(cell["payments"] for cell in cells) == len(own)
            assert sum(cell["jpy"] for cell in cells) == sum(row["yen"] for row in own)
        assert one["figures"]["hours"] == pytest.approx(one["figures"]["alerts"] / 10)
    current, draft = found["policies"]
    frauds = sum(row["fraud"] for row in counted)
    (hit,) = draft["hits"]
    assert (hit["id"], hit["effect"], hit["payments"], hit["frauds"]) == ("all", "SHADOW", len(counted), frauds)
    assert current["hits"] == []
    for one in (current, draft):
        assert (one["cases"]["cases"] > 0) == (one["figures"]["alerts"] > 0)
        assert one["cases"]["cases"] <= one["figures"]["alerts"]
        assert one["cases"]["hours"] == pytest.approx(one["cases"]["cases"] / 10)
        blocked = sum(cell["payments"] for cell in one["cells"] if cell["band"] == "BLOCK")
        assert one["effects"]["blocked"] >= blocked
        assert {line["programme"] for line in one["effects"]["programmes"]} >= {"VAMP"}
    is_new = [row["yen"] > 50_000 or row["shop"] == "s1" for row in counted]
    assert draft["figures"]["alerts"] >= sum(is_new) > current["figures"]["alerts"]
    assert sum(change["lost"] for change in draft["changes"]) == 0
    steps = draft["figures"]["alerts"] - current["figures"]["alerts"]
    assert sum(change["gained"] for change in draft["changes"]) == steps
    assert draft["merchants_more"][0]["merchant"] == "s1"
    assert {"limits.bank-1", "merchants"} & {line.split("[")[0] for line in draft["differs"]}
    young = [month["month"] for month in current["months"] if not month["is_mature"]]
    assert young
    assert f"whose label is not known yet: {', '.join(young)}" in out
    assert "draft: GOOD: " in out
    assert (found["resampling"]["resamples"], found["resampling"]["confidence"]) == (1000, 0.95)
    assert current["intervals"]["precision"] == {"value": None, "low": None, "high": None}
    assert draft["difference"]["precision"]["value"] is None
    for name, words in (("recall", "recall, by count"), ("value_recall", "recall, by yen")):
        change = draft["difference"][name]
        assert change["value"] == pytest.approx(draft["figures"][name] - current["figures"][name], abs=2e-6)
        assert f"draft: {words}: {change['value']:+.4f} (95% by days: {change['low']:+.4f} to " in out


def test_lists_are_asked_and_their_files_are_those_of_every_policy(run: Run, tmp_path: Path) -> None:
    listed = (
        "lists: [{id: %s, kind: merchant, acquirer: bank-1, direction: deny, action: block, author: a, reason: b}]\n"
    )
    (tmp_path / "denied.yaml").write_text(CURRENT + listed % "shops")
    more = ("--candidate", str(tmp_path / "denied.yaml"))
    status, _, err = run("out", *more)
    assert status == 2
    assert "--lists is missing: the policy denied has lists" in err
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "shops.csv").write_text("value,effective_to\ns1,2035-01-01T00:00:00Z\n")
    assert run("out", *more, "--lists", str(folder))[0] == 0
    current, denied = report_in(tmp_path / "out")["policies"]
    at_shop = sum(row["mature"] and row["shop"] == "s1" for row in payments(tmp_path))
    assert sum(hit["payments"] for hit in denied["hits"]) == at_shop > 0
    assert {hit["id"] for hit in denied["hits"]} == {"shops"}
    blocked = sum(cell["payments"] for cell in denied["cells"] if cell["band"] == "BLOCK")
    assert blocked >= at_shop
    assert current["hits"] == []
    (folder / "other.csv").write_text("value,effective_to\n")
    status, _, err = run("out", *more, "--lists", str(folder))
    assert status == 2
    assert "other.csv: the policy declares no list other" in err


def test_a_list_of_the_topic_takes_its_file_and_an_experiment_is_decided(run: Run, tmp_path: Path) -> None:
    shops = "kind: merchant, acquirer: bank-1, direction: deny, action: block, author: a, reason: b, source: topic"
    both = f"lists: [{{id: shops, {shops}}}, {{id: others, {shops}}}, {{id: asleep, mode: 'off', {shops}}}]\n"
    (tmp_path / "topic.yaml").write_text(
        CURRENT + both + "experiment: {id: x-1, share_per_mille: 400, effective_from: 2000-01-01T00:00:00Z, "
        "effective_to: 2000-06-01T00:00:00Z, author: a, approver: b, reason: c, candidate: {version: '8'}}\n"
    )
    start, end = (datetime.fromtimestamp(START_S + days * DAY_S, UTC).isoformat() for days in (5, 300))
    (tmp_path / "arms.yaml").write_text(
        CURRENT + f"experiment: {{id: x-2, share_per_mille: 400, effective_from: '{start}', effective_to: '{end}', "
        "author: a, approver: b, reason: c, candidate: {version: '8', limits: [{amount_jpy: 1}]}}\n"
    )
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "shops.csv").write_text("value,effective_to\ns1,2035-01-01T00:00:00Z\n")
    names = [word for name in ("topic", "arms") for word in ("--candidate", str(tmp_path / f"{name}.yaml"))]
    status, out, err = run("out", *names, "--lists", str(folder))
    assert (status, err) == (0, "")
    _, topic, arms = report_in(tmp_path / "out")["policies"]
    at_shop = sum(row["mature"] and row["shop"] == "s1" for row in payments(tmp_path))
    assert [(hit["id"], hit["effect"], hit["payments"]) for hit in topic["hits"]] == [("shops", "RAISED", at_shop)]
    assert topic["lists_from_files"] == ["shops"]
    assert [(one["id"], one["why"]) for one in topic["left_out"]] == [("others", "NO_FILE"), ("x-1", "NOT_IN_FORCE")]
    assert "topic: list shops: a worker reads its entries from the topic; here they are those of its file" in out
    assert "topic: left out: list others: its entries come from the topic; give them to --lists as a file" in out
    assert "topic: left out: experiment x-1: no counted payment is in its time" in out
    assert ([one["arm"] for one in arms["arms"]], arms["left_out"]) == (["A", "B"], [])
    in_time = sum(row["mature"] and row["at"] >= START_S + 5 * DAY_S for row in payments(tmp_path))
    a, b = (one["figures"] for one in arms["arms"])
    assert a["payments"] + b["payments"] == in_time
    assert b["alerts"] == b["payments"] > in_time // 4
    assert f"arms: experiment x-2, arm B: {arms['arms'][1]['policy']} decides {b['payments']:,} of" in out
    lines = list(csv.DictReader((tmp_path / "out" / "arms.csv").read_text().splitlines()))
    expected = [("arms", arm, str(one["alerts"])) for arm, one in (("A", a), ("B", b))]
    assert [(one["policy"], one["arm"], one["alerts"]) for one in lines] == expected
    html = (tmp_path / "out" / "backtest.html").read_text(encoding="utf-8")
    for words in ("no file has them", "対象取引がありません", "those of its file", arms["arms"][1]["policy"]):
        assert words in html
    status, out, _ = run("none", "--candidate", str(tmp_path / "topic.yaml"))  # no folder is needed
    assert (status, out.count("topic: left out: list ")) == (0, 2)


def test_the_tables_say_what_the_report_says_the_same_each_time(run: Run, tmp_path: Path) -> None:
    more = ("--candidate", str(tmp_path / "draft.yaml"))
    assert run("a", *more)[0] == run("b", *more)[0] == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    found = report_in(tmp_path / "a")

    def table(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(files[name].decode().splitlines()))

    def told(line: dict[str, Any]) -> dict[str, str]:
        return {name: "" if value is None else str(value) for name, value in line.items()}

    each = [(one["name"], one) for one in found["policies"]]
    assert table("figures.csv") == [told({"policy": name} | one["figures"]) for name, one in each]
    for name in ("cells", "changes"):
        assert table(f"{name}.csv") == [told({"policy": own} | line) for own, one in each for line in one[name]]
    assert table("merchants.csv") == [
        told({"policy": own} | line) for own, one in each for line in (*one["merchants_more"], *one["merchants_fewer"])
    ]
    blank = {"value": None, "low": None, "high": None}
    assert table("intervals.csv") == [
        told({"policy": own, "figure": name} | one[f"{by}intervals"][name])
        | told({f"difference{'' if of == 'value' else f'_{of}'}": (difference or blank)[of] for of in blank})
        for own, one in each
        for by, name in (
            *(("", name) for name in ("precision", "recall", "value_recall")),
            *(("case_", name) for name in ("case_precision", "case_recall", "cases_a_day")),
        )
        for difference in ((one[f"{by}difference"] or {}).get(name),)
    ]
    assert [one["difference"] is None for _, one in each] == [True, False]
    words = {True: "yes", False: "no"}
    for kind in ("months", "case_months"):
        assert table(f"{kind}.csv") == [
            told({"policy": own, "month": month["month"], "is_mature": words[month["is_mature"]]} | month["figures"])
            for own, one in each
            for month in one[kind]
        ]


def test_a_target_becomes_a_policy_whose_figures_meet_it_over_the_rows_of_a_training(run: Run, tmp_path: Path) -> None:
    write(tmp_path, count=LEARNT)
    files = {"--table": "t.csv", "--reports": "r.csv", "--mapping": "m.yaml", "--out": "ours", "--rows": "rows"}
    words = [word for name, file in files.items() for word in (name, str(tmp_path / file))]
    assert main(["train", *words, "--trees", "5", "--maturity-days", str(MATURITY)]) == 0
    targets = ("--alert-rate", "2500", "--alerts-a-day", "5.5", "--precision", "0.4")
    ours = ("--bundle", str(tmp_path / "ours"), "--rows", str(tmp_path / "rows"))
    status, out, err = run("a", *targets, *ours)
    assert (status, err) == (0, "")
    assert f"resumed after {LEARNT:,} rows" in out
    report = report_in(tmp_path / "a")
    training = Bundle.load({file.name: file.read_bytes() for file in (tmp_path / "ours").iterdir()}, FEATURES).manifest
    until_ms = training.training.calibration.until_ms
    learnt = [row for row in payments(tmp_path) if row["mature"] and row["at"] * 1000 < until_ms]
    assert report["learnt"] == len(learnt) > 0
    assert f"{len(learnt):,} counted payments are of the days that the model has learnt from" in out
    html = (tmp_path / "a" / "backtest.html").read_text(encoding="utf-8")
    assert f"before {report['learnt_until']}, which the model has learnt from" in html
    assert run("c", "--since", report["learnt_until"], *ours)[0] == 0
    assert report_in(tmp_path / "c")["learnt"] == 0
    assert "learnt from" not in (tmp_path / "c" / "backtest.html").read_text(encoding="utf-8")
    found = {one["name"]: one for one in report["policies"]}
    assert found.keys() == {"current", "alert_rate_bps-2500", "alerts_a_day-5.5", "precision-0.4"}
    assert 1000 < found["alert_rate_bps-2500"]["figures"]["alert_rate_bps"] <= 2500
    assert 2 < found["alerts_a_day-5.5"]["figures"]["alerts_a_day"] <= 5.5
    assert found["precision-0.4"]["figures"]["precision"] >= 0.4
    file = tmp_path / "a" / "policy-precision-0.4.yaml"
    policy = load_policy_file(file)
    assert (policy.version, policy.author) == ("7-precision-0.4", "")
    assert run("b", "--candidate", str(file), *ours)[0] == 0
    again = report_in(tmp_path / "b")["policies"][1]
    assert again | {"name": "", "target": ""} == found["precision-0.4"] | {"name": "", "target": ""}


def test_only_payments_since_a_day_are_counted_and_days_that_the_model_learnt_from_are_said(
    run: Run, tmp_path: Path
) -> None:
    day = datetime.fromtimestamp(START_S + SPAN // 3 * DAY_S, UTC) + timedelta(hours=9)
    start = int((day.replace(hour=0, minute=0, second=0) - timedelta(hours=9)).timestamp())
    status, out, _ = run("a", "--since", day.date().isoformat())
    assert status == 0
    found, rows = report_in(tmp_path / "a"), payments(tmp_path)
    assert found["before"] == sum(row["at"] < start for row in rows)
    assert found["counted"] == sum(row["at"] >= start and row["mature"] for row in rows)
    assert f"not counted: {found['before']:,} before --since" in out
    assert found["learnt"] == 0
    assert "learnt from" not in out


def test_an_alarm_of_fairness_is_told_and_ends_with_status_3_where_a_limit_is_asked(run: Run, tmp_path: Path) -> None:
    rows = payments(tmp_path)
    counts = Counter(row["shop"] for row in rows)
    until = sorted(counts.values())[-(-len(counts) // 3) - 1]
    small = {shop for shop, count in counts.items() if count <= until}  # the third with fewest payments
    shops = [
        {"acquirer": "bank-1", "merchant": shop, "thresholds": {"review": 1, "step_up": 1000, "block": 1000}}
        for shop in sorted(small)
    ]
    off = {"version": "8", "global": dict.fromkeys(("review", "step_up", "block"), 1000)}
    (tmp_path / "harsh.yaml").write_text(json.dumps(off | {"merchants": shops}))
    (tmp_path / "even.yaml").write_text(json.dumps(off))
    harsh, even = (("--candidate", str(tmp_path / name)) for name in ("harsh.yaml", "even.yaml"))
    group = ("--fairness-group", "50")
    status, out, _ = run("a", *harsh, *group)
    assert (status, "harsh: fairness alarm: merchant_size SMALL: false_positives" in out) == (0, True)
    assert run("b", *harsh, *group, "--fairness-limit", "1.25")[0] == 3
    as_current = ("--policy", str(tmp_path / "harsh.yaml"))
    if not is_quick():
        assert run("b", *harsh, "--fairness-limit", "1.25", "--fairness-group", "100000")[0] == 0
        assert run("b", *even, *group, "--fairness-limit", "1.25")[0] == 0
        assert run("b", *as_current, *group, "--fairness-limit", "2")[0] == 3
    assert run("b", *as_current, *even, *group, "--fairness-limit", "2")[0] == 0  # the candidate is the remedy
    found = report_in(tmp_path / "a")
    terms = found["fairness"]
    assert (terms["limit"], terms["genuine_min"], terms["confidence"], terms["new_days"]) == (1.25, 50, 0.99, 90)
    assert report_in(tmp_path / "b")["fairness"]["limit"] == 2
    groups = {(one["dimension"], one["group"]): one for one in found["policies"][1]["fairness"]}
    own = [row for row in rows if row["mature"] and row["shop"] in small]
    good = [row for row in own if not row["fraud"] and not row["declined"]]
    one = groups["merchant_size", "SMALL"]
    assert (one["payments"], one["genuine"], one["frauds"]) == (len(own), len(good), sum(row["fraud"] for row in own))
    assert one["false_positives"]["count"] == one["alerts"] - one["frauds"] - sum(
        row["declined"] and not row["fraud"] for row in own
    )
    assert one["false_positives"]["verdict"] == "HIGHER"
    html = (tmp_path / "a" / "backtest.html").read_text(encoding="utf-8")
    assert "ALARM: higher" in html
    assert "警報：高い" in html
    lines = list(csv.DictReader((tmp_path / "a" / "fairness.csv").read_text().splitlines()))
    told = [(line["policy"], line["group"], line["false_positives_verdict"]) for line in lines]
    assert told == [
        (policy["name"], group["group"], group["false_positives"]["verdict"])
        for policy in found["policies"]
        for group in policy["fairness"]
    ]
    for line, plain in zip(lines, [one for policy in found["policies"] for one in policy["fairness"]], strict=True):
        for rate in ("false_positives", "genuine_blocked"):
            for name, value in plain[rate].items():
                assert line[f"{rate}_{name}"] == ("" if value is None else str(value))


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        (("--policy", "{}/none.yaml"), 2, "none.yaml: cannot be read"),
        (("--candidate", "{}/now.yaml", "--candidate", "{}/now.yaml"), 2, "another policy is named now"),
        (("--bundle", "{}"), 2, "model.txt cannot be read"),
        (("--reports", "{}/none.csv"), 2, "none.csv: no such file"),
        (("--since", "2030-01-01"), 1, "use more days, an earlier --since"),
        (("--precision", "1"), 1, "precision 1: no threshold reaches it; the highest is 0."),
    ],
)
def test_wrong_options_and_files_are_named(
    run: Run, tmp_path: Path, more: tuple[str, ...], status: int, told: str
) -> None:
    found, _, err = run("a", *(word.format(tmp_path) for word in more))
    assert (found, told in err) == (status, True), err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--fairness-limit", "1"),
        ("--fairness-group", "0"),
        ("--alert-rate", "0"),
        ("--alerts-a-day", "-1"),
        ("--precision", "1.01"),
        ("--minutes", "x"),
        ("--since", "1/2"),
    ],
)
def test_a_number_out_of_bounds_is_refused(option: str, word: str, run: Run) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("a", f"{option}={word}")
    assert stopped.value.code == 2


def test_without_a_table_it_asks_for_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["backtest", "--out", str(tmp_path / "a")]) == 2
    assert capsys.readouterr().err == "sekisho backtest: --table or --from-topics is missing: which payments?\n"
