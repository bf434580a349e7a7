"""How figures of reasons are written, on both sides of each change of form."""

import re
import runpy
import sys

import pytest

from scoring.policy.reasons.page import markdown
from scoring.policy.reasons.ranking import _formats
from scoring.policy.reasons.wording import between, codes, figure, parts_of, say
from scoring.policy.reasons.words import WORDS
from tests.policy.test_reasons import top


@pytest.mark.parametrize(
    ("kind", "value", "en", "ja"),
    [
        ("times", 999.4, "999 times", "999倍"),
        ("times", 999.5, "1,000 times", "1,000倍"),
        ("digits", -999.5, "-1,000", "-1,000"),
        ("below", 999.5, "-1,000", "-1,000"),
        ("percent", 0.0625, "6.25%", "6.25%"),
        ("seconds", 119, "119 s", "119秒"),
        ("seconds", 120, "2 min", "2分"),
        ("seconds", 7_199, "120 min", "120分"),
        ("seconds", 7_200, "2 h", "2時間"),
        ("seconds", 172_799, "48 h", "48時間"),
        ("seconds", 172_800, "2 d", "2日"),
        ("seconds", 0, "0 s", "0秒"),
        ("seconds", 210, "4 min", "4分"),
        ("seconds", 12_600, "4 h", "4時間"),
        ("seconds", 302_400, "4 d", "4日"),
        ("later", -172_800, "2 d", "2日"),
        ("days", 2, "2 d", "2日"),
        ("to_eight", 7, "7", "7"),
        ("to_eight", 8, "8 or more", "少なくとも8"),
        ("code", 5, "05", "05"),
    ],
)
def test_a_figure_is_written_with_its_unit(kind: str, value: float, en: str, ja: str) -> None:
    """A duration has at least two of its unit, and thousands are written in full."""
    assert figure(kind, "any")(value) == (en, ja)


def test_a_text_is_cut_into_literals_features_and_kinds() -> None:
    assert list(parts_of("a {b:c} {named}, d")) == [("a ", "b", "c"), (" ", "named", ""), (", d", None, "")]


def test_the_codes_of_a_bound_are_those_from_end_to_end_and_each_needs_a_word() -> None:
    assert list(codes(between("funding", 1, 3))) == [1, 2, 3]
    for last, is_refused in ((3, False), (4, True)):
        wording = say("X", "Kind: {funding:funding}", "{funding:funding}", between("funding", 1, last))
        if is_refused:
            with pytest.raises(AssertionError, match="X: a value of funding has no word"):
                _formats(wording)
        else:
            assert _formats(wording) == ((("funding", "funding"),), ("Kind: {0}", "{0}"))


def test_japanese_words_hold_only_the_latin_abbreviations_that_japan_writes_so() -> None:
    brands = ("Visa", "Mastercard", "JCB", "American Express", "Diners Club", "Discover")
    assert [WORDS["network"][code] for code in range(1, 7)] == [(brand, brand) for brand in brands]
    words = [ja for name, spoken in WORDS.items() if name != "network" for _, ja in spoken.values()]
    latin = {found for ja in words for found in re.findall(r"[!-~]+", ja)}
    assert latin == {"EC", "MOTO", "3RI", "JavaScript"}


def test_weights_have_three_decimals() -> None:
    """A thousandth of log-odds is too small for an analyst to act on."""
    assert top({"hour_jst": 1.23456}, {"hour_jst": 3.0})[0].weight == 1.235
    assert top({"hour_jst": 1.23456}, {})[0].weight == 1.235


def test_the_page_is_printed_by_its_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "scoring.policy.reasons.page")
    runpy.run_module("scoring.policy.reasons.page", run_name="__main__")
    assert capsys.readouterr().out == markdown()
