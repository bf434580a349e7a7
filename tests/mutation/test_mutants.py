"""A mutant changes one thing, describes it, and the module is restored afterwards."""

import ast
from pathlib import Path

import pytest

from tests.mutation import equivalent
from tests.mutation.equivalent import explained
from tests.mutation.mutants import Mutants
from tests.mutation.record import EXPLAINED, Record, table
from tests.mutation.run import KILLED, ROOT, SURVIVED, TIMED_OUT

SOURCE = '''"""What it is for."""

LIMIT: int = 5


@cached(size=3)
def pick(values: list[int] = [7]) -> int:
    """Say which."""
    assert values != 3, "none"
    if not values and LIMIT:
        raise ValueError("x 1")
    values[0] = 2
    return max(values[-1], LIMIT) + 1 if values[0] <= 4 else len("a")
'''
WANTED = {
    "5  ->  6",
    "not values  ->  +values",
    "not values and LIMIT  ->  not values or LIMIT",
    "without: values[0] = 2",
    "0  ->  1",
    "2  ->  3",
    "1  ->  2",
    "-1  ->  +1",
    "4  ->  5",
    "values[0] <= 4  ->  values[0] < 4",
    "max(values[-1], LIMIT)  ->  min(values[-1], LIMIT)",
    "max(values[-1], LIMIT) + 1  ->  max(values[-1], LIMIT) - 1",
    "'a'  ->  'a~'",
}


def test_a_mutant_changes_one_thing_that_has_a_result() -> None:
    """Never a docstring, annotation, decorator, default, assertion or text of an error."""
    mutants = Mutants(SOURCE)
    plain, found = ast.unparse(ast.parse(SOURCE)), set()
    for number in range(len(mutants)):
        with mutants.mutated(number) as (line, what):
            assert ast.unparse(mutants.tree) != plain
            compile(mutants.tree, "mutant", "exec")
            assert 3 <= line <= 13
            found.add(what)
        assert ast.unparse(mutants.tree) == plain
    assert found == WANTED


def test_a_mutant_of_a_function_is_known_by_its_name() -> None:
    mutants = Mutants("A = 1\ndef f():\n    return 2\nclass C:\n    B = 3\n    def m(self):\n        return 4\n")
    assert [mutants.function_of(number) for number in range(len(mutants))] == ["", "f", "", "C.m"]


def test_a_record_leaves_out_killed_mutants_and_counts_those_killed_later(tmp_path: Path) -> None:
    path, here = tmp_path / "found.json", ROOT / "tests" / "mutation" / "mutants.py"
    first = Record(path)
    file = first.of(here)
    for number, fate in enumerate([KILLED, SURVIVED, SURVIVED, EXPLAINED, TIMED_OUT]):
        file.found(number, fate)
    first.write()
    again = Record(path)
    file = again.of(here)
    assert file.left() == [1, 2, 3, *range(5, len(file))]
    file.found(2, KILLED)
    assert file.row() == [len(file), 5, 2, 1, 1, 1, 1]
    head, row, total = table([file]).splitlines()
    assert head.split()[:4] == ["file", "mutants", "tried", "killed"]
    assert row.split() == ["tests/mutation/mutants.py", *map(str, file.row())]
    assert total.split() == ["all", *map(str, file.row())]


def test_an_entry_explains_its_line_or_only_the_change_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(equivalent, "EXPLAINED", {"a.py: x = 3": "any", "a.py: y > 0 | 0  ->  1": "never 1"})
    assert explained("a.py", "    x = 3", "3  ->  4")
    assert not explained("b.py", "    x = 3", "3  ->  4")
    assert explained("a.py", "    if y > 0:", "0  ->  1")
    assert not explained("a.py", "    if y > 0:", "y > 0  ->  y >= 0")
