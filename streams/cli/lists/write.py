"""`sekisho lists hmac`: turn values in clear into the file of a list."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from scoring.lists import ListFileError, ListReader, ListTable
from streams.cli.failures import reported
from streams.cli.lists.clear import CLEAR_MAX, KEY_MIN, ClearValueError, Hasher
from streams.config.lists import ENTRIES_MAX
from streams.config.strict import ConfigError
from streams.console.status import EXIT_OK, EXIT_REFUSED, EXIT_USAGE, tell
from streams.kafka.security import read_secret
from streams.kafka.settings import Secret

FAULTS_SHOWN: Final = 20
CHUNK_LINES: Final = 4_096

_LINE_MAX: Final = 4 * CLEAR_MAX  # read of one line; a longer one is refused anyway
_COMMAND: Final = "lists hmac"
_HEADER: Final = b"value,effective_to\n"
_HEADER_OF_PERIODS: Final = b"value,effective_to,effective_from\n"


@reported(_COMMAND)
def run(arguments: Namespace) -> int:
    """Write the list of the values of a file or of standard input: all of it, or nothing if a line is refused."""
    hasher = _hasher(arguments)
    header = _HEADER if arguments.since is None else _HEADER_OF_PERIODS
    period = f",{arguments.to}{'' if arguments.since is None else f',{arguments.since}'}\n".encode()
    checked = ListReader(ListTable(), 0, arguments.kind, None)
    try:
        ListReader(ListTable(), 0, arguments.kind, None).feed(header + b"f0" * 32 + period, is_last=True)
    except ListFileError as error:
        column, _, fault = str(error).removeprefix("line 2: ").partition(": ")
        tell(_COMMAND, f"{'--to' if column == 'effective_to' else '--from'}: {fault}")
        return EXIT_USAGE
    with _source(arguments.file) as source, _target(arguments.output) as target:
        if not arguments.no_header:
            target.write(header)
        checked.feed(header)
        faults = _write(source, target, hasher, period, checked)
        if not faults:
            _place(target, arguments.output)
    if faults > FAULTS_SHOWN:
        tell(_COMMAND, f"and {faults - FAULTS_SHOWN:,} more lines")
    if faults:
        tell(_COMMAND, "nothing was written")
    return EXIT_REFUSED if faults else EXIT_OK


def _hasher(arguments: Namespace) -> Hasher:
    """Return what hashes, with the key of a file or an environment variable.

    Raises:
        SecretError: the key is missing, empty, or no text.
        ConfigError: it is short.
    """
    key = read_secret(Secret(file=arguments.key_file, env=arguments.key_env))
    try:
        content = bytes.fromhex(key) if arguments.key_hex else key.encode()
    except ValueError:
        raise ConfigError("the key is not hexadecimal: correct it, or leave --key-hex out") from None
    if len(content) < KEY_MIN:
        raise ConfigError(f"the key has less than {KEY_MIN} bytes: use the key of the system that hashes for events")
    return Hasher(arguments.kind, content, arguments.encoding, is_exact=arguments.exact)


def _write(source: IO[bytes], target: IO[bytes], hasher: Hasher, period: bytes, checked: ListReader) -> int:
    """Write an entry for each line; return the number of those that were refused, of which the first are told.

    `checked` reads what is written as a worker does.
    """
    faults, number, chunk = 0, 0, []
    for number, line in enumerate(iter(lambda: source.readline(_LINE_MAX), b""), 1):
        if number > ENTRIES_MAX:
            raise ConfigError(f"more than {ENTRIES_MAX:,} lines: a worker takes no more entries")
        try:
            chunk.append(hasher.value(line.rstrip(b"\r\n")).encode() + period)
        except ClearValueError as error:
            faults += 1
            if faults <= FAULTS_SHOWN:
                tell(_COMMAND, f"line {number}: the value {error}")
            _skip_rest(source, line)
        if len(chunk) == CHUNK_LINES:
            _flush(chunk, target, checked)
    _flush(chunk, target, checked)
    if not number:
        raise ConfigError("no values: write one a line")
    return faults


def _skip_rest(source: IO[bytes], line: bytes) -> None:
    """Read up to the end of a line that was too long to be read whole."""
    while line and not line.endswith(b"\n"):
        line = source.readline(_LINE_MAX)


def _flush(chunk: list[bytes], target: IO[bytes], checked: ListReader) -> None:
    """Write entries and forget them.

    Raises:
        ConfigError: a worker would refuse them.
    """
    text = b"".join(chunk)
    chunk.clear()
    target.write(text)
    try:
        checked.feed(text)
    except ListFileError as error:
        raise ConfigError(f"nothing was written, because a worker would refuse the list: {error}") from None


@contextmanager
def _source(file: Path | None) -> Iterator[IO[bytes]]:
    if file is None:
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


@contextmanager
def _target(file: Path | None) -> Iterator[IO[bytes]]:
    """Give a file for the list: a temporary one for standard output, else a hidden one beside its place."""
    if file is None:
        with TemporaryFile() as stream:
            yield stream
        return
    beside = _beside(file)
    with beside.open("wb") as stream:
        try:
            yield stream
        finally:
            beside.unlink(missing_ok=True)


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.{os.getpid()}")


def _place(target: IO[bytes], file: Path | None) -> None:
    """Put a whole list into its place."""
    target.flush()
    if file is not None:
        os.fsync(target.fileno())
        _beside(file).replace(file)
        return
    target.seek(0)
    shutil.copyfileobj(target, sys.stdout.buffer)
    sys.stdout.buffer.flush()
