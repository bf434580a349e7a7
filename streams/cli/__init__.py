"""The command `sekisho`. Modules of a command are imported when it runs, so this import is fast."""

from streams.cli.command import main

__all__ = ["main"]
