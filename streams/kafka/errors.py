"""Errors about brokers, worded for users. Every command imports this module, so it imports nothing costly."""


class BrokersError(Exception):
    """Raised when brokers cannot be reached or refuse. The text gives the brokers, the cause and the way out."""


class UnreachableError(BrokersError):
    """Raised when no broker can be connected to. The text gives each address and its cause."""


class SecurityError(BrokersError):
    """Raised when credentials or TLS files cannot be used. The text gives setting and place, never the content."""


class RightsError(BrokersError):
    """Raised when rights are missing. The text lists them, with the command lines that grant them."""


class TopicsMismatchError(Exception):
    """Raised when a topic is missing, or its partitions or configs do not fit. No input has been consumed."""


class UnreadableError(BrokersError):
    """Raised when a topic or a range of it is missing or corrupt, or the broker does not return it."""


class MissingTopicError(Exception):
    """Raised when a topic does not exist that is to be read or written."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} does not exist: run `sekisho topics create`")
