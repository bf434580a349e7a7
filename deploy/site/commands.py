"""The page of the command line: the help of every command as it prints it."""

import argparse
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from typing import Final
from unittest import mock

from streams.cli.command import FORWARDED, main, parser
from streams.cli.replay import RECORDED

WIDTH: Final = "100"
"""Columns that argparse breaks lines at."""

REPLAY: Final = ("replay",)
"""A command that is another one with RECORDED: each has its own options."""


def page() -> str:
    """Write the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "What `sekisho --help` and `sekisho COMMAND --help` print."
    for words in [(), *commands()]:
        yield ""
        yield f"## {' '.join(('sekisho', *words))}"
        yield ""
        yield "```"
        yield shown(words)
        yield "```"


def commands() -> list[tuple[str, ...]]:
    """List every command with its subcommands, as words, in the order of the help."""
    return list(_below(parser(), ()))


def _below(command: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield (*words, name)
                if (*words, name) == REPLAY:
                    yield (*REPLAY, RECORDED)
                if words or name not in FORWARDED:
                    yield from _below(inner, (*words, name))


def shown(words: Sequence[str]) -> str:
    """Return the help of a command for a terminal of 100 columns."""
    output = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS=WIDTH), redirect_stdout(output):
        try:
            status = main([*words, "--help"])
        except SystemExit as end:
            status = int(end.code or 0)
    assert status == 0, words
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines())
