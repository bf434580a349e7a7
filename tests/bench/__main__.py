"""`make bench`: measure, print the figures beside their bars, write bench.json."""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from streams.kafka.embedded import embedded_broker
from tests.bench.harness.machine import describe
from tests.bench.policy_cost import policy_cost
from tests.bench.restore import restore_rate
from tests.bench.run import Harness, Plan, median_ratio, medians, traffic
from tests.brokers import kafka

BARS = {
    "vs_vanilla_faust": ("at least", 20.0),
    "vs_plain_aiokafka": ("at least", 4.0),
    "share_of_floor": ("at least", 0.35),
    "share_of_not_durable": ("at least", 0.75),
    "restored_records_per_second": ("at least", 200_000.0),
    "latency_ms_p50": ("at most", 5.0),
    "latency_ms_p99": ("at most", 20.0),
    "inference_vs_booster": ("at least", 4.0),
    "rules_and_lists_share": ("at most", 0.10),
}
MODEL = Path("models/bundles/demo/model.txt")


def main() -> None:
    """Run the benchmark on Apache Kafka if Java and Maven are installed, else on the embedded broker; print which."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=Plan().rounds)
    parser.add_argument("--backlog", type=int, default=Plan().backlog)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    plan = Plan(rounds=options.rounds, backlog=options.backlog)
    described = describe()
    absent = kafka.missing()
    described["broker"] = f"embedded ({absent})" if absent else f"Apache Kafka {kafka.VERSION}"
    for name, value in described.items():
        print(f"{name:16} {value}")
    broker_context = embedded_broker() if absent else kafka.kafka_broker()
    with broker_context as broker, tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
        figures = asyncio.run(measure_all(Harness(broker, Path(folder), plan)))
    show(figures)
    options.out.write_text(json.dumps({**figures, "machine": described}, indent=2) + "\n")


async def measure_all(harness: Harness) -> dict[str, Any]:
    """Measure everything; the keys are those of bench.json."""
    stages, inference = harness.core(MODEL)
    policy = policy_cost([value for _, value in traffic(harness.plan.stage_events)])
    print("throughput: one backlog, every contender in turn", flush=True)
    rates = await harness.throughput(MODEL)
    restored = await restore_rate(harness.folder / "bench-sekisho-0.yaml")
    print("latency: open loop", flush=True)  # last: a broker that has just started still compiles its code
    latency = await harness.latency()
    return {
        "events_per_second": medians(rates)["sekisho"],
        "vs_vanilla_faust": median_ratio(rates, "vanilla-faust"),
        "vs_plain_aiokafka": median_ratio(rates, "plain-aiokafka"),
        "share_of_floor": median_ratio(rates, "floor"),
        "share_of_not_durable": median_ratio(rates, "not-durable"),
        "restored_records_per_second": restored,
        "latency_ms_p50": latency["p50_ms"],
        "latency_ms_p99": latency["p99_ms"],
        "inference_vs_booster": inference["ratio"],
        "rules_and_lists_share": policy.more_us * medians(rates)["sekisho"] / 1e6,
        "stage_us": stages,
        "detail": {"rates": rates, "latency": latency, "inference": inference},
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures beside their bars."""
    print()
    for name, value in figures.items():
        if isinstance(value, float):
            relation, bar = BARS.get(name, ("", 0.0))
            met = "" if not relation else f"{relation} {bar:g}: {'met' if meets(name, value) else 'MISSED'}"
            print(f"{name:22} {value:>12,.2f}  {met}")
    print(f"{'stage_us':22} " + "  ".join(f"{stage} {us:.1f}" for stage, us in figures["stage_us"].items()))
    late = figures["detail"]["latency"]["generator_late_p99_ms"]
    print(f"generator late p99 {late:.2f} ms; events lost in the open loop {figures['detail']['latency']['lost']}")


def meets(name: str, value: float) -> bool:
    """Tell whether a figure reaches its bar."""
    relation, bar = BARS[name]
    return value >= bar if relation == "at least" else value <= bar


if __name__ == "__main__":
    main()
