"""Locks against `pyproject.toml`: every package that is asked for has a pin that fits, with hashes and no address."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RENEW: Final = "make lock"
PROJECT: Final = "requirements.lock"
RUNTIME: Final = "deploy/locks/runtime.txt"
BUILD: Final = "deploy/locks/build.txt"
DOCS: Final = "deploy/locks/docs.txt"
PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")


class Pin(NamedTuple):
    """One version of one package in a lock."""

    name: str
    version: str
    hashes: frozenset[str]


def pins(lock: str) -> list[Pin]:
    """Read the pins of a lock; a package may have several, for different machines."""
    found = []
    for entry in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if match := PIN.match(entry):
            found.append(
                Pin(canonicalize_name(match[1]), match[2], frozenset(re.findall(r"sha256:[0-9a-f]{64}", entry)))
            )
    return found


def faults(root: Path) -> list[str]:
    """List the faults of a lock, with the command that renews it."""
    return [f"{lock}: {why}: run {RENEW}" for lock, why in _faults(root)]


def _faults(root: Path) -> Iterator[tuple[str, str]]:
    asked = requirements(root)
    locks = {lock: (root / lock).read_text(encoding="utf-8") for lock in asked}
    pinned = {lock: pins(text) for lock, text in locks.items()}
    for lock, text in locks.items():
        if "://" in text:
            yield lock, "names an address"
        for pin in pinned[lock]:
            if not pin.hashes:
                yield lock, f"{pin.name} has no hash"
        for wanted in asked[lock]:
            named = [pin for pin in pinned[lock] if pin.name == canonicalize_name(wanted.name)]
            if not named:
                yield lock, f"{wanted.name} has no pin"
            elif not all(wanted.specifier.contains(pin.version, prereleases=True) for pin in named):
                yield lock, f"the pin of {wanted.name} is not {wanted.specifier}"
    project = {(pin.name, pin.version): pin.hashes for pin in pinned[PROJECT]}
    for lock in (RUNTIME, BUILD):
        for pin in pinned[lock]:
            if not pin.hashes <= project.get((pin.name, pin.version), frozenset()):
                yield lock, f"{pin.name} is not as in {PROJECT}"


def requirements(root: Path) -> dict[str, list[Requirement]]:
    """List the packages that each lock must contain."""
    document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = document["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    asked = {
        PROJECT: [*project["dependencies"], *extras],
        RUNTIME: project["dependencies"],
        BUILD: document["build-system"]["requires"],
        DOCS: document["dependency-groups"]["docs"],
    }
    return {lock: [Requirement(line) for line in lines] for lock, lines in asked.items()}
