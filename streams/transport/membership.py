"""The name under which a worker is a static member of its group: the settings' own, or its environment's."""

import os

import msgspec

from streams.transport.settings import Consume, FromEnv, InstanceId


class InstanceIdError(Exception):
    """Raised when the environment variable that should name this worker is missing, or holds what Kafka refuses."""


def instance_id(consume: Consume) -> str | None:
    """Return this worker's `group.instance.id`; None for a member that the group forgets when it leaves.

    Raises:
        InstanceIdError: it stands in a variable that is missing, empty, or no name to Kafka.
    """
    named = consume.instance_id
    if not isinstance(named, FromEnv):
        return named
    try:
        return msgspec.convert(os.environ.get(named.env, ""), InstanceId)
    except msgspec.ValidationError:
        raise InstanceIdError(
            f"environment variable {named.env}, which consume.instance_id names, is missing, empty or longer than 249 "
            "characters, or has others than letters, digits, '.', '_' and '-'"
        ) from None
