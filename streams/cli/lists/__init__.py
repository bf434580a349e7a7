"""`sekisho lists`: make lists of values in clear."""

from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Run `sekisho lists hmac` and return its exit status."""
    from streams.cli.lists.write import run as command  # noqa: PLC0415 -- the parser needs the options only

    return command(arguments)
