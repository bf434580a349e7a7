"""A config is valid from construction."""

import doctest
from typing import Any

import pytest

import models.simulator
from models.simulator import EpisodeRates, Planned, SimulatorConfig, demo


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"start_ms": 0},
        {"days": 0},
        {"cards": 99},
        {"merchants": 10},
        {"events_per_day": 0},
        {"quiet_share": 1.1},
        {"report_delay_days": 0.0},
        {"episodes": EpisodeRates(t3=-1.0)},
        {"planned": (Planned(name="", typology="T1", at_ms=0),)},
        {"planned": (Planned(name="x", typology="T5", at_ms=0),)},  # type: ignore[arg-type]
    ],
)
def test_a_value_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        SimulatorConfig(**wrong)


def test_the_presets_are_within_range() -> None:
    assert SimulatorConfig().end_ms > SimulatorConfig().start_ms
    assert demo(history_days=0).days == 1
    assert len({p.name for p in demo().planned}) == len(demo().planned)


def test_the_example_of_the_package_holds() -> None:
    result = doctest.testmod(models.simulator)
    assert result.attempted > 0
    assert result.failed == 0
