"""All settings of a deployment, composed from the records that each package owns."""

from typing import Final

from msgspec import Struct

from scoring.decode.settings import DecodeSettings
from scoring.model.settings import ModelSettings
from scoring.policy.settings import PolicySettings
from scoring.profile.settings import ProfilesSettings
from scoring.threeds.settings import ThreeDsSettings
from streams.config.addresses import fault_of
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicsSettings
from streams.kafka.types import DAY_MS
from streams.state.settings import State
from streams.telemetry.settings import HttpSettings, LoggingSettings
from streams.transport.settings import Consume, Emit
from streams.webhook.settings import WebhookSettings
from streams.worker.settings import ListsSettings, MerchantsSettings, PoisonLimit, Watch, WorkerSettings

POLICIES_OUTLIVE_MS: Final = 10 * DAY_MS
"""For so much longer than decisions the contents of policies are kept. Kafka deletes segments, not records: a decision
may outlive its retention by the time of a segment (segment.ms, 7 days by default)."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one deployment. Every option has a default; `deploy/config/reference.yaml` explains each."""

    kafka: Broker = Broker()
    topics: TopicsSettings = TopicsSettings()
    consume: Consume = Consume()
    emit: Emit = Emit()
    state: State = State()
    poison: PoisonLimit = PoisonLimit()
    watch: Watch = Watch()
    model: ModelSettings = ModelSettings()
    policy: PolicySettings = PolicySettings()
    decode: DecodeSettings = DecodeSettings()
    merchants: MerchantsSettings = MerchantsSettings()
    lists: ListsSettings = ListsSettings()
    profiles: ProfilesSettings = ProfilesSettings()
    threeds: ThreeDsSettings = ThreeDsSettings()
    http: HttpSettings = HttpSettings()
    logging: LoggingSettings = LoggingSettings()
    webhook: WebhookSettings = WebhookSettings()

    @property
    def worker(self) -> WorkerSettings:
        """The settings of the worker: of transport and agents."""
        return WorkerSettings(
            broker=self.kafka,
            topics=self.topics.full,
            consume=self.consume,
            emit=self.emit,
            state=self.state,
            poison=self.poison,
            watch=self.watch,
            merchants=self.merchants,
            lists=self.lists,
            policies_kept_ms=self.topics.retention_ms.decisions + POLICIES_OUTLIVE_MS,
            joined=self.profiles.joined,
        )

    def __post_init__(self) -> None:
        for position, address in enumerate(self.kafka.bootstrap):
            if fault := fault_of(address):
                raise ValueError(f"kafka.bootstrap_servers[{position}]: {fault}")
        if self.watch.stall_s <= self.emit.ack_timeout_s:
            raise ValueError("watch.stall_s must exceed emit.ack_timeout_s, or a slow produce looks like a stall")
        if self.emit.request_timeout_s > self.emit.ack_timeout_s:
            raise ValueError("emit.request_timeout_s must not exceed emit.ack_timeout_s, which is for all attempts")
        if self.watch.restore_stall_s <= max(self.state.read_timeout_s, self.state.fence_timeout_s):
            raise ValueError(
                "watch.restore_stall_s must exceed state.read_timeout_s and state.fence_timeout_s, or a slow broker "
                "looks like a stall"
            )
        if self.consume.record_batch_max_bytes < 2 * self.decode.bytes_max:
            raise ValueError(
                "consume.record_batch_max_bytes must be twice decode.bytes_max, or more: an event has a key"
            )
        if self.watch.drain_s < self.emit.request_timeout_s:
            raise ValueError(
                "watch.drain_s must not be below emit.request_timeout_s, or a drain ends before its acknowledgements"
            )
        if self.kafka.profile.session_timeout_s > self.kafka.request_timeout_s:
            raise ValueError("kafka.request_timeout_s must not be below the profile's session_timeout_s")
        if self.kafka.profile.heartbeat_interval_s * 3 > self.kafka.profile.session_timeout_s:
            raise ValueError("kafka.profile: heartbeat_interval_s must be at most a third of session_timeout_s")
