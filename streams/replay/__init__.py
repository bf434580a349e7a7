"""Replay: a table or a file of events through Kafka and a running worker, and an exact account of what came back."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho replay` and return its exit status."""
    from streams.replay.command import main as command  # noqa: PLC0415 -- a package imports nothing heavy by itself

    return command(argv)
