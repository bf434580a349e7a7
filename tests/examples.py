"""How many examples a property test tries: all of them in `make test` and CI, a tenth in `make unit`."""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

FULL: Final = 100
"""Examples of a property test that names no number."""
_FEWER: Final = 10
_FEW: Final = 4
_LEAST: Final = 3

_T = TypeVar("_T")


def is_quick() -> bool:
    """Tell whether this is the inner loop, where each property is tried with fewer examples."""
    return os.environ.get("SEKISHO_HYPOTHESIS") == "quick"


def examples(full: int) -> int:
    """Return the number of examples to try, of `full` in a whole run."""
    return max(_LEAST, full // _FEWER) if is_quick() else full


def few(full: int) -> int:
    """Return the number of examples to try where each takes long: `full` in a whole run, else four at most."""
    return min(_FEW, examples(full)) if is_quick() else full


def sample(cases: Sequence[_T], *, step: int = _FEWER) -> Sequence[_T]:
    """Return the cases to try of a long list: all of them in a whole run, else every tenth.

    A list made by a product needs a `step` that no inner length divides, else one column is always the same.
    """
    return cases[::step] if is_quick() else cases
