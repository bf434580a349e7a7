"""Static membership: the `group.instance.id` of a worker, from the settings or from its environment."""

import os

import msgspec

from streams.transport.settings import Consume, FromEnv, InstanceId


class InstanceIdError(Exception):
    """Raised when the environment variable of the instance id is missing, or Kafka does not allow its value."""


def instance_id(consume: Consume) -> str | None:
    """Return this worker's `group.instance.id`, or None for a dynamic member.

    Raises:
        InstanceIdError: the variable that holds it is missing or empty, or Kafka does not allow its value.
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
