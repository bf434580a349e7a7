"""Load settings from a file and from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from scoring.reference.document import DOCUMENT_BYTES_MAX, DocumentError, parse
from streams.config.environment import Overrides
from streams.config.settings import Settings
from streams.config.strict import ConfigError, T, convert, suggestion
from streams.kafka.settings import BROKER_TRAITS

__all__ = ["ConfigError", "document_of", "load_record", "load_settings", "read_text", "settings_from"]


def load_settings(file: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from a YAML file. Variables of the environment replace single options (`Overrides`).

    Relative paths in it stay relative to the working directory of the process. `environment`: that of the process, if
    None.

    Raises:
        ConfigError: the file cannot be read, or is refused. The text has one line per fault, with place and cause: the
            file, or the variable.
    """
    document = document_of(read_text(file), file.name)
    overrides = Overrides(os.environ if environment is None else environment)
    try:
        return settings_from(overrides.applied(document), origin=file.name)
    except ConfigError as error:
        lines = str(error).splitlines()
        raise ConfigError("\n".join(overrides.blamed(line, document, file.name) for line in lines)) from None


def settings_from(document: dict[str, Any], *, origin: str) -> Settings:
    """Convert parsed YAML to settings. `origin` names the file in errors."""
    return convert(_with_traits(document, origin), Settings, origin)


def read_text(file: Path) -> bytes:
    """Read a file, one byte more than is allowed at most.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None


def load_record(file: Path, record: type[T]) -> T:
    """Read a record from a YAML file. Keys that are left out keep their defaults.

    Raises:
        ConfigError: as `load_settings`.
    """
    return convert(document_of(read_text(file), str(file)), record, str(file))


def document_of(text: bytes, origin: str) -> dict[str, Any]:
    """Parse YAML. `origin` names the file in errors.

    Raises:
        ConfigError: it is not one YAML mapping.
    """
    try:
        return parse(text)
    except DocumentError as error:
        raise ConfigError(f"{origin}: {error}") from None


def _with_traits(document: dict[str, Any], origin: str) -> dict[str, Any]:
    """Replace the name in `kafka.profile` by the traits of that broker."""
    kafka = document.get("kafka")
    name = kafka.get("profile") if isinstance(kafka, dict) else None
    if not isinstance(kafka, dict) or not isinstance(name, str):
        return document
    if name not in BROKER_TRAITS:
        raise ConfigError(f"{origin}: $.kafka.profile: unknown profile; {suggestion(name, list(BROKER_TRAITS))}")
    return {**document, "kafka": {**kafka, "profile": msgspec.to_builtins(BROKER_TRAITS[name])}}
