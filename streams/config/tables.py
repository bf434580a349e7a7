"""Read dated tables (`scoring/reference`): those of the package, or a file that an operator puts in their place."""

from importlib import resources
from pathlib import Path
from typing import TypeVar

from scoring.reference import DatedRow, DatedTable, TableError, TableFile, table_from
from streams.config.document import DOCUMENT_BYTES_MAX, DocumentError, parse
from streams.config.strict import ConfigError, faults_of, phrase

R = TypeVar("R", bound=DatedRow)


def shipped_table(name: str, record: type[R]) -> DatedTable[R]:
    """Read a table of the package. `name` is that of its file without `.yaml`."""
    text = resources.files("scoring.reference").joinpath(f"{name}.yaml").read_bytes()
    return _table(text, record, f"{name}.yaml")


def load_table(file: Path, record: type[R]) -> DatedTable[R]:
    """Read a table from a file.

    Raises:
        ConfigError: it cannot be read, or is refused; the text says where and why.
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    return _table(text, record, file.name)


def _table(text: bytes, record: type[R], name: str) -> DatedTable[R]:
    try:
        document = parse(text)
    except DocumentError as error:
        raise ConfigError(f"{name}: {error}") from None
    if faults := faults_of(document, TableFile[record], name):  # type: ignore[valid-type]  # the class is a value here
        raise ConfigError("\n".join(faults))
    try:
        return table_from(document, record, name)
    except TableError as error:
        raise ConfigError(f"{name}: {phrase(str(error).removeprefix(f'{name}: '))}") from None
