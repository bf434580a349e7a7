"""Overrides of single options by environment variables: `SEKISHO__HTTP__PORT=9100` is `http: {port: 9100}`."""

from collections.abc import Mapping
from typing import Final

from scoring.reference.document import DocumentError, value_of
from streams.config.strict import ConfigError

PREFIX: Final = "SEKISHO__"
"""Two underscores: names of options have single ones."""

OVERRIDES_MAX: Final = 1_000
"""There are about 150 options."""

_SEPARATOR: Final = "__"


class Overrides:
    """Options that environment variables replace. `variables`: the names of the variables, sorted."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Parse the values as YAML.

        Raises:
            ConfigError: too many variables, a name without an option, or a value that is no YAML. It names the
                variable and never its value.
        """
        self.variables = sorted(name for name in environment if name.upper().startswith(PREFIX))
        if len(self.variables) > OVERRIDES_MAX:
            raise ConfigError(f"environment: more than {OVERRIDES_MAX} variables begin with {PREFIX}")
        self._values = {_path(name): (name, _value(name, environment[name])) for name in self.variables}

    def applied(self, document: Mapping[str, object]) -> dict[str, object]:
        """Return the document with the overrides. An override of a section goes before one of an option in it.

        Raises:
            ConfigError: a variable names an option below one that is no section.
        """
        changed = dict(document)
        for path in sorted(self._values, key=len):
            _set(changed, path, *self._values[path])
        return changed

    def blamed(self, message: str, document: Mapping[str, object], origin: str) -> str:
        """Return an error message of `origin` with the variable's name in front, if a variable caused the fault."""
        fault = message.removeprefix(f"{origin}: ")
        place = tuple(fault.split(": ")[0].removeprefix("$").lstrip(".").replace("[", ".[").split("."))
        for path, (name, _) in self._values.items():
            is_inside = place[: len(path)] == path
            is_new_section = path[: len(place)] == place and not _has(document, place)
            if is_inside or is_new_section:
                return f"{name}: {fault}"
        return message


def _path(name: str) -> tuple[str, ...]:
    parts = name.removeprefix(PREFIX).split(_SEPARATOR)
    if name != name.upper() or not all(part.strip("_") == part != "" for part in parts):
        raise ConfigError(
            f"{name}: the name of an override is {PREFIX}, then the sections and the option in capital letters, "
            f"with two underscores between them, such as {PREFIX}HTTP__PORT"
        )
    return tuple(part.lower() for part in parts)


def _value(name: str, text: str) -> object:
    try:
        return value_of(text)
    except DocumentError as error:
        raise ConfigError(f"{name}: {error}") from None


def _set(document: dict[str, object], path: tuple[str, ...], name: str, value: object) -> None:
    """Set one option, in copies of its sections."""
    *sections, option = path
    for depth, section in enumerate(sections, 1):
        inner = document.get(section)
        if inner is not None and not isinstance(inner, dict):
            raise ConfigError(f"{name}: $.{'.'.join(path[:depth])} is no section, so there is no option below it")
        document[section] = deeper = dict(inner or {})
        document = deeper
    document[option] = value


def _has(document: Mapping[str, object], path: tuple[str, ...]) -> bool:
    inner: object = document
    for key in path:
        if not isinstance(inner, Mapping) or key not in inner:
            return False
        inner = inner[key]
    return True
