"""The files of a model bundle in a folder: read within their limits, and seen to change."""

from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from scoring.model.bundle import SIZE_MAX


class Unread(NamedTuple):
    """A file that cannot be read, and why."""

    name: str
    error: OSError


def read_files(place: Path | Traversable) -> tuple[dict[str, bytes], list[Unread]]:
    """Read the files of a bundle, one byte more than is allowed at most. Return those that cannot be read too."""
    files: dict[str, bytes] = {}
    faults: list[Unread] = []
    for name, size in SIZE_MAX.items():
        try:
            with (place / name).open("rb") as stream:
                files[name] = stream.read(size + 1)
        except OSError as error:
            faults.append(Unread(name, error))
    return files, faults


def are_absent(files: Mapping[str, bytes], faults: Sequence[Unread]) -> bool:
    """Tell whether none of a bundle's files is there, by what `read_files` returned."""
    return not files and all(isinstance(error, FileNotFoundError | NotADirectoryError) for _, error in faults)


def signature(folder: Path) -> str:
    """Return a text that changes with any file of a bundle: inode, size and time of change, or why there is none."""
    said = []
    for name in SIZE_MAX:
        try:
            found = (folder / name).stat()
        except OSError as error:
            said.append(f"{name}/{error.errno}")
        else:
            said.append(f"{name}/{found.st_ino}/{found.st_size}/{found.st_mtime_ns}")
    return "\n".join(said)
