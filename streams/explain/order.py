"""The order in which a worker applied its input, as far as the topics tell.

Within a partition of a topic, the offsets are the order. Between partitions Kafka stores none. A decision has the times
of its poll and of its batch's end on the worker's clock, so the batches of one worker are put into the order of these
times. A record without a decision (a repeat, an issuer's answer, a refused one) stays beside its neighbours.

Other inputs have only the time of their record. One is applied before the first payment whose record is not older.
Where payments have been replayed with old times, a record that is newer than these is applied when the payments were
polled. Merchants are read ahead by every worker, so a record counts once it is not newer than the poll.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from streams.explain.portion import Times
from streams.kafka.types import DAY_MS

OLD_MS: Final = DAY_MS
"""Age of a payment's record at its poll, from which it was replayed and not late."""


class Payment(NamedTuple):
    """A record of an authorization with its times: those of its decision, else of its neighbours.

    `published`: its decision, if all of them are asked for.
    """

    offset: int
    key: bytes
    value: bytes | None
    at_ms: int
    times: Times
    published: bytes | None = None


class Beside(NamedTuple):
    """A record of another input."""

    offset: int
    key: bytes
    value: bytes | None
    at_ms: int


def placed(at_ms: Sequence[int], known: Sequence[Times | None], before: Times) -> list[Times]:
    """Give times to consecutive records of a partition: a decision's own, else times between those of its neighbours.

    `at_ms`: the times of the records. `before`: the times of the record before the first one. A record without a
    decision has its own time, but is not before the last decision and not after the next one.
    """
    made: list[Times] = []
    following: list[Times | None] = []
    last: Times | None = None
    for times in reversed(known):
        last = times or last
        following.append(last)
    for at, own, after in zip(at_ms, known, reversed(following), strict=True):
        latest = Times(at, at) if after is None else Times(min(at, after.received_ms), min(at, after.decided_ms))
        between = Times(max(before.received_ms, latest.received_ms), max(before.decided_ms, latest.decided_ms))
        before = own or between
        made.append(before)
    return made


def is_due(record: Beside, payment: Payment) -> bool:
    """Tell whether a record of another input is applied before a payment."""
    if record.at_ms <= payment.at_ms:
        return True
    received_ms = payment.times.received_ms
    is_replayed = received_ms - payment.at_ms > OLD_MS and record.at_ms - payment.at_ms > OLD_MS
    return is_replayed and record.at_ms <= received_ms


def is_known(merchant: Beside, payment: Payment) -> bool:
    """Tell whether a record of a merchant is applied before a payment."""
    return merchant.at_ms <= max(payment.at_ms, payment.times.received_ms)


def rank(payment: Payment, partition: int) -> tuple[int, int, int]:
    """Return what payments of several partitions are sorted by, each the first one of its partition that is left."""
    return payment.times.decided_ms, payment.times.received_ms, partition
