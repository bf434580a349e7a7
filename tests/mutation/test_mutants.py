"""A mutant changes one thing, says what, and leaves the module as it was."""

import ast

from tests.mutation.mutants import Mutants

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
    """No docstring, annotation, decorator, default, assertion or text of an error."""
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
