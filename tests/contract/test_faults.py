"""JSON that nests too deep is an error with its place."""

from contextlib import suppress

import msgspec
import pytest

from scoring.contract.faults import FAULTS, NESTED_MAX, too_deep

DEEP = b"[" * 5_000


@pytest.mark.parametrize("kind", [object, int, dict[str, msgspec.Raw], msgspec.Raw])
@pytest.mark.parametrize("text", [b'{"a": ' + DEEP, b'{"a":' * 200_000, b"\xff", b'"\xff"', b"", b"nonsense"])
def test_any_text_raises_one_of_the_faults_or_nothing(text: bytes, kind: type) -> None:
    with suppress(*FAULTS):
        msgspec.json.decode(text, type=kind)


@pytest.mark.parametrize(
    ("before", "place"),
    [
        (b"", "column 513"),
        (b'"[[[[" ', "column 520"),
        (b'"a\\"[" ', "column 520"),
        (b"[1][2] ", "column 520"),
        (b"[1,\n[2,\n", "line 3, column 511"),
    ],
)
def test_the_place_is_that_of_the_first_bracket_too_many_outside_of_strings(before: bytes, place: str) -> None:
    assert too_deep(before + DEEP) == f"{place}: nested deeper than {NESTED_MAX} levels"


def test_a_text_that_is_not_so_deep_has_no_place() -> None:
    assert too_deep(b"[" * NESTED_MAX + b"]") == "nested too deeply"
