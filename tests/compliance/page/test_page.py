"""The page is one file: well-formed, without a script or an address, in both languages, and safe from its records."""

import re
from collections import Counter
from datetime import date
from html.parser import HTMLParser
from typing import Final

import msgspec
import pytest

from scoring.compliance.compare import Change, Changes
from scoring.compliance.report import Report
from streams.compliance.markup import ROWS_MAX
from streams.compliance.page import page
from streams.compliance.words import CODES
from tests.compliance.history import history
from tests.compliance.made import report_of

VOID: Final = {"meta", "input", "br"}
HOSTILE: Final = '<img src=x onerror="alert(1)">&'


class Page(HTMLParser):
    """Read a page: whether its tags close, what it may load, and the texts in each language."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.ids: list[str] = []
        self.spoken: Counter[str] = Counter()
        self.texts: list[str] = []
        self.columns: list[tuple[int, int]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        if tag == "span":
            self.spoken[named["lang"] or ""] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def made() -> str:
    report = report_of(history(7, 1_500))
    line = Change(section="FRAUD", subject=HOSTILE, what="status", before=None, after="ACTUALISED")
    return page(hostile(report), Changes(before=date(2026, 9, 30), after=date(2026, 10, 14), lines=(line,)))


def hostile(report: Report) -> Report:
    """Name a merchant as nobody should."""
    text = msgspec.json.encode(report).replace(b'"m-every"', msgspec.json.encode(HOSTILE))
    return msgspec.json.decode(text, type=Report)


@pytest.fixture(scope="module")
def text() -> str:
    return made()


def test_the_page_is_well_formed_and_has_each_section_once(text: str) -> None:
    found = Page(text)
    sections = (
        *("summary", "changes", "checklist", "line", "coverage", "pipeline", "vamp", "mastercard", "scams"),
        *("issuers", "contradictions", "made"),
    )
    assert [name for name in found.ids if name not in {"both", "en", "ja"}] == list(sections)
    assert text.startswith("<!DOCTYPE html>\n")
    assert found.tags["section"] == len(sections)
    assert found.tags["table"] > 12


def test_the_page_loads_nothing_and_runs_nothing(text: str) -> None:
    found = Page(text)
    assert not found.tags.keys() & {"script", "link", "iframe", "object", "embed", "img", "base", "form", "svg"}
    assert not found.attributes.keys() & {"src", "href", "srcset", "style", "action"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:|//", text)


def test_what_records_hold_is_text_only(text: str) -> None:
    assert "<img" not in text
    assert HOSTILE in Page(text).texts


def test_every_text_of_two_languages_stands_in_both(text: str) -> None:
    found = Page(text)
    assert found.spoken["en"] == found.spoken["ja"] > 200
    japanese = re.findall(r'<span lang="ja">([^<]*)</span>', text)
    english = re.findall(r'<span lang="en">([^<]*)</span>', text)
    assert all(part.isascii() or "¥" in part or "…" in part or "–" in part for part in english)
    assert not [part for part in japanese if part.isascii() and part not in {"VAMP"}]
    assert {"3か月連続で50万円超は不正顕在化"} <= {part for line in japanese for part in re.split("[。（]", line)}


def test_estimates_are_marked(text: str) -> None:
    for part in ("Enumeration", "Issuers by BIN", "Month's end", "Crosses on", "Tier then", "Enumerated", "Reading"):
        assert f"{part} (estimate)" in text.replace("&#x27;", "'"), part


def test_the_page_prints(text: str) -> None:
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@page{size:A4 landscape" in style
    assert "@media print" in style
    assert "thead{display:table-header-group}" in style
    assert style.count("{") == style.count("}")


def test_a_long_table_is_cut_and_says_where_the_rest_is() -> None:
    report = report_of(history(7, 1_500))
    line = report.checklist[0]
    for count, says in ((ROWS_MAX, False), (ROWS_MAX + 1, True)):
        long = msgspec.structs.replace(report, checklist=(line,) * count)
        assert ("1 more rows are in checklist.csv." in page(long, None)) == says


def test_codes_have_words_in_each_language() -> None:
    for name, (english, japanese) in CODES.items():
        assert english.isascii(), name
        assert not japanese.isascii(), name
