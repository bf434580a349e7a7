"""Answers about a merchant that may be unknown, and how it uses EMV 3-D Secure."""

from dataclasses import dataclass
from datetime import date
from enum import Enum, auto

from scoring.contract.codes import TdsModeCode


class Answer(Enum):
    """YES, NO, or UNKNOWN where nobody told: unknown is never guilt."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TdsUse:
    """Hold how a merchant uses 3-D Secure. `mode` None: nobody told. `introduced_on` in the future: not yet."""

    mode: TdsModeCode | None = None
    introduced_on: date | None = None

    def on(self, day: date) -> Answer:
        """Say whether the merchant uses it on a day."""
        if self.mode is TdsModeCode.NONE or (self.introduced_on is not None and self.introduced_on > day):
            return Answer.NO
        return Answer.UNKNOWN if self.mode is None else Answer.YES


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """Say whether something is owed, and for how many days it has been; 0 unless YES."""

    answer: Answer
    days: int = 0
