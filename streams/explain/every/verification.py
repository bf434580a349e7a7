"""Decide stored payments again, each by the policy that its published decision names, and compare byte for byte."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from scoring.compiled import CompiledPolicy
from scoring.contract.faults import FAULTS
from scoring.decide.shadow import without_challenger
from scoring.engine import Engine
from scoring.explanation.compare import differences
from scoring.observer import BATCH_MAX
from streams.explain.apply import Applier, payloads
from streams.explain.portion import Portion, Times
from streams.kafka.settings import Topics
from streams.replay.lines import event_id_of

SHOWN_MAX: Final = 20
"""Most decisions that differ which are named."""


class _Versions(msgspec.Struct, frozen=True, gc=False):
    policy: str


class _Named(msgspec.Struct, frozen=True, gc=False):
    decision_id: str
    versions: _Versions


_named = msgspec.json.Decoder(_Named).decode


@dataclass(slots=True)
class Tally:
    """What became of stored decisions.

    `equal`, `different` and `unknown_policy` by the policy that they name; the content of an unknown one is not there.
    `fields`: how many decisions differ in a field. `unpublished`: events that are decided now and have no published
    decision. `undecided`: published decisions whose event is refused or passed over now. `shown`: the first ones that
    differ, with their fields.
    """

    equal: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    unknown_policy: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    unpublished: int = 0
    undecided: int = 0
    shown: list[tuple[str, list[str]]] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether every published decision was computed again, and is equal."""
        return not (self.different or self.unknown_policy or self.undecided)


class Verification(Applier):
    """One engine that decides the payments of all partitions again.

    `policy_of` compiles a recorded policy by its identity, None if its content is not there: then the policy of the
    engine decides, for the sake of cases and caps, and nothing is compared.
    """

    def __init__(
        self,
        engine: Engine,
        policy_of: Callable[[str], CompiledPolicy | None],
        *,
        partitions: int,
        topics: Topics,
    ) -> None:
        super().__init__(engine, partitions=partitions, topics=topics)
        self._own, self._policy_of = engine.in_use, policy_of
        self._known: dict[str, CompiledPolicy | None] = {engine.in_use.identity: engine.in_use}
        self.tally = Tally()

    def take(self, portion: Portion) -> None:
        """Apply records. Payments come with what was published of them (`Portion.decided`)."""
        for low in range(0, len(portion), BATCH_MAX):
            part = portion.part(low, low + BATCH_MAX)
            if part.field != "authorizations":
                self.beside(part)
            else:
                for run in self._runs(part):
                    self._score(*run)
            self.judge(part)

    def _runs(self, portion: Portion) -> Iterator[tuple[Portion, Times, str | None]]:
        """Cut payments where the times of decisions or the policy change: with the times and the policy of each part.

        A payment without a decision (a repeat, an answer) goes with those before it, as at the worker.
        """
        low, held = 0, self._name(portion.decided[0][1])
        times = portion.decided[0][0]
        for at, (own, published) in enumerate(portion.decided):
            name = self._name(published)
            if published is None:
                continue
            if (own, name) != (times, held) and at > low:
                yield portion.part(low, at), times, held
                low = at
            times, held = own, name
        yield portion.part(low, len(portion)), times, held

    def _name(self, published: bytes | None) -> str | None:
        if published is None:
            return None
        try:
            return _named(published).versions.policy
        except FAULTS:
            return ""

    def _score(self, portion: Portion, times: Times, name: str | None) -> None:
        if name is not None and name not in self._known:
            self._known[name] = self._policy_of(name)
        used = None if name is None else self._known[name]
        if used is not None:
            self.engine.use(used)
        elif name is not None:
            self.engine.use(self._own)
        outputs = self.engine.score(
            payloads(portion),
            self.source(portion),
            received_at_ms=times.received_ms,
            decided_at_ms=lambda: times.decided_ms,
        )
        self.applied["authorizations"] += len(portion)
        made = {_named(value).decision_id: value for _, value in outputs.decisions}
        for value, (_, published) in zip(portion.values, portion.decided, strict=True):
            if published is None:
                continue
            event_id = event_id_of(value or b"") or ""
            self._compare(event_id, published, made.pop(event_id, None), name or "", is_known=used is not None)
        self.tally.unpublished += len(made)

    def _compare(self, event_id: str, published: bytes, made: bytes | None, name: str, *, is_known: bool) -> None:
        tally = self.tally
        if not is_known:
            tally.unknown_policy[name] += 1
        elif made is None:
            tally.undecided += 1
        elif without_challenger(published) == made:
            tally.equal[name] += 1
        else:
            tally.different[name] += 1
            paths = [one.path for one in differences(without_challenger(published), made)]
            tally.fields.update(paths)
            if len(tally.shown) < SHOWN_MAX:
                tally.shown.append((event_id, paths))
