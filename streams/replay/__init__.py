"""Replay: send a table or a file of events through Kafka and a running worker, and count all decisions."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho replay` and return its exit status."""
    from streams.replay.command import main as command  # noqa: PLC0415 -- a package imports nothing heavy by itself

    return command(argv)
