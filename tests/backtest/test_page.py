"""The page of a backtest: one file that loads nothing, and whose slider redraws every figure as the command counts."""

import json
import os
import re
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from msgspec import to_builtins

from models.backtest.arms import LeftOut, OfArm
from models.backtest.cases.examples import case_examples
from models.backtest.cases.figures import case_months, cases
from models.backtest.decided.desk import Hits
from models.backtest.effects.effects import Effects, Programme, Stands
from models.backtest.fairness import Fairness
from models.backtest.figures import Figures, figures
from models.backtest.intervals import Resampled
from models.backtest.judged import judge
from models.backtest.pages.arms import arm_section
from models.backtest.pages.cases import case_sections
from models.backtest.pages.effects import effect_section
from models.backtest.pages.examples import example_section
from models.backtest.pages.fairness import fairness_section
from models.backtest.pages.intervals import interval_section
from models.backtest.pages.page import page
from models.backtest.scored import Scored
from models.backtest.targets import moved
from scoring.contract.codes import FraudStatusCode
from scoring.contract.decision import ListEffect
from scoring.policy import Policy, policy_from
from streams.compliance import browser
from tests.backtest.made import Told, arrays, bounds, drawn
from tests.compliance.page import opening
from tests.compliance.page.test_page import HOSTILE, Page

MINUTES = 7.5
SEED = 11
DOCUMENT: dict[str, Any] = {
    "version": f'</script>{HOSTILE}"7'.ljust(64, "v"),
    "global": {"review": 500, "step_up": 700, "block": 900},
    "merchants": [{"acquirer": "a", "merchant": "m", "thresholds": {"review": 300, "step_up": 400, "block": 1000}}],
    "limits": [{"mcc": "5732", "amount_jpy": 50_000, "band": "STEP_UP"}],
    "suppressions": [
        {
            "acquirer": "b",
            "author": "x",
            "reason": "y",
            "reasons": ["NIGHT"],
            "effective_to": "1970-03-01T00:00:00+09:00",
        }
    ],
    "author": "t.suzuki",
}
HITS = [
    Hits(kind=kind, id=HOSTILE, effect=effect, payments=9, jpy=7, frauds=3, fraud_jpy=2, precision=0.3333)
    for kind in ("RULE", "LIST")
    for effect in ("ON", "CAPPED", *get_args(ListEffect))
]
EFFECTS = Effects(
    blocked=7,
    blocked_frauds=3,
    blocked_fraud_jpy=9,
    blocked_other=4,
    frequent=1,
    changed=1,
    standings=[
        Stands(
            acquirer=HOSTILE,
            merchant=HOSTILE,
            recorded=status.name,
            current="NORMAL",
            status="WARNING",
            months_over=2,
            is_frequent=True,
            fraud_jpy=1,
            recorded_fraud_jpy=2,
        )
        for status in FraudStatusCode
    ],
    programmes=[
        Programme(
            programme="ECM",
            acquirer=HOSTILE,
            merchant=HOSTILE,
            month="2026-05",
            is_whole=False,
            items=1,
            sales=2,
            ratio_bps=None,
            tier=HOSTILE,
            current_tier="",
            recorded_tier=HOSTILE,
            unjudged=HOSTILE,
        )
    ],
)
LEFT_OUT = [
    LeftOut(kind=kind, id=HOSTILE, why=why) for kind, why in (("LIST", "NO_FILE"), ("EXPERIMENT", "NOT_IN_FORCE"))
]
NOTHING = Figures(**dict.fromkeys(Figures.__struct_fields__, 0))
ARMS = [OfArm(experiment=HOSTILE, arm=arm, policy=HOSTILE, figures=NOTHING) for arm in ("A", "B")]
NAMES = ("alerts", "alerts_a_day", "alert_rate_bps", "precision", "recall", "value_recall", "false_positives_per_fraud")
NAMES += ("frauds_alerted", "fraud_alerted_jpy", "saved_jpy", "hours", "hours_a_day")


