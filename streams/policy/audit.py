"""Audit log of policies: JSON lines that are only appended, each with the hash of the one before.

A line that was changed, taken out or put in later breaks the chain from there on; only a cut at the end does not show.
Several workers of one machine may share a file: a line is appended under a lock of the file.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from scoring.policy import Policy
from scoring.policy.changes import Change, policy_changes

CHANGES_MAX: Final = 400
"""Most fields in one line. The number of further ones is in `left_out`."""

LINE_BYTES_MAX: Final = 1 << 20
TEXT_MAX: Final = 256
"""Most characters of a value or a fault. So a line stays below its limit."""

FIRST: Final = "0" * 64
"""What the first line has as the hash of the one before."""

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", max_length=64)]


class RecordError(Exception):
    """Raised when a change cannot be recorded: then nothing changes."""


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event. `hash`: SHA-256 of the line's JSON with an empty `hash`; `previous`: the hash of the line before.

    `old`, `new`: identities of policies; `fault`: why a policy was refused. Values of `changes` are JSON.
    """

    number: Annotated[int, Meta(ge=1)]
    time: str
    host: str
    event: Literal["STARTED", "CHANGED", "REFUSED"]
    old: str | None
    new: str | None
    author: str
    approver: str
    changes: list[Change]
    left_out: int
    fault: str
    previous: Digest
    hash: str

    @property
    def expected_hash(self) -> str:
        """The hash that belongs to its content."""
        return sha256(msgspec.json.encode(msgspec.structs.replace(self, hash=""))).hexdigest()


class AuditLog:
    """Append to one file. Every line is on the disk when its method returns."""

    def __init__(self, file: Path, host: str) -> None:
        self._file = file
        self._host = host

    def started(self, policy: Policy) -> None:
        """Record the policy of a worker that starts."""
        self._append("STARTED", None, policy, [], "")

    def changed(self, old: Policy, new: Policy, beside: Sequence[Change] = ()) -> None:
        """Record a change, field by field. `beside`: what else changed with it."""
        self._append("CHANGED", old, new, [*beside, *policy_changes(old, new)], "")

    def refused(self, old: Policy, fault: str) -> None:
        """Record that files were refused and `old` stays."""
        self._append("REFUSED", old, None, [], fault[:TEXT_MAX])

    def _append(
        self,
        event: Literal["STARTED", "CHANGED", "REFUSED"],
        old: Policy | None,
        new: Policy | None,
        changes: list[Change],
        fault: str,
    ) -> None:
        approval = None if new is None else new.approval
        try:
            with self._file.open("a+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                last = _last(stream.fileno(), self._file)
                line = Line(
                    number=1 if last is None else last.number + 1,
                    time=datetime.now(UTC).isoformat(timespec="milliseconds"),
                    host=self._host,
                    event=event,
                    old=None if old is None else old.identity,
                    new=None if new is None else new.identity,
                    author="" if new is None else new.author,
                    approver="" if approval is None else approval.approver,
                    changes=[
                        Change(path, *(text[:TEXT_MAX] for text in said)) for path, *said in changes[:CHANGES_MAX]
                    ],
                    left_out=max(0, len(changes) - CHANGES_MAX),
                    fault=fault,
                    previous=FIRST if last is None else last.hash,
                    hash="",
                )
                sealed = msgspec.structs.replace(line, hash=line.expected_hash)
                stream.write(msgspec.json.encode(sealed) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise RecordError(f"{self._file}: cannot be written: {error.strerror}") from None


def _cut(change: Change) -> Change:
    return Change(change.path[:TEXT_MAX], change.old[:TEXT_MAX], change.new[:TEXT_MAX])


def verify(file: Path) -> Iterator[str]:
    """Check the chain of a file. Yield a fault for each line that does not continue it.

    Raises:
        OSError: the file cannot be read.
    """
    number, previous = 0, FIRST
    with file.open("rb") as stream:
        while text := stream.readline(LINE_BYTES_MAX + 1):
            number += 1
            try:
                line = msgspec.json.decode(text, type=Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                yield f"line {number}: cannot be read"
                continue
            if line.hash != line.expected_hash:
                yield f"line {number}: was changed: its hash is not that of its content"
            elif line.previous != previous or line.number != number:
                yield f"line {number}: does not follow the line before it"
            previous = line.hash


def _last(descriptor: int, file: Path) -> Line | None:
    """Return the last line; None of an empty file."""
    size = os.fstat(descriptor).st_size
    if not size:
        return None
    tail = os.pread(descriptor, LINE_BYTES_MAX, max(0, size - LINE_BYTES_MAX))
    text = tail.removesuffix(b"\n").rpartition(b"\n")[2]
    try:
        if not tail.endswith(b"\n"):
            raise msgspec.DecodeError
        return msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RecordError(
            f"{file}: its last line cannot be read, so no line can follow it: keep the file and name another"
        ) from None
