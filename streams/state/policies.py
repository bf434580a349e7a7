"""Which policy decides a batch, and which policies are recorded.

Every decision and alert names its policy. So what a predecessor published after its last marker says by which policy it
decided from which input offset on, and the same policies decide this input when it is applied again. Behind the last
event with a published output the policy in use decides. The contents of policies are rows of `card-profiles`
(`scoring.policy.record`): a policy is used only after a flush has made its content durable in every owned partition.

Each marker names the policies that held last in its partition, each with its model and the input offset from which both
held. Another model begins a new line of this list. The content of models is not recorded.
"""

import asyncio
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

import msgspec
from aiokafka.structs import TopicPartition
from msgspec import Struct

from scoring.compiled import CompiledPolicy, ListFiles
from scoring.contract.faults import FAULTS
from scoring.outputs import Outputs, joined
from scoring.policy import Policy
from scoring.policy.record import PolicyRows
from streams.kafka.reading.rows import Rows
from streams.state.log.marker import Held
from streams.state.published import Published
from streams.transport.batch import Batch

log = logging.getLogger(__name__)

HELD_MAX: Final = 16
"""Most policies that a marker names: the last ones that held in its partition."""

COMPILED_MAX: Final = 8
"""Most recorded policies that are kept compiled for the next partitions of a takeover."""


@dataclass(slots=True)
class PartitionPolicies:
    """Policies of an owned partition.

    `held`: the last ones that held, oldest first. `recorded`: those whose content is durable. Below offset `until`
    input is applied again that a predecessor may have decided: by the policies of `schedule`, each from its offset on.
    `recalled`: these compiled; None for one whose content is missing.
    """

    held: list[Held] = field(default_factory=list)
    recorded: frozenset[str] = frozenset()
    schedule: list[Held] = field(default_factory=list)
    until: int = 0
    recalled: dict[str, CompiledPolicy | None] = field(default_factory=dict)


class Owned(Protocol):
    """An owned partition, as its policies need it."""

    partition: int
    published: Published
    policies: PartitionPolicies


class Engine(Protocol):
    """The engine's policies."""

    policies: PolicyRows

    @property
    def in_use(self) -> CompiledPolicy:
        """The policy in use."""
        ...

    def compile(
        self, policy: Policy, list_files: ListFiles | None = None, identity: str | None = None
    ) -> CompiledPolicy:
        """Compile a policy; `identity` of one that was recorded. May run in another thread."""
        ...

    def use(self, compiled: CompiledPolicy) -> None:
        """Decide the next batches by a policy."""
        ...


class Reader(Protocol):
    """Read a range of a partition."""

    def read(self, tp: TopicPartition, begin: int, end: int) -> AsyncGenerator[Rows, None]:
        """Yield its records in pieces."""
        ...


class Telemetry(Protocol):
    """Record by which policies input is applied again."""

    def policy_recalled(self, recorded: int, missing: int) -> None:
        """Record events that were applied again by a recorded policy, or whose policy was missing."""


class Span(NamedTuple):
    """Authorizations that wait at a takeover. `in_flight`: most offsets by which a worker is ahead of its outputs."""

    tp: TopicPartition
    begin: int
    end: int
    in_flight: int


class _Run(NamedTuple):
    """Consecutive events of a batch, [begin, end), and the policy that decided them; None for that in use."""

    begin: int
    end: int
    policy: str | None