def made(directory: Path, document: dict[str, Any]) -> tuple[str, Scored, Policy, Told]:
    rows = drawn(SEED, 400)
    found, policy, told = arrays(rows, directory), policy_from(document), Told(rows)
    judged, fairness = judge(found, policy, told), Fairness(found, genuine_min=5)
    current = figures(found, judged.alerts, found.is_counted, MINUTES)
    resampled = Resampled(found)
    change, by_case = resampled.difference(judged.alerts, ~judged.alerts), resampled.case_estimates(judged.cases)
    left = {"version", "global", "author", "approval"}
    rest = {name: value for name, value in to_builtins(policy).items() if name not in left and value not in ([], "")}
    text = page(
        found,
        policy,
        bounds(found, policy, told),
        current,
        title=f"Backtest of {HOSTILE}",
        minutes=MINUTES,
        rest=yaml.safe_dump(rest, sort_keys=False),
        sections=arm_section([(HOSTILE, ARMS, LEFT_OUT, [HOSTILE])])
        + case_sections([(HOSTILE, cases(found, judged, MINUTES), list(case_months(found, judged, MINUTES)), HITS)])
        + example_section([(HOSTILE, case_examples(found, judged, told))])
        + effect_section([(HOSTILE, EFFECTS)])
        + interval_section(
            [(HOSTILE, (resampled.estimates(judged.alerts), by_case), (change, by_case))], resampled.terms
        )
        + fairness_section([(HOSTILE, fairness.groups(judged))], fairness.terms),
        learnt_until="2026-05-02",
    )
    return text, found, policy, told


class Drawn(HTMLParser):
    """Read the values that the script wrote, and the policy."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.values: dict[str, float | None] = {}
        self.bars, self.policy, self.saved = 0, "", ""
        self._is_policy = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if "data-value" in named:
            value = named["data-value"]
            self.values[str(named["id"])] = float(value) if value else None
        self.bars += tag == "rect"
        self._is_policy = named.get("id") == "yaml"
        if named.get("id") == "save":
            self.saved = str(named.get("download"))

    def handle_endtag(self, tag: str) -> None:
        self._is_policy = False

    def handle_data(self, data: str) -> None:
        if self._is_policy:
            self.policy += data


def opened(chromium: str, file: Path, fragment: str = "") -> Drawn:
    """Open a page at a fragment, and read it after its scripts."""
    return Drawn(dumped(chromium, file, fragment))


def dumped(chromium: str, file: Path, fragment: str = "") -> str:
    """Return the page after its scripts, as HTML."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = [chromium, *browser._OPTIONS, *sandbox, f"--user-data-dir={file.parent / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, file.as_uri() + fragment], check=True, capture_output=True, timeout=120)
    return done.stdout.decode()


def same(found: Drawn, threshold: int, rows: Scored, policy: Policy, told: Told) -> None:
    """Compare what is drawn with the figures of the moved policy."""
    target = moved(policy, threshold, f"threshold-{threshold}")
    alerts = judge(rows, target, told).alerts
    expected = to_builtins(figures(rows, alerts, rows.is_counted, MINUTES))
    before = to_builtins(figures(rows, judge(rows, policy, told).alerts, rows.is_counted, MINUTES))
    for name in NAMES:
        value = expected[name]
        assert found.values[f"now-{name}"] == (None if value is None else pytest.approx(value, abs=1e-5)), name
        change = None if None in (value, before[name]) else pytest.approx(value - before[name], abs=1e-5)
        assert found.values[f"change-{name}"] == change, name
    for code, fate in enumerate(("FRAUD", "DECLINED", "REFUNDED", "GOOD")):
        own = rows.is_counted & (rows.fates == code) & alerts
        assert found.values[f"now-{fate}"] == own.sum()
        assert found.values[f"now-{fate}_jpy"] == rows.yen[own].sum()
    assert policy_from(yaml.safe_load(found.policy)) == target
    assert found.saved == f"policy-threshold-{threshold}.yaml"


@pytest.fixture
def chromium() -> str:
    found = opening.browser()
    if found is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    return found


@pytest.mark.browser
@pytest.mark.parametrize(
    ("minimum", "fragment", "threshold"),
    [
        ("REVIEW", "", 500),
        ("REVIEW", "#1", 1),
        ("STEP_UP", "#640", 640),
        ("BLOCK", "#1000", 1000),
        ("REVIEW", "#1001", 500),
    ],
)
def test_every_figure_and_the_policy_are_those_of_the_threshold(
    chromium: str, tmp_path: Path, minimum: str, fragment: str, threshold: int
) -> None:
    text, rows, policy, told = made(tmp_path, DOCUMENT | {"alerts": {"minimum_band": minimum}})
    file = tmp_path / "backtest.html"
    file.write_text(text, encoding="utf-8")
    found = opened(chromium, file, fragment)
    same(found, threshold, rows, policy, told)
    assert found.bars == 100


