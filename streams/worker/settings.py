"""Settings of the worker, as frozen records. No file, environment or clock is read here."""

from typing import Annotated

from msgspec import Meta, Struct

from streams.kafka.rights.table import Right, worker_rights
from streams.kafka.settings import Broker, Isolation, Seconds, Topics
from streams.kafka.types import DAY_MS
from streams.state.settings import State
from streams.transport.settings import Consume, Emit


class PoisonLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set the limit on dead letters of one partition, beyond which the worker halts.

    It is exceeded when the share and the number among the last `window_events` events are both too high, or when too
    many come in a row.
    """

    window_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    max_letters: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000
    max_consecutive: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000  # without an accepted event or a repeat between


class Watch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set the time limits after which the watchdog ends the process."""

    interval_s: Seconds = 1.0
    stall_s: Seconds = 90.0  # lag and no progress, or a batch unfinished, for longer than this
    settle_s: Seconds = 300.0  # no partitions assigned for longer than this
    restore_stall_s: Seconds = 120.0  # a restore without a step for longer than this
    drain_s: Seconds = 30.0  # from SIGTERM or a crash to the end of the process


class MerchantsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bound the merchant store and what is counted of reported fraud, and the time to read `merchants` at start."""

    merchants_max: Annotated[int, Meta(ge=16, le=1 << 26)] = 1_000_000
    months_max: Annotated[int, Meta(ge=1_024, le=1 << 26)] = 1_000_000
    claims_max: Annotated[int, Meta(ge=1_024, le=1 << 26)] = 1_000_000
    standings_max: Annotated[int, Meta(ge=1_024, le=1 << 22)] = 100_000
    load_timeout_s: Seconds = 120.0


class ListsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bound the entries of the topic `lists`, and set from when they count."""

    delay_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    entries_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000_000
    load_timeout_s: Seconds = 120.0


class WorkerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gather all settings of a worker."""

    broker: Broker = Broker()
    topics: Topics = Topics()
    consume: Consume = Consume()
    emit: Emit = Emit()
    state: State = State()
    poison: PoisonLimit = PoisonLimit()
    watch: Watch = Watch()
    merchants: MerchantsSettings = MerchantsSettings()
    lists: ListsSettings = ListsSettings()
    policies_kept_ms: Annotated[int, Meta(ge=0)] = 40 * DAY_MS
    joined: Annotated[tuple[str, ...], Meta(max_length=8)] = ()  # `profiles.joined`

    @property
    def agreed(self) -> dict[str, str]:
        """The settings that all workers of a group must share, as text by their names in the configuration.

        Keys of shared profiles contain `profiles.joined`, and entries of lists count after `lists.delay_s`.
        """
        delay = {} if self.topics.lists is None else {"lists.delay_s": f"{self.lists.delay_s:g}"}
        return {"profiles.joined": f"[{', '.join(sorted(self.joined))}]", **delay}

    @property
    def is_durable(self) -> bool:
        """Tell whether profiles are kept, so that input is committed once they are durable."""
        return self.state.enabled

    @property
    def is_fenced(self) -> bool:
        """Tell whether the broker fences earlier owners of a partition. Otherwise a lease by the clock does."""
        return self.broker.profile.fencing and self.is_durable

    @property
    def rights(self) -> tuple[Right, ...]:
        """The rights that a worker with these settings needs."""
        return worker_rights(self.topics, self.consume.group, is_durable=self.is_durable, is_fenced=self.is_fenced)

    @property
    def isolation_of(self) -> dict[str, Isolation]:
        """Isolation level by topic, for the topics that workers write. Inputs are read with `consume.isolation`.

        Where the broker fences, flushes of profiles are transactions and count once committed. Outputs are written
        without a transaction: all count, and an open transaction of another program must not hide later ones.
        """
        names = self.topics
        profiles = "read_committed" if self.broker.profile.fencing else self.consume.isolation
        return {
            names.card_profiles: profiles,
            names.shared_profiles: profiles,
            **dict.fromkeys(names.outputs, "read_uncommitted"),
        }
