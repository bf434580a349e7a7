"""Check whether a worker with the present configuration accepts a record."""

from collections.abc import Callable, Sequence

from scoring.contract.dead_letter import Reject
from scoring.decode import Decoded, DecodeLimits, decode, decode_outcomes, parse_reports, parse_results
from scoring.decode.side_inputs import decode_report, decode_result
from streams.kafka.settings import Topics

BATCH_MAX = 2_048

Verdict = Reject | bytes
"""The reason why a record is refused, or the card token of an accepted one."""


class Judge:
    """Guard and decode records as the worker does."""

    def __init__(self, topics: Topics, limits: DecodeLimits) -> None:
        self._limits = limits
        self._judges: dict[str | None, Callable[[Sequence[bytes]], list[Verdict]]] = {
            topics.authorizations: lambda values: self._of_events(decode(values, limits), len(values)),
            topics.authorization_outcomes: lambda values: self._of_events(decode_outcomes(values, limits), len(values)),
            topics.fraud_reports: self._of_reports,
            topics.threeds_results: self._of_results,
        }
        assert self._judges.keys() >= set(topics.inputs), "each input has its judge"

    def verdicts(self, topic: str, values: Sequence[bytes]) -> list[Verdict]:
        """Return one verdict for each record of a topic, in order."""
        assert len(values) <= BATCH_MAX
        return self._judges[topic](values)

    def _of_events(self, decoded: Decoded, count: int) -> list[Verdict]:
        found: dict[int, Verdict] = dict(decoded.rejects)
        for position, name in zip(decoded.index.tolist(), decoded.names, strict=True):
            found[position] = name[2]
        return [found[position] for position in range(count)]

    def _of_reports(self, values: Sequence[bytes]) -> list[Verdict]:
        parsed = parse_reports(values, self._limits)
        rejects = dict(parsed.rejects)
        return [
            rejects.get(position) or decode_report(value).pan_hmac.encode()
            for position, value in enumerate(parsed.values)
        ]

    def _of_results(self, values: Sequence[bytes]) -> list[Verdict]:
        parsed = parse_results(values, self._limits)
        rejects = dict(parsed.rejects)
        return [
            rejects.get(position) or decode_result(value).pan_hmac.encode()
            for position, value in enumerate(parsed.values)
        ]
