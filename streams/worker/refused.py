"""Dead letters of a record batch that was refused as a whole. They name all its offsets; no record was read."""

from collections.abc import Iterator
from typing import Final

from scoring.contract.dead_letter import Reject
from scoring.decode import encode_dead_letter
from scoring.outputs import NOTHING, Emitted, LetterRuns, Outputs, Record, Tally
from streams.records.batches import Refused

LETTERS_MAX: Final = 10_000
"""Most letters of one batch. A batch that claims more records, or whose count is wrong, gets one for the range."""


def outputs_of(
    topic: str, partition: int, refused: Refused, *, received_at_ms: int, emitted: Emitted = NOTHING
) -> Outputs:
    """Return the dead letters of a refused batch, without those in `emitted`. Its records count as events."""
    letters: list[Record] = []
    replayed = 0
    for first, last in _ranges(refused):
        if first in emitted.dead_letters:
            replayed += last - first + 1
            continue
        letters.append(
            encode_dead_letter(
                Reject(reason=refused.reason, path="$"),
                topic=topic,
                partition=partition,
                offset=first,
                size=refused.size,
                record_ms=refused.last_ms,
                received_ms=received_at_ms,
                last_offset=last if last > first else None,
            )
        )
    events = len(refused)
    tally = Tally(events=events, replayed=replayed, dead_letters={refused.reason: events - replayed})
    return Outputs(dead_letters=letters, tally=tally)


def as_one(refused: Refused) -> Tally:
    """Count a refused batch as one event and one dead letter, for the limit on dead letters.

    The number of records is the producer's claim and is not used.
    """
    return Tally(events=1, dead_letters={refused.reason: 1}, letter_runs=LetterRuns(leading=1, trailing=1, longest=1))


def _ranges(refused: Refused) -> Iterator[tuple[int, int]]:
    """Yield the first and last offset of each letter."""
    if refused.is_whole and len(refused) <= LETTERS_MAX:
        for offset in range(refused.first, refused.end):
            yield offset, offset
    else:
        yield refused.first, refused.end - 1
