"""Explain a published decision, and recompute it from the input topics or from a stored file: `sekisho explain`."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho explain` and return its exit status."""
    from streams.explain.command import main as command  # noqa: PLC0415 -- a package imports nothing heavy by itself

    return command(argv)
