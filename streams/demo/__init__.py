"""The demonstration: broker, worker and simulated fraud on one machine, with a live view and a balance at the end."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho demo` and return its exit status."""
    from streams.demo.command import main as command  # noqa: PLC0415 -- a package imports nothing heavy by itself

    return command(argv)
