"""A policy that a backtest decides by, and where the entries of its lists come from."""

from dataclasses import dataclass, field

from scoring.compiled import ListFiles
from scoring.policy import Policy


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy, and the entries of its lists.

    `of_topic`: ids of lists whose source is the topic, and whose entries a file gives here. `left_out`: ids of those
    without a file: they name no payment.
    """

    policy: Policy
    list_files: ListFiles = field(default_factory=ListFiles)
    of_topic: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
