"""What a user is told when brokers do not do what is asked. Importing this is cheap: every command does."""


class BrokersError(Exception):
    """Raised when brokers cannot be reached or refuse; the text names them, the cause and the way out, on one line."""


class UnreachableError(BrokersError):
    """Raised when no connection stands; the text says which address fails and why."""


class SecurityError(BrokersError):
    """Raised when there is nothing to connect with; the text names the setting and the place, never what is in it."""


class RightsError(BrokersError):
    """Raised when rights are missing; the text names each, and the lines that grant them."""


class TopicsMismatchError(Exception):
    """Raised when an output topic is missing or `decisions` has too few partitions; nothing has been consumed yet."""


class UnreadableError(BrokersError):
    """Raised when a topic, or a range of it, is not there, is not given by the broker, or is broken."""


class MissingTopicError(Exception):
    """Raised when a topic to be written or read does not exist."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} does not exist: run `sekisho topics create`")
