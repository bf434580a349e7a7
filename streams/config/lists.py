"""Read the files of the lists that a policy declares. No other module opens these files."""

from collections.abc import Set
from hashlib import sha256
from pathlib import Path
from typing import Final

from scoring.compiled import ListFiles
from scoring.lists import ListFileError, ListReader, ListTable
from scoring.policy import Policy
from streams.config.settings import Settings
from streams.config.strict import ConfigError

ENTRIES_MAX: Final = 10_000_000
"""Most lines of all files, without their headers or with."""

SUFFIX: Final = ".csv"
_CHUNK_BYTES: Final = 1 << 16
"""Parsed in one step: about a millisecond, for which the kernel holds the interpreter's lock."""


def list_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the id of their list. Hidden ones are passed over: Kubernetes makes them.

    Raises:
        ConfigError: the folder cannot be read, or has a file that is none of a list.
    """
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}") from None
    for file in files:
        if file.suffix != SUFFIX or not file.is_file():
            raise ConfigError(f"{file}: only files that end in {SUFFIX} belong here: rename it or take it away")
    return {file.name.removesuffix(SUFFIX): file for file in files}


def signature(folder: Path) -> str:
    """Return a text that changes with any file of a folder of lists: by names, sizes and times of change.

    Such files can be large, so their content is read only after a change.

    Raises:
        ConfigError: as `list_files`.
    """
    said = []
    for file in list_files(folder).values():
        try:
            found = file.stat()
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
        said.append(f"{file.name}/{found.st_ino}/{found.st_size}/{found.st_mtime_ns}")
    return "\n".join(said)


def load_lists(
    settings: Settings, policy: Policy, others: Set[str] = frozenset(), *, needs_topic: bool = True
) -> ListFiles:
    """Read the entries of the lists of a policy that are in files. Ten million take some seconds.

    `others`: lists of other policies, whose files may be in the folder too. `needs_topic`: refuse a policy with lists
    of the topic, if the settings name no topic.

    Raises:
        ConfigError: a file is missing, belongs to no list, cannot be read, or is refused; with file, line and column.
    """
    joined = frozenset(settings.profiles.joined_entities)
    folder = settings.policy.lists_dir
    files = {} if folder is None else list_files(Path(folder))
    in_files = [rule for rule in policy.lists if rule.source == "file"]
    if needs_topic and len(in_files) < len(policy.lists) and settings.topics.names.lists is None:
        rule = next(rule for rule in policy.lists if rule.source == "topic")
        raise ConfigError(f"the list {rule.id} of the policy has source: topic: name the topic, topics.names.lists")
    known = {rule.id: number for number, rule in enumerate(policy.lists)}
    files = {name: file for name, file in files.items() if name in known or name not in others}
    for name, file in files.items():
        if any(rule.id == name for rule in policy.lists if rule.source == "topic"):
            raise ConfigError(f"{file}: the policy says source: topic for this list: delete the file, or the source")
        if name not in known:
            raise ConfigError(f"{file}: the policy declares no list {name[:48]}: declare it under lists, or delete it")
    table, digest = ListTable(joined), sha256()
    lines = sum(map(_lines, files.values()))
    if lines > ENTRIES_MAX:
        raise ConfigError(f"{folder}: more than {ENTRIES_MAX:,} entries in all: delete those that have ended")
    table.reserve(lines)
    for rule in in_files:
        if rule.id not in files:
            where = "policy.lists_dir is not set" if folder is None else f"{folder} has no {rule.id}{SUFFIX}"
            raise ConfigError(f"the list {rule.id} of the policy has no file: {where}")
        reader = ListReader(table, known[rule.id], rule.kind, rule.acquirer)
        digest.update(f"{rule.id}={_read(files[rule.id], reader)}\n".encode())
    return ListFiles(table, digest.hexdigest()[:12] if in_files else "")


def _lines(file: Path) -> int:
    """Count the entries of a file, so that the table need not move while they are read."""
    try:
        with file.open("rb") as stream:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None


def _read(file: Path, reader: ListReader) -> str:
    """Read one file; return the SHA-256 of its content."""
    content = sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                content.update(chunk)
                reader.feed(chunk)
            reader.feed(b"", is_last=True)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except ListFileError as error:
        raise ConfigError(f"{file}: {error}") from None
    return content.hexdigest()
