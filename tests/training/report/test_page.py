"""The page of a training: one file that loads nothing, with each figure of the card, in both languages."""

import base64
import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models.training.report import plots
from models.training.report.card import _lines
from models.training.report.figures import Curves
from models.training.report.page import page
from streams.compliance import browser
from tests.compliance.page import opening
from tests.compliance.page.test_page import VOID, Page
from tests.training.report.made import HOSTILE, files
from tests.training.report.undrawn import leave_pictures_out

SECTIONS = (
    *("data", "metrics", "precision-recall", "detection", "calibration", "scores", "segments", "importance"),
    *("parameters", "limits"),
)
PICTURES = 9


class Report(Page):
    """Read a page with images."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if tag == "img" and tag not in VOID:
            self.open.pop()


def text() -> str:
    return files()["report.html"].decode()


def test_the_page_is_well_formed_loads_nothing_and_speaks_both_languages() -> None:
    found = Report(text())
    assert [name for name in found.ids if name not in {"both", "en", "ja"}] == list(SECTIONS)
    assert not found.tags.keys() & {"script", "link", "iframe", "object", "embed", "base", "form", "a", "svg"}
    assert not found.attributes.keys() & {"href", "srcset", "style", "action"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert found.tags["img"] == found.attributes["src"] == PICTURES
    assert text().count('src="data:image/svg+xml;base64,') == PICTURES
    assert "http" not in re.sub(r'src="data:[^"]*"|http-equiv', "", text())
    assert "script-src &#x27;none&#x27;" in text()
    assert "img-src data:" in text()
    assert found.spoken["en"] == found.spoken["ja"] > 60


@pytest.fixture(autouse=True, scope="module")
def drawn() -> None:
    """Make the page before a test leaves pictures out."""
    files()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_pictures_out(monkeypatch)


@pytest.mark.usefixtures("undrawn")
def test_no_text_of_the_data_is_html() -> None:
    assert HOSTILE not in text()
    told = Report(text())
    assert sum(HOSTILE in piece for piece in told.texts) >= 2, "of the source and of a reason"
    card = json.loads(files()["card.json"])
    curves = Curves(precision_recall=[], detection=[], reliability=[], histogram=[])
    card["segments_at_0.5pct"] = {HOSTILE: {HOSTILE: {"rows": 1}}}
    card["parameters"] = {HOSTILE: HOSTILE}
    card["name"] = card["calibration"] = card["lightgbm_version"] = HOSTILE
    card["intervals_95"] = {HOSTILE: []}
    card["metrics"][HOSTILE] = HOSTILE
    hostile = page(card, curves)
    assert HOSTILE not in hostile
    assert sum(HOSTILE in piece for piece in Report(hostile).texts) >= 10


def test_the_figures_of_the_card_are_on_the_page() -> None:
    card = json.loads(files()["card.json"])
    plain = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text())))
    for name, edges in card["intervals_95"].items():
        assert f"{card['metrics'][name]:.6g} {edges[0]:.6g} {edges[1]:.6g} " in plain, name
    for found in card["segments_at_0.5pct"].values():
        for name, one in found.items():
            values = [f"{one['rows']:,}", f"{one['frauds']:,}", f"{one['alert_rate']:.6g}"]
            assert f"{name} {' '.join(values)}" in plain
    for one in card["curves"]["reliability"]:
        assert (
            f"{one['score_from']}–{one['score_to']} {one['rows']:,} {one['frauds']:,} {one['probability']:.6g}" in plain
        )
    for one in card["curves"]["detection"]:
        assert f"{one['share']:.2%} {one['alerts']:,} " in plain
    for feature, share in card["importance_of_gain"].items():
        assert f"{feature} {share:.6g}" in plain
    for name, value in card["parameters"].items():
        assert f"{name} {value}"[:40] in plain or f"{name} {value:.6g}" in plain


@pytest.mark.usefixtures("undrawn")
def test_a_search_is_told_with_each_trial_and_that_its_figures_flatter() -> None:
    card = json.loads(files()["card.json"])
    assert card["search"] is None
    trials = [
        {"average_precision": 0.25, "folds": [0.2, 0.3], "parameters": {"num_leaves": 31}},
        {"average_precision": 0.5, "folds": [0.4, 0.6], "parameters": {"num_leaves": 9, "lambda_l2": 1.5}},
    ]
    card["search"] = {
        **{"asked": 5, "is_out_of_time": True, "best": 1, "folds": [{}, {}], "trials": trials},
        "optuna_version": "5",
    }
    curves = Curves(precision_recall=[], detection=[], reliability=[], histogram=[])
    found = page(card | {"segments_at_0.5pct": {}, "importance_of_gain": {}}, curves)
    assert Report(found).ids.count("search") == 1
    plain = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found)))
    assert "2 of 5 sets of parameters were tried on 2 validation folds" in plain
    assert "1 0.25 0.2000, 0.3000 num_leaves 31 2: best 2：最良 0.5 0.4000, 0.6000 num_leaves 9, lambda_l2 1.5" in plain
    assert "The time ended the search." in plain
    lines = list(_lines(card))
    assert "## Search: 2 of 5 trials, ended by time, Optuna 5" in lines
    assert "| 2 (best) | 0.5 | 0.4, 0.6 | num_leaves 9, lambda_l2 1.5 |" in lines


def test_pictures_are_drawings_without_a_date_and_the_same_each_time() -> None:
    curves = Curves(**json.loads(files()["card.json"])["curves"])
    again = plots.precision_recall(curves.precision_recall, 0.1)
    assert again == plots.precision_recall(curves.precision_recall, 0.1)
    pictures = [base64.b64decode(one) for one in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text())]
    for picture in pictures:
        root = ElementTree.fromstring(picture)  # noqa: S314 -- our own
        assert root.tag.endswith("svg")
        assert b"date>" not in picture
        assert not root.findall(".//{http://www.w3.org/2000/svg}text"), "glyphs are paths: no font is asked for"
    assert len(set(pictures)) == len(pictures)


@pytest.mark.browser
def test_it_opens_in_a_browser_with_every_picture_and_no_message(tmp_path: Path) -> None:
    chromium = opening.browser()
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    file, picture = tmp_path / "report.html", tmp_path / "page.png"
    file.write_text(text(), encoding="utf-8")
    assert not opening.script_errors(chromium, file, picture)
    assert picture.stat().st_size > opening.PICTURE_MIN
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text())
    script = 'document.title = [...document.images].map((one) => one.naturalWidth > 100).join(" ");'
    script = f'window.addEventListener("load", () => {{ {script} }});'
    file.write_text(free.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = [chromium, *browser._OPTIONS, *sandbox, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, file.as_uri()], check=True, capture_output=True, timeout=120)
    assert f"<title>{' '.join(['true'] * PICTURES)}</title>" in done.stdout.decode()
