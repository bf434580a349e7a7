"""`sekisho replay`: send a table through a running worker; with --recorded decide stored payments again."""

import sys
from collections.abc import Sequence

RECORDED = "--recorded"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho replay` and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if RECORDED in words:
        from streams.explain.every.command import main as recorded  # noqa: PLC0415 -- each imports much

        words.remove(RECORDED)
        return recorded(words)
    from streams.replay import main as replay  # noqa: PLC0415 -- each imports much

    return replay(words)
