"""Arguments of `sekisho lists hmac`."""

import argparse
from pathlib import Path

from streams.cli.lists.clear import CLEAR_KINDS, ENCODINGS


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options."""
    command.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help="one value a line (default: standard input)"
    )
    command.add_argument("--kind", choices=CLEAR_KINDS, required=True, help="what the values are: %(choices)s")
    command.add_argument("--to", metavar="TIME", required=True, help="end of the entries: RFC 3339 with an offset")
    command.add_argument("--from", metavar="TIME", dest="since", help="their beginning (default: none)")
    key = command.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", metavar="FILE", help="the key, that of the system that hashes for events")
    key.add_argument("--key-env", metavar="NAME", help="the environment variable that holds the key")
    command.add_argument("--key-hex", action="store_true", help="the key is written in hexadecimal")
    command.add_argument(
        "--encoding", choices=ENCODINGS, default="hex", help="of the hashes: %(choices)s (default %(default)s)"
    )
    command.add_argument("--exact", action="store_true", help="hash each line byte by byte, without a normal form")
    command.add_argument("--no-header", action="store_true", help="leave out the first line, to append to a list")
    command.add_argument(
        "--output", metavar="FILE", type=Path, help="written whole or not at all (default: standard output)"
    )
