"""Tables of text for a terminal, without control characters."""

from collections.abc import Sequence
from datetime import UTC, datetime


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as a table with a head. Columns of integers are aligned to the right."""
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in texts)) if texts else len(name) for i, name in enumerate(head)]
    right = [bool(rows) and isinstance(rows[0][i], int) for i in range(len(head))]
    lines = []
    for row in ([*head], *texts):
        cells = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def moment(time_ms: int) -> str:
    """Return a time as text in UTC, to the second."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """Replace characters that a terminal does not print, such as control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else printable(str(value))