@pytest.mark.browser
def test_the_slider_and_the_bars_redraw_the_page_and_no_text_of_a_policy_runs(chromium: str, tmp_path: Path) -> None:
    text, rows, policy, told = made(tmp_path, DOCUMENT)
    file, picture = tmp_path / "backtest.html", tmp_path / "page.png"
    file.write_text(text, encoding="utf-8")
    assert not opening.script_errors(chromium, file, picture)
    assert picture.stat().st_size > opening.PICTURE_MIN
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    for step, threshold in (
        ('slider.value = "812"; slider.dispatchEvent(new Event("input"));', 812),
        ('document.querySelectorAll("rect")[61].dispatchEvent(new Event("click"));', 600),
    ):
        file.write_text(free.replace("</body>", f"<script>{step}</script></body>"), encoding="utf-8")
        same(opened(chromium, file), threshold, rows, policy, told)


def parts(dom: str) -> str:
    """Return the sections on cases as a reader sees them: text alone, one blank between words."""
    begin, end = dom.index('<h2 id="arms"'), dom.index('<h2 id="effects"')
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", dom[begin:end])))


@pytest.mark.browser
def test_months_and_examples_of_cases_stay_at_every_threshold_and_show_the_language_that_is_chosen(
    chromium: str, tmp_path: Path
) -> None:
    text, rows, policy, told = made(tmp_path, DOCUMENT)
    file = tmp_path / "backtest.html"
    file.write_text(text, encoding="utf-8")
    seen = [parts(dumped(chromium, file, fragment)) for fragment in ("", "#812")]
    assert seen[0] == seen[1]
    judged = judge(rows, policy, told)
    months, found = list(case_months(rows, judged, MINUTES)), case_examples(rows, judged, told)
    assert {month.is_mature for month in months} == {True, False}
    for month in months:
        one, known = month.figures, "yes はい" if month.is_mature else "no いいえ"
        precision = "–" if one.precision is None else f"{one.precision:.4f}"
        assert f"{HOSTILE} {month.month} {known} {one.cases:,} {one.frauds:,} {precision} {one.payments:,}" in seen[0]
    assert {cell.fate for cell in found.cells} == {"FRAUD", "DECLINED", "REFUNDED", "GOOD"}
    for cell in found.cells:
        for example in cell.examples:
            (first,) = example.shown
            frauds, times = int(cell.fate == "FRAUD"), f"{example.begins} – {example.ends}"
            assert f"{cell.count:,} one card 同じカード 1 {frauds} {example.jpy:,} {times}" in seen[0]
            why = first.reasons[0]
            said = f"{first.score} / {first.alerts_from} → {first.band} {why.id}: {why.en} {why.ja}"
            assert said in seen[0]
    for missed, words in zip(found.missed, ("a suppression covers", "below the band"), strict=True):
        assert words in seen[0]
        assert f"{missed.count:,} {missed.jpy:,} {missed.examples[0].time}" in seen[0]
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    count = "document.title = ['en', 'ja'].map((lang) => [...document.querySelectorAll(`td [lang=${lang}]`)]"
    count += ".filter((one) => one.offsetParent !== null).length).join(' ');"
    shown = {}
    for choice in ("both", "en", "ja"):
        script = f"<script>document.getElementById('{choice}').click(); {count}</script></body>"
        file.write_text(free.replace("</body>", script), encoding="utf-8")
        title = re.findall(r"<title>(.*?)</title>", dumped(chromium, file))[0]
        shown[choice] = [int(number) for number in title.split()]
    every = shown["both"][0]
    assert every > 30
    assert shown == {"both": [every, every], "en": [every, 0], "ja": [0, every]}


@pytest.mark.browser
def test_a_script_of_somebody_else_does_not_run(chromium: str, tmp_path: Path) -> None:
    text, *_ = made(tmp_path, DOCUMENT)
    file = tmp_path / "backtest.html"
    file.write_text(text.replace("</body>", "<script>slider.value = '812'; draw();</script></body>"), encoding="utf-8")
    assert opened(chromium, file).saved == "policy-threshold-500.yaml"


def test_the_page_is_well_formed_loads_nothing_and_speaks_both_languages(tmp_path: Path) -> None:
    text, *_ = made(tmp_path, DOCUMENT)
    found = Page(text)
    assert not found.tags.keys() & {"link", "iframe", "object", "embed", "img", "base", "form"}
    assert not found.attributes.keys() & {"src", "href", "srcset", "style", "action"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert found.tags["script"] == 2
    assert "default-src &#x27;none&#x27;" in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert found.spoken["en"] == found.spoken["ja"] > 30
    assert len(found.ids) == len(set(found.ids))
    for name in NAMES:
        assert {f"now-{name}", f"change-{name}"} <= set(found.ids)
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)[0])
    assert data["version"] == DOCUMENT["version"]
    assert text.count(HOSTILE) == 0
    for words in ("standing changes", "2026-05", "fraud actualised", "不正顕在化"):
        assert words in text
    assert "before 2026-05-02, which the model has learnt from" in text
