"""One small stream, generated once and read by many tests."""

from dataclasses import dataclass

import msgspec
import pytest

from models.simulator import Item, Simulator, SimulatorConfig, Truth
from scoring.contract.authorization import Authorization
from tests.examples import is_quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A whole stream, its authorizations decoded, and the truth by event id."""

    simulator: Simulator
    items: list[Item]
    events: list[Authorization]
    truth: dict[str, Truth]


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    config = SimulatorConfig(
        seed=11,
        days=2,
        events_per_day=8_000 if is_quick() else 12_000,
        cards=9_000,
        merchants=400,
        repeat_share=0.002,
        report_delay_days=1.0,
    )
    simulator = Simulator(config)
    items = list(simulator)
    decode = msgspec.json.Decoder(Authorization).decode
    return Drawn(
        simulator=simulator,
        items=items,
        events=[decode(item.value) for item in items if item.topic == "authorizations" and item.truth is not None],
        truth={item.truth.event_id: item.truth for item in items if item.truth is not None},
    )
