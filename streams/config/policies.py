"""Load the policy: its file, and a file for each acquirer. No other module opens these files.

Texts are read first and composed after, so that what was hashed is what is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from scoring.policy import Policy, PolicyError, policy_from
from scoring.policy.acquirer import OF_ACQUIRERS, AcquirerFile
from scoring.policy.experiment import Candidate, Experiment
from scoring.reference.document import DOCUMENT_BYTES_MAX
from streams.config.lists import signature
from streams.config.load import document_of, read_text
from streams.config.settings import Settings
from streams.config.strict import ConfigError, convert, faults_of, phrase

FILES_MAX: Final = 1_000
"""Most files of acquirers."""

_SUFFIX: Final = ".yaml"


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The texts of a policy: of its file and of the acquirers' files, each with its name, or the policy inline.

    `lists`: the signature of the files of its lists, which are not read here.
    """

    origin: str
    base: bytes | Mapping[str, object]
    acquirers: tuple[tuple[str, bytes], ...] = ()
    lists: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of names and texts: any change of a file changes it."""
        base = self.base if isinstance(self.base, bytes) else msgspec.json.encode(self.base)
        lists = (("lists", self.lists.encode()),) if self.lists else ()
        parts = (
            part for name, text in ((self.origin, base), *self.acquirers, *lists) for part in (name.encode(), text)
        )
        return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


def default_policy() -> bytes:
    """Return the text of the default policy inside the package."""
    return resources.files("streams.config").joinpath("policy.yaml").read_bytes()


def load_policy(settings: Settings, *, origin: str = "config") -> Policy:
    """Load the policy of the settings: from a file, from `inline`, or the default inside the package.

    Raises:
        ConfigError: the policy cannot be read, is refused, or is not approved though it has to be.
    """
    return policy_of(read_policy(settings, origin=origin), approver_required=settings.policy.approver_required)


def load_policy_file(file: Path) -> Policy:
    """Read a policy from a file.

    Raises:
        ConfigError: the file cannot be read, or is refused.
    """
    return policy_of(PolicyText(file.name, read_text(file)))


def read_policy(settings: Settings, *, origin: str = "config") -> PolicyText:
    """Read the texts of the policy of the settings.

    Raises:
        ConfigError: a file cannot be read, or its name is not that of a policy.
    """
    place = settings.policy
    acquirers = () if place.acquirers_dir is None else tuple(_read_all(Path(place.acquirers_dir)))
    lists = "" if place.lists_dir is None else signature(Path(place.lists_dir))
    if place.file is not None:
        return PolicyText(Path(place.file).name, read_text(Path(place.file)), acquirers, lists)
    if place.inline is not None:
        return PolicyText(f"{origin}: $.policy.inline", place.inline, acquirers, lists)
    return PolicyText("default policy", default_policy(), acquirers, lists)


def policy_of(text: PolicyText, *, approver_required: bool = False) -> Policy:
    """Compose a policy of its texts.

    Raises:
        ConfigError: a text is refused, two say the same thing, or the policy is not approved though it has to be.
    """
    base = _policy(document_of(text.base, text.origin) if isinstance(text.base, bytes) else text.base, text.origin)
    policy = _composed(base, text.origin, [(name, _acquirer_file(each, name)) for name, each in text.acquirers])
    if approver_required and (lack := policy.unapproved()):
        raise ConfigError(f"{text.origin}: $: {lack}")
    return policy


def _read_all(folder: Path) -> Iterable[tuple[str, bytes]]:
    """Read every file of a folder, by name. Hidden ones are passed over: Kubernetes and editors make them."""
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}") from None
    if len(files) > FILES_MAX:
        raise ConfigError(f"{folder}: more than {FILES_MAX:,} files")
    size = 0
    for file in files:
        if file.suffix != _SUFFIX or not file.is_file():
            raise ConfigError(f"{file}: only files that end in {_SUFFIX} belong here: rename it or take it away")
        text = read_text(file)
        size += len(text)
        if size > DOCUMENT_BYTES_MAX:
            raise ConfigError(f"{folder}: more than {DOCUMENT_BYTES_MAX:,} bytes in all")
        yield f"{folder.name}/{file.name}", text


def _policy(document: object, origin: str) -> Policy:
    if faults := faults_of(document, Policy, origin):
        raise ConfigError("\n".join(faults))
    try:
        return policy_from(document)
    except PolicyError as error:
        raise ConfigError(f"{origin}: {phrase(str(error))}") from None


def _acquirer_file(text: bytes, origin: str) -> AcquirerFile:
    """Convert an acquirer's file. Its acquirer is put into every entry."""
    document = document_of(text, origin)
    for section in OF_ACQUIRERS:
        entries = document.get(section)
        for position, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, dict):
                continue
            if "acquirer" in entry:
                raise ConfigError(f"{origin}: $.{section}[{position}].acquirer: delete it: the file names its acquirer")
            if "acquirer" in document:
                entry["acquirer"] = document["acquirer"]
    return convert(document, AcquirerFile, origin)


def _composed(base: Policy, origin: str, files: Sequence[tuple[str, AcquirerFile]]) -> Policy:
    owners: dict[str, str] = {}
    for name, file in files:
        if file.acquirer in owners:
            raise ConfigError(f"{name}: $.acquirer: {owners[file.acquirer]} is about the same acquirer: keep one file")
        owners[file.acquirer] = name
    if not files:
        return base
    sections = (*OF_ACQUIRERS, "acquirers")
    parts: list[tuple[str, Policy | Candidate, str]] = [("$", base, "move the entry to {}")]
    if base.experiment is not None:
        way_out = "leave the entry out: what {} says holds for both arms"
        parts.append(("$.experiment.candidate", base.experiment.candidate, way_out))
    for path, part, way_out in parts:
        for section in sections:
            for position, entry in enumerate(getattr(part, section, None) or ()):
                if entry.acquirer in owners:
                    raise ConfigError(
                        f"{origin}: {path}.{section}[{position}].acquirer: it has a file of its own: "
                        + way_out.format(owners[entry.acquirer])
                    )
    merged = {section: [each for _, file in files for each in getattr(file, section)] for section in OF_ACQUIRERS}
    merged["acquirers"] = [scope for _, file in files for scope in file.scopes]
    document: dict[str, object] = msgspec.to_builtins(base)
    try:
        return msgspec.convert(
            document
            | {section: [*getattr(base, section), *more] for section, more in merged.items()}
            | _merged_experiment(base.experiment, merged),
            Policy,
        )
    except msgspec.ValidationError as error:  # more entries in all than a section may have
        raise ConfigError(f"{origin} with the files of acquirers: {phrase(str(error))}") from None


def _merged_experiment(experiment: Experiment | None, merged: Mapping[str, Sequence[object]]) -> dict[str, object]:
    """Return the experiment with what files of acquirers say, in the sections that its candidate replaces."""
    if experiment is None:
        return {}
    candidate = experiment.candidate
    replaced = {name: getattr(candidate, name, None) for name in merged}
    more = {name: [*own, *merged[name]] for name, own in replaced.items() if own is not None}
    document: dict[str, object] = msgspec.to_builtins(experiment)
    return {"experiment": document | {"candidate": msgspec.to_builtins(candidate) | more}}
