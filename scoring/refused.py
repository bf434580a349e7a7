"""What of a batch was refused: its dead letters, and how they are counted."""

from collections import Counter
from collections.abc import Iterable, Sequence

from scoring.contract.dead_letter import Reject
from scoring.decode import encode_dead_letter
from scoring.decode.stripping import Finding
from scoring.outputs import Emitted, LetterRuns, Record, Source, letter_runs


def unburied(rejects: list[tuple[int, Reject]], source: Source, emitted: Emitted) -> list[tuple[int, Reject]]:
    """Give the rejects whose dead letters were not `emitted` before."""
    if not emitted.dead_letters:
        return rejects
    return [reject for reject in rejects if source.offsets[reject[0]] not in emitted.dead_letters]


def reasons_of(rejects: Sequence[tuple[int, Reject]]) -> dict[str, int]:
    """Count rejects by their reasons."""
    return dict(Counter(reject.reason for _, reject in rejects)) if rejects else {}


def kinds_of(found: Iterable[tuple[Finding, ...]]) -> dict[str, int]:
    """Count records by the kinds of what the guard took out of each."""
    return dict(Counter(kind for findings in found for kind in {finding.kind for finding in findings}))


def runs_of(events: int, rejects: Sequence[tuple[int, Reject]]) -> LetterRuns:
    """Give the runs of dead letters among the records of a batch."""
    return letter_runs(events, [position for position, _ in rejects])


def dead_letters_of(
    rejects: Sequence[tuple[int, Reject]], values: Sequence[bytes | None], source: Source, received_at_ms: int
) -> list[Record]:
    """Encode the dead letters of a batch, in order."""
    return [
        encode_dead_letter(
            reject,
            topic=source.topic,
            partition=source.partition,
            offset=source.offsets[position],
            size=len(values[position] or b""),
            record_ms=source.timestamps_ms[position],
            received_ms=received_at_ms,
        )
        for position, reject in rejects
    ]
