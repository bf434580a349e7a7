"""Which arm of an experiment decides a card: a hash of the card's key and the experiment's salt.

It depends on nothing else: the same card has the same arm on every worker, in every partition, after a restart. Two
experiments with different salts are independent of each other, and of the partition, which Kafka takes from another
hash.
"""

from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.policy.experiment.declared import Experiment
from scoring.policy.rules.counts import PER_MILLE

_M1: Final = np.uint64(0xBF58476D1CE4E5B9)
_M2: Final = np.uint64(0x94D049BB133111EB)
"""Multipliers of splitmix64 (Steele, Lea and Flood, OOPSLA 2014; public domain), variant 13 of Stafford."""
_S1, _S2, _S3, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_PER_MILLE: Final = np.uint64(PER_MILLE)


class Arm(IntEnum):
    """Who decides a payment. NONE: no experiment is in force at its time, and the published policy decides."""

    NONE = 0
    A = 1
    B = 2


class Arms(NamedTuple):
    """The arms of a batch: `of` int8[n] of `Arm`. `number`: the experiment's, by `number_of`."""

    number: int
    of: NDArray[np.int8]

    @property
    def of_candidate(self) -> NDArray[np.int64]:
        """The rows that the candidate decides, int64[m], ascending."""
        return np.flatnonzero(self.of == Arm.B)


class Assignment(NamedTuple):
    """An experiment as it assigns cards. Times in ms since the epoch, `to_ms` is the first one after it."""

    number: int
    salt: int
    share_per_mille: int
    from_ms: int
    to_ms: int

    def arms(self, cards: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> Arms | None:
        """Return the arm of each event, or None if none of them is in the time of the experiment.

        `cards` uint64[n]: keys of cards as decoded. `at_ms` int64[n]: times as the policy takes them.
        """
        is_in = (at_ms >= self.from_ms) & (at_ms < self.to_ms)
        if not is_in.any():
            return None
        of = np.where(buckets(cards, self.salt) < self.share_per_mille, np.int8(Arm.B), np.int8(Arm.A))
        of[~is_in] = Arm.NONE
        return Arms(self.number, of)


def assignment_of(experiment: Experiment) -> Assignment:
    """Prepare an experiment."""
    return Assignment(
        number=number_of(experiment.id),
        salt=salt_of(experiment.effective_salt),
        share_per_mille=experiment.share_per_mille,
        from_ms=experiment.from_ms,
        to_ms=experiment.to_ms,
    )


def buckets(cards: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """Return the bucket of each card, uint64[n] from 0 to 999. `salt` by `salt_of`.

    The finaliser of splitmix64 of card XOR salt. Its upper 32 bits times 1,000 over 2**32, so a bucket has a share of
    1/1000 to 1 part in 4 million.
    """
    h = cards ^ np.uint64(salt)
    h = (h ^ (h >> _S1)) * _M1
    h = (h ^ (h >> _S2)) * _M2
    h ^= h >> _S3
    found: NDArray[np.uint64] = (h >> _32) * _PER_MILLE >> _32
    return found


def salt_of(text: str) -> int:
    """Return the salt of 64 bits of a text: the first eight bytes of its BLAKE2b, little-endian."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def number_of(experiment: str) -> int:
    """Return the number of an experiment by its id: 32 bits, the same in every version of a policy."""
    return int.from_bytes(blake2b(experiment.encode(), digest_size=4).digest(), "little")
