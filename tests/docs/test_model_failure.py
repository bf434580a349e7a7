"""Each row of the tables in `deploy/docs/model-failure.md` has a test that is named after it, and each test a row."""

import json
import re

import msgspec

from scoring.contract.decision import Decision, Versions
from tests.tidy.test_floors import ROOT

PAGE = ROOT / "deploy" / "docs" / "model-failure.md"
TESTS = ("tests/config/test_model_start.py", "tests/model/test_failure.py", "tests/reload/test_model_reload.py")


def test_each_row_of_the_table_has_its_test() -> None:
    rows = re.findall(r"^\| ([SDR]\d+) \|", PAGE.read_text(), re.MULTILINE)
    names = [
        name for file in TESTS for name in re.findall(r"^def test_((?:[sdr]\d+_)+)", (ROOT / file).read_text(), re.M)
    ]
    tested = {row.upper() for name in names for row in name.strip("_").split("_")}
    assert len(rows) == len(set(rows)) == 32
    assert set(rows) == tested


def test_the_example_of_the_page_uses_the_words_of_the_contract() -> None:
    (example,) = re.findall(r"^```json\n(.*?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    shown = json.loads(example)
    types = {field.name: field.type for field in msgspec.structs.fields(Decision)}
    for name in ("status", "clock", "score", "probability", "band", "model_state"):
        msgspec.convert(shown[name], types[name])
    assert shown.keys() <= types.keys()
    assert shown["versions"].keys() - {"..."} <= {field.name for field in msgspec.structs.fields(Versions)}
