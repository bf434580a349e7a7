"""The last good policy in a file, for a worker that starts while the files of its policy are refused."""

import logging
import os
from pathlib import Path

import msgspec

from scoring.policy import Policy
from streams.config.policies import load_policy
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.policy.audit import RecordError

log = logging.getLogger(__name__)


def keep(file: Path, policy: Policy) -> None:
    """Write a policy that is in use, whole or not at all.

    Raises:
        RecordError: the file cannot be written.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            stream.write(msgspec.json.encode(policy))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as error:
        raise RecordError(f"{file}: cannot be written: {error.strerror}") from None


def starting_policy(settings: Settings, *, origin: str) -> Policy:
    """Load the policy of the settings; if it is refused, the last good one, where `policy.last_good_file` has it.

    Raises:
        ConfigError: the policy is refused, and there is no last good one that can be read.
    """
    try:
        return load_policy(settings, origin=origin)
    except ConfigError as fault:
        file = settings.policy.last_good_file
        if file is None:
            raise
        try:
            kept = msgspec.json.decode(Path(file).read_bytes(), type=Policy)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            raise fault from None
        log.error("policy_refused kept=%s fault=%s", kept.identity, str(fault).replace("\n", " | "))
        return kept
