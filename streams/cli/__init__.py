"""The command `sekisho`. Importing this is cheap: a command's own parts are imported when it runs."""

from streams.cli.command import main

__all__ = ["main"]
