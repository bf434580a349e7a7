"""Put a bundle in the place of another in one step, keep the previous one, and put it back in one step.

The current bundle is a folder, `CURRENT`. The one before is `CURRENT.previous` beside it. Linux exchanges two folders
atomically (renameat2 with RENAME_EXCHANGE): whoever opens `CURRENT` finds the one or the other, whole.

    write the candidate into .CURRENT.next-HASH          the manifest last
    exchange .CURRENT.next-HASH with CURRENT             the step
    move .CURRENT.next-HASH to CURRENT.previous          what an interrupted run has not done, the next one does first
"""

import ctypes
import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from scoring.model.bundle import MANIFEST_FILE, PREVIOUS

_AT_FDCWD: Final = -100  # linux/fcntl.h
_RENAME_EXCHANGE: Final = 2  # linux/fs.h


class PlaceError(ValueError):
    """Raised when a bundle cannot be put in place. Names the place, the cause and the way out."""


def previous_of(current: Path) -> Path:
    """Return the folder of the previous bundle."""
    return current.with_name(current.name + PREVIOUS)


def put(current: Path, files: Mapping[str, bytes]) -> None:
    """Put `files` in the place of the folder `current`, and keep what was there as `previous_of(current)`.

    Raises:
        PlaceError: nothing was changed.
        OSError: a file cannot be written; what is in place is whole.
    """
    current = current.resolve()
    settle(current)
    kept = current / MANIFEST_FILE
    if kept.is_file() and kept.read_bytes() == files[MANIFEST_FILE]:
        raise PlaceError(f"{current}: this bundle is there already: nothing to promote")
    staged = current.with_name(f".{current.name}.next-{_hash(files[MANIFEST_FILE])}")
    try:
        staged.mkdir()
        for name in sorted(files, key=MANIFEST_FILE.__eq__):
            _write(staged / name, files[name])
        _sync(staged)
        _exchange(staged, current)
    finally:
        settle(current)


def put_back(current: Path) -> None:
    """Exchange the bundle in place with the previous one.

    Raises:
        PlaceError: there is no previous one, or the file system cannot exchange folders.
    """
    current = current.resolve()
    settle(current)
    previous = previous_of(current)
    if not previous.is_dir():
        raise PlaceError(f"{previous}: no previous bundle is kept there: nothing was promoted to {current} yet")
    _exchange(previous, current)


def settle(current: Path) -> None:
    """Finish what an interrupted promotion left: keep what was in place before, drop what never was."""
    for left in sorted(current.parent.glob(f".{current.name}.next-*")):
        manifest = left / MANIFEST_FILE
        was_in_place = manifest.is_file() and _hash(manifest.read_bytes()) != left.name.rpartition("-")[2]
        if was_in_place:
            shutil.rmtree(previous_of(current), ignore_errors=True)
            left.rename(previous_of(current))
            _sync(current.parent)
        else:
            shutil.rmtree(left)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders in one step."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        raise PlaceError(f"{other}: this system has no renameat2, which exchanges two folders: promote on Linux")
    found = library.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    if found:
        cause = os.strerror(ctypes.get_errno())
        raise PlaceError(
            f"{other}: cannot be exchanged with {one.name}: {cause}; it must be a folder that you may rename, on a "
            "file system such as ext4, xfs or btrfs"
        )
    _sync(other.parent)


def _write(file: Path, content: bytes) -> None:
    with file.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hash(manifest: bytes) -> str:
    return sha256(manifest).hexdigest()[:12]
