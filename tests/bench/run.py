"""One benchmark run: one broker, every contender on the same backlog in turn, then latency, inference, stages."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson
import yaml

from models.simulator.soak import soak_values
from scoring.clock import UNDATED
from scoring.engine import Engine
from scoring.observer import Observer
from streams.config.settings import Settings
from streams.config.wiring import build_engine
from streams.kafka.embedded import free_port
from streams.kafka.settings import Broker
from streams.kafka.topics import PROFILE_CONFIGS
from tests.bench.harness import kafka_io
from tests.bench.harness.drain import Contender, drain_rate
from tests.bench.harness.machine import WORKER_CORE, pin
from tests.bench.harness.processes import running
from tests.bench.inference import compare
from tests.bench.latency import measure
from tests.bench.same_job import NOTHING, payment_row, verdict
from tests.bench.stages import stage_us

POPULATION = 20_000
SEED = 11
SIGNATURE = b'"event_id":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The size of a run."""

    backlog: int = 400_000
    rounds: int = 3
    latency_rate: float = 2_000.0
    latency_s: float = 70.0
    stage_events: int = 60_000


def traffic(n: int, seed: int = SEED) -> Iterator[tuple[bytes, bytes]]:
    """Yield keyed authorizations of about 1 KB, of a fixed population, each with its own id."""
    for batch in soak_values(n, POPULATION, seed, lean=True):
        yield from batch


def event_id(value: bytes) -> str:
    """Read an event's id without parsing the event."""
    start = value.index(SIGNATURE) + len(SIGNATURE)
    return value[start : value.index(b'"', start)].decode()


class Harness:
    """Parts of one run: the broker, a folder for configurations, the topics created so far."""

    def __init__(self, broker: Broker, folder: Path, plan: Plan) -> None:
        self.bootstrap = broker.bootstrap[0]
        self.profile = broker.profile.name if broker.profile.name == "embedded" else "apache-kafka"
        self.folder = folder
        self.plan = plan
        self.source = "bench-authorizations"

    def worker_config(self, name: str, source: str, port: int, *, durable: bool = True) -> Path:
        """Write the configuration of a worker with topics and group of its own."""
        config = {
            "kafka": {"bootstrap_servers": [self.bootstrap], "profile": self.profile},
            "topics": {
                "names": {
                    "authorizations": source,
                    "authorization_outcomes": f"{name}-authorization-outcomes",
                    "fraud_reports": f"{name}-fraud-reports",
                    "merchants": f"{name}-merchants",
                    "decisions": f"{name}-decisions",
                    "alerts": f"{name}-alerts",
                    "dead_letters": f"{name}-dead-letters",
                    "card_profiles": f"{name}-card-profiles",
                    "shared_profiles": f"{name}-shared-profiles",
                }
            },
            "state": {"enabled": durable},
            "consume": {"group": name},
            "http": {"port": port},
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    async def sekisho(
        self, name: str, source: str, configs: dict[str, str] | None = None, *, durable: bool = True
    ) -> Contender:
        """Prepare a worker: its topics, with Kafka's `configs`, and its command."""
        kinds = ("authorization-outcomes", "fraud-reports", "decisions", "alerts", "dead-letters")
        topics = [f"{name}-{kind}" for kind in kinds]
        await kafka_io.create_topics(self.bootstrap, topics, configs)
        await kafka_io.create_topics(self.bootstrap, [f"{name}-merchants"], {"cleanup.policy": "compact"})
        await kafka_io.create_topics(
            self.bootstrap, [f"{name}-card-profiles", f"{name}-shared-profiles"], dict(PROFILE_CONFIGS)
        )
        port = free_port()
        config = self.worker_config(name, source, port, durable=durable)
        command = [str(Path(sys.executable).with_name("sekisho")), "worker", "--config", str(config)]
        kind = "sekisho" if durable else "not-durable"
        return Contender(name=kind, command=command, target=f"{name}-decisions", port=port)

    async def peer(self, peer: str, name: str, model: Path) -> Contender:
        """Prepare one of the peers."""
        await kafka_io.create_topics(self.bootstrap, [f"{name}-decisions"])
        command = [sys.executable, "-m", "tests.bench.peers", peer, "--bootstrap", self.bootstrap]
        command += ["--source", self.source, "--target", f"{name}-decisions", "--model", str(model)]
        return Contender(name=peer, command=command, target=f"{name}-decisions")

    async def throughput(self, model: Path) -> dict[str, list[float]]:
        """Process the same backlog with every contender in turn, `rounds` times; events per second of each."""
        await kafka_io.create_topics(self.bootstrap, [self.source])
        await kafka_io.fill(self.bootstrap, self.source, traffic(self.plan.backlog))
        rates: dict[str, list[float]] = {}
        for number in range(self.plan.rounds):
            contenders: Sequence[Contender] = [
                await self.sekisho(f"bench-sekisho-{number}", self.source),
                await self.sekisho(f"bench-not-durable-{number}", self.source, durable=False),
                await self.peer("floor", f"bench-floor-{number}", model),
                await self.peer("plain-aiokafka", f"bench-plain-{number}", model),
                await self.peer("vanilla-faust", f"bench-faust-{number}", model),
            ]
            for contender in contenders:
                rate = await drain_rate(contender, self.bootstrap, self.plan.backlog)
                rates.setdefault(contender.name, []).append(rate)
                print(f"  round {number + 1}: {contender.name:15} {rate:>10,.0f} events/s", flush=True)
        return rates

    async def latency(self) -> dict[str, Any]:
        """Run the open loop against one worker."""
        source = "bench-latency-authorizations"
        await kafka_io.create_topics(self.bootstrap, [source])
        contender = await self.sekisho("bench-latency", source)
        n = int(self.plan.latency_rate * self.plan.latency_s)
        events = [(event_id(value), key, value) for key, value in traffic(n, SEED + 1)]
        with running(contender.command) as service:
            service.until_ready(contender.port)
            pin(service.process.pid, WORKER_CORE)
            measured = await measure(self.bootstrap, source, contender.target, events, self.plan.latency_rate)
        return asdict(measured)

    def core(self, model: Path) -> tuple[dict[str, float], dict[str, float]]:
        """Time the stages and the model without Kafka."""
        engine = build_engine(Settings())
        values = [value for _, value in traffic(self.plan.stage_events)]
        check_same_enrichment(engine, values[:1_000])
        stages, rows = stage_us(engine, values)
        return stages, asdict(compare(engine.model, model.read_text(), rows))


def check_same_enrichment(engine: Engine, values: Sequence[bytes]) -> None:
    """Check that the peers do the job: their features of the payment equal ours on these events."""
    ours = Observer(engine.observer.settings).observe(values, [UNDATED] * len(values)).matrix
    for value, row in zip(values, ours, strict=True):
        event = orjson.loads(value)
        theirs = payment_row(event, NOTHING, verdict(event, NOTHING))
        np.testing.assert_allclose(theirs, row[: len(theirs)], rtol=1e-9)


def medians(rates: dict[str, list[float]]) -> dict[str, float]:
    """Give the median rate of each contender."""
    return {name: median(values) for name, values in rates.items()}


def median_ratio(rates: dict[str, list[float]], peer: str) -> float:
    """Give the median over the rounds of our rate divided by the peer's."""
    return median(ours / theirs for ours, theirs in zip(rates["sekisho"], rates[peer], strict=True))