class Policies:
    """The policies of one worker. `owned`: the partitions that it owns, by number.

    `kept_ms`: time for which a content stays after its policy was last in use.
    """

    def __init__(self, engine: Engine, owned: Mapping[int, Owned], telemetry: Telemetry, kept_ms: int) -> None:
        self._engine = engine
        self._kept_ms = kept_ms
        self._owned = owned
        self._telemetry = telemetry
        self._next: CompiledPolicy | None = None
        self._flushed = asyncio.Event()
        self._compiled: dict[str, CompiledPolicy | None] = {}

    # -- for the reload

    async def use(self, compiled: CompiledPolicy) -> None:
        """Take a policy into use as soon as its content is durable in every owned partition."""
        self._next = compiled
        try:
            while any(compiled.identity not in owned.policies.recorded for owned in self._owned.values()):
                self._flushed.clear()
                await self._flushed.wait()
            self._engine.use(compiled)  # nothing may be awaited since the check
        finally:
            self._next = None

    # -- for the agents

    def score(self, batch: Batch, score: Callable[[Batch], Outputs]) -> Outputs:
        """Score a batch by the policy in use; what a predecessor may have decided, by the policies that it used."""
        owned = self._owned.get(batch.partition)
        if owned is None:  # profiles are not durable
            return score(batch)
        mine, policies = self._engine.in_use, owned.policies
        if batch.offsets[0] >= policies.until:
            if policies.until:
                policies.schedule, policies.until, policies.recalled = [], 0, {}
            self._note(owned, batch, mine)
            return score(batch)
        try:
            runs = _runs(batch.offsets, policies.schedule, policies.until)
            return joined([self._score(owned, _cut(batch, run), run.policy, score, mine) for run in runs])
        finally:
            self._engine.use(mine)

    def _score(
        self, owned: Owned, batch: Batch, name: str | None, score: Callable[[Batch], Outputs], mine: CompiledPolicy
    ) -> Outputs:
        recalled = mine if name is None else owned.policies.recalled[name]
        used = mine if recalled is None else recalled
        self._engine.use(used)
        self._note(owned, batch, self._engine.in_use)
        if recalled is None:
            self._telemetry.policy_recalled(0, len(batch))
        elif used is not mine:
            self._telemetry.policy_recalled(len(batch), 0)
        return score(batch)

    def _note(self, owned: Owned, batch: Batch, used: CompiledPolicy) -> None:
        held, policy, model = owned.policies.held, used.identity, used.model
        if held and (held[-1].policy, held[-1].model) == (policy, model):
            return
        first = batch.offsets[0]
        held.append(Held(policy=policy, offset=first, model=model))
        del held[:-HELD_MAX]
        log.info("policy_held policy=%s partition=%d from=%d model=%s", policy, owned.partition, first, model)

    # -- for flushes

    def keep(self, owned: Owned, now_ms: int) -> frozenset[str]:
        """Have the next flush of a partition write and delete contents. Return the policies that are recorded then.

        Contents stay for `kept_ms` after they were last in use.
        """
        records = [one.record for one in (self._engine.in_use, self._next) if one is not None]
        others = [name for name, compiled in owned.policies.recalled.items() if compiled is not None]
        self._engine.policies.keep(owned.partition, records, others, now_ms=now_ms, kept_ms=self._kept_ms)
        return frozenset(record.identity for record in records)

    def flushed(self, owned: Owned, recorded: frozenset[str]) -> None:
        """Record that a flush of a partition is durable."""
        owned.policies.recorded = recorded
        self._flushed.set()

    # -- for the restore

    async def recall(self, owned: Owned, reader: Reader, span: Span) -> None:
        """Find which policies decided the input that is about to be applied again, and compile them.

        `span`: the authorizations that wait. Those are read that a predecessor may have decided.

        Raises:
            UnreadableError: the input cannot be read.
        """
        named = dict(owned.published.policies)
        names, partition, mine = sorted(set(named.values())), owned.partition, self._engine.in_use
        contents = {name: self._engine.policies.content(partition, name) for name in names}
        if not any(contents.values()):  # an earlier release recorded none, or the topics of profiles are new
            others = Counter(name for name in named.values() if name != mine.identity)
            for name in others:
                self._missing(owned, name)
            self._telemetry.policy_recalled(0, others.total())
            return
        policies = owned.policies
        policies.schedule, policies.until = await _scheduled(reader, span, named)
        for name in sorted({held.policy for held in policies.schedule}):
            content, compiled = contents[name], None
            if name == mine.identity:
                compiled = mine
            elif content is not None:
                compiled = await asyncio.to_thread(self._recalled, name, content, mine)
            policies.recalled[name] = compiled
            if compiled is None:
                self._missing(owned, name)

    def _missing(self, owned: Owned, name: str) -> None:
        """Log a policy whose content is missing, or cannot be read by this version: the policy in use takes its place.

        A decision that is published already stays. An alert may be raised or left out by the other policy.
        """
        log.error("policy_missing policy=%s partition=%d", name, owned.partition)

    def _recalled(self, name: str, content: bytes, mine: CompiledPolicy) -> CompiledPolicy | None:
        """Compile a recorded policy; None if this version cannot read it. Runs in a thread."""
        if name not in self._compiled:
            if len(self._compiled) >= COMPILED_MAX:
                self._compiled.clear()
            self._compiled[name] = None
            try:
                policy = msgspec.json.decode(content, type=Policy)
            except FAULTS:
                return None
            quiet = mine.policy.alerts.incident_quiet_minutes  # it is that of the process: ids of incidents contain it
            alerts = msgspec.structs.replace(policy.alerts, incident_quiet_minutes=quiet)
            # the entries of lists are not recorded: those in use count, where the lists are the same
            entries = mine.list_files if policy.lists == mine.policy.lists else None
            compiled = self._engine.compile(policy, entries, identity=name)  # the identity of a candidate is of all
            self._compiled[name] = replace(compiled, policy=msgspec.structs.replace(policy, alerts=alerts))
        return self._compiled[name]


def _runs(offsets: Sequence[int], schedule: Sequence[Held], until: int) -> Iterator[_Run]:
    """Cut a batch where the policy changes. Below `until` it is that of the schedule, behind it that in use."""
    begin = 0
    for held, after in pairwise([*schedule, Held(policy="", offset=until)]):
        end = bisect_left(offsets, after.offset)
        if end > begin:
            yield _Run(begin, end, held.policy)
            begin = end
    if begin < len(offsets):
        yield _Run(begin, len(offsets), None)


async def _scheduled(reader: Reader, span: Span, named: dict[bytes, str]) -> tuple[list[Held], int]:
    """Read input, and find by the ids of its events which policy decided from which offset on. Empties `named`.

    Events that no output names go with the next one that has a name: they are repeats, or were not decided yet though
    the alert of a later event was published. Return the policies, and the offset behind the last event with a name.
    """
    schedule: list[Held] = []
    until = span.begin
    async with aclosing(reader.read(span.tp, span.begin, span.end)) as pieces:
        async for rows in pieces:
            for offset, value in zip(rows.offsets, rows.values, strict=True):
                name = named.pop(_event_id(value or b""), None)
                if name is not None:
                    if not schedule or schedule[-1].policy != name:
                        schedule.append(Held(policy=name, offset=until))
                    until = offset + 1
            if not named or rows.offsets[-1] - until > span.in_flight:
                break
    return schedule, until if schedule else 0


def _cut(batch: Batch, run: _Run) -> Batch:
    part = slice(run.begin, run.end)
    return replace(
        batch, offsets=batch.offsets[part], timestamps_ms=batch.timestamps_ms[part], values=batch.values[part]
    )


class _Event(Struct):
    event_id: str


_EVENT: Final = msgspec.json.Decoder(_Event)


def _event_id(value: bytes) -> bytes:
    """Return the id of an authorization; b"" if it cannot be read: then it becomes a dead letter."""
    try:
        return _EVENT.decode(value).event_id.encode()
    except FAULTS:
        return b""
