"""`pytest -m unit` is exact: every folder of tests has a class, and a test that needs another program has its mark."""

import re
from pathlib import Path

import pytest

from tests.conftest import BROKER_FOLDERS, NEEDS, UNIT_FOLDERS

TESTS = Path(__file__).resolve().parents[1]
# by text in a file: the mark that its tests must have
USES = {
    r"\bembedded_broker\(|\bfind_binary\(": "embedded",
    r"\bkafka_broker\(|\bsecured_broker\(|\b(?:apache|secured): ": "kafka",
    r"\b(?:promtool|prometheus_program): str": "monitoring",
    r"\"hatchling\", \"build\"": "wheel",
}


def lacking(text: str) -> set[str]:
    """Name the marks that a file's text requires and that it lacks."""
    return {
        mark for use, mark in USES.items() if re.search(use, text, re.MULTILINE) and f"pytest.mark.{mark}" not in text
    }


def test_every_folder_of_tests_belongs_to_one_class() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert folders == BROKER_FOLDERS | UNIT_FOLDERS, "name the folder in tests/conftest.py"
    assert not BROKER_FOLDERS & UNIT_FOLDERS


def test_what_starts_a_program_of_others_carries_its_mark() -> None:
    for folder in UNIT_FOLDERS:
        for path in (TESTS / folder).rglob("test_*.py"):
            if path != Path(__file__):
                assert not lacking(path.read_text()), f"{path}: lacks the marks {lacking(path.read_text())}"


def test_a_file_that_starts_a_broker_without_its_mark_is_found() -> None:
    assert lacking("def f():\n    with embedded_broker() as broker:\n") == {"embedded"}
    assert lacking("def test_rules(promtool: str) -> None: ...") == {"monitoring"}
    assert lacking("pytestmark = pytest.mark.embedded\nwith embedded_broker() as broker:\n") == set()


def test_this_test_is_unit_and_no_test_that_needs_more_is(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        marks = {mark.name for mark in item.iter_markers()}
        outside = item.path.relative_to(TESTS).parts[0] in BROKER_FOLDERS or bool(marks & NEEDS)
        assert ("unit" in marks) != outside, item.nodeid
