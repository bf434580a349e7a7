"""A worker with a real engine and durable profiles: `python -m tests.integration.state.deciding '<settings as JSON>'`.

Every batch takes 10 ms, so the worker is still busy when a test acts.
"""

import logging
import sys
import time
from typing import Any

import msgspec

from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.observer import Settings
from scoring.outputs import Outputs
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from streams.worker.app import FraudApp, build_app, run
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.bundles import small_bundle
from tests.doubles import NoTelemetry

POLICY = {"version": "t", "global": {"review": 400, "step_up": 600, "block": 800}}
BATCH_S = 0.01


def new_engine() -> Engine:
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits(), has_results=True)
    return Engine(small_bundle(), policy_from(POLICY), settings, "test")


class SlowEngine:
    """An engine that waits before each batch."""

    def __init__(self) -> None:
        self._engine = new_engine()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def score(self, *args: Any, **kwargs: Any) -> Outputs:
        time.sleep(BATCH_S)
        return self._engine.score(*args, **kwargs)

    def outcomes(self, *args: Any, **kwargs: Any) -> Outputs:
        time.sleep(BATCH_S)
        return self._engine.outcomes(*args, **kwargs)


def main() -> int:
    """Run until SIGTERM; the exit status is the worker's."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    warm_up(small_bundle())  # as the real command does
    settings = msgspec.json.decode(sys.argv[1], type=WorkerSettings)

    def build() -> FraudApp:
        return build_app(settings, SlowEngine(), NoTelemetry())  # type: ignore[arg-type]

    return run(build)


if __name__ == "__main__":
    raise SystemExit(main())
