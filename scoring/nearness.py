"""Find the known name that is most similar to a misspelt one."""

from collections.abc import Iterable


def distance(one: str, other: str) -> int:
    """Count the edits between two words: a character more, less or another, or two neighbours exchanged.

    This is the optimal string alignment distance. Cost: len(one) x len(other) steps.

    >>> distance("UDS", "USD"), distance("merchnat", "merchant"), distance("tds", "threeds")
    (1, 1, 4)
    """
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            edits = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                edits = min(edits, before[j - 2] + 1)
            row.append(edits)
        before, above = above, row
    return above[-1]


def nearest(word: str, known: Iterable[str], most: int) -> str | None:
    """Return the known word with the fewest edits, the first of several; None beyond `most` edits."""
    ranked = min(((distance(word, name), name) for name in known), default=(most + 1, ""))
    return ranked[1] if ranked[0] <= most else None
