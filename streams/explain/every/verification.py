"""Decide stored payments again, each by the policy and the model that its decision names; compare byte for byte."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from scoring.compiled import CompiledPolicy
from scoring.contract.decision import ModelStateName
from scoring.contract.faults import FAULTS
from scoring.decide.shadow import without_challenger
from scoring.engine import Engine
from scoring.explanation.compare import differences
from scoring.observer import BATCH_MAX
from streams.explain.apply import Applier, payloads
from streams.explain.models import ModelOf, Models, model_named
from streams.explain.portion import Portion, Times
from streams.kafka.settings import Topics
from streams.replay.lines import event_id_of

SHOWN_MAX: Final = 20
"""Most decisions that differ which are named."""


class _Versions(msgspec.Struct, frozen=True, gc=False):
    policy: str
    model: str


class _Named(msgspec.Struct, frozen=True, gc=False):
    decision_id: str
    versions: _Versions
    model_state: ModelStateName | None = None


_named = msgspec.json.Decoder(_Named).decode


class DecidedBy(NamedTuple):
    """What a published decision says of who decided: its policy and its model; "" if it cannot be read."""

    policy: str
    model: ModelOf


@dataclass(slots=True)
class Tally:
    """What became of stored decisions.

    `equal`, `different` and `unknown_policy` by the policy that they name; the content of an unknown one is not there.
    `models`: how many are compared, by the model that they name; `unknown_model`: how many are not, since the bundle is
    not there. One whose policy and model are both not there is in both. `fields`: how many decisions differ in a field.
    `unpublished`: events that are decided now and have no published decision. `undecided`: published decisions whose
    event is refused or passed over now. `shown`: the first ones that differ, with their fields.
    """

    equal: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    unknown_policy: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    unknown_model: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    unpublished: int = 0
    undecided: int = 0
    shown: list[tuple[str, list[str]]] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether every published decision was computed again, and is equal."""
        return not (self.different or self.unknown_policy or self.unknown_model or self.undecided)


class Verification(Applier):
    """One engine that decides the payments of all partitions again.

    `policy_of` compiles a recorded policy by its identity, None if its content is not there: then the policy of the
    engine decides, for the sake of cases and caps, and nothing is compared. The same with `models`: where the model is
    not there, the one before decides.
    """

    def __init__(
        self,
        engine: Engine,
        policy_of: Callable[[str], CompiledPolicy | None],
        models: Models,
        *,
        partitions: int,
        topics: Topics,
    ) -> None:
        super().__init__(engine, partitions=partitions, topics=topics)
        self._own, self._policy_of, self._models = engine.in_use, policy_of, models
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

    def _runs(self, portion: Portion) -> Iterator[tuple[Portion, Times, DecidedBy | None]]:
        """Cut payments where the times of decisions, the policy or the model change: each part with the three.

        A payment without a decision (a repeat, an answer) goes with those before it, as at the worker.
        """
        low, held = 0, _decided_by(portion.decided[0][1])
        times = portion.decided[0][0]
        for at, (own, published) in enumerate(portion.decided):
            if published is None:
                continue
            by = _decided_by(published)
            if (own, by) != (times, held) and at > low:
                yield portion.part(low, at), times, held
                low = at
            times, held = own, by
        yield portion.part(low, len(portion)), times, held

    def _score(self, portion: Portion, times: Times, by: DecidedBy | None) -> None:
        has_policy, has_model = (False, False) if by is None else self._use(by)
        outputs = self.engine.score(
            payloads(portion),
            self.source(portion),
            received_at_ms=times.received_ms,
            decided_at_ms=lambda: times.decided_ms,
        )
        self.applied["authorizations"] += len(portion)
        tally, made = self.tally, {_named(value).decision_id: value for _, value in outputs.decisions}
        for value, (_, published) in zip(portion.values, portion.decided, strict=True):
            if published is None:
                continue
            assert by is not None, "a part with a decision has its policy and model"
            event_id = event_id_of(value or b"") or ""
            recomputed = made.pop(event_id, None)
            if not has_policy:
                tally.unknown_policy[by.policy] += 1
            if not has_model:
                tally.unknown_model[by.model.version] += 1
            if has_policy and has_model:
                self._compare(event_id, published, recomputed, by)
        tally.unpublished += len(made)

    def _use(self, by: DecidedBy) -> tuple[bool, bool]:
        """Decide the next batch by a policy and a model. Return whether each is there."""
        if by.policy not in self._known:
            self._known[by.policy] = self._policy_of(by.policy)
        policy = self._known[by.policy]
        has_model = self._models.use(by.model)
        self.engine.use(self._own if policy is None else policy)
        return policy is not None, has_model

    def _compare(self, event_id: str, published: bytes, made: bytes | None, by: DecidedBy) -> None:
        tally = self.tally
        if made is None:
            tally.undecided += 1
            return
        tally.models[by.model.version] += 1
        if without_challenger(published) == made:
            tally.equal[by.policy] += 1
            return
        tally.different[by.policy] += 1
        paths = [one.path for one in differences(without_challenger(published), made)]
        tally.fields.update(paths)
        if len(tally.shown) < SHOWN_MAX:
            tally.shown.append((event_id, paths))


def _decided_by(published: bytes | None) -> DecidedBy | None:
    """Return who decided; None without a decision."""
    if published is None:
        return None
    try:
        named = _named(published)
    except FAULTS:
        return DecidedBy("", ModelOf(""))
    return DecidedBy(named.versions.policy, model_named(named.versions.model, named.model_state))
