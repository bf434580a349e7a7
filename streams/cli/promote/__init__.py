"""`sekisho promote`."""

from streams.cli.promote.command import main

__all__ = ["main"]
