"""Load settings and policy from files. No other module opens these files."""

from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from scoring.policy import Policy, PolicyError, policy_from
from scoring.reference.document import DOCUMENT_BYTES_MAX, DocumentError, parse
from streams.config.settings import Settings
from streams.config.strict import ConfigError, convert, faults_of, phrase, suggestion
from streams.kafka.settings import BROKER_TRAITS

__all__ = ["ConfigError", "default_policy", "load_policy", "load_policy_file", "load_settings", "settings_from"]


def load_settings(file: Path) -> Settings:
    """Read settings from a YAML file.

    Relative paths in it stay relative to the working directory of the process.

    Raises:
        ConfigError: the file cannot be read, or is refused. The text has one line per fault, with place and cause.
    """
    return settings_from(_document(file), origin=file.name)


def settings_from(document: dict[str, Any], *, origin: str) -> Settings:
    """Convert parsed YAML to settings. `origin` names the file in errors."""
    return convert(_with_traits(document, origin), Settings, origin)


def load_policy(settings: Settings, *, origin: str = "config") -> Policy:
    """Load the policy of the settings: from a file, from `inline`, or the default inside the package.

    Raises:
        ConfigError: the policy cannot be read, or is refused.
    """
    if settings.policy.file is not None:
        return load_policy_file(Path(settings.policy.file))
    if settings.policy.inline is not None:
        return _policy(settings.policy.inline, f"{origin}: $.policy.inline")
    return _policy(parse(default_policy()), "default policy")


def load_policy_file(file: Path) -> Policy:
    """Read a policy from a file.

    Raises:
        ConfigError: the file cannot be read, or is refused.
    """
    return _policy(_document(file), file.name)


def default_policy() -> bytes:
    """Return the text of the default policy inside the package."""
    return resources.files("streams.config").joinpath("policy.yaml").read_bytes()


def _policy(document: object, origin: str) -> Policy:
    if faults := faults_of(document, Policy, origin):
        raise ConfigError("\n".join(faults))
    try:
        return policy_from(document)
    except PolicyError as error:
        raise ConfigError(f"{origin}: {phrase(str(error))}") from None


def _document(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            text = stream.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return parse(text)
    except DocumentError as error:
        raise ConfigError(f"{file.name}: {error}") from None


def _with_traits(document: dict[str, Any], origin: str) -> dict[str, Any]:
    """Replace the name in `kafka.profile` by the traits of that broker."""
    kafka = document.get("kafka")
    name = kafka.get("profile") if isinstance(kafka, dict) else None
    if not isinstance(kafka, dict) or not isinstance(name, str):
        return document
    if name not in BROKER_TRAITS:
        raise ConfigError(f"{origin}: $.kafka.profile: unknown profile; {suggestion(name, list(BROKER_TRAITS))}")
    return {**document, "kafka": {**kafka, "profile": msgspec.to_builtins(BROKER_TRAITS[name])}}
