"""A worker with a real engine and durable profiles: `python -m tests.integration.state.deciding '<settings as JSON>'`.

Every batch takes 10 ms, so the worker is still busy when a test acts. With a folder as a second argument it decides by
`policy.yaml` there, takes each change of that file into use, and logs to `log` there. With `with-model` as a third
argument its model is the bundle in `bundle` there, if there is one, and it takes each change of it into use. If the
folder has a file `port`, the worker shows its metrics at this port.
"""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.lists import DatedLimits
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.model.settings import ModelSettings
from scoring.observer import Settings
from scoring.outputs import Outputs
from scoring.policy import Policy, policy_from
from scoring.policy.settings import PolicySettings
from scoring.profile import ProfileLimits
from streams.config.policies import load_policy
from streams.config.settings import Settings as Configured
from streams.config.wiring import connect, load_model
from streams.kafka.settings import Topics
from streams.kafka.topics import TopicsSettings
from streams.policy.model_reload import model_reload_of
from streams.policy.reload import reload_of
from streams.telemetry.facts import Telemetry
from streams.telemetry.http import HttpEndpoints
from streams.telemetry.settings import HttpSettings
from streams.worker.app import FraudApp, build_app, run
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.bundles import small_bundle
from tests.doubles import NoTelemetry

POLICY = {"version": "t", "global": {"review": 400, "step_up": 600, "block": 800}}
BATCH_S = 0.01


def new_engine(
    policy: Policy | None = None, model: Bundle | NoModel | None = None, dated: DatedLimits | None = None
) -> Engine:
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits(), has_results=True, dated=dated or DatedLimits())
    return Engine(model or small_bundle(), policy or policy_from(POLICY), settings, "test")


class ReloadTelemetry(NoTelemetry):
    """Ignores reloads too, whatever they say."""

    def policy_applied(self, *_: object) -> None: ...

    def policy_refused(self, *_: object) -> None: ...

    def model_applied(self, *_: object) -> None: ...

    def model_refused(self, *_: object) -> None: ...


class SlowEngine:
    """An engine that waits before each batch."""

    def __init__(
        self, policy: Policy | None = None, model: Bundle | NoModel | None = None, dated: DatedLimits | None = None
    ) -> None:
        self._engine = new_engine(policy, model, dated)

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

    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if folder is None:
        return run(lambda: build_app(settings, SlowEngine(), NoTelemetry()))  # type: ignore[arg-type]
    logging.basicConfig(level=logging.INFO, filename=folder / "log", format="%(message)s", force=True)
    with_model = "with-model" in sys.argv[3:]
    place = ModelSettings(bundle_dir=str(folder / "bundle") if with_model else None, watch_interval_s=0.03)
    configured = Configured(
        policy=PolicySettings(file=str(folder / "policy.yaml"), watch_interval_s=0.03),
        model=place,
        topics=TopicsSettings(names=Topics(lists="lists")),
    )
    policy = load_policy(configured)
    dated = DatedLimits(delay_ms=int(settings.lists.delay_s * 1000))
    engine: Any = SlowEngine(policy, load_model(configured, policy) if with_model else None, dated)

    telemetry: Any = ReloadTelemetry()
    if (folder / "port").exists():
        telemetry = Telemetry(settings.topics)
        connect(telemetry, engine)
        HttpEndpoints(HttpSettings(port=int((folder / "port").read_text())), telemetry)

    def build() -> FraudApp:
        made = build_app(settings, engine, telemetry)
        use = made.changelog_writer.policies.use
        made.beside.append(reload_of(configured, engine, telemetry, use, origin="test"))
        model = model_reload_of(configured, engine, telemetry)
        if model is not None:
            made.beside.append(model)
        return made

    return run(build)


if __name__ == "__main__":
    raise SystemExit(main())
