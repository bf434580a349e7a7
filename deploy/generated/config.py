"""The reference configuration against the defaults of the settings' records."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from scoring.reference.document import DocumentError, parse
from streams.config.settings import Settings
from streams.kafka.settings import BROKER_TRAITS

FILE: Final = "deploy/config/reference.yaml"


def faults(root: Path) -> list[str]:
    """Name every key that the file lacks, that no record has, or whose value is not the default."""
    try:
        shown: Any = parse((root / FILE).read_bytes())
    except DocumentError as error:
        return [f"{FILE}: {error}: edit it"]
    named = shown.get("kafka", {}).get("profile")
    if named in BROKER_TRAITS:
        shown["kafka"]["profile"] = msgspec.to_builtins(BROKER_TRAITS[named])
    here, there = dict(leaves(shown)), dict(leaves(msgspec.to_builtins(Settings())))
    found = [f"{path} is missing, its default is {there[path]!r}" for path in there.keys() - here.keys()]
    found += [f"{path} is no option" for path in here.keys() - there.keys()]
    found += [
        f"{path} is not the default, {there[path]!r}"
        for path in here.keys() & there.keys()
        if (here[path], type(here[path]) is bool) != (there[path], type(there[path]) is bool)
    ]
    return [f"{FILE}: {why}: edit it" for why in sorted(found)]


def leaves(data: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield path and value of what holds nothing more; a list counts as one value."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from leaves(value, f"{path}.{key}")
    else:
        yield path, list(data) if isinstance(data, tuple) else data
